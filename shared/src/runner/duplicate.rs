//! An event that is here already.

use super::{Outcome, State, log_dead};
use crate::{
    db::{DbError, Session},
    events::Envelope,
    executions::{self, Existing, Status, Terms},
};

/// What a delivery is told that finds its event already here. With the `terms` of its claim it also buries an execution
/// whose lease ran out and that may not be run again.
pub(super) async fn duplicate(
    mut session: Session<'_>,
    event: Option<&Envelope>,
    existing: Existing,
    terms: Option<Terms>,
) -> Result<Outcome, DbError> {
    let id = existing.id;
    tracing::Span::current().record("execution_id", tracing::field::display(id));
    let mut fresh = false;
    let state = match existing.status {
        Status::Completed if existing.unhandled => State::Ignored,
        Status::Completed => State::AlreadyCompleted,
        Status::Dead => State::Dead,
        Status::Failed => {
            let at = existing.next_attempt_at;
            State::WillRetry {
                at: at.ok_or(DbError::Unexpected("a failed execution has no time for its next attempt"))?,
            }
        }
        Status::Processing => {
            let error = format!("attempt {} was killed or hung, and may not be repeated", existing.attempt);
            let buried = match terms {
                Some(terms) if existing.expired => executions::bury(&mut session, &existing, &error, terms).await?,
                _ => false,
            };
            fresh = buried;
            if buried {
                log_dead(id, &error);
                State::Dead
            } else {
                // The claim of the other runner may not be on disk yet, and our answer lets the sender forget the event.
                executions::flush(&mut session).await?;
                State::InProgress
            }
        }
    };
    let same_payload = event.is_none_or(|event| existing.fingerprint == event.fingerprint);
    Ok(Outcome { same_payload, fresh, ..Outcome::new(id, state) })
}
