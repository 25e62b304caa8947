//! What needs a person, and the command to type next. Pure: a report comes in.

use jiff::Timestamp;
use ops::{Count, JobState, Status};
use serde::Serialize;

use super::{
    alarms::Alarm,
    gather::{Part, Report},
    health::NOBODY_ASKED,
};
use crate::when::distance;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Well,
    NeedsYou,
    /// Too little could be asked to say so.
    Unknown,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matter {
    pub what: String,
    /// What to type next, or to read.
    pub command: String,
    /// It does not mend itself.
    pub urgent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub verdict: Verdict,
    /// The urgent ones first.
    pub matters: Vec<Matter>,
}

pub fn judge(report: &Report) -> Judged {
    let mut all = Matters { option: report.name.option(), list: Vec::new() };
    of_health(report, &mut all);
    if let Some(status) = report.status.there() {
        of_status(status, &mut all);
    }
    for alarm in report.alarms.iter().filter_map(Part::there).flatten() {
        // It rings for a day. The record has the job, which may be well again.
        let of_job = alarm.entry.as_deref() == Some(JOBS) && report.status.there().is_some();
        let entry = alarm.entry.as_deref().unwrap_or("Where to look first");
        all.read(format!("the alarm {} rings", alarm.name), entry, !of_job);
    }
    // Until the month is over; AWS has written by then.
    if let Some(Part::There(cost)) = &report.cost
        && cost.amount > cost.budget
    {
        all.read(
            format!("the month has cost {:.2} of {:.2} {}", cost.amount, cost.budget, cost.currency),
            COSTS,
            false,
        );
    }
    if let Some(Part::There(releases)) = &report.releases
        && let Some((function, release)) = releases.elsewhere.first()
    {
        let count = releases.elsewhere.len();
        let what = format!("{count} functions are at another release ({function} at {release})");
        all.later(what, format!("rollback --list --stage {}", report.stage));
    }
    let mut matters = all.list;
    matters.sort_by_key(|matter| !matter.urgent);
    let verdict = match matters.first() {
        Some(matter) if matter.urgent => Verdict::NeedsYou,
        _ if report.status.there().is_none()
            || report.health.there().is_none()
            || !are_known(report.alarms.as_ref()) =>
        {
            Verdict::Unknown
        }
        _ => Verdict::Well,
    };
    Judged { verdict, matters }
}

/// A stage without them knows all that there is.
fn are_known(alarms: Option<&Part<Vec<Alarm>>>) -> bool {
    alarms.is_none_or(|alarms| alarms.there().is_some())
}

/// Entries of the runbook.
const COSTS: &str = "It costs more than it should";
const JOBS: &str = "A job failed";

struct Matters {
    option: String,
    list: Vec<Matter>,
}

impl Matters {
    fn urgent(&mut self, what: impl Into<String>, command: &str) {
        let command = format!("solo {command}{}", self.option);
        self.list.push(Matter { what: what.into(), command, urgent: true });
    }

    /// No command is the next one: there is an entry to read.
    fn read(&mut self, what: String, entry: &str, urgent: bool) {
        self.list.push(Matter { what, command: format!("docs/runbook.md, \"{entry}\""), urgent });
    }

    fn later(&mut self, what: impl Into<String>, command: impl Into<String>) {
        self.list.push(Matter { what: what.into(), command: format!("solo {}", command.into()), urgent: false });
    }
}

/// When the database's record could be read, the network is there, and it is the API that is silent. When neither answers, who
/// knows.
fn of_health(report: &Report, all: &mut Matters) {
    let look = "logs --function health --since 15m";
    match &report.health {
        Part::There(health) if health.status == "healthy" => {}
        Part::There(health) => all.urgent(format!("{} is {}", health.url, health.status), look),
        Part::Missing { problem } if problem.starts_with(NOBODY_ASKED) => {}
        Part::Missing { .. } if report.status.there().is_some() => all.urgent("the API does not answer", look),
        Part::Missing { .. } => {}
    }
}

fn of_status(status: &Status, all: &mut Matters) {
    let option = all.option.clone();
    if !status.dead.count.is_zero() {
        let what = format!("{}{}", counted(status.dead.count, "dead letter"), since(status.dead.oldest, status.at));
        all.urgent(what, "dead list");
    }
    if !status.overdue.is_zero() {
        all.urgent(format!("{} should have been taken by the worker", counted(status.overdue, "event")), "jobs");
    }
    if !status.outbox.dead.count.is_zero() {
        let dead = status.outbox.dead;
        let what = format!("{} not delivered{}", counted(dead.count, "effect"), since(dead.oldest, status.at));
        all.urgent(what, "outbox list --status dead");
    }
    if !status.alerts.critical.is_zero() {
        all.urgent(counted(status.alerts.critical, "critical alert"), "alerts list");
    }
    for job in &status.jobs {
        if let Some(what) = trouble(job, status.at) {
            let run = job.last_run.as_ref().filter(|_| matches!(job.state.as_str(), "failed" | "stuck"));
            let command =
                run.map_or_else(|| format!("jobs runs --job {}", job.name), |run| format!("jobs show {}", run.id));
            all.urgent(what, &command);
        }
    }
    if !status.alerts.warning.is_zero() {
        all.later(counted(status.alerts.warning, "warning"), format!("alerts list{option}"));
    }
    if let Some(deployment) = status.deployment.as_ref().filter(|last| last.outcome != "succeeded") {
        let what = format!("the last {} {}", deployment.kind, deployment.outcome.replace('_', " "));
        all.later(what, if option.is_empty() { "audit".into() } else { format!("rollback --list{option}") });
    }
}

/// Late, stuck or failed.
pub fn trouble(job: &JobState, now: Timestamp) -> Option<String> {
    let due = || job.due_at.map(|at| format!(", due {}", distance(at, now))).unwrap_or_default();
    let ran = || job.last_run.as_ref().map(|run| format!(" {}", distance(run.started_at, now))).unwrap_or_default();
    match job.state.as_str() {
        "failed" | "stuck" => Some(format!("the job {} {}{}", job.name, was(&job.state), ran())),
        _ if job.late => Some(format!("the job {} is late{}", job.name, due())),
        _ => None,
    }
}

fn was(state: &str) -> &str {
    if state == "stuck" { "got stuck" } else { state }
}

fn since(time: Option<Timestamp>, now: Timestamp) -> String {
    time.map(|time| format!(", the oldest {}", distance(time, now))).unwrap_or_default()
}

/// `1 dead letter`, `10,000+ dead letters`.
fn counted(count: Count, what: &str) -> String {
    let many = if count.count == 1 && !count.more { "" } else { "s" };
    format!("{} {what}{many}", number(count))
}

/// `1,204`, `10,000+`.
pub fn number(count: Count) -> String {
    grouped(count.count.unsigned_abs()) + if count.more { "+" } else { "" }
}

/// `1,204`.
pub fn grouped(number: u64) -> String {
    let mut digits = number.to_string();
    let mut place = digits.len();
    while place > 3 {
        place -= 3;
        digits.insert(place, ',');
    }
    digits
}
