//! What the door counts, in lines that CloudWatch makes metrics of.

use std::{collections::BTreeSet, path::Path};

use axum::{
    Router,
    body::Body,
    http::{HeaderName, Request},
};
use http_body_util::BodyExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use shared::{clock, metrics::Metric};
use testkit::{Captured, Lambda, emf_lines, emitted, variable};

use crate::support::{World, first_party, invoice_paid, metered_environment_of, script, send, stripe_signed};

/// One request; the one line that it leaves.
async fn line_of(environment: &Router, captured: &Captured, request: Request<Body>) -> Value {
    send(environment, request).await;
    let lines = emf_lines(&captured.take());
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap()
}

async fn metered(world: &World) -> (Router, Captured) {
    let captured = Captured::default();
    let config = world.config(&world.database.app_url(), |_| {});
    (metered_environment_of(config, &captured).await, captured)
}

/// These members and no other counts.
#[track_caller]
fn counts(line: &Value, expected: &[(&str, u64)]) {
    let counts = Metric::ALL.into_iter().filter_map(|metric| Some((metric.name(), line.get(metric.name())?.as_u64()?)));
    let found: BTreeSet<_> = counts.collect();
    assert_eq!(found, expected.iter().copied().collect(), "{line}");
}

/// They are told for the stage as a whole, which is what alarms look at.
#[track_caller]
fn of_stage(line: &Value, metrics: &[&str]) {
    let (found, wanted) = (emitted(line, &[]), metrics.iter().map(|metric| (*metric).to_owned()).collect());
    assert!(found.is_superset(&wanted), "{wanted:?} in {found:?} of {line}");
}

#[tokio::test]
async fn an_event_and_its_duplicate() {
    let world = World::new().await;
    let (environment, captured) = metered(&world).await;
    let event = invoice_paid();
    let line = line_of(&environment, &captured, world.stripe(&event)).await;
    counts(&line, &[("Received", 1), ("Processed", 1), ("Failed", 0), ("Dead", 0)]);
    assert_eq!([&line["Provider"], &line["EventType"], &line["Handler"]], ["stripe", "invoice.paid", "record_payment"]);
    assert_eq!(emitted(&line, &["Provider"]), BTreeSet::from(["EndToEndLatency".into(), "Received".into()]));
    assert_eq!(emitted(&line, &["Handler"]), BTreeSet::from(["HandlerDuration".into()]));
    of_stage(&line, &["Received", "Processed", "Failed", "Dead", "EndToEndLatency", "RoundTrip"]);
    assert!(line["HandlerDuration"].as_f64().unwrap() > 0.0 && line["EndToEndLatency"].as_f64().is_some(), "{line}");
    assert!(line["RoundTrip"].as_array().unwrap().len() >= 3, "{line}");

    let line = line_of(&environment, &captured, world.stripe(&event)).await;
    counts(&line, &[("Received", 1), ("Duplicate", 1)]);
    let line = line_of(&environment, &captured, world.event("k", &first_party())).await;
    assert_eq!(line["Provider"], "events");
}

#[tokio::test]
async fn what_fails_dies_or_is_stored_only() {
    let world = World::new().await;
    let (environment, captured) = metered(&world).await;
    let event = script("retry in an hour");
    let line = line_of(&environment, &captured, world.stripe(&event)).await;
    counts(&line, &[("Received", 1), ("Processed", 0), ("Failed", 1), ("Dead", 0)]);
    assert_eq!(emitted(&line, &["Provider"]), BTreeSet::from(["Failed".into(), "Received".into()]));
    // Zeros, too: an alarm divides them, and has no value where one is missing.
    of_stage(&line, &["Processed", "Failed", "Dead"]);
    let line = line_of(&environment, &captured, world.stripe(&event)).await;
    counts(&line, &[("Received", 1), ("Duplicate", 1)]);
    let line = line_of(&environment, &captured, world.stripe(&script("fail"))).await;
    counts(&line, &[("Received", 1), ("Processed", 0), ("Failed", 0), ("Dead", 1)]);
    let line =
        line_of(&environment, &captured, world.stripe(&json!({"id": "evt_1", "type": "odd.type", "data": {}}))).await;
    counts(&line, &[("Received", 1)]);
    assert_eq!(line["EventType"], "other", "the sender's word makes no metric");
}

#[tokio::test]
async fn what_is_refused_is_counted_by_its_reason() {
    let world = World::new().await;
    let (environment, captured) = metered(&world).await;
    let forger = SecretString::from("whsec_the_forgers_own_secret_0123456789");
    let body = invoice_paid().to_string();
    let line = line_of(&environment, &captured, stripe_signed(body.as_bytes(), &forger, clock::now())).await;
    counts(&line, &[("Rejected", 1)]);
    assert_eq!([&line["Provider"], &line["Reason"]], ["stripe", "invalid_signature"]);
    assert_eq!(emitted(&line, &["Reason"]), BTreeSet::from(["Rejected".into()]));
    of_stage(&line, &["Rejected"]);

    for stranger in ["/webhooks/nobody", "/webhooks/aaaa", "/webhooks/%FF"] {
        let line = line_of(&environment, &captured, Request::post(stranger).body(Body::empty()).unwrap()).await;
        assert_eq!([&line["Provider"], &line["Reason"]], ["unknown", "unknown_provider"]);
    }
    let mut wrong = world.event("k", &first_party());
    wrong.headers_mut().insert("authorization", "Bearer a-wrong-token-of-somebody".parse().unwrap());
    let line = line_of(&environment, &captured, wrong).await;
    assert_eq!([&line["Provider"], &line["Reason"]], ["events", "invalid_token"]);

    let (mut other, _) = (first_party(), send(&environment, world.event("k", &first_party())).await);
    other["data"]["amount"]["cents"] = json!(1);
    captured.take();
    send(&environment, world.event("k", &other)).await.expect(422, "idempotency_key_reused");
    let lines = emf_lines(&captured.take());
    let refused = lines.iter().find(|line| line.get("Rejected").is_some()).unwrap();
    assert_eq!([&refused["Provider"], &refused["Reason"]], ["events", "idempotency_key_reused"]);
    assert!(lines.iter().any(|line| line["Duplicate"] == 1), "it was verified, and was here before: {lines:?}");
}

/// A sender repeats an event whose attempt was killed, before the worker found out.
#[tokio::test]
async fn an_attempt_that_a_delivery_finds_dead_is_counted_as_failed_and_its_own_as_a_retry() {
    let world = World::new().await;
    let (environment, captured) = metered(&world).await;
    let event = script("retry in an hour");
    send(&environment, world.stripe(&event)).await.expect(202, "processing_failed");
    captured.take();
    let killed = "UPDATE executions SET status = 'processing', next_attempt_at = NULL, fence = fence + 1, attempt = 2,
                         started_at = now(), lease_until = now() - interval '1 second'";
    world.database.execute(killed).await;
    let line = line_of(&environment, &captured, world.stripe(&event)).await;
    counts(&line, &[("Received", 1), ("Retried", 1), ("Processed", 0), ("Failed", 1), ("Dead", 1)]);
}

#[tokio::test]
async fn without_a_database_events_are_counted_as_queued() {
    let world = World::new().await;
    let nowhere = world.database.app_url().with_user("solo_app", Some(SecretString::from("a-wrong-password")));
    let captured = Captured::default();
    let environment = metered_environment_of(world.config(&nowhere, |_| {}), &captured).await;
    let line = line_of(&environment, &captured, world.stripe(&invoice_paid())).await;
    counts(&line, &[("Received", 1), ("Queued", 1)]);
}

/// API Gateway's event for a request.
async fn gateway_event(request: Request<Body>) -> Value {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = |name: &HeaderName| parts.headers[name].to_str().unwrap().to_owned();
    let headers: Value = parts.headers.keys().map(|name| (name.to_string(), Value::from(text(name)))).collect();
    let path = parts.uri.path();
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "1", "apiId": "a", "requestId": "r", "routeKey": "$default", "stage": "$default",
            "time": "22/Nov/2026:10:00:00 +0000", "timeEpoch": 1_795_341_600_000_i64,
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
        },
        "body": String::from_utf8(body.to_vec()).unwrap(), "isBase64Encoded": false,
    })
}

/// The real process writes them among its log lines; with the text format of a person's terminal it does not.
#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_process() {
    let world = World::new().await;
    let mut variables = world.variables();
    let password = SecretString::from(variable("SOLO_TEST_APP_PASSWORD"));
    let url = world.database.app_url();
    variables.insert("DATABASE_URL", url.to_string().replacen('@', &format!(":{}@", password.expose_secret()), 1));
    for (format, metered) in [("json", true), ("text", false)] {
        variables.insert("LOG_FORMAT", format.into());
        variables.insert("METRICS_NAMESPACE", "SoloOS/a-stage".into());
        let function = Lambda::start(Path::new(env!("CARGO_BIN_EXE_webhooks")), &variables);
        for event in [invoice_paid(), invoice_paid()] {
            assert_eq!(function.invoke(&gateway_event(world.stripe(&event)).await)["statusCode"], 200);
        }
        function.invoke(&gateway_event(world.stripe_bytes(b"no JSON at all")).await);
        let log = function.output_with(if metered { "\"Rejected\"" } else { "no event" });
        let lines = emf_lines(&log);
        assert_eq!(lines.len(), if metered { 3 } else { 0 }, "{log}");
        if !metered {
            assert!(!log.contains("CloudWatchMetrics"), "{log}");
            continue;
        }
        assert!(
            log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line["service"] == "solo-os"))
        );
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"], "SoloOS/a-stage");
        assert_eq!(emitted(&lines[0], &["Function"]), BTreeSet::from(["InitDuration".into()]));
        assert!(emitted(&lines[1], &["Function"]).is_empty(), "a cold start is told once");
        let completed = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let completed = completed.into_iter().find(|line| line["message"] == "completed").unwrap();
        assert_eq!(completed["requestId"], lines[0]["requestId"], "they join the other lines: {log}");
        assert!(completed["xrayTraceId"].as_str().unwrap().contains("1-5bef4de7"), "and X-Ray's trace: {completed}");
    }
}
