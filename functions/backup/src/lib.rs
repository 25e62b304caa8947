//! The jobs backup, prune, drill.

pub mod bridge;
pub mod inventory;
pub mod manifest;
mod private;
pub mod programs;
pub mod retention;

use lambda_runtime::Error;
use serde_json::Value;
use shared::{
    config::{Env, Faults},
    db::ConnectError,
    jobs::{self, Platform},
};

/// What this function needs to know at start.
#[derive(Clone, Debug)]
pub struct Settings {
    pub platform: jobs::Settings,
}

impl Settings {
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        match jobs::Settings::read(env, &mut faults) {
            Some(platform) => faults.into_result(Self { platform }),
            None => Err(faults),
        }
    }
}

/// What one environment holds from init on.
pub struct Backup {
    platform: Platform,
}

impl Backup {
    /// Nothing is called yet.
    pub async fn new(settings: Settings) -> Result<Self, ConnectError> {
        Ok(Self { platform: Platform::new(settings.platform).await? })
    }

    /// One invocation: `{"job": ...}`. `deadline` is the Lambda context's.
    pub async fn invoke(&self, event: Value, deadline: u64) -> Result<Value, Error> {
        let known = ["backup", "prune", "drill"];
        self.platform
            .invoke(&event, &known, deadline, async |job, _progress, _deadline| -> Result<(), String> {
                Err(format!("{} is not there yet", job.name))
            })
            .await
    }
}
