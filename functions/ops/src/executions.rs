//! Reading executions for a person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::db::{DbError, Session};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{AuditEntry, EffectSummary, Outcome, audit, outbox, page::MOST};

const LIST: &str = "
    SELECT id, source, event_type, idempotency_key, status, handler, attempt, received_at, next_attempt_at,
           finished_at, last_error, generation, resolved_at
      FROM executions
     WHERE ($1::text IS NULL OR status = $1)
       AND ($2::text IS NULL OR source = $2)
       AND ($3::text IS NULL OR event_type = $3)
       AND ($4::timestamptz IS NULL OR (received_at, id) < ($4, $5))
     ORDER BY received_at DESC, id DESC
     LIMIT $6";

const SHOW: &str = "
    SELECT id, source, event_type, idempotency_key, status, handler, attempt, received_at, next_attempt_at,
           finished_at, last_error, generation, resolved_at, correlation_id, schema_version, occurred_at, lease_until, payload
      FROM executions
     WHERE id = $1";

const ATTEMPTS: &str = "
    SELECT attempt, generation, started_at, finished_at, outcome, error
      FROM (SELECT * FROM attempts WHERE execution_id = $1 ORDER BY fence DESC LIMIT 200) AS latest
     ORDER BY fence";

/// Only executions that fit every given part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExecutionFilter {
    pub status: Option<String>,
    pub source: Option<String>,
    pub event_type: Option<String>,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageToken {
    pub received_at: Timestamp,
    pub id: Uuid,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page {
    pub executions: Vec<ExecutionSummary>,
    /// Absent on the last page.
    pub next: Option<PageToken>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExecutionSummary {
    pub id: Uuid,
    pub source: String,
    pub event_type: String,
    pub key: String,
    pub status: String,
    pub handler: Option<String>,
    pub attempt: i16,
    pub received_at: Timestamp,
    pub next_attempt_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub last_error: Option<String>,
    /// Grows with every replay.
    #[serde(default = "first")]
    pub generation: i16,
    /// Of a dead letter that a person has dealt with.
    #[serde(default)]
    pub resolved_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExecutionDetail {
    #[serde(flatten)]
    pub summary: ExecutionSummary,
    pub correlation_id: String,
    pub schema_version: i16,
    pub occurred_at: Option<Timestamp>,
    pub lease_until: Option<Timestamp>,
    /// Of all generations, the latest 200.
    pub attempts: Vec<Attempt>,
    /// What it left in the outbox, the latest 200.
    #[serde(default)]
    pub effects: Vec<EffectSummary>,
    /// What people did to it, the latest 50.
    #[serde(default)]
    pub audit: Vec<AuditEntry>,
    /// Null: cleared after its retention.
    pub payload: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    pub attempt: i16,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub outcome: String,
    pub error: Option<String>,
    #[serde(default = "first")]
    pub generation: i16,
}

/// The generation of what an older stage tells: it knows no replays.
fn first() -> i16 {
    1
}

pub(crate) async fn list(
    session: &mut Session<'_>,
    filter: &ExecutionFilter,
    limit: u16,
    after: Option<PageToken>,
) -> Result<Page, DbError> {
    let limit = usize::from(limit.clamp(1, MOST));
    let (after_time, after_id) = (after.map(|token| token.received_at), after.map(|token| token.id));
    // One more than asked for tells whether there is a next page.
    let fetch = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let rows = session
        .query(LIST, &[&filter.status, &filter.source, &filter.event_type, &after_time, &after_id, &fetch])
        .await?;
    let more = rows.len() > limit;
    let executions = rows.iter().take(limit).map(summary).collect::<Result<Vec<_>, _>>()?;
    let last = executions.last().filter(|_| more);
    let next = last.map(|last| PageToken { received_at: last.received_at, id: last.id });
    Ok(Page { executions, next })
}

pub(crate) async fn show(session: &mut Session<'_>, id: Uuid) -> Result<Outcome, DbError> {
    let Some(row) = session.query_opt(SHOW, &[&id]).await? else {
        return Ok(Outcome::NotFound { what: format!("execution {id}") });
    };
    let attempts = session.query(ATTEMPTS, &[&id]).await?.iter().map(attempt).collect::<Result<_, DbError>>()?;
    Ok(Outcome::Execution(Box::new(ExecutionDetail {
        summary: summary(&row)?,
        correlation_id: row.try_get("correlation_id")?,
        schema_version: row.try_get("schema_version")?,
        occurred_at: row.try_get("occurred_at")?,
        lease_until: row.try_get("lease_until")?,
        attempts,
        effects: outbox::of_execution(session, id).await?,
        audit: audit::of_subject(session, &id.to_string()).await?,
        payload: row.try_get::<_, Option<Value>>("payload")?.unwrap_or_default(),
    })))
}

pub(crate) fn summary(row: &Row) -> Result<ExecutionSummary, DbError> {
    Ok(ExecutionSummary {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        event_type: row.try_get("event_type")?,
        key: row.try_get("idempotency_key")?,
        status: row.try_get("status")?,
        handler: row.try_get("handler")?,
        attempt: row.try_get("attempt")?,
        received_at: row.try_get("received_at")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
        finished_at: row.try_get("finished_at")?,
        last_error: row.try_get("last_error")?,
        generation: row.try_get("generation")?,
        resolved_at: row.try_get("resolved_at")?,
    })
}

fn attempt(row: &Row) -> Result<Attempt, DbError> {
    Ok(Attempt {
        attempt: row.try_get("attempt")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
        outcome: row.try_get("outcome")?,
        error: row.try_get("error")?,
        generation: row.try_get("generation")?,
    })
}
