//! What leaves the system: performs the effects of the outbox, which are requests to others and messages to people. The
//! only function that can reach the internet, and it can reach nothing else: it has no database and no private network.
//!
//! At least once: an effect is sent again, always under the same idempotency key, until someone has taken it and the inbox
//! has the report of that. Deliberately absent: what to send, which is the outbox's, and what a report changes, which is
//! the worker's.

mod address;
mod alarm;
mod batch;
mod call;
mod channels;
mod config;
mod delivered;
mod http;
mod limiter;
mod mail;
mod message;
mod perform;
mod resolver;
mod retry;
mod source;
mod tracker;
mod vault;
mod verdict;
mod words;

pub use address::Reach;
pub use config::Config;
pub use mail::Topic;
pub use resolver::{Lookup, System};
pub use source::{Changing, Source, SourceError, SqsSource};

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use shared::{
    aws, clock,
    queue::{Queue, Sqs},
    secrets::{SecretSource, Secrets, SecretsManager},
};

use crate::{delivered::Delivered, http::Http, limiter::Limiter, vault::Vault};

/// The time of an invocation when nothing is known of it.
const INVOCATION: Duration = Duration::from_mins(1);

/// What courier reaches.
pub struct Services {
    pub secrets: Arc<dyn SecretSource>,
    /// Where reports go. They are small: no bucket is needed.
    pub inbox: Arc<dyn Queue>,
    pub source: Arc<dyn Source>,
    /// For e-mail.
    pub topic: Option<Topic>,
    pub lookup: Arc<dyn Lookup>,
}

impl Services {
    /// Nothing is called yet.
    pub async fn from_env(config: &Config) -> Self {
        Self::of(&aws::sdk_config().await, config)
    }

    /// As [`Services::from_env`], with a configuration of the caller's.
    pub fn of(sdk: &SdkConfig, config: &Config) -> Self {
        Self {
            secrets: Arc::new(SecretsManager::new(sdk)),
            inbox: Arc::new(Sqs::new(sdk, config.inbox_url.clone())),
            source: Arc::new(SqsSource::new(sdk, config.outbound_url.clone())),
            topic: config.alerts_topic.clone().map(|arn| Topic::new(sdk, arn)),
            lookup: Arc::new(System),
        }
    }
}

/// What one environment holds from init on.
pub struct Courier {
    config: Config,
    vault: Vault,
    inbox: Arc<dyn Queue>,
    source: Arc<dyn Source>,
    topic: Option<Topic>,
    http: Http,
    limiter: Limiter,
    delivered: Delivered,
}

impl Courier {
    pub fn new(config: Config, services: Services) -> reqwest::Result<Self> {
        Ok(Self {
            vault: Vault::new(Secrets::new(services.secrets, config.app_secret_id.clone())),
            inbox: services.inbox,
            source: services.source,
            topic: services.topic,
            http: Http::new(config.reach, services.lookup)?,
            limiter: Limiter::new(config.file.outbound.clone()),
            delivered: Delivered::default(),
            config,
        })
    }
}

/// What is left of an invocation with this deadline, in milliseconds after 1970. cargo-lambda's emulator gives one long
/// past, which Lambda itself never does: that counts as unknown.
pub fn remaining(deadline: u64) -> Duration {
    let now = u64::try_from(clock::now().as_millisecond()).unwrap_or_default();
    match deadline.saturating_sub(now) {
        0 => INVOCATION,
        left => Duration::from_millis(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_long_past_says_nothing() {
        assert_eq!(remaining(600_000), INVOCATION);
        let now = u64::try_from(clock::now().as_millisecond()).unwrap();
        let left = remaining(now + 90_000);
        assert!(left > Duration::from_secs(85) && left <= Duration::from_secs(90), "{left:?}");
    }
}
