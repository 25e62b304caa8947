//! One run: every step, batch by batch, until nothing is left or the time is up.

use std::time::Duration;

use serde::Serialize;
use shared::{
    alerts::{self, Severity},
    config::Retention,
    db::{Database, DbError},
};
use tokio::time::{Instant, sleep};

use crate::{
    pace::Pace,
    steps::{self, Batch, Place, Step},
};

/// No batch begins with less time left. The server ends a statement after 5 s.
const RESERVE: Duration = Duration::from_secs(10);
/// After a batch that failed, before the one that tries again.
const BREATH: Duration = Duration::from_secs(1);

/// Whether the run before had to stop early as well.
const WAS_BEHIND: &str = "
    SELECT (result ->> 'more')::boolean AS more
      FROM job_runs
     WHERE job = 'cleanup' AND outcome = 'succeeded'
     ORDER BY started_at DESC, id DESC
     LIMIT 1";
const BEHIND: &str = "cleanup_behind";

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    pub payloads_cleared: u64,
    /// With their keys and attempts.
    pub executions_deleted: u64,
    pub effects_deleted: u64,
    pub alerts_deleted: u64,
    pub silences_deleted: u64,
    pub runs_deleted: u64,
    pub errors_deleted: u64,
    pub batches: u64,
    /// It stopped because its time was up. The next run goes on.
    pub more: bool,
}

/// Cleans until nothing is left that may go, or until shortly before `deadline`. `tell` hears of every batch.
///
/// Holds a session for the length of a batch only. A batch that the database does not answer is tried once more, in the smallest
/// size; what was cleaned before a failure stays so.
pub async fn clean(
    database: &Database,
    retention: &Retention,
    deadline: Instant,
    mut tell: impl AsyncFnMut(&Cleaned),
) -> Result<Cleaned, DbError> {
    let mut cleaned = Cleaned::default();
    'steps: for step in &steps::all(retention) {
        let (mut pace, mut after) = (Pace::new(), Place::first());
        loop {
            if Instant::now() + RESERVE >= deadline {
                cleaned.more = true;
                break 'steps;
            }
            let started = Instant::now();
            let batch = match take(database, step, &pace, after).await {
                Err(error) if error.is_unreachable() && pace.back_off() => {
                    tracing::warn!(what = step.what, %error, "a batch failed; it is tried again in the smallest size");
                    sleep(BREATH).await;
                    continue;
                }
                batch => batch?,
            };
            let Some(end) = batch.end else { break };
            after = end;
            step.count(&mut cleaned, batch.changed);
            cleaned.batches += 1;
            let pause = pace.after(started.elapsed());
            tell(&cleaned).await;
            sleep(pause).await;
        }
    }
    log(&cleaned);
    Ok(cleaned)
}

async fn take(database: &Database, step: &Step, pace: &Pace, after: Place) -> Result<Batch, DbError> {
    step.take(&mut database.session().await?, pace.size(), after).await
}

fn log(cleaned: &Cleaned) {
    let Cleaned { payloads_cleared, executions_deleted, effects_deleted, alerts_deleted, .. } = *cleaned;
    let Cleaned { silences_deleted, runs_deleted, errors_deleted, batches, more, .. } = *cleaned;
    tracing::info!(
        payloads_cleared,
        executions_deleted,
        effects_deleted,
        alerts_deleted,
        silences_deleted,
        runs_deleted,
        errors_deleted,
        batches,
        more,
        "cleanup finished"
    );
}

/// Two runs in a row that had to stop early: what goes is less than what comes. One alone is what follows a large import, or a
/// retention that was made shorter.
pub async fn tell_whether_behind(database: &Database, cleaned: &Cleaned) -> Result<(), DbError> {
    let mut session = database.session().await?;
    if !cleaned.more {
        return alerts::resolve(&mut session, BEHIND).await.map(drop);
    }
    let before = session.query_opt(WAS_BEHIND, &[]).await?;
    if before.map(|row| row.try_get::<_, Option<bool>>("more")).transpose()?.flatten() == Some(true) {
        let message = "two runs of cleanup in a row ended before everything was removed whose time is over";
        alerts::raise(&mut session, Severity::Warning, BEHIND, message).await?;
    }
    Ok(())
}
