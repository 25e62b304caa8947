//! What the database has of an execution, as lines that stand between those of the functions. Pure.

use jiff::{SignedDuration, Timestamp};
use ops::{Alert, Attempt, EffectSummary, ExecutionDetail};
use serde_json::{Map, Value, json};

use super::line::{Level, Line};
use crate::{ui::plain, when::distance};

/// In the place of a function's name.
pub const RECORD: &str = "(record)";

/// Oldest first.
pub fn of(detail: &ExecutionDetail, alerts: &[Alert]) -> Vec<Line> {
    let summary = &detail.summary;
    let key = [("source", json!(summary.source)), ("type", json!(summary.event_type)), ("key", json!(summary.key))];
    let mut lines = vec![line(summary.received_at, Level::Info, "received", key)];
    detail.attempts.iter().for_each(|attempt| lines.extend(tried(attempt)));
    detail.effects.iter().for_each(|effect| lines.extend(sent(effect)));
    for entry in &detail.audit {
        let said = [("by", json!(entry.actor)), ("reason", json!(entry.reason))];
        lines.push(line(entry.at, Level::Info, format!("{} by hand", entry.operation.replace('_', " ")), said));
    }
    if let Some(at) = summary.resolved_at {
        lines.push(line(at, Level::Info, "resolved", []));
    }
    for alert in alerts {
        let said = || [("key", json!(alert.key)), ("alert", json!(alert.message))];
        lines.push(line(alert.raised_at, Level::Warn, format!("alert, {}", alert.severity), said()));
        lines.extend(
            alert.resolved_at.map(|at| line(at, Level::Info, "the alert is over", [("key", json!(alert.key))])),
        );
    }
    lines.sort_by_key(|line| line.at);
    lines
}

/// Raised for its source and type (or its source), while something happened to it.
pub fn is_about(alert: &Alert, detail: &ExecutionDetail) -> bool {
    let summary = &detail.summary;
    let of_kind: String = format!("dead_letter:{}:{}", summary.source, summary.event_type).chars().take(200).collect();
    let of_source = ["payload_changed", "possible_replay"].map(|what| format!("{what}:{}", summary.source));
    let named = alert.key == of_kind || of_source.contains(&alert.key);
    let last = [summary.finished_at, summary.resolved_at]
        .into_iter()
        .flatten()
        .chain(detail.attempts.iter().map(|it| it.finished_at));
    let last = last.max().unwrap_or(summary.received_at);
    let ends = alert.resolved_at.unwrap_or(Timestamp::MAX);
    named
        && alert.raised_at <= last.checked_add(SignedDuration::from_secs(60)).unwrap_or(last)
        && ends >= summary.received_at
}

/// Whether more can happen to it by itself.
pub fn is_unfinished(detail: &ExecutionDetail) -> bool {
    matches!(detail.summary.status.as_str(), "processing" | "failed") || on_their_way(detail) > 0
}

/// What comes next, and what to type: a line for each.
pub fn outlook(detail: &ExecutionDetail, now: Timestamp, option: &str) -> String {
    let waiting = match on_their_way(detail) {
        0 => None,
        some => Some(format!("{some} of its effects are on their way: solo outbox list{option}")),
    };
    let completed = detail.summary.status == "completed";
    let told = match (next(detail, now, option), undelivered(detail, option), waiting) {
        (Some(next), lost, waiting) => [Some(next), lost, waiting],
        (None, Some(lost), waiting) if completed => [Some(format!("It completed, but {lost}")), waiting, None],
        (None, lost @ Some(_), waiting) => [Some("It is done.".into()), lost, waiting],
        (None, None, Some(waiting)) => [Some(format!("It is done; {waiting}")), None, None],
        (None, None, None) => [Some("It is done.".into()), None, None],
    };
    let mut told: Vec<_> = told.into_iter().flatten().collect();
    if is_unfinished(detail) {
        let id = &detail.correlation_id;
        // A caller's own id may look like an option.
        let equals = if id.starts_with('-') { '=' } else { ' ' };
        told.push(format!("To follow it: solo logs --correlation{equals}{} --follow{option}", plain(id)));
    }
    told.join("\n")
}

/// Of itself; `None` when it is done, but for its effects.
fn next(detail: &ExecutionDetail, now: Timestamp, option: &str) -> Option<String> {
    let (summary, id) = (&detail.summary, detail.summary.id);
    Some(match (summary.status.as_str(), summary.next_attempt_at, detail.lease_until) {
        ("failed", Some(at), _) if at > now => format!("It is tried again {}.", distance(at, now)),
        ("failed", ..) => "It is due: the worker tries it again with its next tick.".into(),
        ("processing", _, Some(until)) if until < now => {
            format!("Its lease ran out {}: the worker's next tick takes it over.", distance(until, now))
        }
        ("processing", ..) => "It is being handled.".into(),
        ("dead", ..) if summary.resolved_at.is_none() => {
            let how = format!("{id} --reason \"...\"{option}");
            format!("It waits for you: solo dead replay {how}, or solo dead resolve {how}")
        }
        ("completed", ..) if summary.handler.is_none() => "Nothing handles this type from this source.".into(),
        _ => return None,
    })
}

fn on_their_way(detail: &ExecutionDetail) -> usize {
    detail.effects.iter().filter(|effect| effect.finished_at.is_none()).count()
}

/// Effects that were given up, and how to send them once more.
fn undelivered(detail: &ExecutionDetail, option: &str) -> Option<String> {
    let dead: Vec<_> = detail.effects.iter().filter(|effect| effect.status == "dead").collect();
    let how = match dead.as_slice() {
        [] => return None,
        [one] => format!("solo outbox retry {} --reason \"...\"{option}", one.id),
        _ => format!("solo outbox list --status dead{option}"),
    };
    Some(format!("{} of its effects could not be delivered: {how}", dead.len()))
}

fn tried(attempt: &Attempt) -> [Line; 2] {
    let generation = (attempt.generation > 1).then(|| ("generation", json!(attempt.generation)));
    let took = attempt.finished_at.duration_since(attempt.started_at).as_millis();
    let level = match attempt.outcome.as_str() {
        "completed" => Level::Info,
        "failed" => Level::Warn,
        _ => Level::Error,
    };
    let error = attempt.error.as_ref().map(|error| ("error", json!(error)));
    let said = [("took", json!(format!("{took}ms")))].into_iter().chain(error).chain(generation.clone());
    let number = attempt.attempt;
    [
        line(attempt.started_at, Level::Info, format!("attempt {number} begins"), generation),
        line(attempt.finished_at, level, format!("attempt {number}: {}", attempt.outcome), said),
    ]
}

fn sent(effect: &EffectSummary) -> Vec<Line> {
    let about = || [("outbox_id", json!(effect.id)), ("destination", json!(effect.destination))];
    let mut lines = vec![line(effect.created_at, Level::Info, format!("effect stored: {}", effect.kind), about())];
    if let Some(at) = effect.finished_at {
        let level = if effect.status == "delivered" { Level::Info } else { Level::Error };
        let status = effect.response_status.map(|status| ("status", json!(status)));
        let error = effect.last_error.as_ref().filter(|_| level == Level::Error).map(|error| ("error", json!(error)));
        let said = about().into_iter().chain(status).chain(error);
        lines.push(line(at, level, format!("effect {}", effect.status), said));
    }
    lines
}

fn line(
    at: Timestamp,
    level: Level,
    message: impl Into<String>,
    fields: impl IntoIterator<Item = (&'static str, Value)>,
) -> Line {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>();
    Line { at, function: RECORD.into(), level, message: message.into(), fields }
}

#[cfg(test)]
pub(super) mod tests;
