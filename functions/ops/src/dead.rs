//! Dead letters: executions that wait for a person. They are replayed (see `replay.rs`), or resolved: dealt with otherwise.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::db::{DbError, Session};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    By, Changed, Changes, Cursor, ExecutionSummary, Outcome, Skipped, audit,
    change::{distinct, moment, refused},
    conditions,
    executions::summary,
    page::Paging,
};

const LIST: &str = "
    SELECT id, source, event_type, idempotency_key, status, handler, attempt, received_at, next_attempt_at,
           finished_at, last_error, generation, resolved_at
      FROM executions
     WHERE status = 'dead'
       AND ($1 OR resolved_at IS NULL)
       AND ($2::text IS NULL OR source = $2)
       AND ($3::text IS NULL OR event_type = $3)
       AND ($4::timestamptz IS NULL OR finished_at >= $4)
       AND ($5::timestamptz IS NULL OR finished_at < $5)
       AND ($6::timestamptz IS NULL OR (finished_at, id) < ($6, $7))
     ORDER BY finished_at DESC, id DESC
     LIMIT $8";

const LOCK: &str = "
    SELECT id, status, source, event_type, resolved_at FROM executions WHERE id = ANY($1) ORDER BY id FOR UPDATE";

const RESOLVE: &str = "UPDATE executions SET resolved_at = now() WHERE id = ANY($1)";

/// Only those that fit every given part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadFilter {
    pub source: Option<String>,
    pub event_type: Option<String>,
    /// Only what died then or later.
    pub since: Option<Timestamp>,
    /// Only what died before.
    pub until: Option<Timestamp>,
    /// Also those that a person has dealt with.
    pub resolved: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetters {
    pub letters: Vec<ExecutionSummary>,
    pub next: Option<Cursor>,
}

pub(crate) async fn list(
    session: &mut Session<'_>,
    filter: &DeadFilter,
    limit: u16,
    after: Option<Cursor>,
) -> Result<DeadLetters, DbError> {
    let DeadFilter { source, event_type, since, until, resolved } = filter;
    let paging = Paging::new(limit, after);
    let (after_time, after_id, fetch) = (paging.after_time(), paging.after_id(), paging.fetch());
    let rows =
        session.query(LIST, &[resolved, source, event_type, since, until, &after_time, &after_id, &fetch]).await?;
    let (letters, next) = paging.cut(&rows, summary, |letter| Cursor {
        // A dead letter has its time: the table's CHECK says so.
        at: letter.finished_at.unwrap_or(letter.received_at),
        id: letter.id,
    })?;
    Ok(DeadLetters { letters, next })
}

/// Takes dead letters off the list. An alert about dead letters of a source and type ends with the last of them.
pub(crate) async fn resolve(session: &mut Session<'_>, ids: &[Uuid], by: &By) -> Result<Outcome, DbError> {
    let ids = match by.check().and_then(|()| distinct(ids)) {
        Ok(ids) => ids,
        Err(error) => return Ok(refused(error)),
    };
    let rows = session.query(LOCK, &[&ids]).await?;
    let mut changes = Changes::default();
    let (mut chosen, mut kinds) = (Vec::new(), Vec::new());
    for row in &rows {
        let id: Uuid = row.try_get("id")?;
        match verdict(row)? {
            Some(skipped) => changes.skipped.push(skipped),
            None => {
                changes.changed.push(Changed::new(&id, "resolved"));
                kinds.push((row.try_get("source")?, row.try_get("event_type")?));
                chosen.push(id);
            }
        }
    }
    changes.skipped.extend(missing(&ids, &rows)?);
    session.execute(RESOLVE, &[&chosen]).await?;
    audit::record(session, "resolve_dead_letters", by, chosen.iter().map(|id| (id.to_string(), json!({}))).collect())
        .await?;
    changes.alerts_resolved = conditions::dead_letters_gone(session, kinds).await?;
    Ok(Outcome::Changed(changes))
}

fn verdict(row: &Row) -> Result<Option<Skipped>, DbError> {
    let (id, status): (Uuid, &str) = (row.try_get("id")?, row.try_get("status")?);
    let resolved_at: Option<Timestamp> = row.try_get("resolved_at")?;
    Ok(match (status, resolved_at) {
        ("dead", None) => None,
        ("dead", Some(at)) => Some(Skipped::new(&id, "resolved", format!("it was resolved at {}", moment(at)))),
        _ => Some(Skipped::new(&id, "not_dead", format!("it is {status}, no dead letter"))),
    })
}

/// A word for each of `ids` that has no row.
pub(crate) fn missing(ids: &[Uuid], rows: &[Row]) -> Result<Vec<Skipped>, DbError> {
    let found = rows.iter().map(|row| row.try_get("id")).collect::<Result<Vec<Uuid>, _>>()?;
    let missing = ids.iter().filter(|id| !found.contains(id));
    Ok(missing.map(|id| Skipped::new(id, "not_found", "there is none with this id")).collect())
}
