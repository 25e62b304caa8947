//! Errors, as a person sees them: what fails, how often, since when and since which release; and that one is mended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::db::{DbError, Session};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    AuditEntry, By, Changed, Changes, Cursor, Outcome, Skipped, audit,
    change::{moment, refused},
    page::Paging,
};

/// Few enough to be sorted.
const LIST: &str = "
    SELECT id, fingerprint, kind, culprit, title, count, first_seen, last_seen, last_release, regressions, resolved_at
      FROM errors
     WHERE CASE $1 WHEN 'open' THEN resolved_at IS NULL WHEN 'resolved' THEN resolved_at IS NOT NULL ELSE true END
       AND ($2::text IS NULL OR kind = $2)
       AND ($3::text IS NULL OR culprit = $3)
       AND ($4::timestamptz IS NULL OR (last_seen, id) < ($4, $5))
     ORDER BY last_seen DESC, id DESC
     LIMIT $6";

/// Two, when the beginning is not enough.
const SHOW: &str = "
    SELECT id, fingerprint, kind, culprit, title, count, first_seen, last_seen, last_release, regressions, resolved_at, message,
           source, event_type, execution_id, correlation_id, first_release, resolved_by, told_at
      FROM errors
     WHERE starts_with(fingerprint, $1)
     ORDER BY fingerprint
     LIMIT 2";

const FIND: &str = "SELECT fingerprint FROM errors WHERE starts_with(fingerprint, $1) ORDER BY fingerprint LIMIT 2";
/// In one order, as everyone who locks several.
const LOCK: &str =
    "SELECT fingerprint, count, resolved_at FROM errors WHERE fingerprint = ANY($1) ORDER BY fingerprint FOR UPDATE";
const RESOLVE: &str =
    "UPDATE errors SET resolved_at = now(), resolved_by = $2, tell_since = NULL WHERE fingerprint = ANY($1)";

const SHORTEST: usize = 6;
const WHOLE: usize = 32;
const MOST: usize = 100;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorState {
    /// Not resolved.
    #[default]
    Open,
    Resolved,
    All,
}

/// Only those that fit every given part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorFilter {
    pub state: ErrorState,
    /// handler, panic, timeout, crash, `invalid_data`, job.
    pub kind: Option<String>,
    /// A handler, a job; of data that nobody handled, its source and type.
    pub culprit: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorPage {
    pub errors: Vec<ErrorSummary>,
    pub next: Option<Cursor>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorSummary {
    pub id: Uuid,
    pub fingerprint: String,
    pub kind: String,
    pub culprit: String,
    /// Without what differs from time to time.
    pub title: String,
    pub count: i64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub last_release: Option<String>,
    /// How often it came again after it was resolved.
    pub regressions: i32,
    pub resolved_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorDetail {
    #[serde(flatten)]
    pub summary: ErrorSummary,
    /// The words of the latest time, and what else is known of that.
    pub message: String,
    pub source: Option<String>,
    pub event_type: Option<String>,
    pub execution_id: Option<Uuid>,
    /// Of a job, the run's id.
    pub correlation_id: Option<String>,
    pub first_release: Option<String>,
    pub resolved_by: Option<String>,
    /// When it was last put on its way to the tracker.
    pub told_at: Option<Timestamp>,
    /// What people did to it, the latest first.
    pub audit: Vec<AuditEntry>,
}

impl ErrorState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::All => "all",
        }
    }
}

pub(crate) async fn list(
    session: &mut Session<'_>,
    filter: &ErrorFilter,
    limit: u16,
    after: Option<Cursor>,
) -> Result<ErrorPage, DbError> {
    let ErrorFilter { state, kind, culprit } = filter;
    let paging = Paging::new(limit, after);
    let (after_time, after_id, fetch) = (paging.after_time(), paging.after_id(), paging.fetch());
    let rows = session.query(LIST, &[&state.as_str(), kind, culprit, &after_time, &after_id, &fetch]).await?;
    let (errors, next) = paging.cut(&rows, summary, |error| Cursor { at: error.last_seen, id: error.id })?;
    Ok(ErrorPage { errors, next })
}

pub(crate) async fn show(session: &mut Session<'_>, fingerprint: &str) -> Result<Outcome, DbError> {
    if let Err(error) = check(fingerprint) {
        return Ok(refused(error));
    }
    let rows = session.query(SHOW, &[&fingerprint]).await?;
    Ok(match rows.as_slice() {
        [] => Outcome::NotFound { what: format!("error {fingerprint}") },
        [row] => {
            let mut found = Box::new(detail(row)?);
            found.audit = audit::of_subject(session, &found.summary.fingerprint).await?;
            Outcome::Error { found }
        }
        _ => refused(ambiguous(fingerprint)),
    })
}

/// Takes errors off the list, until they come again.
pub(crate) async fn resolve(session: &mut Session<'_>, fingerprints: &[String], by: &By) -> Result<Outcome, DbError> {
    let checked = by.check().and_then(|()| fingerprints.iter().try_for_each(|fingerprint| check(fingerprint)));
    if let Err(error) = checked {
        return Ok(refused(error));
    }
    if fingerprints.len() > MOST {
        return Ok(refused(format!("{} errors; {MOST} go into one request", fingerprints.len())));
    }
    let (mut changes, mut chosen) = (Changes::default(), Vec::new());
    for fingerprint in fingerprints {
        let rows = session.query(FIND, &[fingerprint]).await?;
        match rows.as_slice() {
            [] => {
                changes.skipped.push(Skipped::new(fingerprint, "not_found", "there is no error with this fingerprint"));
            }
            [row] => chosen.push(row.try_get::<_, String>("fingerprint")?),
            _ => changes.skipped.push(Skipped::new(fingerprint, "ambiguous", ambiguous(fingerprint))),
        }
    }
    let (mut resolved, mut records) = (Vec::new(), Vec::new());
    for row in &session.query(LOCK, &[&chosen]).await? {
        let fingerprint: String = row.try_get("fingerprint")?;
        let (count, resolved_at): (i64, Option<Timestamp>) = (row.try_get("count")?, row.try_get("resolved_at")?);
        if let Some(at) = resolved_at {
            let why = format!("it was resolved at {}", moment(at));
            changes.skipped.push(Skipped::new(&fingerprint, "resolved", why));
            continue;
        }
        changes.changed.push(Changed::new(&fingerprint, format!("resolved, after {count} times")));
        records.push((fingerprint.clone(), json!({"count": count})));
        resolved.push(fingerprint);
    }
    session.execute(RESOLVE, &[&resolved, &by.actor]).await?;
    audit::record(session, "resolve_errors", by, records).await?;
    Ok(Outcome::Changed(changes))
}

/// Whether it can be the beginning of a fingerprint.
fn check(fingerprint: &str) -> Result<(), String> {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if (SHORTEST..=WHOLE).contains(&fingerprint.len()) && fingerprint.bytes().all(hex) {
        return Ok(());
    }
    Err(format!("a fingerprint is {WHOLE} hexadecimal digits, or the first {SHORTEST} of them or more"))
}

fn ambiguous(fingerprint: &str) -> String {
    format!("several errors begin with {fingerprint}; give more of it")
}

fn summary(row: &Row) -> Result<ErrorSummary, DbError> {
    Ok(ErrorSummary {
        id: row.try_get("id")?,
        fingerprint: row.try_get("fingerprint")?,
        kind: row.try_get("kind")?,
        culprit: row.try_get("culprit")?,
        title: row.try_get("title")?,
        count: row.try_get("count")?,
        first_seen: row.try_get("first_seen")?,
        last_seen: row.try_get("last_seen")?,
        last_release: row.try_get("last_release")?,
        regressions: row.try_get("regressions")?,
        resolved_at: row.try_get("resolved_at")?,
    })
}

fn detail(row: &Row) -> Result<ErrorDetail, DbError> {
    Ok(ErrorDetail {
        summary: summary(row)?,
        message: row.try_get("message")?,
        source: row.try_get("source")?,
        event_type: row.try_get("event_type")?,
        execution_id: row.try_get("execution_id")?,
        correlation_id: row.try_get("correlation_id")?,
        first_release: row.try_get("first_release")?,
        resolved_by: row.try_get("resolved_by")?,
        told_at: row.try_get("told_at")?,
        audit: Vec::new(),
    })
}
