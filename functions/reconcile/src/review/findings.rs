//! What in the facts needs looking after. One function an area; to add one, write it and put it into the list of [`of`].

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use shared::{
    alerts::Severity::{self, Info, Warning},
    config::SoloToml,
    events::{EventType, FIRST_PARTY},
    flags::Flags,
    reviews::Finding,
};

use super::{
    digest::{bytes, date},
    facts::{Facts, OpenErrors, Waiting},
};

/// A secret that is older is to be rotated.
const SECRET_DAYS: i64 = 90;
/// A day and the grace of the job `backup`.
const BACKUP_HOURS: i64 = 26;
/// A quarter, and the grace of the job `drill`.
const DRILL_DAYS: i64 = 94;
/// An alert that was raised so often within a month is noise, or a fault that nobody mends.
const NOISY: i64 = 10;
/// A provider that sent nothing for so long, is silent.
const SILENT_DAYS: i64 = 30;
/// A table that grew by more, and by more than half.
const GROWTH: i64 = 100 * 1024 * 1024;

/// The worst first; within that, in the order of this list.
pub(super) fn of(facts: &Facts, file: &SoloToml, types: &[EventType], flags: &Flags, now: Timestamp) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    found.extend(backup(facts, now));
    found.extend(drill(facts, now));
    found.extend(secret(facts, now));
    found.extend(dead_letters(facts, now));
    found.extend(dead_effects(facts, now));
    found.extend(errors(facts));
    found.extend(jobs(facts));
    found.extend(open_alerts(facts, now));
    found.extend(silences(facts));
    found.extend(noise(facts));
    found.extend(providers(facts, file, now));
    found.extend(versions(facts, types, now));
    found.extend(rolled_out(flags));
    found.extend(deployments(facts));
    found.extend(growth(facts));
    found.sort_by_key(|finding| Reverse(finding.severity));
    found
}

fn backup(Facts { figures, .. }: &Facts, now: Timestamp) -> Option<Finding> {
    let what = match figures.last_backup {
        None => "there has never been a backup".to_owned(),
        Some(last) if hours_since(last, now) > BACKUP_HOURS => {
            format!("the last backup is of {}, {} ago", date(last), age(last, now))
        }
        Some(_) => return None,
    };
    Some(Finding::new("backups", Warning, what, "solo jobs run backup"))
}

fn drill(Facts { figures, .. }: &Facts, now: Timestamp) -> Option<Finding> {
    let what = match figures.last_drill {
        None => "no backup was ever restored to see whether it can be".to_owned(),
        Some(last) if hours_since(last, now) > 24 * DRILL_DAYS => {
            format!("the last restore drill was on {}, {} ago", date(last), age(last, now))
        }
        Some(_) => return None,
    };
    Some(Finding::new("drills", Warning, what, "solo jobs run drill"))
}

fn secret(Facts { figures, secret_problem, .. }: &Facts, now: Timestamp) -> Option<Finding> {
    if let Some(problem) = secret_problem {
        let what = format!("how old the app's secret is, is not known: {problem}");
        return Some(Finding::new("secrets", Info, what, "solo secrets list"));
    }
    let changed = figures.secret_changed.filter(|changed| hours_since(*changed, now) > 24 * SECRET_DAYS)?;
    let what = format!("the app's secret was last changed on {}, {} ago", date(changed), age(changed, now));
    Some(Finding::new("secrets", Warning, what, "solo secrets set <NAME> (runbook: Rotating a signing secret)"))
}

fn dead_letters(facts: &Facts, now: Timestamp) -> Option<Finding> {
    waiting("dead_letters", &facts.dead_letters, ("dead letter waits", "dead letters wait"), "solo dead list", now)
}

fn dead_effects(facts: &Facts, now: Timestamp) -> Option<Finding> {
    let words = ("effect could not be delivered", "effects could not be delivered");
    waiting("effects", &facts.dead_effects, words, "solo outbox list --status dead", now)
}

fn errors(facts: &Facts) -> Option<Finding> {
    let OpenErrors { count, culprit, title, times: often } = facts.errors.as_ref()?;
    let words = if *count == 1 { "error is open" } else { "errors are open" };
    let what = format!("{count} {words}, the most frequent in {culprit}: {title} ({})", times(*often));
    Some(Finding::new("errors", Warning, what, "solo errors list"))
}

fn open_alerts(facts: &Facts, now: Timestamp) -> Option<Finding> {
    let words = ("alert is open for more than a day", "alerts are open for more than a day");
    waiting("alerts", &facts.open_alerts, words, "solo alerts list", now)
}

/// `3 dead letters wait, the oldest since 2026-11-01 (21 days)`.
fn waiting(
    area: &str,
    Waiting { count, time }: &Waiting,
    (one, many): (&str, &str),
    todo: &str,
    now: Timestamp,
) -> Option<Finding> {
    let oldest = time.map(|time| format!(", the oldest since {} ({})", date(time), age(time, now)));
    let words = if *count == 1 { one } else { many };
    let what = format!("{count} {words}{}", oldest.unwrap_or_default());
    (*count > 0).then(|| Finding::new(area, Warning, what, todo))
}

fn silences(facts: &Facts) -> Option<Finding> {
    let Waiting { count, time } = facts.silences;
    let what = format!(
        "{count} {} alerts back, the longest until {}",
        if count == 1 { "silence holds" } else { "silences hold" },
        date(time?)
    );
    (count > 0).then(|| Finding::new("alerts", Info, what, "solo alerts list"))
}

fn noise(Facts { figures, .. }: &Facts) -> Option<Finding> {
    let noisy: Vec<_> = figures.noisiest.iter().filter(|noise| noise.times >= NOISY).collect();
    let named: Vec<_> = noisy.iter().map(|noise| format!("{} ({} times)", noise.key, noise.times)).collect();
    let what = format!("raised again and again: {}", named.join(", "));
    (!noisy.is_empty()).then(|| Finding::new("alerts", Info, what, "solo alerts list --state all; mend the cause"))
}

fn jobs(facts: &Facts) -> Vec<Finding> {
    let finding = |failures: &super::facts::JobFailures| {
        let times = times(failures.count);
        let what = format!("the job {} failed {times}, the last time on {}", failures.job, date(failures.latest));
        Finding::new("jobs", Warning, what, format!("solo jobs runs --job {}", failures.job))
    };
    facts.job_failures.iter().map(finding).collect()
}

fn providers(facts: &Facts, file: &SoloToml, now: Timestamp) -> Vec<Finding> {
    // What is younger cannot have been silent for so long.
    let old = facts.watched_since.is_some_and(|since| hours_since(since, now) > 24 * SILENT_DAYS);
    let events = |name: &str| -> i64 {
        facts.received.iter().filter(|received| received.source == name).map(|received| received.events).sum()
    };
    let finding = |(name, settings): (&String, &shared::config::ProviderConfig)| {
        let todo = format!("[providers.{name}] in solo.toml");
        match (settings.enabled, events(name)) {
            (true, 0) if old => {
                let what = format!("{name} is switched on and sent nothing for 30 days");
                Some(Finding::new("providers", Info, what, format!("switch it off, or see why: {todo}")))
            }
            (false, events @ 1..) => {
                let what = format!("{name} is switched off, and {events} of its events came within 30 days");
                Some(Finding::new(
                    "providers",
                    Info,
                    what,
                    format!("remove its webhook at {name}, or switch it on: {todo}"),
                ))
            }
            _ => None,
        }
    };
    file.providers.iter().filter_map(finding).collect()
}

/// Versions that are going away: still sent, or to be taken out.
fn versions(facts: &Facts, types: &[EventType], now: Timestamp) -> Vec<Finding> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut found = Vec::new();
    for (event_type, version) in
        types.iter().flat_map(|known| known.versions.iter().map(move |version| (known, version)))
    {
        let Some(deprecation) = version.deprecation else { continue };
        let (name, number) = (event_type.name, version.number);
        let is_it = |one: &&super::facts::Received| {
            one.source == FIRST_PARTY && one.event_type == name && one.version == number
        };
        let events: i64 = facts.received.iter().filter(is_it).map(|received| received.events).sum();
        let (severity, what, todo): (Severity, _, _) = if events > 0 {
            let severity = if today >= deprecation.until { Warning } else { Info };
            let what =
                format!("{name} version {number} is going away on {} and came {}", deprecation.until, times(events));
            (severity, what, "ask its sender to move: docs/events/README.md")
        } else if today.since(deprecation.since).is_ok_and(|span| span.get_days() >= 30) {
            let what = format!("{name} version {number} is deprecated, and nobody sent it for 30 days");
            (Info, what, "take it out of the type's versions")
        } else {
            continue;
        };
        found.push(Finding::new("events", severity, what, todo));
    }
    found
}

/// Flags that decide nothing any more.
fn rolled_out(flags: &Flags) -> Vec<Finding> {
    let done = flags.iter().filter(|flag| flag.is_rolled_out() && !flag.permanent);
    let finding = |flag: &shared::flags::Flag| {
        let what = format!("the flag {} is on for everybody whom it is meant for", flag.key);
        Finding::new("flags", Info, what, "take it out of the code: docs/flags.md, Removing one")
    };
    done.map(finding).collect()
}

fn deployments(Facts { figures, .. }: &Facts) -> Option<Finding> {
    let (all, bad, rollbacks) = (figures.deployments, figures.deployments_bad, figures.rollbacks);
    let by_hand =
        if rollbacks == 1 { "1 rollback by hand".to_owned() } else { format!("{rollbacks} rollbacks by hand") };
    let what = match (bad, rollbacks) {
        (0, 0) => return None,
        (bad, 0) => format!("{bad} of {all} deployments did not succeed"),
        (0, _) => format!("{by_hand}, and {all} deployments"),
        (bad, _) => format!("{bad} of {all} deployments did not succeed, and {by_hand}"),
    };
    Some(Finding::new("deployments", Info, what, "solo rollback --list; write a test for what went wrong"))
}

fn growth(Facts { figures, .. }: &Facts) -> Vec<Finding> {
    let grew = |table: &&shared::reviews::TableSize| {
        table.grown.is_some_and(|grown| grown > GROWTH && grown > (table.bytes - grown) / 2)
    };
    let since = figures.compared_with.map(date).unwrap_or_default();
    let finding = |table: &shared::reviews::TableSize| {
        let grown = bytes(table.grown.unwrap_or_default());
        let what = format!("{} grew by {grown} since {since}, to {}", table.table, bytes(table.bytes));
        Finding::new("database", Info, what, "see what fills it, and how long it is kept")
    };
    figures.tables.iter().filter(grew).map(finding).collect()
}

fn times(count: i64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn hours_since(time: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(time).as_hours()
}

/// `5 hours`, `3 days`.
fn age(time: Timestamp, now: Timestamp) -> String {
    let age: SignedDuration = now.duration_since(time);
    match age.as_hours().max(0) {
        1 => "1 hour".to_owned(),
        hours @ 0..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests;
