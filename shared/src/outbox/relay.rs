//! The relay: due rows to the queue, reports back into the rows.

use tokio_postgres::{Row, types::Json};
use tracing::Span;
use uuid::Uuid;

use super::{Effect, Outbound, Report, ReportResult, encode, message::VERSION};
use crate::{
    alerts::{self, Severity},
    db::{DbError, Session},
    queue::{Queue, QueueError},
    telemetry::{self, STEP},
};

const CLAIM: &str = include_str!("sql/relay.sql");
const GIVE_UP: &str = include_str!("sql/give_up.sql");
const RECORD: &str = include_str!("sql/record.sql");
const UNSENT: &str = include_str!("sql/unsent.sql");

/// How often a row is put on the queue without a word about it before it is given up.
const MOST_RELAYS: i16 = 5;
/// So many effects of handlers are on the queue at once. At the usual rate of one destination, 5/s, that is some minutes.
const MOST_SENT: i64 = 1_000;

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
    /// Of them, pings.
    pub pings: usize,
    /// Rows of which nothing was heard too often.
    pub given_up: usize,
}

/// Puts up to `limit` due rows on the queue, the platform's own first. They count as sent when the queue has them: a crash
/// in between sends them again a little later, under the same keys. Workers side by side never take the same row.
pub async fn relay(session: &mut Session<'_>, queue: &dyn Queue, limit: u16) -> Result<Relayed, RelayError> {
    let mut relayed = Relayed { given_up: give_up(session, limit).await?, ..Relayed::default() };
    let rows = session.query(CLAIM, &[&i64::from(limit), &MOST_RELAYS, &MOST_SENT]).await?;
    let (mut ids, mut messages): (Vec<Uuid>, Vec<String>) = (Vec::new(), Vec::new());
    let mut pings: Vec<bool> = Vec::new();
    // They end when the queue has answered.
    let mut spans: Vec<Span> = Vec::new();
    // What this version cannot read, another may; it comes up again with all that nothing is heard of.
    let mut unread: Vec<Uuid> = Vec::new();
    for row in &rows {
        let id = row.try_get("id").map_err(DbError::from)?;
        match message(row) {
            Ok((message, ping, span)) => {
                ids.push(id);
                messages.push(message);
                pings.push(ping);
                spans.push(span);
            }
            Err(error) => {
                tracing::error!(outbox_id = %id, %error, "an effect cannot be read");
                unread.push(id);
            }
        }
    }
    if !messages.is_empty() {
        let refused = queue.send_all(messages).await?;
        drop(spans);
        relayed.sent = ids.len() - refused.len();
        relayed.pings = pings.iter().enumerate().filter(|(place, ping)| **ping && !refused.contains(place)).count();
    }
    // Refused ones, too: they come up again, and are given up in the end.
    ids.append(&mut unread);
    if !ids.is_empty() {
        session.execute(SENT, &[&ids]).await?;
    }
    Ok(relayed)
}

/// Each with an alert (but for pings), and what it carried waiting again, in a transaction of its own.
async fn give_up(session: &mut Session<'_>, limit: u16) -> Result<usize, DbError> {
    session.begin().await?;
    let rows = session.query(GIVE_UP, &[&i64::from(limit), &MOST_RELAYS]).await?;
    let mut lost = rows.iter().map(Lost::read).collect::<Result<Vec<_>, _>>()?;
    // In one order, so that two who raise the same alerts do not wait for each other.
    lost.sort_by(|a, b| a.destination.cmp(&b.destination));
    for lost in &lost {
        lost.tell(session).await?;
    }
    session.commit().await?;
    Ok(lost.len())
}

/// An effect that will not arrive.
struct Lost {
    id: Uuid,
    destination: String,
    kind: String,
    error: String,
}

impl Lost {
    fn read(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.try_get("id")?,
            destination: row.try_get("destination")?,
            kind: row.try_get("kind")?,
            error: row.try_get::<_, Option<String>>("last_error")?.unwrap_or_default(),
        })
    }

    async fn tell(&self, session: &mut Session<'_>) -> Result<(), DbError> {
        let Self { id, destination, kind, error } = self;
        let (severity, key) = match kind.as_str() {
            // Whoever expects it says so by itself.
            "ping" => {
                tracing::warn!(outbox_id = %id, error, "a ping did not arrive");
                return Ok(());
            }
            "http" => (Severity::Critical, format!("outbox_dead:{destination}")),
            // Nothing waits again: the error itself is on record.
            "error" => (Severity::Warning, format!("channel_dead:{destination}")),
            _ => {
                session.execute(UNSENT, &[id]).await?;
                (Severity::Warning, format!("channel_dead:{destination}"))
            }
        };
        let message = format!("what was for {destination} could not be delivered ({id}): {error}");
        alerts::raise(session, severity, &key, &message).await
    }
}

/// Nothing is heard of it for an hour: it goes on the queue again.
const SENT: &str = "
    UPDATE outbox SET status = CASE status WHEN 'failed' THEN status ELSE 'sent' END, relays = relays + 1,
                      relay_at = now() + interval '1 hour'
     WHERE id = ANY($1) AND finished_at IS NULL";

/// The message for the queue, whether it is a ping, and the span of its way there.
fn message(row: &Row) -> Result<(String, bool, Span), DbError> {
    let Json(effect): Json<Effect> = row.try_get("effect")?;
    let ping = matches!(effect, Effect::Ping(_));
    let inherited = row.try_get::<_, Option<&str>>("trace_parent")?.and_then(|text| text.parse().ok());
    let relay = telemetry::continued(tracing::info_span!(target: STEP, "relay"), inherited);
    let outbound = Outbound {
        version: VERSION,
        id: row.try_get("id")?,
        tracked: true,
        idempotency_key: row.try_get("idempotency_key")?,
        correlation_id: row.try_get("correlation_id")?,
        trace_parent: inherited.and(telemetry::trace_parent_of(&relay)).or(inherited),
        effect,
    };
    let text = encode(&outbound).map_err(|_| DbError::Unexpected("an effect is not JSON"))?;
    Ok((text, ping, relay))
}

/// Brings a report into its row. `false` when the row says more already (it was delivered, or is gone). A message that
/// carried alerts marks them as sent, or as waiting again; what is dead raises an alert, in the same transaction.
pub async fn record(session: &mut Session<'_>, report: &Report) -> Result<bool, DbError> {
    if !matches!(report.result, ReportResult::Dead { .. }) {
        return Ok(bring_in(session, report).await?.is_some());
    }
    session.begin().await?;
    let lost = bring_in(session, report).await?;
    if let Some(row) = &lost {
        Lost::read(row)?.tell(session).await?;
    }
    session.commit().await?;
    Ok(lost.is_some())
}

async fn bring_in(session: &mut Session<'_>, report: &Report) -> Result<Option<Row>, DbError> {
    let attempt = i16::try_from(report.attempt).unwrap_or(i16::MAX);
    let (status, code, body, error, retry_at) = match &report.result {
        ReportResult::Delivered { status, body } => ("delivered", status, body.as_deref(), None, None),
        ReportResult::Failed { error, status, retry_at } => ("failed", status, None, Some(error), Some(retry_at)),
        ReportResult::Dead { error, status } => ("dead", status, None, Some(error), None),
    };
    let code = code.and_then(|code| i16::try_from(code).ok());
    let error = error.map(|error| crate::executions::shorten(error));
    let body = body.map(crate::executions::shorten);
    session.query_opt(RECORD, &[&report.id, &status, &attempt, &code, &body, &error, &retry_at]).await
}
