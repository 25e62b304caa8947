//! One run of a job, from its row's beginning to its end.

use std::{fmt::Display, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    Job, Records,
    ping::{self, Moment},
};
use crate::{
    alerts, clock,
    db::{Database, DbError, Session},
    errors, telemetry,
};

const START: &str = include_str!("sql/start.sql");
const PROGRESS: &str = "UPDATE job_runs SET progress = $2 WHERE id = $1 AND finished_at IS NULL";
const FINISH: &str = include_str!("sql/finish.sql");

/// Between two words of a run about how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Of an error that is told of, in characters.
const LONGEST_LINE: usize = 500;

/// Who wants a run: the schedule, or a person (`solo jobs run`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Call {
    /// The run's id, when whoever asks wants to follow it. The same id does not run twice.
    #[serde(default)]
    pub run_id: Option<Uuid>,
    /// Who asks, when it is not the schedule.
    #[serde(default)]
    pub actor: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The work failed, or took too long. It is on record, and an alert was raised.
    #[error("{0}")]
    Failed(String),
    /// A run of the same job is under way, or this very run was made before. Nothing was done.
    #[error("another run of the job is under way, or this one was made before")]
    NotAlone,
    /// The run was given up as stuck before it ended, or its end could not be recorded.
    #[error("the end of the run could not be recorded: {0}")]
    Unrecorded(String),
    /// The database is out of reach, or refuses: nothing was begun.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// A run's way to say how far it is.
pub struct Progress<'d> {
    database: &'d Database,
    id: Uuid,
    last: Mutex<Option<Instant>>,
}

impl Progress<'_> {
    /// The run's id.
    pub fn run_id(&self) -> Uuid {
        self.id
    }

    /// Replaces what was said before, at most once a second. A failure to say it is no failure of the work.
    pub async fn tell(&self, how_far: &impl Serialize) {
        let mut last = self.last.lock().await;
        if last.is_some_and(|last| last.elapsed() < PROGRESS_EVERY) {
            return;
        }
        *last = Some(Instant::now());
        let told = async {
            let value = serde_json::to_value(how_far).map_err(|_| DbError::Unexpected("progress is not JSON"))?;
            self.database.session().await?.execute(PROGRESS, &[&self.id, &value]).await
        };
        if let Err(error) = told.await {
            tracing::warn!(%error, "how far the job is could not be recorded");
        }
    }
}

/// Runs `work` as a run of `job`: its row, its alerts, its log line. Work that has not ended at `deadline` is dropped, and
/// failed. What it returns becomes the row's `result`.
///
/// The records' database must be for them alone: the work uses connections of its own, or sessions of this one that are short.
pub async fn run<'d, T, E>(
    records: impl Into<Records<'d>>,
    job: &'static Job,
    call: Call,
    deadline: Instant,
    work: impl AsyncFnOnce(&Progress<'_>) -> Result<T, E>,
) -> Result<T, JobError>
where
    T: Serialize,
    E: Display,
{
    let id = call.run_id.unwrap_or_else(clock::new_id);
    let records = records.into();
    start(records, job, id, call.actor.as_deref().filter(|actor| !actor.is_empty())).await?;
    tracing::info!(job = job.name, run_id = %id, actor = call.actor, "the job began");
    let progress = Progress { database: records.database, id, last: Mutex::new(None) };
    let worked = match timeout_at(deadline, work(&progress)).await {
        Ok(Ok(result)) => Ok(result),
        // The database takes no NUL.
        Ok(Err(error)) => Err(error.to_string().replace('\0', "\u{fffd}")),
        Err(_) => Err("it did not end within its function's time".to_owned()),
    };
    match worked {
        Ok(result) => {
            let value = serde_json::to_value(&result).unwrap_or(Value::Null);
            finish(records, job, id, Ok(&value)).await?;
            tracing::info!(job = job.name, run_id = %id, result = %value, "the job succeeded");
            telemetry::job_succeeded(job.name);
            Ok(result)
        }
        Err(error) => {
            tracing::error!(job = job.name, run_id = %id, error, "the job failed");
            finish(records, job, id, Err(&error)).await?;
            Err(JobError::Failed(error))
        }
    }
}

async fn start(records: Records<'_>, job: &Job, id: Uuid, actor: Option<&str>) -> Result<(), JobError> {
    let ping = ping::Row::of(records.ping, job, id, Moment::Start)?;
    let mut session = records.database.session().await?;
    let longest = job.longest.as_secs_f64();
    let started = session.execute(START, &[&id, &job.name, &actor, &longest, &ping.id, &ping.effect]).await?;
    if started == 1 { Ok(()) } else { Err(JobError::NotAlone) }
}

/// The row's end, with its error, and the alerts that come or go with it, in one transaction.
async fn finish(records: Records<'_>, job: &Job, id: Uuid, worked: Result<&Value, &str>) -> Result<(), JobError> {
    let unrecorded = |error: DbError| JobError::Unrecorded(error.to_string());
    let ping = ping::Row::of(records.ping, job, id, worked.map_or_else(Moment::Failure, |_| Moment::Success));
    let ping = ping.map_err(unrecorded)?;
    let mut session = records.database.session().await.map_err(unrecorded)?;
    session.begin().await.map_err(unrecorded)?;
    let title = worked.err().map(errors::title);
    let finished =
        session.execute(FINISH, &[&id, &job.name, &worked.ok(), &worked.err(), &ping.id, &ping.effect, &title]).await;
    if finished.map_err(unrecorded)? == 0 {
        return Err(JobError::Unrecorded("it was given up as stuck".into()));
    }
    match worked {
        Ok(_) => resolve(&mut session, job.name).await,
        Err(error) => {
            let error = first_line(error);
            let message = format!("the job {} failed: {error} (docs/runbook.md, \"A job failed\")", job.name);
            alerts::raise(&mut session, job.severity, &format!("job_failed:{}", job.name), &message).await
        }
    }
    .map_err(unrecorded)?;
    session.commit().await.map_err(unrecorded)
}

/// What fits into an alert.
pub(super) fn first_line(error: &str) -> String {
    error.trim_start().lines().next().unwrap_or_default().chars().take(LONGEST_LINE).collect()
}

async fn resolve(session: &mut Session<'_>, job: &str) -> Result<(), DbError> {
    for condition in ["failed", "late", "stuck"] {
        alerts::resolve(session, &format!("job_{condition}:{job}")).await?;
    }
    Ok(())
}
