//! Configuration: the environment (what differs between stages) and `solo.toml` (what is the same in all of them),
//! parsed once at start into typed values. All faults are found and listed together.

mod channels;
mod env;
mod fault;
mod file;
mod provider;
mod retention;

pub use channels::{Alerting, ChannelConfig, DestinationLimits, OutboundLimits};
pub use env::Env;
pub use fault::{Fault, Faults};
pub use file::{ErrorsToml, Limits, SoloToml};
pub use provider::{Mode, OnFailure, ProviderConfig};
pub use retention::Retention;

use std::time::Duration;

use url::Url;

use crate::{
    db::{DatabaseUrl, Release},
    retry::RetryPolicy,
    telemetry::{LogFormat, LogLevel},
};

/// `solo.toml` as it was when the function was built.
pub(crate) const BUILT_IN: &str = include_str!("../../../solo.toml");

/// What a function needs to know at start.
#[derive(Clone, Debug)]
pub struct Config {
    pub database: DatabaseConfig,
    pub queues: QueueConfig,
    /// `APP_SECRET_ID`: name or ARN of the secret that holds signing secrets and tokens.
    pub app_secret_id: String,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    /// `METRICS_NAMESPACE`: where CloudWatch keeps the metrics. [`crate::metrics::NAMESPACE`] unless said otherwise.
    pub metrics_namespace: Option<String>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector of spans. None are made without it.
    pub otlp: Option<Url>,
    pub retry: RetryPolicy,
    pub file: SoloToml,
}

/// Where the database is, and where the login to it comes from.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`.
    pub url: DatabaseUrl,
    /// `DATABASE_SECRET_ID`: name or ARN of a secret `{"username", "password"}` that goes before the URL's own login.
    pub secret_id: Option<String>,
    /// `RELEASE`: what is deployed. Errors are recorded with it.
    pub release: Option<Release>,
}

/// Where messages and large things go.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// `INBOX_QUEUE_URL`: what `worker` drains.
    pub inbox_url: String,
    /// `INBOX_DEAD_QUEUE_URL`: where messages of the inbox go that cannot be handled.
    pub inbox_dead_url: String,
    /// `OUTBOUND_QUEUE_URL`: what `courier` drains.
    pub outbound_url: String,
    /// `ASSETS_BUCKET`: where messages go that are too large for a queue.
    pub assets_bucket: String,
}

impl QueueConfig {
    pub fn read(env: &Env, faults: &mut Faults) -> Option<Self> {
        let inbox_url = env.required("INBOX_QUEUE_URL", "the URL of the inbox queue", faults);
        let dead = "the URL of the inbox's dead-letter queue";
        let inbox_dead_url = env.required("INBOX_DEAD_QUEUE_URL", dead, faults);
        let outbound_url = env.required("OUTBOUND_QUEUE_URL", "the URL of the outbound queue", faults);
        let assets_bucket = env.required("ASSETS_BUCKET", "the name of the assets bucket", faults);
        Some(Self {
            inbox_url: inbox_url?,
            inbox_dead_url: inbox_dead_url?,
            outbound_url: outbound_url?,
            assets_bucket: assets_bucket?,
        })
    }
}

impl Config {
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let database = DatabaseConfig::read(env, &mut faults);
        let queues = QueueConfig::read(env, &mut faults);
        let app_secret_id = env.required("APP_SECRET_ID", "the name or ARN of the app's secret", &mut faults);
        let log_level = env.parsed("LOG_LEVEL", "debug, info, warn or error", &mut faults).unwrap_or_default();
        let log_format = env.parsed("LOG_FORMAT", "json or text", &mut faults).unwrap_or_default();
        let metrics_namespace = env.optional("METRICS_NAMESPACE");
        let otlp = env.url("OTEL_EXPORTER_OTLP_ENDPOINT", &mut faults);
        let retry = read_retry(env, &mut faults);
        let file = SoloToml::read(env, BUILT_IN, &mut faults);
        match (database, queues, app_secret_id, file) {
            (Some(database), Some(queues), Some(app_secret_id), Some(file)) => faults.into_result(Self {
                database,
                queues,
                app_secret_id,
                log_level,
                log_format,
                metrics_namespace,
                otlp,
                retry,
                file,
            }),
            _ => Err(faults),
        }
    }
}

impl DatabaseConfig {
    /// `DATABASE_URL` and `DATABASE_SECRET_ID`. The login comes from one of them.
    pub fn read(env: &Env, faults: &mut Faults) -> Option<Self> {
        Self::read_as("DATABASE_URL", "DATABASE_SECRET_ID", env, faults)
    }

    /// The same, from variables of other names.
    pub fn read_as(url: &str, secret_id: &str, env: &Env, faults: &mut Faults) -> Option<Self> {
        const SHAPE: &str = "postgres://user@host:5432/database";
        let (url_name, secret_name, secret_id) = (url, secret_id, env.optional(secret_id));
        let text = env.required(url_name, SHAPE, faults)?;
        match DatabaseUrl::parse(&text) {
            Err(fault) => {
                // Not the text itself: it may hold a password.
                faults.push(Fault::new(url_name, &fault.to_string()).hint(&format!("set it to {SHAPE}")));
                None
            }
            Ok(url) if url.user.is_none() && secret_id.is_none() => {
                let problem = format!("names no user, and {secret_name} is not set either");
                faults.push(Fault::new(url_name, &problem).hint("give the login in one of them"));
                None
            }
            Ok(url) => {
                let release = env.parsed("RELEASE", "1 to 64 letters, digits, dots, dashes or underscores", faults);
                Some(Self { url, secret_id, release })
            }
        }
    }
}

fn read_retry(env: &Env, faults: &mut Faults) -> RetryPolicy {
    let standard = RetryPolicy::default();
    let max_attempts = env
        .bounded("MAX_RETRY_ATTEMPTS", 1..=5, faults)
        .and_then(|attempts| u16::try_from(attempts).ok())
        .unwrap_or(standard.max_attempts);
    let base_delay = env
        .bounded("RETRY_BASE_DELAY_MS", 1_000..=3_600_000, faults)
        .map_or(standard.base_delay, Duration::from_millis);
    RetryPolicy { max_attempts, base_delay }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("DATABASE_URL", "postgres://solo_app@127.0.0.1/solo"),
        ("APP_SECRET_ID", "solo-os/test/app"),
        ("INBOX_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/inbox"),
        ("INBOX_DEAD_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/inbox-dead"),
        ("OUTBOUND_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/outbound"),
        ("ASSETS_BUCKET", "assets"),
    ];

    fn load(changes: &[(&str, &str)]) -> Result<Config, Faults> {
        let mut all = GOOD.to_vec();
        all.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        all.extend(changes.iter().filter(|(_, value)| *value != "-"));
        Config::load(&Env::of(&all))
    }

    #[test]
    fn defaults_are_those_of_the_requirements() {
        let config = load(&[]).unwrap();
        assert_eq!(config.retry, RetryPolicy { max_attempts: 3, base_delay: Duration::from_secs(2) });
        assert_eq!(config.log_level, LogLevel::Info);
        assert!(config.file.providers["stripe"].enabled);
    }

    #[test]
    fn each_variable_missing_or_wrong_is_named_with_what_to_do() {
        let cases: &[(&str, &str)] = &[
            ("DATABASE_URL", "-"),
            ("DATABASE_URL", ""),
            ("DATABASE_URL", "postgres://127.0.0.1/solo"),
            ("DATABASE_URL", "postgres://me:s3cret@/solo"),
            ("APP_SECRET_ID", "-"),
            ("INBOX_QUEUE_URL", "-"),
            ("INBOX_DEAD_QUEUE_URL", "-"),
            ("OUTBOUND_QUEUE_URL", ""),
            ("ASSETS_BUCKET", "-"),
            ("LOG_LEVEL", "verbose"),
            ("LOG_FORMAT", "xml"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317"),
            ("RELEASE", "1 -c statement_timeout=0"),
            ("MAX_RETRY_ATTEMPTS", "0"),
            ("MAX_RETRY_ATTEMPTS", "6"),
            ("MAX_RETRY_ATTEMPTS", "three"),
            ("RETRY_BASE_DELAY_MS", "999"),
            ("SOLO_TOML", "/does/not/exist.toml"),
        ];
        for (name, value) in cases {
            let faults = load(&[(name, value)]).expect_err(&format!("{name}={value} is refused"));
            assert_eq!(faults.len(), 1, "{name}={value}: {faults}");
            assert!(faults.to_string().contains(name), "{faults}");
            assert!(!faults.to_string().contains("s3cret"), "{faults}");
        }
    }

    #[test]
    fn all_faults_are_listed_together() {
        let faults = load(&[
            ("DATABASE_URL", "-"),
            ("APP_SECRET_ID", "-"),
            ("LOG_LEVEL", "loud"),
            ("MAX_RETRY_ATTEMPTS", "9"),
            ("RETRY_BASE_DELAY_MS", "1"),
        ])
        .unwrap_err();
        assert_eq!(faults.len(), 5, "{faults}");
    }
}
