//! The outbox, as a person sees it: what left the system, what could not, and sending that once more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::db::{DbError, Session};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    By, Changed, Changes, Cursor, Outcome, Skipped, audit,
    change::{MOST, confirm, distinct, refused},
    conditions,
    dead::missing,
    page::Paging,
};

/// The ids grow with time (UUID version 7), and have an index. Pings and reports of errors that were lost need nobody: they are only
/// among the dead when they are asked for by their destination (`ping`, `tracker`).
const LIST: &str = "
    SELECT id, execution_id, effect ->> 'kind' AS kind, destination, status, created_at, relay_at, relays, attempts,
           finished_at, response_status, last_error
      FROM outbox
     WHERE ($1::text IS NULL OR status = $1)
       AND ($2::text IS NULL OR destination = $2)
       AND ($1::text IS DISTINCT FROM 'dead' OR $2::text IS NOT NULL OR COALESCE(effect ->> 'kind', '') NOT IN ('ping', 'error'))
       AND ($3::uuid IS NULL OR id < $3)
     ORDER BY id DESC
     LIMIT $4";

const OF_EXECUTION: &str = "
    SELECT id, execution_id, effect ->> 'kind' AS kind, destination, status, created_at, relay_at, relays, attempts,
           finished_at, response_status, last_error
      FROM outbox
     WHERE execution_id = $1
     ORDER BY id DESC
     LIMIT 200";

const SHOW: &str = "
    SELECT id, execution_id, effect ->> 'kind' AS kind, destination, status, created_at, relay_at, relays, attempts,
           finished_at, response_status, last_error, idempotency_key, correlation_id, response_body, effect
      FROM outbox
     WHERE id = $1";

const DEAD_FOR: &str = "
    SELECT id
      FROM outbox
     WHERE status = 'dead' AND destination = $1 AND effect ->> 'kind' IS DISTINCT FROM 'ping'
     ORDER BY finished_at, id
     LIMIT $2";

const LOCK: &str = "
    SELECT id, status, effect ->> 'kind' AS kind, destination, relays, attempts, last_error
      FROM outbox
     WHERE id = ANY($1)
     ORDER BY id
       FOR UPDATE";

/// The error stays until the next answer; the counts begin anew.
const RETRY: &str = "
    UPDATE outbox
       SET status = 'pending', relay_at = now(), finished_at = NULL, relays = 0, attempts = 0, response_status = NULL,
           response_body = NULL
     WHERE id = ANY($1)";

const LATE: &str = "it is a ping, and would tell now of a run that is long over";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EffectFilter {
    /// pending, sent, failed, delivered, dead.
    pub status: Option<String>,
    /// A host, or a channel.
    pub destination: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EffectPage {
    pub effects: Vec<EffectSummary>,
    pub next: Option<Cursor>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EffectSummary {
    pub id: Uuid,
    pub execution_id: Option<Uuid>,
    /// http, notify, ping, error.
    pub kind: String,
    pub destination: String,
    pub status: String,
    pub created_at: Timestamp,
    /// When it goes on the queue (again).
    pub relay_at: Option<Timestamp>,
    pub relays: i16,
    pub attempts: i16,
    pub finished_at: Option<Timestamp>,
    pub response_status: Option<i16>,
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EffectDetail {
    #[serde(flatten)]
    pub summary: EffectSummary,
    pub key: String,
    pub correlation_id: String,
    pub response_body: Option<String>,
    /// As it is stored: secrets are in it by their names only.
    pub effect: Value,
}

/// Sends what could not be delivered once more, under the same key. Never a ping: what it told of is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RetryEffects {
    #[serde(default)]
    pub ids: Vec<Uuid>,
    /// In place of ids: all dead effects for this host or channel.
    #[serde(default)]
    pub destination: Option<String>,
    #[serde(default)]
    pub dry_run: bool,
    /// How many its maker agreed to. Needed for more than 10.
    #[serde(default)]
    pub confirmed: u32,
    #[serde(flatten)]
    pub by: By,
}

pub(crate) async fn list(
    session: &mut Session<'_>,
    filter: &EffectFilter,
    limit: u16,
    after: Option<Cursor>,
) -> Result<EffectPage, DbError> {
    let paging = Paging::new(limit, after);
    let (after, fetch) = (paging.after_id(), paging.fetch());
    let rows = session.query(LIST, &[&filter.status, &filter.destination, &after, &fetch]).await?;
    let (effects, next) = paging.cut(&rows, summary, |effect| Cursor { at: effect.created_at, id: effect.id })?;
    Ok(EffectPage { effects, next })
}

/// The latest first.
pub(crate) async fn of_execution(session: &mut Session<'_>, id: Uuid) -> Result<Vec<EffectSummary>, DbError> {
    session.query(OF_EXECUTION, &[&id]).await?.iter().map(summary).collect()
}

pub(crate) async fn show(session: &mut Session<'_>, id: Uuid) -> Result<Outcome, DbError> {
    let Some(row) = session.query_opt(SHOW, &[&id]).await? else {
        return Ok(Outcome::NotFound { what: format!("effect {id}") });
    };
    Ok(Outcome::Effect(Box::new(EffectDetail {
        summary: summary(&row)?,
        key: row.try_get("idempotency_key")?,
        correlation_id: row.try_get("correlation_id")?,
        response_body: row.try_get("response_body")?,
        effect: row.try_get("effect")?,
    })))
}

pub(crate) async fn retry(session: &mut Session<'_>, request: &RetryEffects) -> Result<Outcome, DbError> {
    let by = if request.dry_run { Ok(()) } else { request.by.check() };
    let mut ids = match by.and_then(|()| distinct(&request.ids)) {
        Ok(ids) if ids.is_empty() != request.destination.is_none() => ids,
        Ok(_) => return Ok(refused("it names either ids or a destination")),
        Err(error) => return Ok(refused(error)),
    };
    let mut changes = Changes { dry_run: request.dry_run, ..Changes::default() };
    if let Some(destination) = &request.destination {
        ids = dead_for(session, destination).await?;
        changes.more = ids.len() > MOST;
        ids.truncate(MOST);
    }

    let rows = session.query(LOCK, &[&ids]).await?;
    let (mut chosen, mut destinations, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let (id, status): (Uuid, &str) = (row.try_get("id")?, row.try_get("status")?);
        if status != "dead" {
            changes.skipped.push(Skipped::new(&id, "not_dead", format!("it is {status}, not dead")));
            continue;
        }
        if row.try_get::<_, &str>("kind")? == "ping" {
            changes.skipped.push(Skipped::new(&id, "ping", LATE));
            continue;
        }
        let destination: String = row.try_get("destination")?;
        changes.changed.push(Changed::new(&id, format!("for {destination}")));
        records.push((id.to_string(), before(row)?));
        destinations.push(destination);
        chosen.push(id);
    }
    changes.skipped.extend(missing(&ids, &rows)?);
    if request.dry_run {
        return Ok(Outcome::Changed(changes));
    }
    if let Err(error) = confirm(chosen.len(), request.confirmed) {
        return Ok(refused(error));
    }
    session.execute(RETRY, &[&chosen]).await?;
    // Its alert ends with the last of them, also when cleanup was the one to remove it.
    destinations.extend(request.destination.clone());
    audit::record(session, "retry_effects", &request.by, records).await?;
    changes.alerts_resolved = conditions::dead_effects_gone(session, destinations).await?;
    Ok(Outcome::Changed(changes))
}

async fn dead_for(session: &mut Session<'_>, destination: &str) -> Result<Vec<Uuid>, DbError> {
    let fetch = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let rows = session.query(DEAD_FOR, &[&destination, &fetch]).await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

/// For the audit trail.
fn before(row: &Row) -> Result<Value, DbError> {
    let (relays, attempts): (i16, i16) = (row.try_get("relays")?, row.try_get("attempts")?);
    let error: Option<String> = row.try_get("last_error")?;
    Ok(json!({"relays_before": relays, "attempts_before": attempts, "error_before": error}))
}

fn summary(row: &Row) -> Result<EffectSummary, DbError> {
    Ok(EffectSummary {
        id: row.try_get("id")?,
        execution_id: row.try_get("execution_id")?,
        kind: row.try_get("kind")?,
        destination: row.try_get("destination")?,
        status: row.try_get("status")?,
        created_at: row.try_get("created_at")?,
        relay_at: row.try_get("relay_at")?,
        relays: row.try_get("relays")?,
        attempts: row.try_get("attempts")?,
        finished_at: row.try_get("finished_at")?,
        response_status: row.try_get("response_status")?,
        last_error: row.try_get("last_error")?,
    })
}
