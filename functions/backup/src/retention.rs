//! Which backups stay: the newest of each of the last 7 days, 4 weeks and 12 months that have one, and the newest 3 whatever
//! their age. A day, a week (from Monday) and a month are UTC's.
//!
//! Days without a backup do not count, so a pause costs nothing. While no new backups are made, nothing goes at all: a rule of
//! age alone would delete the last good one.
//!
//! Pure: it is told what there is and what time it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use crate::manifest::Manifest;

const DAILY: usize = 7;
const WEEKLY: usize = 4;
const MONTHLY: usize = 12;
const AT_LEAST: usize = 3;

/// The newest backup is stale when it began longer ago than this: a day, and an hour of grace. When the pruning of 03:30 comes and
/// the backup of 01:30 was never begun, the newest is 26 hours old.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_hours(25);

/// A backup, as far as this matters: complete, with a manifest that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub id: String,
    pub started_at: Timestamp,
}

impl From<&Manifest> for Made {
    fn from(manifest: &Manifest) -> Self {
        Self { id: manifest.id.clone(), started_at: manifest.started_at }
    }
}

/// Why one stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// One of the newest.
    Newest,
    Daily,
    Weekly,
    Monthly,
    /// It is from the future. One of the clocks is wrong.
    Future,
    /// Nothing is removed now.
    HeldBack,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Newest => "newest",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Future => "from the future",
            Self::HeldBack => "nothing is removed now",
        })
    }
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// By id.
    pub keep: BTreeMap<String, BTreeSet<Reason>>,
    pub remove: BTreeSet<String>,
    /// Why nothing is removed, whatever its age.
    pub held_back: Option<String>,
}

/// `last_failed`: whether the last run of the backup failed, or has not ended in the time that it may take.
pub fn plan(backups: &[Made], last_failed: bool, now: Timestamp) -> Plan {
    let mut newest_first: Vec<&Made> = backups.iter().filter(|made| made.started_at <= now).collect();
    newest_first.sort_by(|one, other| (other.started_at, &other.id).cmp(&(one.started_at, &one.id)));
    let mut plan = Plan { held_back: held_back(newest_first.first().copied(), last_failed, now), ..Plan::default() };
    let mut keep = |made: &Made, reason| {
        plan.keep.entry(made.id.clone()).or_default().insert(reason);
    };
    backups.iter().filter(|made| made.started_at > now).for_each(|made| keep(made, Reason::Future));
    newest_first.iter().take(AT_LEAST).for_each(|made| keep(made, Reason::Newest));
    for (reason, count, period) in PERIODS {
        let mut seen = BTreeSet::new();
        for made in &newest_first {
            let date = made.started_at.to_zoned(TimeZone::UTC).date();
            if seen.len() < *count && seen.insert(period(date)) {
                keep(made, *reason);
            }
        }
    }
    for made in newest_first {
        if !plan.keep.contains_key(&made.id) {
            if plan.held_back.is_some() {
                plan.keep.entry(made.id.clone()).or_default().insert(Reason::HeldBack);
            } else {
                plan.remove.insert(made.id.clone());
            }
        }
    }
    plan
}

/// What a date belongs to: the same pair for all dates of it.
type Period = fn(Date) -> (i16, i16);

const PERIODS: &[(Reason, usize, Period)] = &[
    (Reason::Daily, DAILY, |date| (date.year(), date.day_of_year())),
    (Reason::Weekly, WEEKLY, |date| (date.iso_week_date().year(), i16::from(date.iso_week_date().week()))),
    (Reason::Monthly, MONTHLY, |date| (date.year(), i16::from(date.month()))),
];

fn held_back(newest: Option<&Made>, last_failed: bool, now: Timestamp) -> Option<String> {
    if last_failed {
        return Some("the last run of the backup failed".into());
    }
    let Some(newest) = newest else { return Some("there is no backup".into()) };
    let age = now.duration_since(newest.started_at);
    (age > STALE_AFTER).then(|| format!("the newest backup is {} hours old", age.as_hours()))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NOW: &str = "2026-11-22T03:30:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn made(started_at: Timestamp) -> Made {
        Made { id: started_at.strftime("%Y%m%dT%H%M%SZ-00000000").to_string(), started_at }
    }

    fn hours_ago(hours: i64) -> Made {
        made(now() - SignedDuration::from_hours(hours))
    }

    /// One a night, for three years, pruned each night.
    #[test]
    fn after_years_there_are_the_last_days_weeks_and_months() {
        let mut there: Vec<Made> = Vec::new();
        let mut night: Timestamp = "2023-11-23T01:30:00Z".parse().unwrap();
        while night < now() {
            there.push(made(night));
            let plan = plan(&there, false, night + SignedDuration::from_hours(2));
            there.retain(|made| !plan.remove.contains(&made.id));
            night += SignedDuration::from_hours(24);
        }
        let days: Vec<_> = there.iter().rev().map(|made| made.id[..8].to_owned()).collect();
        let expected = [
            "20261122", "20261121", "20261120", "20261119", "20261118", "20261117", "20261116", // days
            "20261115", "20261108", "20261101", // Sundays; today is the fourth
            "20261031", "20260930", "20260831", "20260731", "20260630", "20260531", "20260430", "20260331", "20260228",
            "20260131", "20251231", // the last of each month; today is the first of them
        ];
        assert_eq!(days, expected);
    }

    #[test]
    fn a_failed_run_or_a_stale_backup_keeps_everything() {
        let old: Vec<_> = (0..60).map(|day| hours_ago(24 * day + 2)).collect();
        assert!(!plan(&old, false, now()).remove.is_empty());
        let failed = plan(&old, true, now());
        assert!(failed.remove.is_empty() && failed.held_back.unwrap().contains("failed"));
        assert_eq!(failed.keep.len(), old.len());
        let stale = plan(&old[1..], false, now());
        assert!(stale.remove.is_empty() && stale.held_back.unwrap().contains("26 hours"), "tonight's was never begun");
        assert!(plan(&[hours_ago(25)], false, now()).held_back.is_none());
        assert_eq!(plan(&[], false, now()).held_back.as_deref(), Some("there is no backup"));
    }

    #[test]
    fn one_from_the_future_stays_and_counts_for_nothing() {
        let backups = [hours_ago(-1_000), hours_ago(30)];
        let plan = plan(&backups, false, now());
        assert_eq!(plan.keep[&backups[0].id], [Reason::Future].into());
        assert!(plan.held_back.is_some(), "the newest that counts is stale");
    }

    prop_compose! {
        /// Up to 200 of them within two years, several a day among them.
        fn backups()(hours in vec(0_i64..20_000, 0..200)) -> Vec<Made> {
            let unique: BTreeSet<_> = hours.into_iter().collect();
            unique.into_iter().map(hours_ago).collect()
        }
    }

    proptest! {
        #[test]
        fn every_backup_is_kept_or_removed_in_whatever_order_they_come(
            backups in backups().prop_shuffle(), failed: bool
        ) {
            let decided = plan(&backups, failed, now());
            let mut all: Vec<_> = decided.keep.keys().chain(&decided.remove).cloned().collect();
            all.sort();
            let mut ids: Vec<_> = backups.iter().map(|made| made.id.clone()).collect();
            ids.sort();
            prop_assert_eq!(all, ids);
            let mut sorted = backups.clone();
            sorted.sort_by_key(|made| made.started_at);
            prop_assert_eq!(plan(&sorted, failed, now()), decided);
        }

        #[test]
        fn the_newest_three_stay_and_what_is_held_back_stays(backups in backups(), failed: bool) {
            let decided = plan(&backups, failed, now());
            for made in backups.iter().take(AT_LEAST) {
                prop_assert!(decided.keep[&made.id].contains(&Reason::Newest));
            }
            let fresh = backups.first().is_some_and(|made| now().duration_since(made.started_at) <= STALE_AFTER);
            prop_assert_eq!(decided.held_back.is_none(), fresh && !failed);
            prop_assert!(decided.held_back.is_none() || decided.remove.is_empty());
        }

        #[test]
        fn what_was_planned_once_is_the_plan_again(backups in backups()) {
            let first = plan(&backups, false, now());
            let left: Vec<_> = backups.into_iter().filter(|made| first.keep.contains_key(&made.id)).collect();
            let second = plan(&left, false, now());
            prop_assert!(second.remove.is_empty());
            prop_assert_eq!(second.keep, first.keep);
        }

        #[test]
        fn no_more_stay_than_were_promised_and_no_fewer(backups in backups()) {
            let mut all = backups;
            all.insert(0, hours_ago(0));
            all.dedup_by(|one, other| one.id == other.id);
            let decided = plan(&all, false, now());
            prop_assert!(decided.keep.len() <= DAILY + WEEKLY + MONTHLY + AT_LEAST);
            let count = |reason| decided.keep.values().filter(|reasons| reasons.contains(&reason)).count();
            let periods = |of: fn(Date) -> (i16, i16)| {
                let dates = all.iter().map(|made| of(made.started_at.to_zoned(TimeZone::UTC).date()));
                dates.collect::<BTreeSet<_>>().len()
            };
            for (reason, promised, period) in PERIODS {
                prop_assert_eq!(count(*reason), periods(*period).min(*promised), "{}", reason);
            }
        }

        /// A backup goes only when each of its periods has a newer one, or is beyond the promise.
        #[test]
        fn the_newest_of_a_recent_day_is_never_removed(backups in backups()) {
            let decided = plan(&backups, false, now());
            for made in backups.iter().filter(|made| decided.remove.contains(&made.id)) {
                let day = made.id[..8].to_owned();
                let newer_days: BTreeSet<_> =
                    backups.iter().filter(|other| other.started_at > made.started_at).map(|other| &other.id[..8]).collect();
                prop_assert!(newer_days.contains(day.as_str()) || newer_days.len() >= DAILY);
            }
        }
    }
}
