//! Alerts, as a person sees them: what is open, what is silenced and until when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    alerts::{self, Severity},
    db::{DbError, Session},
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    By, Changed, Changes, Cursor, Outcome, Skipped, audit,
    change::{moment, refused, text},
    page::Paging,
};

/// The key of an alert that is raised to see one arrive.
const TEST: &str = "test";
const LONGEST_PATTERN: usize = 200;
const MOST_KEYS: usize = 100;
const MOST_SILENCES: i64 = 100;
const SHORTEST_SILENCE: u32 = 60;
const LONGEST_SILENCE: u32 = 30 * 24 * 3_600;

/// A pattern fits as in shared/src/alerts/sql/pending.sql.
const LIST: &str = r"
    SELECT a.id, a.key, a.severity, a.message, a.occurrences, a.raised_at, a.last_raised_at, a.resolved_at,
           a.pending_since, a.sent_at,
           (SELECT max(s.until) FROM alert_silences s
             WHERE s.until > now()
               AND a.key LIKE replace(replace(replace(replace(s.pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'))
           AS silenced_until
      FROM alerts a
     WHERE CASE $1
           WHEN 'open' THEN a.resolved_at IS NULL
           WHEN 'pending' THEN a.pending_since IS NOT NULL
           WHEN 'sent' THEN a.resolved_at IS NULL AND a.sent_at IS NOT NULL
           WHEN 'resolved' THEN a.resolved_at IS NOT NULL
           ELSE true END
       AND ($2::timestamptz IS NULL OR (a.raised_at, a.id) < ($2, $3))
     ORDER BY a.raised_at DESC, a.id DESC
     LIMIT $4";

const SILENCES: &str = "
    SELECT id, pattern, until, reason, created_by FROM alert_silences WHERE until > now() ORDER BY until, id LIMIT $1";

const SILENCE: &str = "
    INSERT INTO alert_silences (pattern, until, reason, created_by)
    VALUES ($1, now() + $2 * interval '1 second', $3, $4)
    RETURNING until";

const UNSILENCE: &str = "UPDATE alert_silences SET until = now() WHERE pattern = $1 AND until > now()";

/// The test before this one ends without a word, so that this one is news.
const END_TEST: &str =
    "UPDATE alerts SET resolved_at = now(), pending_since = NULL WHERE key = $1 AND resolved_at IS NULL";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Not resolved.
    #[default]
    Open,
    /// With something to tell that was not told yet.
    Pending,
    /// Open, and told.
    Sent,
    Resolved,
    All,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alerts {
    pub alerts: Vec<Alert>,
    pub next: Option<Cursor>,
    /// Those that hold now.
    pub silences: Vec<Silence>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alert {
    pub id: Uuid,
    pub key: String,
    pub severity: String,
    pub message: String,
    pub occurrences: i32,
    pub raised_at: Timestamp,
    pub last_raised_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
    pub pending_since: Option<Timestamp>,
    pub sent_at: Option<Timestamp>,
    pub silenced_until: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Silence {
    pub id: Uuid,
    pub pattern: String,
    pub until: Timestamp,
    pub reason: String,
    pub created_by: String,
}

impl AlertState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Resolved => "resolved",
            Self::All => "all",
        }
    }
}

pub(crate) async fn list(
    session: &mut Session<'_>,
    state: AlertState,
    limit: u16,
    after: Option<Cursor>,
) -> Result<Alerts, DbError> {
    let paging = Paging::new(limit, after);
    let (after_time, after_id, fetch) = (paging.after_time(), paging.after_id(), paging.fetch());
    let rows = session.query(LIST, &[&state.as_str(), &after_time, &after_id, &fetch]).await?;
    let (alerts, next) = paging.cut(&rows, alert, |alert| Cursor { at: alert.raised_at, id: alert.id })?;
    let silences = session.query(SILENCES, &[&MOST_SILENCES]).await?;
    let silences = silences.iter().map(silence_row).collect::<Result<_, DbError>>()?;
    Ok(Alerts { alerts, next, silences })
}

/// Ends conditions by their keys. One that still holds is raised again the next time it shows.
pub(crate) async fn resolve(session: &mut Session<'_>, keys: &[String], by: &By) -> Result<Outcome, DbError> {
    if let Err(error) = by.check() {
        return Ok(refused(error));
    }
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() > MOST_KEYS {
        return Ok(refused(format!("{} keys; {MOST_KEYS} go into one request", keys.len())));
    }
    let mut changes = Changes::default();
    for key in keys {
        if alerts::resolve(session, &key).await? {
            changes.changed.push(Changed::new(&key, "resolved"));
        } else {
            changes.skipped.push(Skipped::new(&key, "not_open", "no alert with this key is open"));
        }
    }
    let records = changes.changed.iter().map(|changed| (changed.subject.clone(), json!({}))).collect();
    audit::record(session, "resolve_alerts", by, records).await?;
    Ok(Outcome::Changed(changes))
}

pub(crate) async fn silence(
    session: &mut Session<'_>,
    pattern: &str,
    seconds: u32,
    by: &By,
) -> Result<Outcome, DbError> {
    if let Err(error) = by.check().and_then(|()| text("the pattern", pattern, LONGEST_PATTERN)) {
        return Ok(refused(error));
    }
    if !(SHORTEST_SILENCE..=LONGEST_SILENCE).contains(&seconds) {
        return Ok(refused("a silence lasts from a minute to 30 days"));
    }
    let row = session.query_opt(SILENCE, &[&pattern, &f64::from(seconds), &by.reason, &by.actor]).await?;
    let row = row.ok_or(DbError::Unexpected("a silence was not stored"))?;
    let until: Timestamp = row.try_get("until")?;
    let detail = json!({"until": until});
    audit::record(session, "silence_alerts", by, vec![(pattern.to_owned(), detail)]).await?;
    let changed = vec![Changed::new(&pattern, format!("silent until {}", moment(until)))];
    Ok(Outcome::Changed(Changes { changed, ..Changes::default() }))
}

/// Ends the silences of this pattern. What waited for that is told with the worker's next tick.
pub(crate) async fn unsilence(session: &mut Session<'_>, pattern: &str, by: &By) -> Result<Outcome, DbError> {
    if let Err(error) = by.check().and_then(|()| text("the pattern", pattern, LONGEST_PATTERN)) {
        return Ok(refused(error));
    }
    let ended = session.execute(UNSILENCE, &[&pattern]).await?;
    let mut changes = Changes::default();
    if ended == 0 {
        changes.skipped.push(Skipped::new(&pattern, "not_silenced", "no silence with this pattern holds"));
        return Ok(Outcome::Changed(changes));
    }
    audit::record(session, "unsilence_alerts", by, vec![(pattern.to_owned(), json!({"ended": ended}))]).await?;
    changes.changed.push(Changed::new(&pattern, "no longer silenced"));
    Ok(Outcome::Changed(changes))
}

pub(crate) async fn test(session: &mut Session<'_>, critical: bool, by: &By) -> Result<Outcome, DbError> {
    if let Err(error) = by.check() {
        return Ok(refused(error));
    }
    let severity = if critical { Severity::Critical } else { Severity::Info };
    session.execute(END_TEST, &[&TEST]).await?;
    let detail = json!({"severity": severity});
    audit::record(session, "test_alert", by, vec![(TEST.to_owned(), detail)]).await?;
    let message = format!("A test, made by {}: {}", by.actor, by.reason);
    alerts::raise(session, severity, TEST, &message).await?;
    let changed = vec![Changed::new(&TEST, format!("raised as {severity}"))];
    Ok(Outcome::Changed(Changes { changed, ..Changes::default() }))
}

pub(crate) fn alert(row: &Row) -> Result<Alert, DbError> {
    Ok(Alert {
        id: row.try_get("id")?,
        key: row.try_get("key")?,
        severity: row.try_get("severity")?,
        message: row.try_get("message")?,
        occurrences: row.try_get("occurrences")?,
        raised_at: row.try_get("raised_at")?,
        last_raised_at: row.try_get("last_raised_at")?,
        resolved_at: row.try_get("resolved_at")?,
        pending_since: row.try_get("pending_since")?,
        sent_at: row.try_get("sent_at")?,
        silenced_until: row.try_get("silenced_until")?,
    })
}

fn silence_row(row: &Row) -> Result<Silence, DbError> {
    Ok(Silence {
        id: row.try_get("id")?,
        pattern: row.try_get("pattern")?,
        until: row.try_get("until")?,
        reason: row.try_get("reason")?,
        created_by: row.try_get("created_by")?,
    })
}
