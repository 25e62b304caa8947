//! The last deployment, of the table that `solo deploy` and `solo rollback` write to through ops.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::db::{Database, DbError};

/// Whatever came of it: one that failed is what the founder wants to know of.
pub const LAST: &str = "
    SELECT kind, release, outcome, finished_at FROM deployments ORDER BY finished_at DESC, id DESC LIMIT 1";

#[derive(Clone, Debug)]
pub struct Deployment {
    kind: String,
    release: String,
    outcome: String,
    finished_at: Timestamp,
}

impl Deployment {
    /// None when nothing was deployed by `solo deploy`: locally, or by plain sam.
    pub async fn last(database: &Database) -> Result<Option<Self>, DbError> {
        let Some(row) = database.session().await?.query_opt(LAST, &[]).await? else { return Ok(None) };
        Ok(Some(Self {
            kind: row.try_get("kind")?,
            release: row.try_get("release")?,
            outcome: row.try_get("outcome")?,
            finished_at: row.try_get("finished_at")?,
        }))
    }

    pub fn json(&self) -> Value {
        let Self { kind, release, outcome, finished_at } = self;
        json!({"kind": kind, "release": release, "outcome": outcome, "finished_at": finished_at.to_string()})
    }
}
