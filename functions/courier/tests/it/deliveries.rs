//! What arrives, and what is said of it.

use std::sync::atomic::Ordering;

use serde_json::json;
use shared::outbox::{HttpRequest, Outbound};

use crate::{
    server::{Reply, Server},
    world::{Names, TIME, World, again, expect, outbound, post},
};

#[tokio::test]
async fn a_request_arrives_labelled_and_its_answer_is_reported() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(201, "{\"id\": 1}")]).await;
    let courier = world.courier("").await;
    let message = outbound(post(&server.url("127.0.0.1")).header("X-Own", "yes"));

    assert!(world.deliver(&courier, &message).await);

    let [seen] = server.seen().try_into().unwrap();
    assert!(seen.head.starts_with("POST /hook HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.body, "{\"order\":7}");
    for (name, value) in [
        ("idempotency-key", message.idempotency_key.as_str()),
        ("x-correlation-id", &message.correlation_id),
        ("user-agent", concat!("solo-os/", env!("CARGO_PKG_VERSION"))),
        ("content-type", "application/json"),
        ("x-own", "yes"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let report = world.report().await;
    assert_eq!(
        report,
        json!({"id": message.id, "attempt": 1, "result": "delivered", "status": 201, "body": "{\"id\": 1}"})
    );
    assert!(world.queues.outbound().await.is_empty());
}

#[tokio::test]
async fn a_request_s_own_key_goes_before_the_message_s() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    let request = post(&server.url("127.0.0.1")).header("Idempotency-Key", "mine");
    assert!(world.deliver(&courier, &outbound(request)).await);
    assert_eq!(server.seen()[0].header("idempotency-key"), Some("mine"));
}

#[tokio::test]
async fn a_header_that_could_split_the_request_is_refused() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    for name in ["Host", "Content-Length", "Transfer-Encoding", "Connection"] {
        let request = HttpRequest::header(post(&server.url("127.0.0.1")), name, "5");
        assert!(world.deliver(&courier, &outbound(request)).await);
        expect(&world.report().await, "dead", 1, &name.to_ascii_lowercase());
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_method_that_is_none_of_an_api_s_is_refused() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    for method in ["CONNECT", "TRACE"] {
        let request = HttpRequest { method: method.into(), ..post(&server.url("127.0.0.1")) };
        assert!(world.deliver(&courier, &outbound(request)).await);
        expect(&world.report().await, "dead", 1, method);
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn without_a_report_there_is_no_acknowledgement_and_no_second_request() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "done"), Reply::of(500, "")]).await;
    let courier = world.courier("").await;
    let message = outbound(post(&server.url("127.0.0.1")));
    let received = world.queued(std::slice::from_ref(&message)).await;

    world.inbox.out.store(true, Ordering::SeqCst);
    assert_eq!(world.invoke(&courier, &received, TIME).await.len(), 1);
    assert!(world.reports().await.is_empty());

    world.inbox.out.store(false, Ordering::SeqCst);
    assert!(world.invoke(&courier, &again(&received), TIME).await.is_empty());
    assert_eq!(server.seen().len(), 1, "this environment knows that it was delivered");
    let report = world.report().await;
    expect(&report, "delivered", 2, "");
    assert_eq!(report["body"], "done");
}

#[tokio::test]
async fn a_dead_effect_s_message_stays_until_it_was_reported() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(400, "")]).await;
    let courier = world.courier("").await;
    world.inbox.out.store(true, Ordering::SeqCst);
    assert!(!world.deliver(&courier, &outbound(post(&server.url("127.0.0.1")))).await);
}

#[tokio::test]
async fn another_environment_sends_it_again_under_the_same_key() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let received = world.queued(&[outbound(post(&server.url("127.0.0.1")))]).await;
    world.inbox.out.store(true, Ordering::SeqCst);
    assert_eq!(world.invoke(&world.courier("").await, &received, TIME).await.len(), 1);
    world.inbox.out.store(false, Ordering::SeqCst);
    assert!(world.invoke(&world.courier("").await, &again(&received), TIME).await.is_empty());
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("idempotency-key"), seen[1].header("idempotency-key"));
}

#[tokio::test]
async fn what_nobody_tracks_is_never_reported() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, ""), Reply::of(400, "")]).await;
    let courier = world.courier("").await;
    world.inbox.out.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let message = Outbound { tracked: false, ..outbound(post(&server.url("127.0.0.1"))) };
        assert!(world.deliver(&courier, &message).await);
    }
    world.inbox.out.store(false, Ordering::SeqCst);
    assert!(world.reports().await.is_empty());
}

#[tokio::test]
async fn a_panic_is_one_message_s_failure() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier_with("", Names::of(&[]), |_| {}).await;
    let messages = [outbound(post("http://panic.test/")), outbound(post(&server.url("127.0.0.1")))];
    let received = world.queued(&messages).await;
    let left = world.invoke(&courier, &received, TIME).await;
    assert_eq!(left.iter().map(|message| &message.id).collect::<Vec<_>>(), [&received[0].id]);
    expect(&world.report().await, "delivered", 1, "");
}

#[tokio::test]
async fn a_message_that_is_not_understood_is_left_and_stops_no_other() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    let mut received =
        world.queued(&[outbound(post(&server.url("127.0.0.1"))), outbound(post(&server.url("127.0.0.1")))]).await;
    received[0].body = received[0].body.replace("\"version\":1", "\"version\":2");
    let left = world.invoke(&courier, &received, TIME).await;
    assert_eq!(left.iter().map(|message| &message.id).collect::<Vec<_>>(), [&received[0].id]);
    expect(&world.report().await, "delivered", 1, "");
}
