//! What is tried again, when, and how often.

use std::{ops::RangeInclusive, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::clock;
use tokio::time::sleep;

use crate::{
    server::{Reply, Server},
    world::{TIME, World, again, expect, outbound, post},
};

/// Checks that the wait is one of these seconds, for an attempt that was made between `start` and now.
#[track_caller]
fn expect_wait(report: &Value, start: Timestamp, seconds: RangeInclusive<f64>) {
    let retry_at: Timestamp = report["retry_at"].as_str().unwrap().parse().unwrap();
    let (longest, shortest) = (retry_at.duration_since(start), retry_at.duration_since(clock::now()));
    assert!(longest.as_secs_f64() >= *seconds.start() && shortest.as_secs_f64() <= *seconds.end(), "{report}");
}

#[tokio::test]
async fn the_key_is_the_same_until_it_is_delivered() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(503, "busy"), Reply::of(500, ""), Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    let message = outbound(post(&server.url("127.0.0.1")));
    let first = world.queued(std::slice::from_ref(&message)).await;
    let second = again(&first);

    let start = clock::now();
    assert_eq!(world.invoke(&courier, &first, TIME).await.len(), 1);
    let report = world.report().await;
    expect(&report, "failed", 1, "503 Service Unavailable: busy");
    expect_wait(&report, start, 1.6..=2.4);

    let start = clock::now();
    assert_eq!(world.invoke(&courier, &second, TIME).await.len(), 1);
    let report = world.report().await;
    expect(&report, "failed", 2, "500");
    expect_wait(&report, start, 3.2..=4.8);

    assert!(world.invoke(&courier, &again(&second), TIME).await.is_empty());
    expect(&world.report().await, "delivered", 3, "");
    let keys: Vec<_> = server.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys, vec![message.idempotency_key; 3]);
}

#[tokio::test]
async fn the_message_is_invisible_for_as_long_as_the_other_side_asks() {
    let world = World::new(json!({})).await;
    world.queues.set_visibility(&world.queues.config.outbound_url, 2).await;
    let server = Server::start(vec![Reply::of(429, "").header("Retry-After", "5")]).await;
    let courier = world.courier("").await;
    let start = clock::now();
    assert!(!world.deliver(&courier, &outbound(post(&server.url("127.0.0.1")))).await);
    expect_wait(&world.report().await, start, 5.0..=5.0);
    sleep(Duration::from_secs(3)).await;
    assert!(world.queues.outbound().await.is_empty(), "visible too early");
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!(world.queues.outbound().await[0].receive_count, 2);
}

#[tokio::test]
async fn when_the_attempts_are_spent_it_is_dead() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(503, "busy")]).await;
    let courier = world.courier("[outbound]\nmax_attempts = 2").await;
    let first = world.queued(&[outbound(post(&server.url("127.0.0.1")))]).await;
    assert_eq!(world.invoke(&courier, &first, TIME).await.len(), 1);
    expect(&world.report().await, "failed", 1, "busy");
    assert!(world.invoke(&courier, &again(&first), TIME).await.is_empty());
    expect(&world.report().await, "dead", 2, "given up after 2 attempts: the answer was 503 Service Unavailable: busy");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn what_is_wrong_for_good_is_dead_at_once() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(422, "no such order")]).await;
    let courier = world.courier("").await;
    assert!(world.deliver(&courier, &outbound(post(&server.url("127.0.0.1")))).await);
    let report = world.report().await;
    expect(&report, "dead", 1, "422 Unprocessable Entity: no such order");
    assert_eq!(report["status"], 422);
}

#[tokio::test]
async fn no_connection_is_tried_again() {
    let world = World::new(json!({})).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let courier = world.courier("").await;
    assert!(!world.deliver(&courier, &outbound(post(&format!("http://127.0.0.1:{port}/")))).await);
    expect(&world.report().await, "failed", 1, "refused");
}
