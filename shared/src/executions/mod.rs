//! Executions: the record of every event, and the only place that changes their state.
//!
//! The rules, in the order in which a delivery meets them:
//!
//! 1. [`claim`] gives an event to one runner, for the length of a lease, before any work. The database's clock decides.
//! 2. [`finish`] completes it inside the transaction that holds the handler's own writes: both are there or neither.
//! 3. [`fail`] puts a failed attempt on record and decides between another one and the dead letters.
//! 4. Every change names the fence that it was given. A runner that lost its lease holds an old fence and changes nothing.
//!
//! Deliberately absent: deciding *whether* to run, which is [`crate::runner`]'s.

mod due;
mod failure;
mod found;
mod settle;

pub(crate) use due::start;
pub use due::{Due, Swept, WARM as WARM_WORKER, due, release, sweep};
pub use failure::Failure;
pub use found::{Claim, Existing, Owned, Status};
pub use settle::{Settled, settle};

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::{
    db::{DbError, Params, Session},
    errors,
    events::Envelope,
    retry::RetryPolicy,
};
use found::{read_claim, read_existing};

const CLAIM: &str = include_str!("sql/claim.sql");
const FINISH: &str = include_str!("sql/finish.sql");
const FAIL: &str = include_str!("sql/fail.sql");
const BURY: &str = include_str!("sql/bury.sql");
const FLUSH: &str = "SELECT pg_logical_emit_message(true, 'solo-os', '')";

/// The statements of a delivery that goes well. Prepared when a connection opens, so that no event waits for it.
pub const WARM: &[&str] = &[CLAIM, FINISH];

/// The type of the event that a deployment's smoke test sends. No handler takes it, and the test removes it: no other
/// execution can be deleted by request.
pub const SMOKE_TEST: &str = "solo.smoke_test";

/// The longest error text that is kept, in bytes.
const LONGEST_ERROR: usize = 2_000;
/// How often a claim that met the very first insert of its key asks again.
const CLAIM_TRIES: usize = 5;

/// How an attempt may be made: for how long it is its runner's, how many there are, and what a crash means.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub lease: Duration,
    pub max_attempts: u16,
    pub rerun_after_crash: bool,
}

/// Takes `event` for this runner, or tells what is already there. Committed on return, but not yet flushed to disk:
/// answer no 2xx on the strength of this alone.
pub async fn claim(session: &mut Session<'_>, event: &Envelope, handler: &str, terms: Terms) -> Result<Claim, DbError> {
    let id = crate::clock::new_id();
    let version = i16::try_from(event.version).unwrap_or(i16::MAX);
    let payload = Json(&*event.payload);
    let lease = millis(terms.lease);
    let max_attempts = i16::try_from(terms.max_attempts).unwrap_or(i16::MAX);
    for _ in 0..CLAIM_TRIES {
        let row = session
            .query_opt(
                CLAIM,
                &[
                    &id,
                    &event.source,
                    &event.key,
                    &event.event_type,
                    &version,
                    &handler,
                    &payload,
                    &event.fingerprint.as_slice(),
                    &event.correlation_id,
                    &event.occurred_at,
                    &lease,
                    &max_attempts,
                    &terms.rerun_after_crash,
                ],
            )
            .await?;
        if let Some(row) = row {
            return read_claim(&row);
        }
    }
    Err(DbError::Unexpected("an execution came and went while it was being claimed"))
}

/// Completes the execution and commits the open transaction, in one round trip.
///
/// Fails with [`DbError::NotOwned`] when the lease was lost: the transaction is rolled back, the handler's writes with
/// it. Any other error leaves open whether the commit happened; [`fail`] finds out.
pub async fn finish(session: &mut Session<'_>, owned: &Owned) -> Result<(), DbError> {
    let finished = session.commit_with(FINISH, &[&owned.id, &owned.fence]).await?;
    finished.map_err(|error| if error.is_division_by_zero() { DbError::NotOwned } else { error })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    RetryAt(Timestamp),
    Dead,
}

/// Records a failed attempt, durably, and counts it among the errors. `None` when the execution is no longer this runner's.
pub async fn fail(
    session: &mut Session<'_>,
    owned: &Owned,
    failure: &Failure,
    policy: &RetryPolicy,
    fraction: f64,
) -> Result<Option<Failed>, DbError> {
    let wait = millis(policy.delay(owned.attempt, failure.retry_after, fraction));
    let max_attempts = i16::try_from(policy.max_attempts).unwrap_or(i16::MAX);
    let error = shorten(&failure.error);
    let told = shorten(failure.told());
    let (kind, title) = (failure.kind.as_str(), errors::title(&told));
    let values: &Params<'_> =
        &[&owned.id, &owned.fence, &failure.permanent, &max_attempts, &wait, &error, &kind, &title, &told];
    let row = session.query_opt(FAIL, values).await?;
    row.map(|row| {
        Ok(match row.try_get::<_, Option<Timestamp>>("next_attempt_at")? {
            Some(at) => Failed::RetryAt(at),
            None => Failed::Dead,
        })
    })
    .transpose()
}

/// Sends an execution whose lease ran out, and that may not be run again by `terms`, to the dead letters. `false` when
/// it may, or when someone else changed it first.
pub async fn bury(session: &mut Session<'_>, lost: &Existing, error: &str, terms: Terms) -> Result<bool, DbError> {
    let max_attempts = i16::try_from(terms.max_attempts).unwrap_or(i16::MAX);
    let values: &Params<'_> = &[&lost.id, &lost.fence, &shorten(error), &max_attempts, &terms.rerun_after_crash];
    Ok(session.query_opt(BURY, values).await?.is_some())
}

/// Makes every commit before this one durable, other sessions' too (the write-ahead log is one).
pub async fn flush(session: &mut Session<'_>) -> Result<(), DbError> {
    session.query_opt(FLUSH, &[]).await.map(|_| ())
}

/// The state of one execution, as a delivery of it would find it.
pub async fn find(session: &mut Session<'_>, id: Uuid) -> Result<Option<Existing>, DbError> {
    const FIND: &str = "SELECT id, fence, attempt, status, next_attempt_at, last_error, \
         status = 'processing' AND lease_until <= now() AS expired, handler IS NULL AS unhandled, fingerprint \
         FROM executions WHERE id = $1";
    session.query_opt(FIND, &[&id]).await?.map(|row| read_existing(&row)).transpose()
}

/// As a `double precision`, which is what SQL multiplies an interval by. Exact up to 285,000 years.
#[allow(clippy::cast_precision_loss)]
fn millis(duration: Duration) -> f64 {
    duration.as_millis() as f64
}

/// `error` without NUL (text in PostgreSQL has none), at most [`LONGEST_ERROR`] bytes, cut between characters.
pub(crate) fn shorten(error: &str) -> String {
    let mut text = error.replace('\0', "\u{fffd}");
    if text.len() > LONGEST_ERROR {
        let mut end = LONGEST_ERROR;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_errors_are_cut_between_characters() {
        let long = "é".repeat(LONGEST_ERROR);
        let short = shorten(&long);
        assert!(short.len() <= LONGEST_ERROR + '…'.len_utf8());
        assert!(short.ends_with('…'));
        assert_eq!(shorten("a\0b"), "a\u{fffd}b");
    }
}
