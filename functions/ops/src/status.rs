//! How a stage does, in one answer: what waits, what came, what is wrong. The first thing that a person asks.
//!
//! Each count ends at [`COUNTED`], and every statement goes by an index: it costs the same with millions of completed events.
//! Deliberately absent: a judgement. Who shows it says what needs a person.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    db::{DbError, Session},
    inbox::Inbox,
    queue::Depth,
};
use tokio::time::timeout;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Alert, Deployment, JobState, alerts::alert, deployments, jobs};

/// More than so many are `10,000+`.
const COUNTED: i64 = 10_000;
/// For the queue to say how much waits.
const QUEUE_WITHIN: Duration = Duration::from_secs(2);
/// How many alerts are named.
const NAMED: i64 = 5;

/// Nobody waits longer for an overview. A plan without an index is none, also while a table has no statistics yet.
const LIMITS: &str = "SELECT set_config('statement_timeout', '4s', true), set_config('enable_seqscan', 'off', true)";
const BACKLOG: &str = include_str!("status/backlog.sql");
const TRAFFIC: &str = include_str!("status/traffic.sql");
const OUTBOX: &str = include_str!("status/outbox.sql");
const ALERTS: &str = include_str!("status/alerts.sql");
/// The newest run of each that succeeded.
const PROOFS: &str = "
    SELECT w.job, r.id, r.finished_at, r.result
      FROM unnest('{backup,drill}'::text[]) AS w (job)
      CROSS JOIN LATERAL (SELECT id, finished_at, result FROM job_runs
                           WHERE job = w.job AND outcome = 'succeeded' ORDER BY started_at DESC, id DESC LIMIT 1) AS r";
const ABOUT: &str = "
    SELECT now() AS at, pg_database_size(current_database()) AS bytes,
           (SELECT COALESCE(max(version), 0) FROM schema_migrations) AS schema_version";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// By the database's clock.
    pub at: Timestamp,
    /// Being handled.
    pub processing: Waiting,
    /// Failed, and to be tried again.
    pub failed: Waiting,
    /// When the first of them is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// Of those two: what a worker should have taken five minutes ago.
    pub overdue: Count,
    /// Dead letters that nobody has dealt with; the oldest by when it died.
    pub dead: Waiting,
    /// What is on the queue, and so in no row yet. `None`: the queue could not be asked.
    #[serde(default)]
    pub inbox: Option<InboxDepth>,
    pub hour: Traffic,
    pub day: Traffic,
    pub outbox: OutboxState,
    pub alerts: OpenAlerts,
    /// Without what their runs say of themselves.
    pub jobs: Vec<JobState>,
    pub backup: Option<Proof>,
    pub drill: Option<Proof>,
    pub deployment: Option<Deployment>,
    pub database_bytes: i64,
    /// The newest migration that the database has.
    pub schema_version: i32,
}

/// Messages of the inbox, approximately: events, and now and then a report of courier's or a wake-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxDepth {
    pub waiting: u64,
    /// The worker has them.
    pub in_flight: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// 10,000 at most.
    pub count: i64,
    /// There are more.
    #[serde(default)]
    pub more: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    #[serde(flatten)]
    pub count: Count,
    /// Since when the oldest of those that were counted waits.
    pub oldest: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    pub received: Count,
    pub completed: Count,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxState {
    /// On its way, in whatever state.
    pub pending: Waiting,
    /// Not delivered, and not tried again by itself; the oldest by when it was given up.
    pub dead: Waiting,
}

/// Those that hold. Silenced ones count as such, whatever their severity.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OpenAlerts {
    pub critical: Count,
    pub warning: Count,
    pub info: Count,
    pub silenced: Count,
    /// The worst first, then the newest; five at most.
    pub worst: Vec<Alert>,
}

/// A backup, or a drill, that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub run: Uuid,
    pub at: Timestamp,
    /// The backup's id.
    pub backup: Option<String>,
    /// As stored. Of a drill: none.
    pub bytes: Option<u64>,
}

impl Count {
    fn new(counted: i64) -> Self {
        Self { count: counted.min(COUNTED), more: counted > COUNTED }
    }

    pub fn is_zero(self) -> bool {
        self.count == 0
    }
}

pub(crate) async fn show(session: &mut Session<'_>, inbox: &Inbox) -> Result<Status, DbError> {
    let record = async {
        session.begin().await?;
        session.query(LIMITS, &[]).await?;
        let status = read(session).await?;
        session.rollback().await?;
        Ok::<_, DbError>(status)
    };
    let (record, inbox) = tokio::join!(record, depth(inbox));
    Ok(Status { inbox, ..record? })
}

/// A queue that says nothing keeps nobody waiting for the rest.
async fn depth(inbox: &Inbox) -> Option<InboxDepth> {
    match timeout(QUEUE_WITHIN, inbox.depth()).await {
        Ok(Ok(Depth { waiting, in_flight })) => Some(InboxDepth { waiting, in_flight }),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the overview is without the inbox");
            None
        }
        Err(_) => {
            tracing::warn!("the overview is without the inbox: it does not answer");
            None
        }
    }
}

async fn read(session: &mut Session<'_>) -> Result<Status, DbError> {
    // One more tells that there are more.
    let most = COUNTED + 1;
    let backlog = one(session.query_opt(BACKLOG, &[&most]).await?)?;
    let traffic = one(session.query_opt(TRAFFIC, &[&most]).await?)?;
    let outbox = one(session.query_opt(OUTBOX, &[&most]).await?)?;
    let alerts = session.query(ALERTS, &[&most, &NAMED]).await?;
    let about = one(session.query_opt(ABOUT, &[]).await?)?;
    let (mut backup, mut drill) = (None, None);
    for row in session.query(PROOFS, &[]).await? {
        let place = if row.try_get::<_, &str>("job")? == "backup" { &mut backup } else { &mut drill };
        *place = Some(proof(&row)?);
    }
    Ok(Status {
        at: about.try_get("at")?,
        processing: waiting(&backlog, "processing", "processing_oldest")?,
        failed: waiting(&backlog, "failed", "failed_oldest")?,
        next_attempt_at: backlog.try_get("next_attempt_at")?,
        overdue: count(&backlog, "overdue")?,
        dead: waiting(&backlog, "dead", "dead_oldest")?,
        inbox: None,
        hour: Traffic { received: count(&traffic, "received_hour")?, completed: count(&traffic, "completed_hour")? },
        day: Traffic { received: count(&traffic, "received_day")?, completed: count(&traffic, "completed_day")? },
        outbox: OutboxState {
            pending: waiting(&outbox, "pending", "pending_oldest")?,
            dead: waiting(&outbox, "dead", "dead_oldest")?,
        },
        alerts: open_alerts(&alerts)?,
        jobs: jobs::list(session).await?.jobs.into_iter().map(without_words).collect(),
        backup,
        drill,
        deployment: deployments::list(session, 1, None).await?.deployments.into_iter().next(),
        database_bytes: about.try_get("bytes")?,
        schema_version: about.try_get("schema_version")?,
    })
}

/// A statement of aggregates has one row, always.
fn one(row: Option<Row>) -> Result<Row, DbError> {
    row.ok_or(DbError::Unexpected("a count came to nothing"))
}

fn count(row: &Row, column: &str) -> Result<Count, DbError> {
    Ok(Count::new(row.try_get(column)?))
}

fn waiting(row: &Row, column: &str, oldest: &str) -> Result<Waiting, DbError> {
    Ok(Waiting { count: count(row, column)?, oldest: row.try_get(oldest)? })
}

fn open_alerts(rows: &[Row]) -> Result<OpenAlerts, DbError> {
    // Every row has the counts of all; no rows, no alerts.
    let Some(first) = rows.first() else { return Ok(OpenAlerts::default()) };
    Ok(OpenAlerts {
        critical: count(first, "critical")?,
        warning: count(first, "warning")?,
        info: count(first, "info")?,
        silenced: count(first, "silenced")?,
        worst: rows.iter().map(alert).collect::<Result<_, _>>()?,
    })
}

fn proof(row: &Row) -> Result<Proof, DbError> {
    let result: Option<Value> = row.try_get("result")?;
    let result = result.unwrap_or_default();
    Ok(Proof {
        run: row.try_get("id")?,
        at: row.try_get("finished_at")?,
        backup: result["backup"].as_str().map(Into::into),
        bytes: result["bytes"].as_u64(),
    })
}

fn without_words(mut job: JobState) -> JobState {
    if let Some(run) = &mut job.last_run {
        (run.progress, run.result) = (None, None);
    }
    job
}
