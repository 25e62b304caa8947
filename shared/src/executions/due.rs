//! What is due: batches for the worker, and the sweep of what crashed runners left behind.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Owned, millis};
use crate::{
    db::{DbError, Session},
    events::Envelope,
    inbox::{InboxError, restore},
    metrics::{self, About, Metric},
    retry::RetryPolicy,
};

const DUE: &str = include_str!("sql/due.sql");
const START: &str = include_str!("sql/start.sql");
const SWEEP: &str = include_str!("sql/sweep.sql");

/// Given back: due at once, and no attempt of it counted.
const RELEASE: &str = "
    UPDATE executions
       SET status = 'failed', lease_until = NULL, next_attempt_at = now(), last_error = COALESCE(last_error, 'not begun')
     WHERE (id, fence) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[])) AND status = 'processing' AND started_at IS NULL";

/// The statements of the worker's way of running events.
pub const WARM: &[&str] = &[super::CLAIM, DUE, START, super::FINISH];

/// An execution that is this runner's, and has not begun.
#[derive(Clone, Debug)]
pub struct Due {
    pub id: Uuid,
    pub fence: i64,
    pub source: String,
    key: String,
    pub event_type: String,
    schema_version: i16,
    correlation_id: String,
    pub occurred_at: Option<Timestamp>,
    payload: String,
}

impl Due {
    /// The event as it came.
    pub fn envelope(&self) -> Result<Envelope, InboxError> {
        let version = u16::try_from(self.schema_version).unwrap_or_default();
        restore(&self.source, &self.key, &self.event_type, version, &self.payload)
            .map(|event| event.at(self.occurred_at).correlated(&self.correlation_id))
    }

    pub fn correlation_id(&self) -> &str {
        &self.correlation_id
    }
}

/// Takes up to `limit` due executions for the length of `lease`.
pub async fn due(session: &mut Session<'_>, limit: u16, lease: Duration) -> Result<Vec<Due>, DbError> {
    session.query(DUE, &[&i64::from(limit), &millis(lease)]).await?.iter().map(read).collect()
}

/// Counts an attempt of `due` by `handler` (the one before when it is empty, none when the event asks for nothing), and opens the transaction that it runs in. `None`, without a transaction, when
/// the lease was lost.
pub(crate) async fn start(
    session: &mut Session<'_>,
    due: &Due,
    handler: Option<&str>,
    rerun_after_crash: bool,
) -> Result<Option<Owned>, DbError> {
    let started = session.begin_after(START, &[&due.id, &due.fence, &rerun_after_crash, &handler]).await?;
    let Some(row) = started else {
        session.rollback().await?;
        return Ok(None);
    };
    let attempt: i16 = row.try_get("attempt")?;
    Ok(Some(Owned {
        id: due.id,
        fence: due.fence,
        attempt: u16::try_from(attempt).unwrap_or_default(),
        after_crash: false,
    }))
}

/// Gives back what was taken and not begun.
pub async fn release(session: &mut Session<'_>, rest: &[Due]) -> Result<(), DbError> {
    let (ids, fences): (Vec<Uuid>, Vec<i64>) = rest.iter().map(|due| (due.id, due.fence)).unzip();
    session.execute(RELEASE, &[&ids, &fences]).await.map(drop)
}

/// What a sweep found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Attempts that crashed, to be followed by another one.
    pub retried: usize,
    /// Attempts that crashed and were the last.
    pub dead: usize,
    /// What had not begun: no attempt of it counts, and it is due at once.
    pub not_begun: usize,
}

impl Swept {
    pub fn all(&self) -> usize {
        self.retried + self.dead + self.not_begun
    }
}

/// Looks after up to `limit` executions whose lease ran out. `once` are the handlers that must not be rerun after a crash.
pub async fn sweep(
    session: &mut Session<'_>,
    limit: u16,
    policy: &RetryPolicy,
    once: &[&str],
) -> Result<Swept, DbError> {
    let max_attempts = i16::try_from(policy.max_attempts).unwrap_or(i16::MAX);
    let rows = session.query(SWEEP, &[&i64::from(limit), &max_attempts, &once, &millis(policy.base_delay)]).await?;
    let mut swept = Swept::default();
    for row in &rows {
        let (id, status): (Uuid, &str) = (row.try_get("id")?, row.try_get("status")?);
        let error: &str = row.try_get("last_error")?;
        tracing::warn!(execution_id = %id, status, error, "its lease had run out");
        let about = About::Event(row.try_get("source")?, row.try_get("event_type")?);
        match (row.try_get("begun")?, status) {
            (false, _) => swept.not_begun += 1,
            (true, "dead") => {
                swept.dead += 1;
                metrics::count(Metric::Dead, about, 1);
            }
            (true, _) => {
                swept.retried += 1;
                metrics::count(Metric::Failed, about, 1);
            }
        }
    }
    Ok(swept)
}

fn read(row: &Row) -> Result<Due, DbError> {
    Ok(Due {
        id: row.try_get("id")?,
        fence: row.try_get("fence")?,
        source: row.try_get("source")?,
        key: row.try_get("idempotency_key")?,
        event_type: row.try_get("event_type")?,
        schema_version: row.try_get("schema_version")?,
        correlation_id: row.try_get("correlation_id")?,
        occurred_at: row.try_get("occurred_at")?,
        payload: row.try_get("payload")?,
    })
}
