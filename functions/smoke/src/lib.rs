//! The smoke test: CodeDeploy's hook before the traffic moves to a new version. It invokes the new versions themselves, all of
//! them, and tells CodeDeploy whether they may have the traffic; if not, the deployment is rolled back.
//!
//! | version | asked | must |
//! |---|---|---|
//! | health | `GET /health/ready` | say 200 |
//! | webhooks | a signed webhook twice, a forged one | store it once, refuse the forged one |
//! | worker | an empty batch | not fail, but it may be busy |
//! | courier | an empty batch | not fail, but it may be busy |
//! | ops | a list | answer it |
//!
//! Busy is a version whose function has no invocation free for 15 s. Worker and courier then pass untested, with a warning:
//! their queues can keep them busy for hours. For the others it is a fault.
//!
//! CodeDeploy waits for an hour for an outcome, so it always gets one: a fault of the configuration, a panic and a timeout
//! are outcomes, too. Deliberately absent: handlers with effects, and anything that a customer could notice.

mod checks;
mod codedeploy;
mod config;
mod gateway;
mod invoke;
mod operations;
mod webhook;

pub use codedeploy::CodeDeploy;
pub use config::{Config, Versions};
pub use invoke::{Invoke, InvokeError, Invoking, Lambda};

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use lambda_runtime::Error;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    config::{Env, Faults},
    invocation,
    secrets::{SecretSource, Secrets},
};

/// The most that is ever used of an invocation.
const INVOCATION: Duration = Duration::from_secs(58);
/// Kept back from it to tell CodeDeploy.
const REPORT: Duration = Duration::from_secs(10);

/// CodeDeploy's request.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    deployment_id: String,
    lifecycle_event_hook_execution_id: String,
}

/// What one environment holds from init on.
pub struct Hook {
    config: Result<Config, Faults>,
    invoke: Arc<dyn Invoke>,
    secrets: Arc<dyn SecretSource>,
    codedeploy: CodeDeploy,
}

impl Hook {
    /// Faults of the configuration are kept: they are an outcome.
    pub fn new(env: &Env, invoke: Arc<dyn Invoke>, secrets: Arc<dyn SecretSource>, codedeploy: CodeDeploy) -> Self {
        Self { config: Config::load(env), invoke, secrets, codedeploy }
    }

    /// One invocation. `deadline` is the Lambda context's. Fails only when CodeDeploy could not be told.
    pub async fn handle(&self, event: Value, deadline: u64) -> Result<Value, Error> {
        let event: Event = serde_json::from_value(event).map_err(|_| "it is no request of CodeDeploy")?;
        let time = invocation::remaining(deadline, INVOCATION).saturating_sub(REPORT);
        let checks = AssertUnwindSafe(self.check(&event.deployment_id, time)).catch_unwind();
        let faults = checks.await.unwrap_or_else(|_| vec!["the smoke test itself panicked".into()]);
        for fault in &faults {
            tracing::error!(deployment_id = event.deployment_id, fault, "the smoke test found a fault");
        }
        let passed = faults.is_empty();
        self.codedeploy.report(&event.deployment_id, &event.lifecycle_event_hook_execution_id, passed).await?;
        tracing::info!(deployment_id = event.deployment_id, passed, "the smoke test is over");
        Ok(json!({"status": if passed { "Succeeded" } else { "Failed" }, "faults": faults}))
    }

    async fn check(&self, deployment_id: &str, time: Duration) -> Vec<String> {
        let config = match &self.config {
            Ok(config) => config,
            Err(faults) => return vec![faults.to_string()],
        };
        // Read anew each time: an environment may be older than the secret.
        let secrets = Secrets::new(Arc::clone(&self.secrets), config.app_secret_id.clone());
        checks::run(config, &*self.invoke, &secrets, deployment_id, time).await
    }
}
