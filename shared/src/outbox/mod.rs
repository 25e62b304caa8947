//! The outbox: what leaves the system. A handler's effects are rows, written in its own transaction, so that they exist
//! exactly if the handler's other writes do. The worker's relay puts due rows on the outbound queue, courier performs
//! them, and its reports come back through the inbox.
//!
//! An effect is performed at least once, and says so to the other side: each carries the same idempotency key however
//! often it is sent. Deliberately absent: performing them, which is courier's.

mod effect;
mod message;
mod relay;
mod sighting;

pub use effect::{Body, Effect, HttpRequest, Item, Notification, Ping, Text, UnfitEffect};
pub use message::{Outbound, Report, Result as ReportResult, VERSION, decode, encode};
pub use relay::{RelayError, Relayed, record, relay};
pub use sighting::Sighting;

use uuid::Uuid;

use crate::{
    clock,
    db::{DbError, Params, Session},
    telemetry::TraceParent,
};

const ENQUEUE: &str = "
    INSERT INTO outbox (id, execution_id, idempotency_key, effect, destination, correlation_id, trace_parent)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (idempotency_key) DO NOTHING";

const ENQUEUE_ALL: &str = "
    INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id)
    SELECT id, id::text, effect, destination, correlation_id
      FROM unnest($1::uuid[], $2::jsonb[], $3::text[], $4::text[]) AS effects (id, effect, destination, correlation_id)";

/// Stores the platform's own effects, each with its correlation id, and commits the session's transaction: one round trip for all.
pub(crate) async fn enqueue_and_commit(session: &mut Session<'_>, effects: &[(Effect, String)]) -> Result<(), DbError> {
    let stored = effects.iter().map(|(effect, _)| serde_json::to_value(effect));
    let stored = stored.collect::<Result<Vec<_>, _>>().map_err(|_| DbError::Unexpected("an effect is not JSON"))?;
    let ids: Vec<Uuid> = effects.iter().map(|_| clock::new_id()).collect();
    let destinations: Vec<_> = effects.iter().map(|(effect, _)| effect.destination()).collect();
    let correlation_ids: Vec<&str> = effects.iter().map(|(_, id)| id.as_str()).collect();
    session.commit_with(ENQUEUE_ALL, &[&ids, &stored, &destinations, &correlation_ids]).await?
}

/// Stores an effect in the session's transaction. `false` when an effect with this `key` is there already. Without a key
/// the effect's own new id is its key.
pub(crate) async fn enqueue(
    session: &mut Session<'_>,
    effect: &Effect,
    key: Option<&str>,
    execution: Option<Uuid>,
    correlation_id: &str,
    trace_parent: Option<TraceParent>,
) -> Result<Option<Uuid>, DbError> {
    let id = clock::new_id();
    let own = id.to_string();
    let key = key.unwrap_or(&own);
    let stored = serde_json::to_value(effect).map_err(|_| DbError::Unexpected("an effect is not JSON"))?;
    let destination = effect.destination();
    let trace_parent = trace_parent.map(|parent| parent.to_string());
    let values: &Params<'_> = &[&id, &execution, &key, &stored, &destination, &correlation_id, &trace_parent];
    let rows = session.execute(ENQUEUE, values).await?;
    Ok((rows == 1).then_some(id))
}
