//! Replays: a new generation of the same execution, due at once. Its earlier attempts stay on record; the worker's tick runs
//! it as it runs every retry.
//!
//! The rows are locked and looked at one by one, in one transaction with the change. So of two replays at once, one does it
//! and the other is told that it waits for its retry already.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::db::{DbError, Session};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    By, Changed, Changes, Others, Outcome, Skipped, audit,
    change::{MOST, confirm, distinct, moment, refused},
    conditions,
    dead::missing,
};

/// What fits the filter and may be replayed, the oldest first. What ended is placed by the time when it did.
const CHOOSE: &str = "
    SELECT id
      FROM executions
     WHERE ((status = 'dead' AND resolved_at IS NULL)
            OR (status = 'completed' AND ((handler IS NOT NULL AND $1) OR (handler IS NULL AND $2))))
       AND payload IS NOT NULL
       AND ($3::text IS NULL OR source = $3)
       AND ($4::text IS NULL OR event_type = $4)
       AND ($5::timestamptz IS NULL OR finished_at >= $5)
       AND ($6::timestamptz IS NULL OR finished_at < $6)
     ORDER BY finished_at, id
     LIMIT $7";

/// What else fits the filter, of the latest 20,000 that came: it is for information, and must not take long.
const OTHERS: &str = "
    SELECT code, count(*)
      FROM (SELECT CASE WHEN payload IS NULL THEN 'cleared'
                        WHEN status = 'completed' AND handler IS NULL THEN 'unhandled'
                        WHEN status = 'dead' THEN 'resolved'
                        ELSE status END AS code
              FROM (SELECT * FROM executions ORDER BY received_at DESC, id DESC LIMIT 20000) AS latest
             WHERE NOT (((status = 'dead' AND resolved_at IS NULL)
                         OR (status = 'completed' AND ((handler IS NOT NULL AND $1) OR (handler IS NULL AND $2))))
                        AND payload IS NOT NULL)
               AND (status = 'dead' OR NOT $3)
               AND ($4::text IS NULL OR source = $4)
               AND ($5::text IS NULL OR event_type = $5)
               AND ($6::timestamptz IS NULL OR COALESCE(finished_at, started_at, received_at) >= $6)
               AND ($7::timestamptz IS NULL OR COALESCE(finished_at, started_at, received_at) < $7)) AS others
     GROUP BY code
     ORDER BY code";

const LOCK: &str = "
    SELECT id, source, event_type, status, handler, attempt, generation, last_error, resolved_at, next_attempt_at,
           payload IS NULL AS cleared,
           extract(epoch FROM lease_until - clock_timestamp())::float8 AS lease_left
      FROM executions
     WHERE id = ANY($1)
     ORDER BY id
       FOR UPDATE";

const REPLAY: &str = "
    UPDATE executions
       SET status = 'failed', generation = generation + 1, attempt = 0, fence = fence + 1, next_attempt_at = now(),
           finished_at = NULL, resolved_at = NULL, lease_until = NULL, last_error = COALESCE(last_error, 'replayed: ' || $2)
     WHERE id = ANY($1)";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replay {
    #[serde(flatten)]
    pub what: ReplayFilter,
    /// Also those that completed, and ran with a handler. One that is named by its id needs no flag.
    #[serde(default)]
    pub completed: bool,
    /// Also those that no handler took. Named by an id, too.
    #[serde(default)]
    pub unhandled: bool,
    /// Tell what would happen, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// How many its maker agreed to. Needed for more than 10.
    #[serde(default)]
    pub confirmed: u32,
    #[serde(flatten)]
    pub by: By,
}

/// Which: the ids, or else all that fit every given part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplayFilter {
    pub ids: Vec<Uuid>,
    /// Nothing but dead letters.
    pub dead: bool,
    pub source: Option<String>,
    pub event_type: Option<String>,
    /// Only what ended then or later.
    pub since: Option<Timestamp>,
    /// Only what ended before.
    pub until: Option<Timestamp>,
}

impl ReplayFilter {
    fn check(&self) -> Result<(), String> {
        let narrowed =
            self.source.is_some() || self.event_type.is_some() || self.since.is_some() || self.until.is_some();
        match (self.ids.is_empty(), narrowed) {
            (true, false) if !self.dead => Err("it says neither which ids, nor which type, source or time".into()),
            (false, true) => Err("it names ids and a filter; one of them is enough".into()),
            _ => Ok(()),
        }
    }
}

pub(crate) async fn replay(session: &mut Session<'_>, request: &Replay) -> Result<Outcome, DbError> {
    let by = if request.dry_run { Ok(()) } else { request.by.check() };
    let ids = match by.and_then(|()| request.what.check()).and_then(|()| distinct(&request.what.ids)) {
        Ok(ids) => ids,
        Err(error) => return Ok(refused(error)),
    };
    let mut changes = Changes { dry_run: request.dry_run, ..Changes::default() };
    let by_id = !ids.is_empty();
    let ids = if by_id { ids } else { choose(session, request, &mut changes).await? };

    let rows = session.query(LOCK, &[&ids]).await?;
    let mut chosen = Vec::new();
    for row in &rows {
        let candidate = Candidate::read(row)?;
        match candidate.skip(request, by_id) {
            Some(skipped) => changes.skipped.push(skipped),
            None => chosen.push(candidate),
        }
    }
    changes.skipped.extend(missing(&ids, &rows)?);
    changes.changed = chosen.iter().map(Candidate::changed).collect();
    if request.dry_run {
        return Ok(Outcome::Changed(changes));
    }
    if let Err(error) = confirm(chosen.len(), request.confirmed) {
        return Ok(refused(error));
    }
    changes.alerts_resolved = begin_anew(session, &chosen, &request.by).await?;
    Ok(Outcome::Changed(changes))
}

/// The ids that fit the filter. What else fits it is counted in `changes`.
async fn choose(session: &mut Session<'_>, request: &Replay, changes: &mut Changes) -> Result<Vec<Uuid>, DbError> {
    let ReplayFilter { dead, source, event_type, since, until, .. } = &request.what;
    let (completed, unhandled) = (request.completed && !dead, request.unhandled && !dead);
    let fetch = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let rows = session.query(CHOOSE, &[&completed, &unhandled, source, event_type, since, until, &fetch]).await?;
    let mut ids = rows.iter().map(|row| row.try_get("id")).collect::<Result<Vec<Uuid>, _>>()?;
    changes.more = ids.len() > MOST;
    ids.truncate(MOST);
    let rows = session.query(OTHERS, &[&completed, &unhandled, dead, source, event_type, since, until]).await?;
    for row in &rows {
        let code: String = row.try_get("code")?;
        let why = why_not(&code).to_owned();
        changes.others.push(Others { count: row.try_get("count")?, code, why });
    }
    Ok(ids)
}

/// Why one that fits the filter is not chosen by it.
fn why_not(code: &str) -> &'static str {
    match code {
        "completed" => "completed; --completed replays them, too",
        "unhandled" => "no handler took them; --unhandled gives them to the one there is now",
        "cleared" => "their payloads are gone after the time that [retention] keeps them",
        "resolved" => "a person has dealt with them; name their ids to replay them all the same",
        "failed" => "they wait for their retry already",
        _ => "they are being processed",
    }
}

/// Makes them due again, puts it on record, and ends the alerts whose condition is over. Returns those.
async fn begin_anew(session: &mut Session<'_>, chosen: &[Candidate], by: &By) -> Result<Vec<String>, DbError> {
    let ids: Vec<Uuid> = chosen.iter().map(|candidate| candidate.id).collect();
    let replayed = session.execute(REPLAY, &[&ids, &by.reason]).await?;
    if usize::try_from(replayed).ok() != Some(ids.len()) {
        return Err(DbError::Unexpected("an execution that was locked is gone"));
    }
    audit::record(session, "replay", by, chosen.iter().map(Candidate::record).collect()).await?;
    let died = chosen.iter().filter(|candidate| candidate.status == "dead");
    let kinds = died.map(|candidate| (candidate.source.clone(), candidate.event_type.clone())).collect();
    conditions::dead_letters_gone(session, kinds).await
}

/// An execution as it is before.
struct Candidate {
    id: Uuid,
    source: String,
    event_type: String,
    status: String,
    handler: Option<String>,
    attempt: i16,
    generation: i16,
    last_error: Option<String>,
    resolved_at: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
    /// There is nothing to replay.
    cleared: bool,
    /// In seconds; less than none when it ran out.
    lease_left: Option<f64>,
}

impl Candidate {
    fn read(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.try_get("id")?,
            source: row.try_get("source")?,
            event_type: row.try_get("event_type")?,
            status: row.try_get("status")?,
            handler: row.try_get("handler")?,
            attempt: row.try_get("attempt")?,
            generation: row.try_get("generation")?,
            last_error: row.try_get("last_error")?,
            resolved_at: row.try_get("resolved_at")?,
            next_attempt_at: row.try_get("next_attempt_at")?,
            cleared: row.try_get("cleared")?,
            lease_left: row.try_get("lease_left")?,
        })
    }

    /// Why it is left as it is, if so.
    fn skip(&self, request: &Replay, by_id: bool) -> Option<Skipped> {
        let skip = |code: &str, why: String| Some(Skipped::new(&self.id, code, why));
        let unhandled = self.handler.is_none();
        match self.status.as_str() {
            _ if self.cleared => {
                skip("cleared", "its payload is gone, after the time that [retention] keeps it".into())
            }
            _ if self.generation == i16::MAX => skip("worn_out", "it was replayed too often".into()),
            "dead" if self.resolved_at.is_some() && !by_id => skip("resolved", "a person has dealt with it".into()),
            "dead" => None,
            _ if request.what.dead => skip("not_dead", format!("it is {}, no dead letter", self.status)),
            "completed" if unhandled && !request.unhandled => {
                skip("unhandled", "no handler took it; --unhandled gives it to the one there is now".into())
            }
            "completed" if unhandled || by_id || request.completed => None,
            "completed" => skip("completed", "it completed".into()),
            "failed" => {
                let at = self.next_attempt_at.map_or_else(|| "its time".to_owned(), moment);
                skip("waiting", format!("it waits for its retry already, at {at}"))
            }
            _ => {
                let left = self.lease_left.unwrap_or_default();
                let why = if left > 0.0 {
                    format!("a runner has it for another {left:.0} s")
                } else {
                    "its runner is gone; the worker's next tick sweeps it".to_owned()
                };
                skip("in_flight", why)
            }
        }
    }

    fn changed(&self) -> Changed {
        Changed::new(&self.id, format!("{} from {}, generation {}", self.event_type, self.source, self.generation + 1))
    }

    /// For the audit trail.
    fn record(&self) -> (String, Value) {
        let detail = json!({
            "generation": self.generation + 1,
            "status_before": self.status,
            "attempts_before": self.attempt,
            "error_before": self.last_error,
        });
        (self.id.to_string(), detail)
    }
}
