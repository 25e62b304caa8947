//! Replays: an event that comes again under another key.
//!
//! Some senders sign the body and not the id (GitHub, Shopify). Who captured a delivery can send it again under an id of
//! his own, and it is a new event. It is handled all the same, because two equal bodies can both be honest; a person is
//! told. Senders that sign the id cost no query.

use uuid::Uuid;

use crate::{
    alerts::{self, Severity},
    db::{DbError, Session},
    events::Envelope,
};

/// With the condition of the index `executions_fingerprint`.
const FIND: &str = "SELECT id FROM executions WHERE source = $1 AND fingerprint = $2 AND id <> $3 \
     AND source NOT IN ('events', 'slack', 'standard', 'stripe') LIMIT 1";

/// Raises an alert when `event`, just stored as `id` for the first time, has a twin. A failure to find out is logged and
/// does not keep the event from its handler.
pub(crate) async fn flag(session: &mut Session<'_>, event: &Envelope, id: Uuid) {
    if event.signs_id {
        return;
    }
    match find(session, event, id).await {
        Ok(None) => {}
        Ok(Some(twin)) => {
            let key = format!("possible_replay:{}", event.source);
            let message = format!(
                "{} came from {} as {}, with the same contents as {twin}; its sender does not sign ids, so it may be a \
                 replay. It is handled like any other.",
                event.event_type, event.source, event.key
            );
            if let Err(error) = alerts::raise(session, Severity::Warning, &key, &message).await {
                tracing::warn!(%error, "the alert reached the log only");
            }
        }
        Err(error) => tracing::warn!(%error, "whether the event is a replay could not be found out"),
    }
}

async fn find(session: &mut Session<'_>, event: &Envelope, id: Uuid) -> Result<Option<Uuid>, DbError> {
    let row = session.query_opt(FIND, &[&event.source, &event.fingerprint.as_slice(), &id]).await?;
    row.map(|row| row.try_get(0)).transpose().map_err(DbError::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers;

    #[test]
    fn nobody_whose_id_is_not_signed_is_left_out_of_the_index() {
        for provider in providers::ALL.iter().filter(|provider| !provider.signs_id()) {
            assert!(!FIND.contains(&format!("'{}'", provider.name())), "{}", provider.name());
        }
    }
}
