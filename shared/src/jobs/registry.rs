//! The jobs that there are. To add one: a line here, its schedule at its function in `template.yaml`, and the function's own code.

use std::time::Duration;

use crate::alerts::Severity;

/// What runs by the clock.
#[derive(Debug)]
pub struct Job {
    /// As in its schedule's input: `{"job": "backup"}`.
    pub name: &'static str,
    /// The logical id of its function in `template.yaml`.
    pub function: &'static str,
    /// The longest time between two of its starts.
    pub period: Duration,
    /// How much later than that a success may be before someone is told.
    pub grace: Duration,
    /// A run that has not ended after so long never will. Longer than its function may run.
    pub longest: Duration,
    /// Of the alert when it fails, is late, or is stuck.
    pub severity: Severity,
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

const fn hours(count: u64) -> Duration {
    minutes(60 * count)
}

const fn days(count: u64) -> Duration {
    hours(24 * count)
}

/// No function runs longer than 15 minutes.
const LONGEST: Duration = minutes(16);

/// Every job.
pub const ALL: &[Job] = &[
    Job {
        name: "tick",
        function: "Worker",
        period: minutes(1),
        grace: minutes(5),
        longest: minutes(3),
        severity: Severity::Critical,
    },
    Job {
        name: "backup",
        function: "Backup",
        period: days(1),
        grace: hours(2),
        longest: LONGEST,
        severity: Severity::Critical,
    },
    Job {
        name: "prune",
        function: "Prune",
        period: days(1),
        grace: days(1),
        longest: LONGEST,
        severity: Severity::Warning,
    },
    Job {
        name: "drill",
        function: "Drill",
        period: days(92),
        grace: days(2),
        longest: LONGEST,
        severity: Severity::Critical,
    },
    Job {
        name: "cleanup",
        function: "Cleanup",
        period: days(1),
        grace: days(1),
        longest: LONGEST,
        severity: Severity::Warning,
    },
    Job {
        name: "reconcile",
        function: "Reconcile",
        period: days(1),
        grace: hours(6),
        longest: LONGEST,
        severity: Severity::Warning,
    },
    Job {
        name: "drift",
        function: "Reconcile",
        period: days(7),
        grace: days(1),
        longest: LONGEST,
        severity: Severity::Warning,
    },
    Job {
        name: "review",
        function: "Reconcile",
        period: days(31),
        grace: days(2),
        longest: LONGEST,
        severity: Severity::Warning,
    },
];

/// The job of this name.
pub fn find(name: &str) -> Option<&'static Job> {
    ALL.iter().find(|job| job.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_into_alert_keys() {
        let names: BTreeSet<_> = ALL.iter().map(|job| job.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| name.chars().all(|letter| letter.is_ascii_lowercase())), "{names:?}");
    }
}
