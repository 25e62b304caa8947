//! Jobs: which there are, how they do, and each of their runs.
//!
//! Deliberately absent: starting one. That is an invocation of the job's own function, with IAM as its door.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    db::{DbError, Session},
    jobs,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Cursor, Outcome, page::Paging};

/// The last run, and the times that matter. A job that the tick has not seen yet has no row.
///
/// In lists, what is long is left out: the function's answer has 6 MB at most. [`RUN`] has all of it.
const STATES: &str = "
    SELECT w.name, j.last_success_at,
           greatest(j.last_success_at, j.watched_since) + j.period AS due_at,
           COALESCE(greatest(j.last_success_at, j.watched_since) + j.period + j.grace < now(), false) AS late,
           COALESCE(r.finished_at IS NULL AND r.stuck_at < now(), false) AS overdue,
           r.id, r.job, r.actor, r.started_at, r.finished_at, r.outcome, r.error,
           CASE WHEN octet_length(r.progress::text) <= 4000 THEN r.progress END AS progress,
           CASE WHEN octet_length(r.result::text) <= 4000 THEN r.result END AS result
      FROM unnest($1::text[]) WITH ORDINALITY AS w (name, place)
      LEFT JOIN jobs j USING (name)
      LEFT JOIN LATERAL (SELECT * FROM job_runs r WHERE r.job = w.name ORDER BY r.started_at DESC, r.id DESC LIMIT 1) r ON true
     ORDER BY w.place";

const RUNS: &str = "
    SELECT id, job, actor, started_at, finished_at, outcome, error,
           CASE WHEN octet_length(progress::text) <= 4000 THEN progress END AS progress,
           CASE WHEN octet_length(result::text) <= 4000 THEN result END AS result
      FROM job_runs
     WHERE ($1::text IS NULL OR job = $1)
       AND ($2::timestamptz IS NULL OR (started_at, id) < ($2, $3))
     ORDER BY started_at DESC, id DESC
     LIMIT $4";

const RUN: &str = "
    SELECT id, job, actor, started_at, finished_at, outcome, progress, result, error FROM job_runs WHERE id = $1";

/// Every job that the deployed code knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobList {
    pub jobs: Vec<JobState>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobState {
    pub name: String,
    /// The logical id of its function.
    pub function: String,
    /// The longest time between two of its starts, and how much later a success may be.
    pub period_seconds: u64,
    pub grace_seconds: u64,
    /// `running`, or how it stands since: `stuck` and `failed` speak of the last run, `late` of the last success, `never_ran`
    /// and `on_time` of neither. A text, so that an old CLI can show what a newer stage tells.
    pub state: String,
    /// There was no success for longer than the period and the grace, whatever the state.
    pub late: bool,
    /// Of ticks, only those that did something are kept.
    pub last_run: Option<JobRun>,
    pub last_success_at: Option<Timestamp>,
    /// By when the next success is due; the job is late a grace after that. Of one that the tick has not seen yet: none.
    pub due_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobRunPage {
    pub runs: Vec<JobRun>,
    pub next: Option<Cursor>,
}

/// A run, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRun {
    pub id: Uuid,
    pub job: String,
    /// Who started it by hand; none when the schedule did.
    pub actor: Option<String>,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// `succeeded`, `failed`, `stuck`; none while it runs.
    pub outcome: Option<String>,
    /// How far it is, by its own word. In lists, none when it is longer than 4,000 bytes; so with the result.
    pub progress: Option<Value>,
    /// What it did.
    pub result: Option<Value>,
    pub error: Option<String>,
}

pub(crate) async fn list(session: &mut Session<'_>) -> Result<JobList, DbError> {
    let names: Vec<&str> = jobs::ALL.iter().map(|job| job.name).collect();
    let rows = session.query(STATES, &[&names]).await?;
    let jobs = jobs::ALL.iter().zip(&rows).map(|(job, row)| state(job, row)).collect::<Result<_, _>>()?;
    Ok(JobList { jobs })
}

/// Newest first.
pub(crate) async fn runs(
    session: &mut Session<'_>,
    job: Option<&str>,
    limit: u16,
    after: Option<Cursor>,
) -> Result<JobRunPage, DbError> {
    let paging = Paging::new(limit, after);
    let rows = session.query(RUNS, &[&job, &paging.after_time(), &paging.after_id(), &paging.fetch()]).await?;
    let (runs, next) = paging.cut(&rows, run, |run| Cursor { at: run.started_at, id: run.id })?;
    Ok(JobRunPage { runs, next })
}

pub(crate) async fn show(session: &mut Session<'_>, id: Uuid) -> Result<Outcome, DbError> {
    Ok(match session.query_opt(RUN, &[&id]).await? {
        Some(row) => Outcome::JobRun { run: Box::new(run(&row)?) },
        None => Outcome::NotFound { what: format!("run {id} of a job") },
    })
}

fn state(job: &jobs::Job, row: &Row) -> Result<JobState, DbError> {
    let there = row.try_get::<_, Option<Uuid>>("id")?.is_some();
    let last_run = there.then(|| run(row)).transpose()?;
    let (late, overdue): (bool, bool) = (row.try_get("late")?, row.try_get("overdue")?);
    let last_success_at: Option<Timestamp> = row.try_get("last_success_at")?;
    let outcome = last_run.as_ref().map(|run| run.outcome.as_deref());
    let state = match outcome {
        Some(None) if overdue => "stuck",
        Some(None) => "running",
        Some(Some(outcome @ ("stuck" | "failed"))) => outcome,
        _ if late => "late",
        None if last_success_at.is_none() => "never_ran",
        _ => "on_time",
    };
    Ok(JobState {
        name: job.name.into(),
        function: job.function.into(),
        period_seconds: job.period.as_secs(),
        grace_seconds: job.grace.as_secs(),
        state: state.into(),
        late,
        last_run,
        last_success_at,
        due_at: row.try_get("due_at")?,
    })
}

fn run(row: &Row) -> Result<JobRun, DbError> {
    Ok(JobRun {
        id: row.try_get("id")?,
        job: row.try_get("job")?,
        actor: row.try_get("actor")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
        outcome: row.try_get("outcome")?,
        progress: row.try_get("progress")?,
        result: row.try_get("result")?,
        error: row.try_get("error")?,
    })
}
