//! The dead-man switch: jobs that say nothing. The tick is watched by an alarm outside of the database (`TickLate`).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use tokio_postgres::Row;
use uuid::Uuid;

use super::{Job, ping};
use crate::{
    alerts::{self, Severity},
    clock,
    db::{DbError, Session},
};

const WATCH: &str = include_str!("sql/watch.sql");
const CLOSE: &str = "
    WITH closed AS (
        UPDATE job_runs
           SET outcome = 'stuck', finished_at = now(), error = 'it began, and never said how it ended'
         WHERE id = $1 AND finished_at IS NULL
        RETURNING id, job, error
    )
    SELECT record_error('crash', job, error, error, NULL, NULL, NULL, id::text) FROM closed";
const TICKED: &str = include_str!("sql/ticked.sql");

/// What a look at the jobs found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Runs that were closed because they will never end.
    pub stuck: usize,
    /// Jobs without a success for too long, of which that was not said within the last hour.
    pub late: usize,
}

/// Looks at every job in `jobs` ([`ALL`](super::ALL), but for tests), and raises or resolves the alerts about them. One round
/// trip when there is nothing to say.
pub async fn watch(session: &mut Session<'_>, jobs: &[Job], now: Timestamp) -> Result<Watched, DbError> {
    let names: Vec<&str> = jobs.iter().map(|job| job.name).collect();
    let seconds = |of: fn(&Job) -> Duration| jobs.iter().map(|job| of(job).as_secs_f64()).collect::<Vec<_>>();
    let (periods, graces) = (seconds(|job| job.period), seconds(|job| job.grace));
    let found = session.query(WATCH, &[&names, &periods, &graces]).await?;
    let mut watched = Watched::default();
    if found.is_empty() {
        return Ok(watched);
    }
    session.begin().await?;
    for row in &found {
        let finding = Finding::read(row)?;
        let known = jobs.iter().find(|job| job.name == finding.subject).map(|job| job.severity);
        match (finding.state, known) {
            ("stuck", _) => watched.stuck += usize::from(finding.close(session, known).await?),
            ("late", severity) => {
                watched.late += 1;
                let (key, message) = (format!("job_late:{}", finding.subject), finding.late(now));
                alerts::raise(session, severity.unwrap_or(Severity::Warning), &key, &message).await?;
            }
            _ => {
                alerts::resolve(session, finding.subject).await?;
            }
        }
    }
    session.commit().await?;
    Ok(watched)
}

/// Something to say about a job.
struct Finding<'r> {
    state: &'r str,
    /// The run that is stuck.
    run: Option<Uuid>,
    /// The job; of an alert that is over, its key.
    subject: &'r str,
    since: Timestamp,
    /// There was no success since it is watched.
    never: bool,
}

impl<'r> Finding<'r> {
    fn read(row: &'r Row) -> Result<Self, DbError> {
        Ok(Self {
            state: row.try_get("state")?,
            run: row.try_get("run")?,
            subject: row.try_get("subject")?,
            since: row.try_get("since")?,
            never: row.try_get("never")?,
        })
    }

    /// `false` when someone else has closed it, or it ended after all. Of a job that is not in the code any more there is
    /// nothing to mend: no alert.
    async fn close(&self, session: &mut Session<'_>, severity: Option<Severity>) -> Result<bool, DbError> {
        if session.execute(CLOSE, &[&self.run]).await? == 0 {
            return Ok(false);
        }
        let Some(severity) = severity else { return Ok(true) };
        let Self { subject: job, since, .. } = self;
        let message = format!(
            "the job {job} began at {since:.0} and never said how it ended: its function was killed, ran out of time or \
             memory, or lost the database (docs/runbook.md, \"A job is stuck\")"
        );
        alerts::raise(session, severity, &format!("job_stuck:{job}"), &message).await?;
        Ok(true)
    }

    fn late(&self, now: Timestamp) -> String {
        let Self { subject: job, since, .. } = self;
        let ago = words(now.duration_since(*since));
        let what = if self.never {
            format!("has not succeeded once in {ago}")
        } else {
            format!("last succeeded {ago} ago, at {since:.0}")
        };
        format!("the job {job} {what} (docs/runbook.md, \"A job is late\")")
    }
}

/// Puts a tick that went well on record. `did` is what it did, when it did something: ticks are many, and one that did nothing
/// leaves no row of its own. `ping` is as in [`Records`](super::Records); a tick sends one at most every five minutes.
pub async fn ticked(
    session: &mut Session<'_>,
    took: Duration,
    did: Option<&impl Serialize>,
    ping: Option<&str>,
) -> Result<(), DbError> {
    const TICK: &str = "tick";
    let ping = ping::Row::of_tick(ping, TICK)?;
    let value = did.map(serde_json::to_value).transpose();
    let value = value.map_err(|_| DbError::Unexpected("a tick's result is not JSON"))?;
    let seconds = took.as_secs_f64();
    session.execute(TICKED, &[&clock::new_id(), &TICK, &seconds, &value, &ping.id, &ping.effect]).await.map(drop)
}

/// `26 hours`, `3 days`: the largest unit of which there are two.
fn words(duration: SignedDuration) -> String {
    let minutes = duration.as_mins().max(0);
    match minutes {
        0..120 => format!("{minutes} minutes"),
        120..2_880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_a_unit_that_fits() {
        let said = |minutes| words(SignedDuration::from_mins(minutes));
        assert_eq!(said(61), "61 minutes");
        assert_eq!(said(26 * 60), "26 hours");
        assert_eq!(said(49 * 60), "2 days");
    }
}
