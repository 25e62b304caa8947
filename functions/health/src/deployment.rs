//! The last deployment, of the table that `solo deploy` and `solo rollback` write to through ops.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::db::{Database, DbError};

/// Whatever came of it: one that failed is what the founder wants to know of.
const LAST: &str = "
    SELECT kind, release, outcome, finished_at FROM deployments ORDER BY finished_at DESC, id DESC LIMIT 1";

#[derive(Clone, Debug, Default)]
pub enum LastDeployment {
    /// It could not be read, or was not asked for.
    #[default]
    Unknown,
    /// By `solo deploy`. Locally, or by plain sam.
    Never,
    Was(Value),
}

impl LastDeployment {
    pub async fn read(database: &Database) -> Result<Self, DbError> {
        let Some(row) = database.session().await?.query_opt(LAST, &[]).await? else { return Ok(Self::Never) };
        let text = |column| row.try_get::<_, String>(column);
        let finished_at: Timestamp = row.try_get("finished_at")?;
        Ok(Self::Was(json!({
            "kind": text("kind")?,
            "release": text("release")?,
            "outcome": text("outcome")?,
            "finished_at": finished_at.to_string(),
        })))
    }
}
