//! What every function that runs jobs has in common: its settings, its way to the records, and one invocation.

use std::{fmt::Display, sync::Arc, time::Duration};

use aws_config::SdkConfig;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Call, Job, JobError, Progress, Records, find, run};
use crate::{
    alerts::Pager,
    aws,
    config::{DatabaseConfig, Env, Faults, SoloToml},
    db::{ConnectError, Credentials, Database},
    invocation,
    queue::Sqs,
    secrets::{SecretSource, SecretsManager},
    telemetry::{LogFormat, LogLevel},
};

/// The longest that any function runs.
const INVOCATION: Duration = Duration::from_mins(15);
/// Kept back from it, to end cleanly and to record the end.
const MARGIN: Duration = Duration::from_secs(20);

/// What a function of jobs needs to know at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `DATABASE_URL`, `DATABASE_SECRET_ID`: as the role of the functions, for the records.
    pub database: DatabaseConfig,
    /// `OUTBOUND_QUEUE_URL`: for alerts while the database is out.
    pub outbound_url: String,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    pub file: SoloToml,
}

impl Settings {
    pub fn read(env: &Env, faults: &mut Faults) -> Option<Self> {
        let database = DatabaseConfig::read(env, faults);
        let outbound_url = env.required("OUTBOUND_QUEUE_URL", "the URL of the outbound queue", faults);
        let log_level = env.parsed("LOG_LEVEL", "debug, info, warn or error", faults).unwrap_or_default();
        let log_format = env.parsed("LOG_FORMAT", "json or text", faults).unwrap_or_default();
        let file = SoloToml::read(env, crate::config::BUILT_IN, faults);
        Some(Self { database: database?, outbound_url: outbound_url?, log_level, log_format, file: file? })
    }

    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        match Self::read(env, &mut faults) {
            Some(settings) => faults.into_result(settings),
            None => Err(faults),
        }
    }
}

/// What a function of jobs holds from init on.
pub struct Platform {
    /// For the records, and for what a job does as the role of the functions.
    pub database: Database,
    pub pager: Pager,
    pub secrets: Arc<dyn SecretSource>,
    pub settings: Settings,
    pub aws: SdkConfig,
}

impl Platform {
    /// Nothing is called yet.
    pub async fn new(settings: Settings) -> Result<Self, ConnectError> {
        let aws = aws::sdk_config().await;
        let secrets: Arc<dyn SecretSource> = Arc::new(SecretsManager::new(&aws));
        let login = Credentials::new(settings.database.secret_id.clone(), &secrets);
        let database = Database::new(settings.database.url.clone(), login, &[])?;
        let database = database.of_release(settings.database.release.clone());
        let outbound = Arc::new(Sqs::new(&aws, settings.outbound_url.clone()));
        let pager = Pager::new(outbound, settings.file.alerts.critical.clone());
        Ok(Self { database, pager, secrets, settings, aws })
    }

    /// One invocation: `{"job": <one of `known`>}`, with the fields of [`Call`] and the job's own. `deadline` is the Lambda
    /// context's. Work has to end by the time that it is given.
    ///
    /// A failure is an error, so that Lambda counts it, and repeats what its settings say. A run that is not alone is none.
    pub async fn invoke<T, E>(
        &self,
        event: &Value,
        known: &[&str],
        deadline: u64,
        work: impl AsyncFnOnce(&'static Job, &Progress<'_>, Instant) -> Result<T, E>,
    ) -> Result<Value, lambda_runtime::Error>
    where
        T: Serialize,
        E: Display,
    {
        let deadline = Instant::now() + invocation::remaining(deadline, INVOCATION).saturating_sub(MARGIN);
        let name = event.get("job").and_then(Value::as_str).filter(|name| known.contains(name));
        // Without quoting it: what it is, only its sender knows.
        let Some(job) = name.and_then(find) else {
            return Err(format!("this function takes {{\"job\": ...}} with one of: {}", known.join(", ")).into());
        };
        let call: Call = serde_json::from_value(event.clone())?;
        let records = Records { database: &self.database, ping: self.settings.file.jobs.ping.as_deref() };
        match run(records, job, call, deadline, async |progress| work(job, progress, deadline).await).await {
            Ok(result) => Ok(json!({"outcome": "succeeded", "result": result})),
            Err(JobError::NotAlone) => {
                tracing::warn!(job = job.name, "nothing was done: {}", JobError::NotAlone);
                Ok(json!({"outcome": "skipped"}))
            }
            Err(error @ JobError::Failed(_)) => Err(error.into()),
            Err(error) => {
                self.pager.page("database_failed", &format!("the job {} is not on record: {error}", job.name)).await;
                Err(error.into())
            }
        }
    }
}
