//! The rows of the table of answers that turn a request away, before anything is stored.

use std::{num::NonZeroU32, time::Duration};

use axum::{body::Body, http::Request};
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::clock;

use crate::support::{World, first_party, invoice_paid, send, stripe_signed};

#[tokio::test]
async fn who_is_not_believed() {
    let world = World::new().await;
    let environment = world.environment().await;
    let body = invoice_paid().to_string();
    let other = SecretString::from("whsec_somebody_elses_secret_of_some_length");
    let forged = send(&environment, stripe_signed(body.as_bytes(), &other, clock::now())).await;
    forged.expect(401, "invalid_signature");
    assert!(forged.body["detail"].as_str().unwrap().contains("Stripe-Signature"));
    let unsigned = Request::post("/webhooks/stripe").body(Body::from(body.clone())).unwrap();
    send(&environment, unsigned).await.expect(401, "invalid_signature");
    for hours in [-1, 1] {
        let time = clock::now() + jiff::SignedDuration::from_hours(hours);
        let answer = send(&environment, stripe_signed(body.as_bytes(), &world.secret.stripe, time)).await;
        answer.expect(401, "timestamp_outside_tolerance");
    }
    for authorization in [None, Some("Bearer wrong"), Some("Basic abc"), Some("Bearer"), Some("")] {
        let mut request = Request::post("/events").header("idempotency-key", "k");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = send(&environment, request.body(Body::from(first_party().to_string())).unwrap()).await;
        answer.expect(401, "invalid_token");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    assert_eq!(world.database.count("SELECT count(*) FROM executions").await, 0);
}

#[tokio::test]
async fn idempotency_keys() {
    let world = World::new().await;
    let environment = world.environment().await;
    let with = |names: &[(&str, &str)]| {
        let mut request = world.event("k", &first_party());
        request.headers_mut().remove("idempotency-key");
        for (name, value) in names {
            request.headers_mut().append(name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        request
    };
    send(&environment, with(&[])).await.expect(400, "missing_idempotency_key");
    send(&environment, with(&[("idempotency-key", " ")])).await.expect(400, "missing_idempotency_key");
    send(&environment, with(&[("idempotency-key", "a"), ("x-idempotency-key", "b")]))
        .await
        .expect(400, "invalid_idempotency_key");
    send(&environment, with(&[("idempotency-key", &"a".repeat(256))])).await.expect(400, "invalid_idempotency_key");
    send(&environment, with(&[("x-idempotency-key", "old habit")])).await.expect(200, "ok");
    send(&environment, with(&[("idempotency-key", "a"), ("x-idempotency-key", "a")])).await.expect(200, "ok");
}

#[tokio::test]
async fn unknown_paths_methods_and_providers() {
    let world = World::new().await;
    let environment = world.environment().await;
    let post = |path: &str| Request::post(path).body(Body::empty()).unwrap();
    send(&environment, post("/webhooks/paypal")).await.expect(404, "unknown_provider");
    send(&environment, post("/webhooks/%FF")).await.expect(404, "unknown_provider");
    send(&environment, post("/webhooks/stripe/")).await.expect(404, "not_found");
    send(&environment, post("/")).await.expect(404, "not_found");
    let get = Request::get("/webhooks/stripe").body(Body::empty()).unwrap();
    send(&environment, get).await.expect(405, "method_not_allowed");

    let off = |config: &mut shared::config::Config| config.file.providers.get_mut("stripe").unwrap().enabled = false;
    let environment = world.environment_with(&world.database.app_url(), off).await;
    send(&environment, world.stripe(&invoice_paid())).await.expect(404, "unknown_provider");
}

#[tokio::test]
async fn a_provider_without_a_secret_believes_nobody() {
    let world = World::new().await;
    let mut secret = world.secret.json();
    secret.as_object_mut().unwrap().remove("STRIPE_WEBHOOK_SECRET");
    world.secrets.put(&secret).await;
    let environment = world.environment().await;
    let answer = send(&environment, world.stripe(&invoice_paid())).await;
    answer.expect(503, "provider_not_configured");
    assert!(answer.headers.contains_key("retry-after"));
    secret["STRIPE_WEBHOOK_SECRET"] = json!([]);
    world.secrets.put(&secret).await;
    send(&world.environment().await, world.stripe(&invoice_paid())).await.expect(503, "provider_not_configured");
}

#[tokio::test]
async fn too_large_and_just_fitting() {
    let world = World::new().await;
    let environment = world.environment().await;
    let padded = |size: usize| {
        let mut event = json!({"id": "evt_1", "type": "a.b", "data": {"padding": ""}});
        event["data"]["padding"] = Value::from("x".repeat(size - event.to_string().len()));
        event.to_string().into_bytes()
    };
    let limit = 1024 * 1024;
    send(&environment, world.stripe_bytes(&padded(limit + 1))).await.expect(413, "payload_too_large");
    send(&environment, world.stripe_bytes(&padded(limit))).await.expect(200, "ignored");
    let large = Value::from("x".repeat(limit));
    send(&environment, world.event("k", &large)).await.expect(413, "payload_too_large");
}

#[tokio::test]
async fn too_many() {
    let world = World::new().await;
    let few = |config: &mut shared::config::Config| {
        config.file.limits.requests_per_second = NonZeroU32::MIN;
        config.file.limits.burst = NonZeroU32::new(2).unwrap();
    };
    let environment = world.environment_with(&world.database.app_url(), few).await;
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
    send(&environment, world.event("k", &first_party())).await.expect(200, "ok");
    for request in [world.stripe(&invoice_paid()), world.event("k", &first_party())] {
        let answer = send(&environment, request).await;
        answer.expect(429, "too_many_requests");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
}
