//! Storms of one event, and runners that lose their lease.

use std::time::Duration;

use axum::{Router, body::Body, http::Request};
use futures_util::future::join_all;

use crate::support::{World, first_party, invoice_paid, script, send};

/// 200 deliveries over 20 environments, all at once.
async fn storm(world: &World, request: impl Fn() -> Request<Body>) -> Vec<(u16, String)> {
    let environments: Vec<Router> = join_all((0..20).map(|_| world.environment())).await;
    let deliveries = (0..200).map(|n| {
        let (environment, request) = (environments[n % environments.len()].clone(), request());
        tokio::spawn(async move {
            let answer = send(&environment, request).await;
            let word = answer.body.get("error").or(answer.body.get("status")).cloned().unwrap_or_default();
            (answer.status.as_u16(), word.as_str().unwrap_or_default().to_owned())
        })
    });
    join_all(deliveries).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_deliveries_of_one_webhook_make_one_payment() {
    let world = World::new().await;
    let event = invoice_paid();
    let answers = storm(&world, || world.stripe(&event)).await;

    let of = |status: u16, word: &str| answers.iter().filter(|answer| **answer == (status, word.to_owned())).count();
    assert_eq!(of(200, "ok"), 1, "{answers:?}");
    assert_eq!(of(200, "already_processed") + of(202, "in_progress"), 199, "{answers:?}");
    assert_eq!(world.database.count("SELECT count(*) FROM payments").await, 1);
    assert_eq!(
        world.database.count("SELECT count(*) FROM executions WHERE status = 'completed' AND attempt = 1").await,
        1
    );
    assert_eq!(world.database.count("SELECT count(*) FROM attempts").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_posts_of_one_event_make_one_payment() {
    let world = World::new().await;
    let event = first_party();
    let answers = storm(&world, || world.event("one-key", &event)).await;

    let of = |status: u16, word: &str| answers.iter().filter(|answer| **answer == (status, word.to_owned())).count();
    assert_eq!(of(200, "ok"), 1, "{answers:?}");
    assert_eq!(of(200, "duplicate") + of(409, "in_progress"), 199, "{answers:?}");
    assert_eq!(world.database.count("SELECT count(*) FROM payments").await, 1);
}

const EXPIRE: &str = "UPDATE executions SET lease_until = now() - interval '1 second'";

#[tokio::test]
async fn a_runner_that_lost_its_lease_to_a_running_one_changes_nothing() {
    let world = World::new().await;
    let (slow, quick) = (world.environment().await, world.environment().await);
    let event = script("take 400 ms");
    let first = tokio::spawn({
        let request = world.stripe(&event);
        async move { send(&slow, request).await }
    });
    tokio::time::sleep(Duration::from_millis(150)).await;
    world.database.execute(EXPIRE).await;

    let second = send(&quick, world.stripe(&event)).await;
    first.await.unwrap().expect(202, "in_progress");
    second.expect(200, "ok");
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 1);
    let attempts = "SELECT string_agg(attempt || ' ' || outcome, ', ' ORDER BY fence) FROM attempts";
    assert_eq!(world.database.text(attempts).await, "1 crashed, 2 completed");
}

#[tokio::test]
async fn a_runner_that_lost_its_lease_to_a_finished_one_changes_nothing() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = script("take 400 ms");
    let first = tokio::spawn({
        let request = world.stripe(&event);
        async move { send(&environment, request).await }
    });
    tokio::time::sleep(Duration::from_millis(150)).await;
    let taken_over =
        "UPDATE executions SET status = 'completed', fence = fence + 1, lease_until = NULL, finished_at = now()";
    world.database.execute(taken_over).await;

    first.await.unwrap().expect(200, "already_processed");
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 0);
    assert_eq!(world.database.count("SELECT fence FROM executions").await, 2);
}

#[tokio::test]
async fn a_runner_that_fails_after_it_lost_its_lease_changes_nothing() {
    let world = World::new().await;
    let (slow, quick) = (world.environment().await, world.environment().await);
    let event = script("hang");
    let first = tokio::spawn({
        let request = crate::support::within(world.stripe(&event), Duration::from_millis(8_500));
        async move { send(&slow, request).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let taken_over =
        "UPDATE executions SET status = 'completed', fence = fence + 1, lease_until = NULL, finished_at = now()";
    world.database.execute(taken_over).await;

    first.await.unwrap().expect(200, "already_processed");
    send(&quick, world.stripe(&event)).await.expect(200, "already_processed");
    assert_eq!(world.database.count("SELECT count(*) FROM attempts").await, 0);
}
