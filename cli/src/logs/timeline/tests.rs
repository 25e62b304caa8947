//! Executions of every kind, as lines.

use ops::{AuditEntry, ExecutionSummary};
use uuid::Uuid;

use super::*;

fn at(second: i64) -> Timestamp {
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

fn effect(status: &str, finished: Option<i64>) -> EffectSummary {
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

fn detail(status: &str) -> ExecutionDetail {
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

#[test]
fn the_outlook_says_what_comes_next() {
    let of = |status: &str, change: fn(&mut ExecutionDetail)| {
        let mut detail = detail(status);
        change(&mut detail);
        outlook(&detail, at(100), " --stage staging")
    };
    assert_eq!(of("failed", |it| it.summary.next_attempt_at = Some(at(112))), "It is tried again in 12s.");
    assert!(of("failed", |it| it.summary.next_attempt_at = Some(at(90))).starts_with("It is due"));
    assert_eq!(of("processing", |it| it.lease_until = Some(at(120))), "It is being handled.");
    assert!(of("processing", |it| it.lease_until = Some(at(90))).starts_with("Its lease ran out 10s ago"));
    assert!(of("dead", |_| ()).contains("solo dead replay 00000000-0000-0000-0000-000000000000 --stage staging"));
    assert_eq!(of("dead", |it| it.summary.resolved_at = Some(at(50))), "It is done.");
    assert!(of("completed", |it| it.summary.handler = None).starts_with("Nothing handles"));
    assert_eq!(of("completed", |_| ()), "It is done.");
    assert!(of("completed", |it| it.effects = vec![effect("sent", None)]).contains("1 of its effects"));
}
