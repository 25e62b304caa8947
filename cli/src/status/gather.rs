//! Asking everyone at once. Each part has five seconds; what fails is a part of the answer, and the rest is there all the same.

use std::{fmt::Display, time::Duration};

use jiff::Timestamp;
use ops::{Operation, Outcome};
use serde::Serialize;
use shared::clock;
use tokio::time::timeout;

use super::{
    cost::{self, Cost},
    health::{self, Health},
};
use crate::{
    aliases, rollback,
    stage::{self, Cloud, Name, Stage},
};

const WITHIN: Duration = Duration::from_secs(5);

/// What is wanted besides what everyone wants.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub name: Name,
    /// Which release each function is at; of a stage in the cloud.
    pub releases: bool,
    pub cost: bool,
}

/// What was learnt.
#[derive(Debug, Serialize)]
pub struct Report {
    pub stage: &'static str,
    #[serde(skip)]
    pub name: Name,
    /// By the clock of this machine.
    pub at: Timestamp,
    pub status: Part<ops::Status>,
    pub health: Part<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<Part<Releases>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Part<Cost>>,
}

/// An answer, or in words why there is none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Part<T> {
    There(T),
    Missing { problem: String },
}

impl<T> Part<T> {
    pub fn there(&self) -> Option<&T> {
        match self {
            Self::There(value) => Some(value),
            Self::Missing { .. } => None,
        }
    }

    fn of(result: Result<T, impl Display>) -> Self {
        match result {
            Ok(value) => Self::There(value),
            Err(problem) => Self::Missing { problem: problem.to_string() },
        }
    }
}

/// What the functions of a stage in the cloud run.
#[derive(Debug, Serialize)]
pub struct Releases {
    /// The newest that an alias points at.
    pub current: Option<String>,
    pub functions: usize,
    /// Those at another one, with it.
    pub elsewhere: Vec<(String, String)>,
}

pub async fn gather(stage: &Stage, asked: Asked) -> Report {
    let of_cloud = |wanted: bool| match stage {
        Stage::Cloud(cloud) if wanted => Some(cloud.as_ref()),
        _ => None,
    };
    let releases = async {
        match of_cloud(asked.releases) {
            Some(cloud) => Some(Box::pin(within(releases(cloud))).await),
            None => None,
        }
    };
    let cost = async {
        match of_cloud(asked.cost) {
            Some(cloud) => Some(Box::pin(within(cost::ask(cloud))).await),
            None if asked.cost => Some(Part::Missing { problem: "this machine sends no bill".into() }),
            None => None,
        }
    };
    let (status, health) = (Box::pin(within(status(stage))), Box::pin(health(stage)));
    let (status, health, releases, cost) = tokio::join!(status, health, releases, cost);
    Report { stage: asked.name.as_str(), name: asked.name, at: clock::now(), status, health, releases, cost }
}

/// The address first: not to know it says nothing of the API.
async fn health(stage: &Stage) -> Part<Health> {
    match within(stage.api_url()).await {
        Part::There(url) => within(health::ask(&url)).await,
        Part::Missing { problem } => Part::Missing { problem: format!("{}: {problem}", health::NOBODY_ASKED) },
    }
}

async fn within<T>(asking: impl Future<Output = anyhow::Result<T>>) -> Part<T> {
    match timeout(WITHIN, asking).await {
        Ok(answer) => Part::of(answer.map_err(|error| format!("{error:#}"))),
        Err(_) => Part::of(Err(format!("no answer within {} s", WITHIN.as_secs()))),
    }
}

async fn status(stage: &Stage) -> anyhow::Result<ops::Status> {
    match stage.operate(Operation::ShowStatus).await? {
        Outcome::Status(status) => Ok(*status),
        _ => anyhow::bail!("{}", stage::UNEXPECTED),
    }
}

async fn releases(cloud: &Cloud) -> anyhow::Result<Releases> {
    let functions = aliases::read(cloud).await?;
    let current = rollback::current(&functions).map(str::to_owned);
    let elsewhere = functions.iter().filter(|function| function.release() != current.as_deref());
    let elsewhere =
        elsewhere.map(|it| (it.name.clone(), it.release().unwrap_or("an unknown one").to_owned())).collect();
    Ok(Releases { current, functions: functions.len(), elsewhere })
}
