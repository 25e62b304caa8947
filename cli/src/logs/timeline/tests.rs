//! Executions of every kind, as lines.

use clap::Parser as _;
use ops::{AuditEntry, ExecutionSummary};
use uuid::Uuid;

use super::*;
use crate::Cli;

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn attempt(number: i16, started: i64, outcome: &str) -> Attempt {
    let error = (outcome != "completed").then(|| "no luck".to_owned());
    Attempt {
        attempt: number,
        started_at: at(started),
        finished_at: at(started + 1),
        outcome: outcome.into(),
        error,
        generation: 1,
    }
}

pub fn effect(status: &str, finished: Option<i64>) -> EffectSummary {
    EffectSummary {
        id: Uuid::nil(),
        execution_id: None,
        kind: "http".into(),
        destination: "api.example.org".into(),
        status: status.into(),
        created_at: at(21),
        relay_at: None,
        relays: 1,
        attempts: 1,
        finished_at: finished.map(at),
        response_status: Some(500),
        last_error: Some("refused".into()),
    }
}

pub fn detail(status: &str) -> ExecutionDetail {
    ExecutionDetail {
        summary: ExecutionSummary {
            id: Uuid::nil(),
            source: "stripe".into(),
            event_type: "invoice.paid".into(),
            key: "evt_1".into(),
            status: status.into(),
            handler: Some("record_payment".into()),
            attempt: 2,
            received_at: at(10),
            next_attempt_at: None,
            finished_at: Some(at(21)),
            last_error: None,
            generation: 1,
            resolved_at: None,
        },
        correlation_id: "c".into(),
        schema_version: 1,
        occurred_at: None,
        lease_until: None,
        attempts: vec![attempt(1, 10, "failed"), attempt(2, 20, "completed")],
        effects: vec![effect("dead", Some(30))],
        audit: vec![AuditEntry {
            id: Uuid::nil(),
            at: at(15),
            actor: "ada".into(),
            operation: "unlock".into(),
            subject: String::new(),
            reason: "why".into(),
            detail: Value::Null,
        }],
        payload: Value::Null,
    }
}

fn alert(key: &str, raised: i64, resolved: Option<i64>) -> Alert {
    Alert {
        id: Uuid::nil(),
        key: key.into(),
        severity: "critical".into(),
        message: "words".into(),
        occurrences: 1,
        raised_at: at(raised),
        last_raised_at: at(raised),
        resolved_at: resolved.map(at),
        pending_since: None,
        sent_at: None,
        silenced_until: None,
    }
}

#[test]
fn what_happened_is_told_in_its_order() {
    let lines = of(&detail("completed"), &[alert("dead_letter:stripe:invoice.paid", 12, Some(25))]);
    let told: Vec<_> = lines.iter().map(|line| (line.at.as_second(), line.message.as_str(), line.level)).collect();
    assert_eq!(
        told,
        [
            (10, "received", Level::Info),
            (10, "attempt 1 begins", Level::Info),
            (11, "attempt 1: failed", Level::Warn),
            (12, "alert, critical", Level::Warn),
            (15, "unlock by hand", Level::Info),
            (20, "attempt 2 begins", Level::Info),
            (21, "attempt 2: completed", Level::Info),
            (21, "effect stored: http", Level::Info),
            (25, "the alert is over", Level::Info),
            (30, "effect dead", Level::Error),
        ]
    );
    assert_eq!(lines[2].fields["error"], "no luck");
    assert!(lines.iter().all(|line| line.function == RECORD));
}

#[test]
fn an_alert_is_about_it_by_its_key_and_its_time() {
    let detail = detail("dead");
    let about = |alert: Alert| is_about(&alert, &detail);
    assert!(about(alert("dead_letter:stripe:invoice.paid", 12, None)));
    assert!(about(alert("dead_letter:stripe:invoice.paid", 1, None)), "it was open already");
    assert!(about(alert("payload_changed:stripe", 12, Some(13))));
    assert!(!about(alert("dead_letter:stripe:invoice.paid", 1, Some(5))), "it was over");
    assert!(!about(alert("dead_letter:stripe:invoice.paid", 500, None)), "it came later");
    assert!(!about(alert("dead_letter:stripe:other", 12, None)));
}

fn changed(status: &str, change: fn(&mut ExecutionDetail)) -> ExecutionDetail {
    let mut detail = detail(status);
    detail.effects.clear();
    change(&mut detail);
    detail
}

fn outlook_of(status: &str, change: fn(&mut ExecutionDetail)) -> String {
    outlook(&changed(status, change), at(100), " --stage staging")
}

const FOLLOW: &str = "\nTo follow it: solo logs --correlation c --follow --stage staging";

#[test]
fn the_outlook_says_what_comes_next() {
    let of = outlook_of;
    let retried = of("failed", |it| it.summary.next_attempt_at = Some(at(112)));
    assert_eq!(retried, format!("It is tried again in 12s.{FOLLOW}"));
    assert!(of("failed", |it| it.summary.next_attempt_at = Some(at(90))).starts_with("It is due"));
    let handled = of("processing", |it| it.lease_until = Some(at(120)));
    assert_eq!(handled, format!("It is being handled.{FOLLOW}"));
    assert!(of("processing", |it| it.lease_until = Some(at(90))).starts_with("Its lease ran out 10s ago"));
    let how = "00000000-0000-0000-0000-000000000000 --reason \"...\" --stage staging";
    let waits = of("dead", |_| ());
    assert_eq!(waits, format!("It waits for you: solo dead replay {how}, or solo dead resolve {how}"));
    assert_eq!(of("dead", |it| it.summary.resolved_at = Some(at(50))), "It is done.");
    assert_eq!(of("completed", |it| it.summary.handler = None), "Nothing handles this type from this source.");
    assert_eq!(of("completed", |it| it.effects = vec![effect("delivered", Some(30))]), "It is done.");
}

#[test]
fn the_outlook_says_what_became_of_the_effects() {
    let of = outlook_of;
    let waiting = "1 of its effects are on their way: solo outbox list --stage staging";
    assert_eq!(of("completed", |it| it.effects = vec![effect("sent", None)]), format!("It is done; {waiting}{FOLLOW}"));
    let retry = "1 of its effects could not be delivered: solo outbox retry 00000000-0000-0000-0000-000000000000 \
                 --reason \"...\" --stage staging";
    let one: fn(&mut ExecutionDetail) = |it| it.effects = vec![effect("dead", Some(30))];
    assert_eq!(of("completed", one), format!("It completed, but {retry}"));
    let both: fn(&mut ExecutionDetail) = |it| it.effects = vec![effect("failed", None), effect("dead", Some(30))];
    assert_eq!(of("completed", both), format!("It completed, but {retry}\n{waiting}{FOLLOW}"));
    let two: fn(&mut ExecutionDetail) = |it| it.effects = vec![effect("dead", Some(30)), effect("dead", Some(31))];
    let list = "2 of its effects could not be delivered: solo outbox list --status dead --stage staging";
    assert_eq!(of("completed", two), format!("It completed, but {list}"));
    // What it sent before it was replayed.
    assert!(of("dead", two).ends_with(&format!("\n{list}")));
    let resolved = |it: &mut ExecutionDetail| {
        it.effects = vec![effect("dead", Some(30))];
        it.summary.resolved_at = Some(at(50));
    };
    assert_eq!(of("dead", resolved), format!("It is done.\n{retry}"));
}

/// The commands of a text, each as it is typed.
fn commands(text: &str) -> Vec<&str> {
    let commands = text.lines().filter_map(|line| line.find("solo ").map(|start| &line[start..]));
    commands.flat_map(|commands| commands.split(", or ")).collect()
}

#[test]
fn every_next_step_can_be_typed() {
    let mut known = Vec::new();
    for status in ["failed", "processing", "dead", "completed"] {
        for effects in [&[][..], &[("dead", Some(30))], &[("dead", Some(30)), ("dead", Some(31)), ("sent", None)]] {
            for (option, id) in [("", "c"), (" --stage production", "-x")] {
                let mut detail = detail(status);
                detail.effects = effects.iter().map(|(status, finished)| effect(status, *finished)).collect();
                detail.correlation_id = id.into();
                let text = outlook(&detail, at(100), option);
                for command in commands(&text) {
                    assert!(command.ends_with(option), "{command}");
                    let words = command.split(' ').map(|word| word.trim_matches('"'));
                    let parsed = Cli::try_parse_from(words);
                    assert!(parsed.is_ok(), "{command}: {}", parsed.err().unwrap());
                    known.push(command.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" "));
                }
            }
        }
    }
    for command in ["dead replay", "dead resolve", "outbox retry", "outbox list", "logs --correlation"] {
        assert!(known.iter().any(|it| it == command), "{command} in {known:?}");
    }
}
