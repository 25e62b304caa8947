//! How fast, and what is left for later.

use std::time::Duration;

use serde_json::json;
use shared::outbox;
use tokio::time::sleep;

use crate::{
    server::{Reply, Server},
    world::{Names, TIME, World, expect, outbound, post},
};

/// Longer than what is put back stays away, at least.
const PUT_BACK: Duration = Duration::from_millis(1_200);

#[tokio::test]
async fn a_destination_is_called_at_its_rate_and_in_order() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let toml = "[outbound.destinations.'127.0.0.1']\nrequests_per_second = 5\nburst = 1";
    let courier = world.courier(toml).await;
    let messages: Vec<_> =
        (0..5).map(|n| outbound(post(&server.url("127.0.0.1")).header("n", &n.to_string()))).collect();
    let received = world.queued(&messages).await;
    assert!(world.invoke(&courier, &received, TIME).await.is_empty());
    let seen = server.seen();
    assert_eq!(seen.iter().map(|seen| seen.header("n").unwrap()).collect::<Vec<_>>(), ["0", "1", "2", "3", "4"]);
    // Four waits of 200 ms.
    let took = seen[4].at - seen[0].at;
    assert!(took >= Duration::from_millis(780) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_slow_destination_does_not_hold_another() {
    let world = World::new(json!({})).await;
    let slow = Server::start(vec![Reply::of(200, "").after(Duration::from_secs(2))]).await;
    let fast = Server::start(vec![Reply::of(200, "")]).await;
    let names = Names::of(&[("slow.test", &[&["127.0.0.1"]]), ("fast.test", &[&["127.0.0.1"]])]);
    let courier = world.courier_with("", names, |_| {}).await;
    let messages = [
        outbound(post(&slow.url("slow.test"))),
        outbound(post(&fast.url("fast.test"))),
        outbound(post(&slow.url("slow.test"))),
        outbound(post(&fast.url("fast.test"))),
    ];
    let received = world.queued(&messages).await;
    assert!(world.invoke(&courier, &received, TIME).await.is_empty());
    let slow = slow.seen();
    assert!(fast.seen()[1].at < slow[1].at, "not after both of the slow ones");
    assert!(slow[1].at - slow[0].at >= Duration::from_secs(2), "one after the other");
}

/// It is no attempt, and the queue counts its receives from the start.
#[tokio::test]
async fn what_does_not_fit_into_the_time_is_put_back_uncounted() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(503, "")]).await;
    let courier = world.courier("[outbound]\nmax_attempts = 3").await;
    let messages = [outbound(post(&server.url("127.0.0.1"))), outbound(post(&server.url("127.0.0.1")))];
    let mut received = world.queued(&messages).await;
    for message in &mut received {
        message.receive_count = 2;
    }
    // 6 s are left besides the margin: too little for a second request, which may take 10 s.
    let failed = world.invoke(&courier, &received, Duration::from_secs(15)).await;
    assert_eq!(failed.len(), 1, "the first was tried, the second acknowledged");
    expect(&world.report().await, "failed", 2, "503");
    assert_eq!(server.seen().len(), 1);

    sleep(PUT_BACK).await;
    let back = world.queues.outbound().await;
    assert_eq!(back.len(), 1);
    assert_eq!((back[0].receive_count, outbox::decode(&back[0].body).unwrap()), (1, messages[1].clone()));
    world.invoke(&courier, &back, TIME).await;
    expect(&world.report().await, "failed", 2, "503");
}

#[tokio::test]
async fn who_asks_for_a_pause_gets_it_for_all_messages() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(429, "").header("Retry-After", "60"), Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    let messages = [0, 1, 2].map(|_| outbound(post(&server.url("127.0.0.1"))));
    let received = world.queued(&messages).await;
    assert_eq!(world.invoke(&courier, &received, TIME).await.len(), 1);
    assert_eq!(server.seen().len(), 1, "the others were put back");
    expect(&world.report().await, "failed", 1, "429");
    assert!(world.queues.outbound().await.is_empty(), "they come later");
}

#[tokio::test]
async fn nothing_is_begun_at_the_end_of_an_invocation() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    let received = world.queued(&[outbound(post(&server.url("127.0.0.1")))]).await;
    assert!(world.invoke(&courier, &received, Duration::from_secs(5)).await.is_empty());
    assert!(server.seen().is_empty());
    assert!(world.queues.outbound().await.is_empty(), "not at once: there is no time for it now");
    sleep(PUT_BACK).await;
    assert_eq!(world.queues.outbound().await.len(), 1);
}
