//! The relay: due rows to the queue, reports back into the rows.

use tokio_postgres::{Row, types::Json};
use uuid::Uuid;

use super::{Effect, Outbound, Report, ReportResult, encode, message::VERSION};
use crate::{
    db::{DbError, Session},
    queue::{Queue, QueueError},
};

const CLAIM: &str = include_str!("sql/relay.sql");
const RECORD: &str = include_str!("sql/record.sql");

/// How often a row is put on the queue without a word about it before it is given up.
const MOST_RELAYS: i16 = 5;

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// What a relay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    pub sent: usize,
    /// Rows of which nothing was heard too often.
    pub given_up: usize,
}

/// Puts up to `limit` due rows on the queue. They count as sent when the queue has them: a crash in between sends them
/// again a little later, under the same keys. Workers side by side never take the same row.
pub async fn relay(session: &mut Session<'_>, queue: &dyn Queue, limit: u16) -> Result<Relayed, RelayError> {
    let rows = session.query(CLAIM, &[&i64::from(limit), &MOST_RELAYS]).await?;
    let mut messages = Vec::with_capacity(rows.len());
    let mut ids: Vec<Uuid> = Vec::with_capacity(rows.len());
    let mut relayed = Relayed::default();
    for row in &rows {
        let status: &str = row.try_get("status").map_err(DbError::from)?;
        if status == "dead" {
            relayed.given_up += 1;
            continue;
        }
        ids.push(row.try_get("id").map_err(DbError::from)?);
        messages.push(message(row)?);
    }
    relayed.sent = messages.len();
    if !messages.is_empty() {
        queue.send_all(messages).await?;
        session.execute(SENT, &[&ids]).await?;
    }
    Ok(relayed)
}

/// Nothing is heard of it for an hour: it goes on the queue again.
const SENT: &str = "
    UPDATE outbox SET status = 'sent', relays = relays + 1, relay_at = now() + interval '1 hour'
     WHERE id = ANY($1) AND finished_at IS NULL";

fn message(row: &Row) -> Result<String, DbError> {
    let Json(effect): Json<Effect> = row.try_get("effect")?;
    let outbound = Outbound {
        version: VERSION,
        id: row.try_get("id")?,
        tracked: true,
        idempotency_key: row.try_get("idempotency_key")?,
        correlation_id: row.try_get("correlation_id")?,
        effect,
    };
    encode(&outbound).map_err(|_| DbError::Unexpected("an effect is not JSON"))
}

/// Brings a report into its row. `false` when the row says more already (it was delivered, or is gone). A dead effect
/// raises an alert in the same statement; a message that carried alerts marks them as sent, or as waiting again.
pub async fn record(session: &mut Session<'_>, report: &Report) -> Result<bool, DbError> {
    let attempt = i16::try_from(report.attempt).unwrap_or(i16::MAX);
    let (status, code, body, error, retry_at) = match &report.result {
        ReportResult::Delivered { status, body } => ("delivered", status, body.as_deref(), None, None),
        ReportResult::Failed { error, status, retry_at } => ("failed", status, None, Some(error), Some(retry_at)),
        ReportResult::Dead { error, status } => ("dead", status, None, Some(error), None),
    };
    let code = code.and_then(|code| i16::try_from(code).ok());
    let error = error.map(|error| crate::executions::shorten(error));
    let body = body.map(crate::executions::shorten);
    let row = session.query_opt(RECORD, &[&report.id, &status, &attempt, &code, &body, &error, &retry_at]).await?;
    Ok(row.is_some())
}
