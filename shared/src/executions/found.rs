//! What a delivery finds: an execution that is its own now, or one that is there already.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::db::DbError;

/// What a runner holds while an execution is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    pub id: Uuid,
    pub fence: i64,
    /// This attempt's number; the first is 1.
    pub attempt: u16,
    /// The attempt before this one was killed or hung, and whoever got this was the one to find out.
    pub after_crash: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Processing,
    Completed,
    Failed,
    Dead,
}

/// An execution as a duplicate delivery finds it.
#[derive(Clone, Debug)]
pub struct Existing {
    pub id: Uuid,
    pub fence: i64,
    pub attempt: u16,
    pub status: Status,
    pub next_attempt_at: Option<Timestamp>,
    pub last_error: Option<String>,
    /// `processing`, but its lease ran out.
    pub expired: bool,
    /// Stored without a handler.
    pub unhandled: bool,
    pub fingerprint: Vec<u8>,
}

#[derive(Clone, Debug)]
pub enum Claim {
    Owned(Owned),
    Existing(Existing),
}

pub(super) fn read_claim(row: &Row) -> Result<Claim, DbError> {
    if row.try_get("owned")? {
        let attempt: i16 = row.try_get("attempt")?;
        return Ok(Claim::Owned(Owned {
            id: row.try_get("id")?,
            fence: row.try_get("fence")?,
            attempt: u16::try_from(attempt).unwrap_or_default(),
            after_crash: row.try_get("after_crash")?,
        }));
    }
    read_existing(row).map(Claim::Existing)
}

pub(super) fn read_existing(row: &Row) -> Result<Existing, DbError> {
    let attempt: i16 = row.try_get("attempt")?;
    let status = match row.try_get("status")? {
        "processing" => Status::Processing,
        "completed" => Status::Completed,
        "failed" => Status::Failed,
        "dead" => Status::Dead,
        _ => return Err(DbError::Unexpected("an execution has a status that this version does not know")),
    };
    Ok(Existing {
        id: row.try_get("id")?,
        fence: row.try_get("fence")?,
        attempt: u16::try_from(attempt).unwrap_or_default(),
        status,
        next_attempt_at: row.try_get("next_attempt_at")?,
        last_error: row.try_get("last_error")?,
        expired: row.try_get("expired")?,
        unhandled: row.try_get("unhandled")?,
        fingerprint: row.try_get("fingerprint")?,
    })
}
