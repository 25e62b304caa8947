//! Asking everyone at once. Each part has five seconds; what fails is a part of the answer, and the rest is there all the same.

use std::{fmt::Display, time::Duration};

use jiff::Timestamp;
use ops::{Operation, Outcome};
use serde::Serialize;
use shared::clock;
use tokio::time::timeout;

use super::{
    alarms::{self, Alarm},
    cost::{self, Cost},
    health::{self, Health},
};
use crate::{
    aliases, rollback,
    stage::{self, Cloud, Name, Stage},
};

const WITHIN: Duration = Duration::from_secs(5);

/// What is wanted of a stage in the cloud besides what everyone wants.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub name: Name,
    /// Which alarms ring.
    pub alarms: bool,
    /// Which release each function is at, and what the month has cost.
    pub account: bool,
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
    pub alarms: Option<Part<Vec<Alarm>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<Part<Releases>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Part<Cost>>,
}

/// An answer, or in words why there is none.
#[derive(Clone, Debug, Serialize)]
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
    let cloud = match stage {
        Stage::Cloud(cloud) => Some(cloud.as_ref()),
        Stage::Dev(_) => None,
    };
    if let Some(cloud) = cloud
        && let Part::Missing { problem } = within(cloud.sign_in()).await
    {
        return unasked(asked, &problem);
    }
    let (watched, billed) = (cloud.filter(|_| asked.alarms), cloud.filter(|_| asked.account));
    let (status, health) = (Box::pin(within(status(stage))), Box::pin(health(stage)));
    let alarms = Box::pin(of(watched, |cloud| within(alarms::ask(cloud))));
    let releases = Box::pin(of(billed, |cloud| within(releases(cloud))));
    let cost = Box::pin(of(billed, |cloud| within(cost::ask(cloud))));
    let (status, health, alarms, releases, cost) = tokio::join!(status, health, alarms, releases, cost);
    Report { stage: asked.name.as_str(), name: asked.name, at: clock::now(), status, health, alarms, releases, cost }
}

/// Nobody can be asked without credentials: one reason for everything.
fn unasked(Asked { name, alarms, account }: Asked, problem: &str) -> Report {
    fn part<T>(problem: &str) -> Part<T> {
        Part::Missing { problem: problem.to_owned() }
    }
    let health = part(&format!("{}: {problem}", health::NOBODY_ASKED));
    let (status, at, stage) = (part(problem), clock::now(), name.as_str());
    let (alarms, releases) = (alarms.then(|| part(problem)), account.then(|| part(problem)));
    Report { stage, name, at, status, health, alarms, releases, cost: account.then(|| part(problem)) }
}

/// What only a stage in the cloud has.
async fn of<'c, T, F: Future<Output = Part<T>>>(
    cloud: Option<&'c Cloud>,
    ask: impl FnOnce(&'c Cloud) -> F,
) -> Option<Part<T>> {
    Some(ask(cloud?).await)
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
