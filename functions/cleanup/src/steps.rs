//! What is cleaned, in which order, by which function of migrations 0016 and 0018.

use jiff::Timestamp;
use shared::{
    config::Retention,
    db::{DbError, Session},
};
use uuid::Uuid;

use crate::clean::Cleaned;

/// One kind of thing that goes.
pub struct Step {
    /// For the log.
    pub what: &'static str,
    sql: &'static str,
    ages: Ages,
    count: fn(&mut Cleaned) -> &mut u64,
}

/// One batch. Its commit does not wait for the disk: what a crash brings back, the next run removes again. A webhook's commit
/// would wait for each of these.
macro_rules! batch {
    ($call:literal) => {
        concat!("SELECT batch.* FROM set_config('synchronous_commit', 'off', true), ", $call, " AS batch")
    };
}

/// In days.
enum Ages {
    One(i32),
    Two(i32, i32),
}

/// Where a batch ended. The next one goes on after it, so that no row is looked at twice in a run.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    at: Timestamp,
    id: Uuid,
}

/// What a batch did.
pub struct Batch {
    /// How many rows it changed.
    pub changed: u64,
    /// Absent when there was nothing left to look at.
    pub end: Option<Place>,
}

/// The small ones first. Executions go before payloads are cleared, or those of old ones would be cleared just before they go.
/// Effects come last: some stay for as long as their execution has a payload.
pub fn all(retention: &Retention) -> [Step; 7] {
    let Retention { payload_days, key_days, effect_days, alert_days, run_days, tick_days, error_days } = *retention;
    let one = |days: u16| Ages::One(i32::from(days));
    [
        Step {
            what: "silences",
            sql: batch!("remove_silences($1, $2, $3, $4)"),
            ages: one(alert_days),
            count: |cleaned| &mut cleaned.silences_deleted,
        },
        Step {
            what: "alerts",
            sql: batch!("remove_alerts($1, $2, $3, $4)"),
            ages: one(alert_days),
            count: |cleaned| &mut cleaned.alerts_deleted,
        },
        Step {
            what: "errors",
            sql: batch!("remove_errors($1, $2, $3, $4)"),
            ages: one(error_days),
            count: |cleaned| &mut cleaned.errors_deleted,
        },
        Step {
            what: "job runs",
            sql: batch!("remove_job_runs($1, $2, $3, $4, $5)"),
            ages: Ages::Two(i32::from(run_days), i32::from(tick_days)),
            count: |cleaned| &mut cleaned.runs_deleted,
        },
        Step {
            what: "executions",
            sql: batch!("remove_executions($1, $2, $3, $4)"),
            ages: one(key_days),
            count: |cleaned| &mut cleaned.executions_deleted,
        },
        Step {
            what: "payloads",
            sql: batch!("clear_payloads($1, $2, $3, $4)"),
            ages: one(payload_days),
            count: |cleaned| &mut cleaned.payloads_cleared,
        },
        Step {
            what: "effects",
            sql: batch!("remove_effects($1, $2, $3, $4, $5)"),
            // An event that found the key may come as late as keys live, and be replayed for as long as payloads live.
            ages: Ages::Two(i32::from(effect_days), i32::from(key_days) + i32::from(payload_days)),
            count: |cleaned| &mut cleaned.effects_deleted,
        },
    ]
}

impl Step {
    /// Takes one batch of at most `size` rows after `after`, in a transaction of its own.
    pub async fn take(&self, session: &mut Session<'_>, size: i32, after: Place) -> Result<Batch, DbError> {
        let Place { at, id } = after;
        let row = match &self.ages {
            Ages::One(days) => session.query_opt(self.sql, &[days, &size, &at, &id]).await,
            Ages::Two(days, others) => session.query_opt(self.sql, &[days, others, &size, &at, &id]).await,
        };
        let row = row?.ok_or(DbError::Unexpected("a batch of cleanup says nothing"))?;
        let (changed, at): (i64, Option<Timestamp>) = (row.try_get("changed")?, row.try_get("last_at")?);
        let end = at.zip(row.try_get("last_id")?).map(|(at, id)| Place { at, id });
        Ok(Batch { changed: u64::try_from(changed).unwrap_or_default(), end })
    }

    pub fn count(&self, cleaned: &mut Cleaned, changed: u64) {
        *(self.count)(cleaned) += changed;
    }
}

impl Place {
    /// Before everything: no row is older than the database's clock has ever been.
    pub fn first() -> Self {
        Self { at: Timestamp::UNIX_EPOCH, id: Uuid::nil() }
    }
}
