//! The job `cleanup`: what is done with goes, when its time is over (`[retention]` of `solo.toml`).
//!
//! It takes small batches, each a statement and a transaction of its own, oldest first, and pauses between them (`pace.rs`). It may
//! be stopped at any moment: the next run finds what is left by its age, and nothing else remembers how far it was.
//!
//! What may go at all, and its floors, are in the database (migrations 0016 and 0018): the functions' role can delete in no other way.
//! Deliberately absent: the bucket's objects, which its own rules expire, and the tables of the founder's handlers.

mod clean;
mod pace;
mod steps;

pub use clean::{Cleaned, clean};

use lambda_runtime::Error;
use serde_json::Value;
use shared::{
    config::{Env, Faults},
    db::{ConnectError, DbError},
    jobs::{self, Platform, Progress},
};
use tokio::time::Instant;

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
pub struct Cleanup {
    platform: Platform,
}

impl Cleanup {
    /// Nothing is called yet.
    pub async fn new(settings: Settings) -> Result<Self, ConnectError> {
        Ok(Self { platform: Platform::new(settings.platform).await? })
    }

    /// One invocation: `{"job": "cleanup"}`. `deadline` is the Lambda context's.
    pub async fn invoke(&self, event: Value, deadline: u64) -> Result<Value, Error> {
        let work = async |_, progress: &Progress<'_>, deadline: Instant| self.run(progress, deadline).await;
        self.platform.invoke(&event, &["cleanup"], deadline, work).await
    }

    async fn run(&self, progress: &Progress<'_>, deadline: Instant) -> Result<Cleaned, DbError> {
        let (database, retention) = (&self.platform.database, &self.platform.settings.file.retention);
        let cleaned = clean(database, retention, deadline, async |so_far| progress.tell(so_far).await).await?;
        clean::tell_whether_behind(database, &cleaned).await?;
        Ok(cleaned)
    }
}
