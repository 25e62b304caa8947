//! Unlocking: an execution whose runner is stuck is taken from it. Its lease ends and its fence moves on, so that the old
//! runner changes nothing any more, and the sweep of the worker's next tick decides what becomes of it.

use serde_json::json;
use shared::db::{DbError, Session};
use uuid::Uuid;

use crate::{By, Changed, Changes, Outcome, audit, change::refused};

const LOCK: &str = "
    SELECT status, fence, attempt, extract(epoch FROM lease_until - clock_timestamp())::float8 AS lease_left
      FROM executions
     WHERE id = $1
       FOR UPDATE";

const UNLOCK: &str = "
    UPDATE executions SET lease_until = least(lease_until, now()), fence = fence + 1 WHERE id = $1 AND status = 'processing'";

pub(crate) async fn unlock(session: &mut Session<'_>, id: Uuid, force: bool, by: &By) -> Result<Outcome, DbError> {
    if let Err(error) = by.check() {
        return Ok(refused(error));
    }
    let Some(row) = session.query_opt(LOCK, &[&id]).await? else {
        return Ok(Outcome::NotFound { what: format!("execution {id}") });
    };
    let status: &str = row.try_get("status")?;
    if status != "processing" {
        return Ok(refused(format!("{id} is {status}: nobody holds it")));
    }
    let left = row.try_get::<_, Option<f64>>("lease_left")?.unwrap_or_default();
    if left > 0.0 && !force {
        return Ok(refused(format!(
            "a runner has {id} for another {left:.0} s, and may be at work: wait, or take it away with --force"
        )));
    }
    session.execute(UNLOCK, &[&id]).await?;
    let (fence, attempt): (i64, i16) = (row.try_get("fence")?, row.try_get("attempt")?);
    let detail =
        json!({"fence_before": fence, "attempt": attempt, "lease_left_seconds": left.round(), "forced": left > 0.0});
    audit::record(session, "unlock", by, vec![(id.to_string(), detail)]).await?;
    let what = if left > 0.0 { "its lease ended" } else { "its lease had run out" };
    let changed = vec![Changed::new(&id, format!("{what}; the worker's next tick sweeps it"))];
    Ok(Outcome::Changed(Changes { changed, ..Changes::default() }))
}
