//! The logs of a stage in the cloud. moto takes every JSON pattern for one that fits all; what the pattern is to say is asked of the
//! request itself, and what is left out by it here, too.

use serde_json::{Value, json};
use shared::clock;

use crate::world::World;

const TEMPLATE: &str = include_str!("../../../template.yaml");
const READ: &str = "Logs_20140328.FilterLogEvents";

/// Asks moto's CloudWatch Logs.
async fn logs(operation: &str, request: Value) {
    let signed =
        "AWS4-HMAC-SHA256 Credential=local/20261122/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=x";
    let sent = reqwest::Client::new()
        .post(testkit::variable("AWS_ENDPOINT_URL"))
        .header("authorization", signed)
        .header("x-amz-target", format!("Logs_20140328.{operation}"))
        .header("content-type", "application/x-amz-json-1.1")
        .body(request.to_string())
        .send()
        .await
        .unwrap();
    assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
}

/// A function's log group with these lines; each `(seconds ago, level, correlation id, message)`.
async fn logged(world: &World, function: &str, lines: &[(i64, &str, &str, &str)]) {
    let group = format!("/aws/lambda/{}-{function}", world.stack);
    logs("CreateLogGroup", json!({"logGroupName": group})).await;
    logs("CreateLogStream", json!({"logGroupName": group, "logStreamName": "s"})).await;
    let event = |(ago, level, correlation, message): &(i64, &str, &str, &str)| {
        let at = clock::now().as_millisecond() - ago * 1_000;
        let timestamp = jiff::Timestamp::from_millisecond(at).unwrap();
        let line = json!({"timestamp": timestamp, "level": level, "message": message, "correlation_id": correlation, "attempt": 2});
        json!({"timestamp": at, "message": line.to_string()})
    };
    let mut events: Vec<_> = lines.iter().map(event).collect();
    events.push(json!({"timestamp": clock::now().as_millisecond(), "message": "START RequestId: not JSON"}));
    events.sort_by_key(|event| event["timestamp"].as_i64());
    logs("PutLogEvents", json!({"logGroupName": group, "logStreamName": "s", "logEvents": events})).await;
}

async fn world() -> World {
    let world = World::new(&["r1"]).await;
    std::fs::write(world.clone.path().join("template.yaml"), TEMPLATE).unwrap();
    world
}

fn patterns(world: &World) -> Vec<String> {
    let called = world.front.called.lock().unwrap();
    called
        .iter()
        .filter(|(target, _)| target == READ)
        .map(|(_, asked)| asked["filterPattern"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn one_correlation_id_is_followed_over_all_functions() {
    let world = world().await;
    logged(&world, "webhooks", &[(50, "INFO", "c-1", "received"), (49, "INFO", "c-2", "another")]).await;
    logged(&world, "worker", &[(20, "WARN", "c-1", "handler \u{1b}[2J failed"), (90_000, "INFO", "c-1", "long ago")])
        .await;
    logged(&world, "courier", &[(30, "INFO", "c-1", "delivered")]).await;
    *world.front.busy.lock().unwrap() = 2;
    let (code, text) = world.solo(&["logs", "--stage", "staging", "--correlation", "c-1"]).await;
    // A day has a line of its own, and may end between two of these.
    let (days, lines): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.ends_with(" (UTC)"));
    let lines: Vec<_> = lines.into_iter().map(|line| line.split_once(' ').unwrap().1.trim()).collect();
    assert!(code == 0 && !days.is_empty(), "{text}");
    assert_eq!(
        lines,
        [
            "INFO  webhooks   received attempt=2",
            "INFO  courier    delivered attempt=2",
            "WARN  worker     handler \u{fffd}[2J failed attempt=2",
        ]
    );
    // Each function of the template, and each with the pattern.
    let asked = patterns(&world);
    assert!(
        asked.len() >= 12 && asked.iter().all(|pattern| pattern == r#"{ ($.correlation_id = "c-1") }"#),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_function_a_level_and_a_limit_narrow_it() {
    let world = world().await;
    let many: Vec<_> = (0..30).map(|number| (60 - number, "ERROR", "c", "again")).collect();
    logged(&world, "worker", &[&many[..], &[(5, "INFO", "c", "fine")]].concat()).await;
    let narrow = ["logs", "--stage", "staging", "--function", "worker", "--level", "error"];
    let (_, text) = world.solo(&[&narrow[..], &["--json"]].concat()).await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.len() == 30 && lines.iter().all(|line| line["level"] == "error" && line["function"] == "worker"),
        "{text}"
    );
    assert_eq!(patterns(&world).len(), 1);
    assert!(patterns(&world)[0].starts_with(r#"{ ($.level = "ERROR") || "#));
    let (_, text) = world.solo(&[&narrow[..], &["--limit", "7"]].concat()).await;
    assert!(text.contains("the newest 7") && text.matches("again").count() == 7, "{text}");
    let (code, text) = world.solo(&["logs", "--stage", "staging", "--function", "nobody"]).await;
    assert!(
        code == 1 && text.contains("there is no function nobody; there are") && text.contains("webhooks"),
        "{text}"
    );
}

/// The database's record and the lines, in one order; and the record alone when the log may not be read.
#[tokio::test]
async fn an_execution_is_told_from_its_record_and_its_lines() {
    let world = world().await;
    world
        .kept
        .execute(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence, payload,
                                     fingerprint, correlation_id, received_at, finished_at, last_error)
             VALUES ('0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11', 'stripe', 'evt_1', 'invoice.paid', 1, 'record_payment', 'dead', 1, 1, '{}',
                     sha256('x'), 'c-9', now() - interval '60 seconds', now() - interval '30 seconds', 'no luck');
             INSERT INTO attempts (execution_id, fence, attempt, started_at, finished_at, outcome, error)
             VALUES ('0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11', 1, 1, now() - interval '55 seconds', now() - interval '30 seconds', 'dead', 'no luck');
             SELECT raise_alert('dead_letter:stripe:invoice.paid', 'critical', 'one event')",
        )
        .await;
    logged(&world, "webhooks", &[(40, "WARN", "c-9", "the handler says no"), (39, "INFO", "c-8", "another's")]).await;
    let show = ["logs", "--stage", "staging", "--execution", "0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11"];
    let (code, text) = world.solo(&show).await;
    let places = [
        "invoice.paid from stripe, dead",
        "received",
        "attempt 1 begins",
        "the handler says no",
        "attempt 1: dead",
        "alert, critical",
        "It waits for you",
    ]
    .map(|words| text.find(words).unwrap_or_else(|| panic!("{words} in {text}")));
    assert!(code == 0 && places.is_sorted() && !text.contains("another's"), "{text}");

    world.front.forbidden.lock().unwrap().push(READ.into());
    let (code, text) = world.solo(&show).await;
    assert!(code == 0 && text.contains("without the functions' lines") && text.contains("OperatorPolicyArn"), "{text}");
    assert!(text.contains("attempt 1: dead"), "{text}");

    world.kept.execute("ALTER TABLE alerts RENAME TO alerts_elsewhere").await;
    let (code, text) = world.solo(&show).await;
    assert!(code == 0 && text.contains("without the alerts") && text.contains("attempt 1: dead"), "{text}");
    let (code, text) = world.solo(&["logs", "--stage", "staging"]).await;
    assert!(code == 1 && text.contains("could not be read") && text.contains("OperatorPolicyArn"), "{text}");
}
