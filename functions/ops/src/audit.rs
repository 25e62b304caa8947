//! The audit trail: who changed what by hand, and why. Rows are added, in the transaction of the change, and never changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::db::{DbError, Session};
use tokio_postgres::Row;

use crate::{By, Cursor, page::Paging};

/// The most rows that are shown with their subject.
const MOST_OF_ONE: i64 = 50;

const RECORD: &str = "
    INSERT INTO audit (actor, operation, subject, reason, detail)
    SELECT $1, $2, subject, $3, detail FROM unnest($4::text[], $5::jsonb[]) AS changed (subject, detail)";

const LIST: &str = "
    SELECT id, at, actor, operation, subject, reason, detail
      FROM audit
     WHERE ($1::text IS NULL OR subject = $1)
       AND ($2::text IS NULL OR operation = $2)
       AND ($3::text IS NULL OR actor = $3)
       AND ($4::timestamptz IS NULL OR at >= $4)
       AND ($5::timestamptz IS NULL OR at < $5)
       AND ($6::timestamptz IS NULL OR (at, id) < ($6, $7))
     ORDER BY at DESC, id DESC
     LIMIT $8";

const OF_SUBJECT: &str = "
    SELECT id, at, actor, operation, subject, reason, detail FROM audit WHERE subject = $1 ORDER BY at DESC, id DESC LIMIT $2";

/// Only entries that fit every given part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditFilter {
    pub subject: Option<String>,
    pub operation: Option<String>,
    pub actor: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    pub next: Option<Cursor>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    pub id: uuid::Uuid,
    pub at: Timestamp,
    pub actor: String,
    pub operation: String,
    pub subject: String,
    pub reason: String,
    pub detail: Value,
}

/// Puts a change on record: a row for each subject, with what was there before or what was decided.
pub(crate) async fn record(
    session: &mut Session<'_>,
    operation: &str,
    by: &By,
    changes: Vec<(String, Value)>,
) -> Result<(), DbError> {
    let (subjects, details): (Vec<String>, Vec<Value>) = changes.into_iter().unzip();
    session.execute(RECORD, &[&by.actor, &operation, &by.reason, &subjects, &details]).await.map(drop)
}

pub(crate) async fn list(
    session: &mut Session<'_>,
    filter: &AuditFilter,
    limit: u16,
    after: Option<Cursor>,
) -> Result<AuditPage, DbError> {
    let AuditFilter { subject, operation, actor, since, until } = filter;
    let paging = Paging::new(limit, after);
    let (after_time, after_id, fetch) = (paging.after_time(), paging.after_id(), paging.fetch());
    let rows = session.query(LIST, &[subject, operation, actor, since, until, &after_time, &after_id, &fetch]).await?;
    let (entries, next) = paging.cut(&rows, entry, |entry| Cursor { at: entry.at, id: entry.id })?;
    Ok(AuditPage { entries, next })
}

/// The latest first.
pub(crate) async fn of_subject(session: &mut Session<'_>, subject: &str) -> Result<Vec<AuditEntry>, DbError> {
    session.query(OF_SUBJECT, &[&subject, &MOST_OF_ONE]).await?.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<AuditEntry, DbError> {
    Ok(AuditEntry {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        actor: row.try_get("actor")?,
        operation: row.try_get("operation")?,
        subject: row.try_get("subject")?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
    })
}
