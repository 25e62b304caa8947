//! Errors, as the tracker gets them; it is its own types that read them here.

use std::time::Duration;

use sentry_types::{
    Auth, Dsn,
    protocol::v7::{Context, Envelope, Level},
};
use serde_json::json;
use shared::{
    clock,
    outbox::{Effect, Sighting},
};
use uuid::Uuid;

use crate::{
    server::{Reply, Server},
    world::{TIME, World, again, expect, outbound, post},
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn sighting() -> Sighting {
    Sighting {
        secret: "SENTRY_DSN".into(),
        fingerprint: "b6d97d23b6d97d23b6d97d23b6d97d23".into(),
        error: "panic".into(),
        culprit: "record_payment".into(),
        title: "the handler panicked: no row <n>".into(),
        message: "the handler panicked: no row 7".into(),
        source: Some("stripe".into()),
        event_type: Some("invoice.paid".into()),
        execution_id: Some(Uuid::nil()),
        correlation_id: Some("0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11".into()),
        first_seen: clock::now(),
        last_seen: "2026-11-22T10:00:00Z".parse().unwrap(),
        count: 10,
        regressions: 1,
        release: Some("abc123".into()),
    }
}

fn error() -> Effect {
    Effect::Error(Box::new(sighting()))
}

async fn world(server: &Server) -> World {
    World::new(json!({"SENTRY_DSN": format!("http://{KEY}@127.0.0.1:{}/sentry/42", server.address.port())})).await
}

#[tokio::test]
async fn the_tracker_gets_an_event_in_an_envelope() {
    let server = Server::start(vec![Reply::of(200, "{}")]).await;
    let world = world(&server).await;
    let courier =
        world.courier_with("", std::sync::Arc::new(courier::System), |config| config.stage = "production".into());
    let message = outbound(error());
    assert!(world.deliver(&courier.await, &message).await);
    let report = world.report().await;
    assert_eq!(report["result"], "delivered", "{report}");

    let seen = server.seen().remove(0);
    let dsn: Dsn = format!("http://{KEY}@127.0.0.1:{}/sentry/42", server.address.port()).parse().unwrap();
    let line = format!("POST {} HTTP/1.1", dsn.envelope_api_url().path());
    assert!(seen.head.starts_with(&line), "{line} in {}", seen.head);
    assert_eq!(seen.header("content-type"), Some("application/x-sentry-envelope"));
    let auth: Auth = seen.header("x-sentry-auth").unwrap().parse().unwrap();
    assert_eq!((auth.public_key(), auth.version()), (KEY, 7));
    assert!(auth.client_agent().unwrap().starts_with("solo-os/"));

    let envelope = Envelope::from_slice(seen.body.as_bytes()).unwrap();
    let event = envelope.event().unwrap();
    assert_eq!((envelope.uuid(), event.event_id), (Some(&message.id), message.id));
    assert_eq!((event.level, &*event.platform), (Level::Fatal, "native"));
    let known = (event.release.as_deref(), event.environment.as_deref(), event.transaction.as_deref());
    assert_eq!(known, (Some("abc123"), Some("production"), Some("record_payment")));
    assert_eq!(&*event.fingerprint, &["b6d97d23b6d97d23b6d97d23b6d97d23"]);
    let exception = &event.exception.values[0];
    assert_eq!((exception.ty.as_str(), exception.value.as_deref()), ("panic", Some("the handler panicked: no row 7")));
    for (tag, value) in [("handler", "record_payment"), ("source", "stripe"), ("event_type", "invoice.paid")] {
        assert_eq!(event.tags[tag], value);
    }
    let Some(Context::Trace(trace)) = event.contexts.get("trace") else { panic!("{:?}", event.contexts) };
    assert_eq!(trace.trace_id.to_string(), "0199c5a27d1e7cc09a573f1b7a6d0c11");
    let at = event.timestamp.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(at, Duration::from_secs(sighting().last_seen.as_second().unsigned_abs()));
}

/// A wrong DSN is a fault of the configuration, told as that of a channel is: without the DSN.
#[tokio::test]
async fn a_wrong_dsn_is_named_and_not_quoted() {
    let secret = "s3cret".repeat(6);
    for wrong in ["o1.ingest.sentry.io/SECRET", "https://SECRET@127.0.0.1", "https://127.0.0.1/SECRET"] {
        let wrong = wrong.replace("SECRET", &secret);
        let world = World::new(json!({"SENTRY_DSN": wrong})).await;
        assert!(world.deliver(&world.courier("").await, &outbound(error())).await);
        let report = world.report().await;
        expect(&report, "dead", 1, "the secret SENTRY_DSN is not a DSN: https://<key>@<host>/<project>");
        assert!(!report.to_string().contains("s3cret"), "{report}");
    }
    let world = World::new(json!({})).await;
    assert!(world.deliver(&world.courier("").await, &outbound(error())).await);
    expect(&world.report().await, "dead", 1, "there is no secret SENTRY_DSN");
}

/// The key of another project: permanent, and the key is in no report.
#[tokio::test]
async fn a_key_that_is_refused_is_told_without_it() {
    let server = Server::start(vec![Reply::of(403, &format!("no project for {KEY}"))]).await;
    let world = world(&server).await;
    assert!(world.deliver(&world.courier("").await, &outbound(error())).await);
    let report = world.report().await;
    expect(&report, "dead", 1, "403 Forbidden");
    assert!(!report.to_string().contains(KEY), "{report}");
}

#[tokio::test]
async fn a_tracker_that_has_enough_is_left_alone_for_as_long_as_it_says() {
    for (status, name, value) in [
        (429, "Retry-After", "60"),
        (429, "X-Sentry-Rate-Limits", "60:error;default:organization"),
        // It took this one, and wants no other.
        (200, "X-Sentry-Rate-Limits", "60::key"),
    ] {
        let server = Server::start(vec![Reply::of(status, "").header(name, value)]).await;
        let world = world(&server).await;
        let courier = world.courier("").await;
        let first = world.queued(&[outbound(error())]).await;
        let left = world.invoke(&courier, &first, TIME).await;
        assert_eq!(left.len(), usize::from(status == 429), "{status} {name}");
        world.invoke(&courier, &again(&left), TIME).await;
        assert!(world.deliver(&courier, &outbound(error())).await, "put back, and acknowledged");
        assert_eq!(server.seen().len(), 1, "{status} {name}");
    }
}

/// The header is the tracker's. Another one who sends it pauses nothing.
#[tokio::test]
async fn the_rate_limits_of_others_are_not_the_tracker_s() {
    let server = Server::start(vec![Reply::of(200, "").header("X-Sentry-Rate-Limits", "60::key")]).await;
    let world = world(&server).await;
    let courier = world.courier("").await;
    for _ in 0..2 {
        assert!(world.deliver(&courier, &outbound(post(&server.url("127.0.0.1")))).await);
    }
    assert_eq!(server.seen().len(), 2);
}
