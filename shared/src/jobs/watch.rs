//! The dead-man switch: jobs that say nothing. The tick is watched by an alarm outside of the database (`TickLate`).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Job, find};
use crate::{
    alerts, clock,
    db::{DbError, Session},
};

const WATCH: &str = include_str!("sql/watch.sql");
const TICKED: &str = include_str!("sql/ticked.sql");

/// What a look at the jobs found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Runs that were closed because they will never end.
    pub stuck: usize,
    /// Jobs without a success for too long.
    pub late: usize,
}

/// Looks at every job in `jobs` ([`ALL`](super::ALL), but for tests), and raises or resolves the alerts about them.
pub async fn watch(session: &mut Session<'_>, jobs: &[Job], now: Timestamp) -> Result<Watched, DbError> {
    let names: Vec<&str> = jobs.iter().map(|job| job.name).collect();
    let seconds = |of: fn(&Job) -> Duration| jobs.iter().map(|job| of(job).as_secs_f64()).collect::<Vec<_>>();
    let (periods, graces) = (seconds(|job| job.period), seconds(|job| job.grace));
    session.begin().await?;
    let mut watched = Watched::default();
    for row in session.query(WATCH, &[&names, &periods, &graces]).await? {
        let (state, name): (&str, &str) = (row.try_get("state")?, row.try_get("job")?);
        let (since, never): (Timestamp, bool) = (row.try_get("since")?, row.try_get("never")?);
        let severity = jobs.iter().find(|job| job.name == name).or_else(|| find(name)).map(|job| job.severity);
        let severity = severity.unwrap_or(alerts::Severity::Warning);
        match state {
            "stuck" => {
                watched.stuck += 1;
                let message = format!(
                    "the job {name} began at {since:.0} and never said how it ended: its function was killed, ran out of \
                     time or memory, or lost the database"
                );
                alerts::raise(session, severity, &format!("job_stuck:{name}"), &message).await?;
            }
            "late" => {
                watched.late += 1;
                let ago = words(now.duration_since(since));
                let message = if never {
                    format!("the job {name} has not succeeded once in {ago}")
                } else {
                    format!("the job {name} last succeeded {ago} ago, at {since:.0}")
                };
                alerts::raise(session, severity, &format!("job_late:{name}"), &message).await?;
            }
            _ => {
                alerts::resolve(session, &format!("job_late:{name}")).await?;
            }
        }
    }
    session.commit().await?;
    Ok(watched)
}

/// Puts a tick that went well on record. It took so long, and did that.
pub async fn ticked(session: &mut Session<'_>, took: Duration, result: &impl Serialize) -> Result<(), DbError> {
    let value = serde_json::to_value(result).map_err(|_| DbError::Unexpected("a tick's result is not JSON"))?;
    session.execute(TICKED, &[&clock::new_id(), &"tick", &took.as_secs_f64(), &value]).await.map(drop)
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
