//! Telling CodeDeploy what came of it.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig};
use aws_sdk_codedeploy::{Client, config::Builder, error::ProvideErrorMetadata as _, types::LifecycleEventStatus};
use shared::errors::chain;
use tokio::time::timeout;

/// All attempts together.
const WITHIN: Duration = Duration::from_secs(8);
const ATTEMPTS: u32 = 4;

pub struct CodeDeploy {
    client: Client,
}

impl CodeDeploy {
    pub fn new(sdk: &SdkConfig) -> Self {
        let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(Duration::from_secs(1));
        Self { client: Client::from_conf(Builder::from(sdk).retry_config(retry).build()) }
    }

    /// Ends the hook's wait: the traffic moves, or the deployment is rolled back.
    pub async fn report(&self, deployment_id: &str, execution_id: &str, passed: bool) -> Result<(), String> {
        let status = if passed { LifecycleEventStatus::Succeeded } else { LifecycleEventStatus::Failed };
        let put = self.client.put_lifecycle_event_hook_execution_status().deployment_id(deployment_id);
        let put = put.lifecycle_event_hook_execution_id(execution_id).status(status);
        let sent = timeout(WITHIN, put.send()).await;
        let sent = sent.map_err(|_| format!("CodeDeploy did not take the outcome within {} s", WITHIN.as_secs()))?;
        sent.map(drop).map_err(|error| match (error.code(), error.message()) {
            (Some(code), message) => format!("CodeDeploy refused the outcome: {code} {}", message.unwrap_or_default()),
            (None, _) => format!("CodeDeploy was not told the outcome: {}", chain(&error)),
        })
    }
}
