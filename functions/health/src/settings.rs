//! What this function needs to know at start. It puts nothing on a queue, so it does not take [`shared::config::Config`].

use std::{sync::Arc, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use shared::{
    config::{DatabaseConfig, Env, Faults, SoloToml},
    objects::{ObjectStore, S3},
    queue::{Queue, Sqs},
    secrets::{Refresh, SecretSource, SecretsManager},
    telemetry::{LogFormat, LogLevel},
};

use crate::{memory::MEGABYTE, probes::PROBE_WITHIN};

/// `solo.toml` as it was when the function was built.
const BUILT_IN: &str = include_str!("../../../solo.toml");

/// How long what was found is told again, unless a test says otherwise. Whoever watches asks every 10 s or less often.
const KEPT_FOR: Duration = Duration::from_secs(2);
/// For the secrets manager to answer, its repetition included.
const SECRET_WITHIN: Duration = Duration::from_millis(1_500);

#[derive(Clone, Debug)]
pub struct Settings {
    pub database: DatabaseConfig,
    /// `APP_SECRET_ID`: name or ARN of the secret with `HEALTH_TOKEN`.
    pub app_secret_id: String,
    /// `INBOX_QUEUE_URL`: the queue that is looked at.
    pub inbox_url: String,
    /// `ASSETS_BUCKET`: the bucket that is looked at.
    pub assets_bucket: String,
    /// `RELEASE`: what is deployed.
    pub release: Option<String>,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, which Lambda sets, in bytes.
    pub memory_limit: Option<u64>,
    /// How long what was found is told again, without another look.
    pub kept_for: Duration,
    /// When the token is read anew.
    pub refresh: Refresh,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    pub file: SoloToml,
}

impl Settings {
    /// All faults together.
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let database = DatabaseConfig::read(env, &mut faults);
        let app_secret_id = env.required("APP_SECRET_ID", "the name or ARN of the app's secret", &mut faults);
        let inbox_url = env.required("INBOX_QUEUE_URL", "the URL of the inbox queue", &mut faults);
        let assets_bucket = env.required("ASSETS_BUCKET", "the name of the assets bucket", &mut faults);
        let megabytes = env.bounded("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 1..=1_048_576, &mut faults);
        let log_level = env.parsed("LOG_LEVEL", "debug, info, warn or error", &mut faults).unwrap_or_default();
        let log_format = env.parsed("LOG_FORMAT", "json or text", &mut faults).unwrap_or_default();
        let file = SoloToml::read(env, BUILT_IN, &mut faults);
        match (database, app_secret_id, inbox_url, assets_bucket, file) {
            (Some(database), Some(app_secret_id), Some(inbox_url), Some(assets_bucket), Some(file)) => faults
                .into_result(Self {
                    database,
                    app_secret_id,
                    inbox_url,
                    assets_bucket,
                    release: env.optional("RELEASE"),
                    memory_limit: megabytes.map(|megabytes| megabytes * MEGABYTE),
                    kept_for: KEPT_FOR,
                    refresh: Refresh::default(),
                    log_level,
                    log_format,
                    file,
                }),
            _ => Err(faults),
        }
    }
}

/// What this function reaches besides the database.
pub struct Services {
    pub secrets: Arc<dyn SecretSource>,
    pub queue: Arc<dyn Queue>,
    pub storage: Arc<dyn ObjectStore>,
}

impl Services {
    /// Nothing is called yet. A look, with its repetition, ends when its time does.
    pub fn of(config: &SdkConfig, settings: &Settings) -> Self {
        let ends = TimeoutConfig::builder().connect_timeout(PROBE_WITHIN / 2).operation_timeout(PROBE_WITHIN);
        let looks = config.clone().into_builder().timeout_config(ends.build()).build();
        // Given up by itself, before its caller gives up: what was read before is used then.
        let ends = TimeoutConfig::builder()
            .connect_timeout(SECRET_WITHIN / 2)
            .operation_attempt_timeout(SECRET_WITHIN / 2)
            .operation_timeout(SECRET_WITHIN);
        let secrets = config.clone().into_builder().timeout_config(ends.build()).build();
        Self {
            secrets: Arc::new(SecretsManager::new(&secrets)),
            queue: Arc::new(Sqs::new(&looks, settings.inbox_url.clone())),
            storage: Arc::new(S3::new(&looks, settings.assets_bucket.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("DATABASE_URL", "postgres://solo_app@127.0.0.1/solo"),
        ("APP_SECRET_ID", "app"),
        ("INBOX_QUEUE_URL", "in"),
        ("ASSETS_BUCKET", "assets"),
    ];

    #[test]
    fn what_is_missing_or_wrong_is_named_together() {
        let settings = Settings::load(&Env::of(&GOOD)).unwrap();
        assert_eq!((settings.release, settings.memory_limit), (None, None));
        let of_lambda = [("RELEASE", "0123abc"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")];
        let settings = Settings::load(&Env::of(&[&GOOD[..], &of_lambda].concat())).unwrap();
        assert_eq!((settings.release.as_deref(), settings.memory_limit), (Some("0123abc"), Some(268_435_456)));
        let faults = Settings::load(&Env::of(&[("LOG_LEVEL", "loud"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "0")]));
        assert_eq!(faults.unwrap_err().len(), 6);
    }
}
