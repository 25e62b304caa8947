//! The lines of the overview, one for each thing that is asked about.

use jiff::Timestamp;
use ops::{Alert, Deployment, InboxDepth, JobState, Status, Waiting};
use owo_colors::OwoColorize as _;

use crate::{
    backup::size,
    status::{
        alarms::Alarm,
        cost::Cost,
        gather::{Part, Releases, Report},
        judge::{grouped, number, trouble},
    },
    ui::shorten,
    when::distance,
};

/// A line of the overview.
pub(super) struct Row {
    pub(super) mark: Mark,
    pub(super) label: &'static str,
    pub(super) text: String,
    /// Lines under it.
    pub(super) more: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Well,
    Wrong,
    /// Neither good nor bad, or not known.
    Plain,
}

pub(super) const LABEL: usize = 11;
/// What stands before a row's text.
pub(super) const INDENT: usize = 4 + LABEL + 1;
/// A text needs some room, however narrow the terminal is.
pub(super) const NARROWEST: usize = 60;

pub(super) fn rows(report: &Report, width: usize) -> Vec<Row> {
    let mut rows = vec![health(report)];
    match &report.status {
        Part::There(status) => rows.extend(of_status(status, width)),
        Part::Missing { problem } => rows.push(missing("Record", problem, Mark::Wrong)),
    }
    match &report.alarms {
        Some(Part::There(alarms)) => rows.push(ringing(alarms, report.at, width)),
        Some(Part::Missing { problem }) => rows.push(missing("Alarms", problem, Mark::Wrong)),
        None => {}
    }
    match &report.releases {
        Some(Part::There(releases)) => rows.push(release(releases)),
        Some(Part::Missing { problem }) => rows.push(missing("Release", problem, Mark::Plain)),
        None => {}
    }
    match &report.cost {
        Some(Part::There(cost)) => rows.push(spent(cost)),
        Some(Part::Missing { problem }) => rows.push(missing("Cost", problem, Mark::Plain)),
        None => {}
    }
    rows
}

impl Row {
    fn new(mark: Mark, label: &'static str, text: impl Into<String>) -> Self {
        Self { mark, label, text: text.into(), more: Vec::new() }
    }

    fn judged(well: bool, label: &'static str, text: impl Into<String>) -> Self {
        Self::new(if well { Mark::Well } else { Mark::Wrong }, label, text)
    }
}

/// The reason is told in full: it is what there is to read.
fn missing(label: &'static str, problem: &str, mark: Mark) -> Row {
    Row::new(mark, label, format!("not known: {}", shorten(problem, 1_000)))
}

fn health(report: &Report) -> Row {
    match &report.health {
        Part::There(health) => {
            let well = health.status == "healthy";
            Row::judged(well, "Health", format!("{}, in {} ms", flat(&health.status), health.took_ms))
        }
        Part::Missing { problem } => missing("Health", problem, Mark::Wrong),
    }
}

/// `2 ring`, and what each of them means.
fn ringing(alarms: &[Alarm], now: Timestamp, width: usize) -> Row {
    let text = match alarms.len() {
        0 => "none ring".to_owned(),
        1 => "1 rings".to_owned(),
        count => format!("{count} ring"),
    };
    let mut row = Row::judged(alarms.is_empty(), "Alarms", text);
    let line = |alarm: &Alarm| {
        let age = alarm.since.map(|since| distance(since, now)).unwrap_or_default();
        let start = format!("{age:>8}  {}: ", shorten(&alarm.name, 40));
        let room = width.saturating_sub(INDENT + start.chars().count()).max(20);
        start.red().to_string() + &shorten(&alarm.words, room)
    };
    row.more = alarms.iter().map(line).collect();
    row
}

/// Over the budget is wrong; on the way there is CloudWatch's to say.
fn spent(cost: &Cost) -> Row {
    let currency = flat(&cost.currency);
    let forecast = cost.forecast.map(|forecast| format!(", {forecast:.2} at its end")).unwrap_or_default();
    let text =
        format!("{:.2} {currency} this month{forecast}; the whole account's, of {:.2}", cost.amount, cost.budget);
    Row::new(if cost.amount > cost.budget { Mark::Wrong } else { Mark::Plain }, "Cost", text)
}

fn of_status(status: &Status, width: usize) -> Vec<Row> {
    vec![
        events(status),
        backlog(status),
        outbox(status),
        alerts(status, width),
        jobs(&status.jobs, status.at),
        backup(status),
    ]
    .into_iter()
    .chain(status.deployment.as_ref().map(|deployment| deployed(deployment, status.at)))
    .chain([Row::new(
        Mark::Plain,
        "Database",
        format!("{}, schema version {}", size(status.database_bytes.unsigned_abs()), status.schema_version),
    )])
    .collect()
}

fn events(status: &Status) -> Row {
    let (hour, day) = (status.hour, status.day);
    let text = format!(
        "{} received, {} completed in the last hour; {} and {} in 24 hours",
        number(hour.received),
        number(hour.completed),
        number(day.received),
        number(day.completed)
    );
    Row::new(Mark::Plain, "Events", text)
}

fn backlog(status: &Status) -> Row {
    let now = status.at;
    let next =
        status.next_attempt_at.map(|at| if at > now { format!("next {}", distance(at, now)) } else { "due".into() });
    let failed = match next {
        Some(next) => format!("{} to be retried ({next})", number(status.failed.count)),
        None => "none to be retried".into(),
    };
    let overdue = match status.overdue {
        none if none.is_zero() => String::new(),
        some => format!("; {} overdue", number(some)),
    };
    let inbox = match status.inbox {
        None => "; the inbox is not known".to_owned(),
        Some(InboxDepth { waiting: 0, in_flight: 0 }) => String::new(),
        Some(InboxDepth { waiting, in_flight }) => format!("; {} in the inbox", grouped(waiting + in_flight)),
    };
    let (processing, dead) = (of(status.processing, "processing", now), of(status.dead, "dead", now));
    let text = format!("{processing}, {failed}, {dead}{overdue}{inbox}");
    Row::judged(status.dead.count.is_zero() && status.overdue.is_zero(), "Backlog", text)
}

fn outbox(status: &Status) -> Row {
    let outbox = status.outbox;
    let text = format!("{}, {}", of(outbox.pending, "on their way", status.at), of(outbox.dead, "dead", status.at));
    Row::judged(outbox.dead.count.is_zero(), "Outbox", text)
}

/// `none dead`, `3 dead (oldest 2h ago)`.
fn of(waiting: Waiting, what: &str, now: Timestamp) -> String {
    match waiting.oldest {
        Some(oldest) => format!("{} {what} (oldest {})", number(waiting.count), distance(oldest, now)),
        None => format!("none {what}"),
    }
}

fn alerts(status: &Status, width: usize) -> Row {
    let alerts = &status.alerts;
    let kinds = [
        (alerts.critical, "critical"),
        (alerts.warning, "warning"),
        (alerts.info, "info"),
        (alerts.silenced, "silenced"),
    ];
    let said: Vec<_> = kinds
        .into_iter()
        .filter(|(count, _)| !count.is_zero())
        .map(|(count, kind)| format!("{} {kind}", number(count)))
        .collect();
    let text = if said.is_empty() { "none open".to_owned() } else { said.join(", ") };
    let mut row = Row::judged(alerts.critical.is_zero(), "Alerts", text);
    row.more = alerts.worst.iter().map(|alert| named(alert, status.at, width)).collect();
    row
}

fn named(alert: &Alert, now: Timestamp, width: usize) -> String {
    let severity = if alert.silenced_until.is_some() { "silenced" } else { &*alert.severity };
    let (severity, age, key) = (shorten(severity, 8), distance(alert.last_raised_at, now), shorten(&alert.key, 60));
    let start = format!("{severity:<8} {age:>8}  {key}: ");
    let room = width.saturating_sub(INDENT + start.chars().count()).max(20);
    let painted = match alert.severity.as_str() {
        _ if alert.silenced_until.is_some() => start.dimmed().to_string(),
        "critical" => start.red().to_string(),
        "warning" => start.yellow().to_string(),
        _ => start,
    };
    painted + &shorten(&alert.message, room)
}

fn jobs(jobs: &[JobState], now: Timestamp) -> Row {
    let troubled: Vec<_> = jobs.iter().filter_map(|job| trouble(job, now)).collect();
    let running: Vec<_> = jobs.iter().filter(|job| job.state == "running").map(|job| flat(&job.name)).collect();
    let never = jobs.iter().filter(|job| job.state == "never_ran" && !job.late).count();
    let well = jobs.len() - troubled.len() - never;
    let mut said =
        vec![if troubled.is_empty() && never == 0 { format!("all {well} on time") } else { format!("{well} on time") }];
    said.extend((never > 0).then(|| format!("{never} never ran yet")));
    said.extend((!running.is_empty()).then(|| format!("running: {}", running.join(", "))));
    let mut row = Row::judged(troubled.is_empty(), "Jobs", said.join("; "));
    row.more = troubled.iter().map(|what| flat(what).red().to_string()).collect();
    row
}

fn backup(status: &Status) -> Row {
    let Some(backup) = &status.backup else { return Row::new(Mark::Plain, "Backup", "none yet") };
    let size = backup.bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
    let drilled = match &status.drill {
        Some(drill) => format!("; a restore was proven {}", distance(drill.at, status.at)),
        None => "; no restore was proven yet".into(),
    };
    let late = status.jobs.iter().any(|job| job.name == "backup" && trouble(job, status.at).is_some());
    Row::judged(!late, "Backup", format!("{}{size}{drilled}", distance(backup.at, status.at)))
}

fn deployed(deployment: &Deployment, now: Timestamp) -> Row {
    let text = format!(
        "{} of {} {} {}, by {}",
        flat(&deployment.kind),
        shorten(&deployment.release, 40),
        flat(&deployment.outcome).replace('_', " "),
        distance(deployment.finished_at, now),
        shorten(deployment.actor.rsplit('/').next().unwrap_or_default(), 40)
    );
    Row::judged(deployment.outcome == "succeeded", "Deployment", text)
}

fn release(releases: &Releases) -> Row {
    let current = releases.current.as_deref().map_or_else(|| "an unknown one".into(), |release| shorten(release, 40));
    let there = releases.functions - releases.elsewhere.len();
    let mut row = Row::judged(
        releases.elsewhere.is_empty(),
        "Release",
        format!("{current} on {there} of {} functions", releases.functions),
    );
    let other =
        |(function, release): &(String, String)| format!("{} is at {}", shorten(function, 64), shorten(release, 40));
    row.more = releases.elsewhere.iter().map(other).collect();
    row
}

/// In one line.
pub(super) fn flat(text: &str) -> String {
    shorten(text, 300)
}
