//! The rows of the table of answers for events that are ours, for webhooks and for `POST /events`.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::json;
use shared::{clock, config::OnFailure};

use crate::support::{World, first_party, invoice_paid, script, send};

#[tokio::test]
async fn processed_now_then_already_processed() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = invoice_paid();

    let first = send(&environment, world.stripe(&event)).await;
    first.expect(200, "ok");
    let second = send(&environment, world.stripe(&event)).await;
    second.expect(200, "already_processed");
    assert_eq!(first.body["execution_id"], second.body["execution_id"]);
    assert_eq!(world.database.count("SELECT count(*) FROM payments").await, 1);
    let row = world.database.text("SELECT status || ' ' || attempt || ' ' || handler FROM executions").await;
    assert_eq!(row, "completed 1 record_payment");
    let attempts = world.database.text("SELECT string_agg(outcome, ' ') FROM attempts").await;
    assert_eq!(attempts, "completed");
}

#[tokio::test]
async fn first_party_and_its_duplicate_with_the_first_answer() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = first_party();

    let first = send(&environment, world.event("key-1", &event)).await;
    first.expect(200, "ok");
    let second = send(&environment, world.event("key-1", &event)).await;
    second.expect(200, "duplicate");
    assert_eq!(second.body["first"], json!({"status": "ok", "execution_id": first.body["execution_id"]}));

    let mut other = event.clone();
    other["data"]["amount_cents"] = json!(1);
    send(&environment, world.event("key-1", &other)).await.expect(422, "idempotency_key_reused");
    send(&environment, world.event("key-2", &event)).await.expect(200, "ok");
    assert_eq!(world.database.count("SELECT count(*) FROM payments").await, 1, "one an invoice, whatever the key");
    assert_eq!(world.database.text("SELECT currency FROM payments").await, "EUR");
}

#[tokio::test]
async fn in_flight_elsewhere() {
    let world = World::new().await;
    let environment = world.environment().await;
    let (webhook, event) = (invoice_paid(), first_party());
    send(&environment, world.stripe(&webhook)).await.expect(200, "ok");
    send(&environment, world.event("k", &event)).await.expect(200, "ok");
    let held =
        "UPDATE executions SET status = 'processing', lease_until = now() + interval '1 minute', finished_at = NULL";
    world.database.execute(held).await;

    send(&environment, world.stripe(&webhook)).await.expect(202, "in_progress");
    let conflict = send(&environment, world.event("k", &event)).await;
    conflict.expect(409, "in_progress");
    assert!(conflict.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn handler_failed() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = script("retry");
    let first = send(&environment, world.stripe(&event)).await;
    first.expect(202, "processing_failed");
    let next: jiff::Timestamp = first.body["next_attempt_at"].as_str().unwrap().parse().unwrap();
    let wait = next.duration_since(clock::now()).as_millis();
    assert!((1_000..=2_400).contains(&wait), "2 s, give or take 20 %: {wait} ms");

    // Before its time, a duplicate runs nothing.
    send(&environment, world.stripe(&event)).await.expect(202, "processing_failed");
    assert_eq!(world.database.count("SELECT attempt::bigint FROM executions").await, 1);
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 0, "a failed attempt leaves nothing");
}

#[tokio::test]
async fn a_provider_that_is_to_repeat_gets_500() {
    let world = World::new().await;
    let refuse = |config: &mut shared::config::Config| {
        config.file.providers.get_mut("stripe").unwrap().on_failure = OnFailure::Refuse;
    };
    let environment = world.environment_with(&world.database.app_url(), refuse).await;
    send(&environment, world.stripe(&script("retry"))).await.expect(500, "processing_failed");
    send(&environment, world.stripe(&script("fail"))).await.expect(202, "dead_lettered");
    send(&environment, world.stripe(&script("ok"))).await.expect(200, "ok");
}

#[tokio::test]
async fn dead_lettered() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = script("fail");
    send(&environment, world.stripe(&event)).await.expect(202, "dead_lettered");
    send(&environment, world.stripe(&event)).await.expect(202, "dead_lettered");
    assert_eq!(world.database.count("SELECT attempt::bigint FROM executions WHERE status = 'dead'").await, 1);

    let mut broken = invoice_paid();
    broken["data"]["object"]["amount_paid"] = json!("a lot");
    send(&environment, world.stripe(&broken)).await.expect(202, "dead_lettered");
    let error = world.database.text("SELECT last_error FROM executions WHERE event_type = 'invoice.paid'").await;
    assert!(error.contains("/amount_paid"), "{error}");
}

#[tokio::test]
async fn no_handler_for_the_type() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = json!({"id": "evt_1", "type": "customer.created", "data": {"object": {}}});
    send(&environment, world.stripe(&event)).await.expect(200, "ignored");
    send(&environment, world.stripe(&event)).await.expect(200, "ignored");
    assert_eq!(world.database.count("SELECT count(*) FROM executions WHERE handler IS NULL").await, 1, "stored");

    let unknown = send(&environment, world.event("k", &json!({"type": "invoice.payed", "data": {}}))).await;
    unknown.expect(404, "unknown_event_type");
    assert_eq!(unknown.body["known_types"], json!(["invoice.paid"]));
}

#[tokio::test]
async fn an_invoice_of_nothing_is_no_payment_and_no_error() {
    let world = World::new().await;
    let environment = world.environment().await;
    let mut trial = invoice_paid();
    trial["data"]["object"]["amount_paid"] = json!(0);
    send(&environment, world.stripe(&trial)).await.expect(200, "ignored");
}

#[tokio::test]
async fn bodies_that_are_no_events() {
    let world = World::new().await;
    let environment = world.environment().await;
    for body in [
        &b""[..],
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        br#"{"id": "evt_1"}"#,
        br#"{"type": "a"}"#,
        br#"{"id": "", "type": "a"}"#,
    ] {
        let answer = send(&environment, world.stripe_bytes(body)).await;
        answer.expect(400, "invalid_payload");
    }
    for body in [json!(null), json!([]), json!({}), json!({"type": "invoice.paid"}), json!({"data": {}})] {
        send(&environment, world.event("k", &body)).await.expect(400, "invalid_payload");
    }
    let wrong = send(&environment, world.event("k", &json!({"type": "invoice.paid", "data": {"id": 1}}))).await;
    wrong.expect(400, "invalid_payload");
    let fields: Vec<_> =
        wrong.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(fields, ["/data/id", "/data/customer_id", "/data/amount_cents", "/data/currency", "/data/paid_at"]);
    let version = json!({"type": "invoice.paid", "version": 9, "data": {}});
    let version = send(&environment, world.event("k", &version)).await;
    assert_eq!(version.body["errors"][0]["pointer"], "/version");
    assert_eq!(world.database.count("SELECT count(*) FROM executions").await, 0);
}

/// JSON knows numbers that PostgreSQL does not.
#[tokio::test]
async fn authentic_bodies_that_cannot_be_stored() {
    let world = World::new().await;
    let environment = world.environment().await;
    let body = br#"{"id": "evt_1", "type": "a.b", "data": {"x": 1e-20000}}"#;
    send(&environment, world.stripe_bytes(body)).await.expect(400, "invalid_payload");
    let ancient = json!({"id": "evt_2", "type": "a.b", "created": -300_000_000_000_i64, "data": {}});
    send(&environment, world.stripe(&ancient)).await.expect(200, "ignored");
    let mut own = first_party();
    own["data"]["paid_at"] = json!("-008000-01-01T00:00:00Z");
    send(&environment, world.event("k", &own)).await.expect(400, "invalid_payload");
}

#[tokio::test]
async fn a_changed_payload_under_the_same_id_is_a_duplicate() {
    let world = World::new().await;
    let environment = world.environment().await;
    let mut event = invoice_paid();
    send(&environment, world.stripe(&event)).await.expect(200, "ok");
    event["data"]["object"]["amount_paid"] = json!(1);
    send(&environment, world.stripe(&event)).await.expect(200, "already_processed");
    assert_eq!(world.database.count("SELECT amount_cents FROM payments").await, 4_200, "the first is kept");
}

#[tokio::test]
async fn every_answer_carries_the_correlation_id_and_the_security_headers() {
    let world = World::new().await;
    let environment = world.environment().await;
    let mut request = world.stripe(&invoice_paid());
    request.headers_mut().insert("x-correlation-id", "from-the-caller".parse().unwrap());
    let answer = send(&environment, request).await;
    assert_eq!(answer.headers["x-correlation-id"], "from-the-caller");
    assert_eq!(answer.body["correlation_id"], "from-the-caller");
    assert_eq!(world.database.text("SELECT correlation_id FROM executions").await, "from-the-caller");

    let mut request = Request::get("/nowhere").body(Body::empty()).unwrap();
    request.headers_mut().insert("x-correlation-id", "spaces are not taken over".parse().unwrap());
    let answer = send(&environment, request).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_ne!(answer.headers["x-correlation-id"], "spaces are not taken over");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    for name in [
        "strict-transport-security",
        "x-content-type-options",
        "content-security-policy",
        "cache-control",
        "referrer-policy",
    ] {
        assert!(answer.headers.contains_key(name), "{name}");
    }
}

/// A sender that repeats an event after a month: the key is kept longer than the payload.
#[tokio::test]
async fn a_duplicate_is_told_after_its_payload_was_cleared() {
    let world = World::new().await;
    let environment = world.environment().await;
    let (webhook, event) = (invoice_paid(), first_party());
    send(&environment, world.stripe(&webhook)).await.expect(200, "ok");
    send(&environment, world.event("a-key", &event)).await.expect(200, "ok");
    world.database.execute("UPDATE executions SET payload = NULL").await;
    send(&environment, world.stripe(&webhook)).await.expect(200, "already_processed");
    send(&environment, world.event("a-key", &event)).await.expect(200, "duplicate");
    let mut other = event.clone();
    other["data"]["amount_cents"] = json!(1);
    send(&environment, world.event("a-key", &other)).await.expect(422, "idempotency_key_reused");
}
