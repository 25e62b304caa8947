//! What is news about errors goes to the tracker, through the outbox.

use tokio_postgres::Row;

use crate::{
    db::{DbError, Session},
    outbox::{self, Effect, Sighting},
};

/// Nearly always nothing: no transaction is opened for it.
const NEWS: &str = "SELECT FROM errors WHERE tell_since IS NOT NULL AND resolved_at IS NULL LIMIT 1";
const TAKE: &str = include_str!("sql/take.sql");

/// So many in one tick, and so many different errors in 24 hours: a storm is told of, and not passed on.
const MOST_AT_ONCE: i64 = 20;
const MOST_IN_A_DAY: i64 = 100;

/// Puts messages for what is new, came again though it was resolved, or has one digit more in its count into the outbox, in one
/// transaction. How many. `tracker` is the name of the secret with the tracker's DSN; without one nothing is told, and waits.
pub async fn flush(session: &mut Session<'_>, tracker: Option<&str>) -> Result<usize, DbError> {
    let Some(secret) = tracker else { return Ok(0) };
    if session.query_opt(NEWS, &[]).await?.is_none() {
        return Ok(0);
    }
    session.begin().await?;
    let rows = session.query(TAKE, &[&MOST_AT_ONCE, &MOST_IN_A_DAY]).await?;
    let effects = rows.iter().map(|row| {
        let sighting = read(row, secret)?;
        let correlation_id = sighting.correlation_id.clone().unwrap_or_else(|| sighting.fingerprint.clone());
        Ok((Effect::Error(Box::new(sighting)), correlation_id))
    });
    let effects = effects.collect::<Result<Vec<_>, DbError>>()?;
    // The rows are held until then, and whoever fails with one of these errors waits.
    outbox::enqueue_and_commit(session, &effects).await?;
    Ok(effects.len())
}

fn read(row: &Row, secret: &str) -> Result<Sighting, DbError> {
    Ok(Sighting {
        secret: secret.to_owned(),
        fingerprint: row.try_get("fingerprint")?,
        error: row.try_get("kind")?,
        culprit: row.try_get("culprit")?,
        title: row.try_get("title")?,
        message: row.try_get("message")?,
        source: row.try_get("source")?,
        event_type: row.try_get("event_type")?,
        execution_id: row.try_get("execution_id")?,
        correlation_id: row.try_get("correlation_id")?,
        first_seen: row.try_get("first_seen")?,
        last_seen: row.try_get("last_seen")?,
        count: row.try_get("count")?,
        regressions: row.try_get("regressions")?,
        release: row.try_get("last_release")?,
    })
}
