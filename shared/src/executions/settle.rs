//! Events that are stored without an attempt.

use tokio_postgres::types::Json;

use super::{CLAIM_TRIES, Claim, failure::misfit, found::read_claim, shorten};
use crate::{
    db::{DbError, Session},
    errors,
    events::Envelope,
};

const SETTLE: &str = include_str!("sql/settle.sql");

/// What an event without an attempt is stored as.
#[derive(Clone, Copy, Debug)]
pub enum Settled<'a> {
    /// There is no handler for its type.
    Unhandled,
    /// Authentic, but not what its type promises. `fields` names what does not fit, and quotes none of it.
    Dead { error: &'a str, fields: &'a str },
}

/// Stores `event` without an attempt, durably.
pub async fn settle(session: &mut Session<'_>, event: &Envelope, as_: Settled<'_>) -> Result<Claim, DbError> {
    let id = crate::clock::new_id();
    let version = i16::try_from(event.version).unwrap_or(i16::MAX);
    let (status, error, told) = match as_ {
        Settled::Unhandled => ("completed", None, None),
        Settled::Dead { error, fields } => ("dead", Some(shorten(error)), Some(misfit(fields))),
    };
    let (title, told) = (told.as_deref().map(errors::title), told.as_deref().map(shorten));
    for _ in 0..CLAIM_TRIES {
        let row = session
            .query_opt(
                SETTLE,
                &[
                    &id,
                    &event.source,
                    &event.key,
                    &event.event_type,
                    &version,
                    &Json(&*event.payload),
                    &event.fingerprint.as_slice(),
                    &event.correlation_id,
                    &event.occurred_at,
                    &status,
                    &error,
                    &title,
                    &told,
                ],
            )
            .await?;
        if let Some(row) = row {
            return read_claim(&row);
        }
    }
    Err(DbError::Unexpected("an execution came and went while it was being stored"))
}
