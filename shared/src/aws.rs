//! The one place where AWS clients are made: a shared configuration, and what stands behind the narrow interfaces.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;

use crate::{
    config::QueueConfig,
    inbox::Inbox,
    objects::S3,
    queue::{Queue, Sqs},
    secrets::{SecretSource, SecretsManager},
};

/// What a function reaches besides its database.
pub struct Services {
    pub secrets: Arc<dyn SecretSource>,
    pub inbox: Inbox,
    /// Where messages of the inbox go that cannot be handled.
    pub inbox_dead: Arc<dyn Queue>,
    /// Courier's queue.
    pub outbound: Arc<dyn Queue>,
}

impl Services {
    /// Nothing is called yet.
    pub async fn from_env(queues: &QueueConfig) -> Self {
        Self::of(&sdk_config().await, queues)
    }

    /// As [`Services::from_env`], with a configuration of the caller's.
    pub fn of(config: &SdkConfig, queues: &QueueConfig) -> Self {
        let inbox = Inbox::new(
            Arc::new(Sqs::new(config, queues.inbox_url.clone())),
            Arc::new(S3::new(config, queues.assets_bucket.clone())),
        );
        Self {
            secrets: Arc::new(SecretsManager::new(config)),
            inbox,
            inbox_dead: Arc::new(Sqs::new(config, queues.inbox_dead_url.clone())),
            outbound: Arc::new(Sqs::new(config, queues.outbound_url.clone())),
        }
    }
}

/// Region, credentials and endpoint from the environment, as every AWS SDK reads them. A call is awaited for 2 s, twice at
/// most: someone waits behind it.
pub async fn sdk_config() -> SdkConfig {
    use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .timeout_config(timeouts)
        .load()
        .await
}
