//! Handlers that fail, in every way that they can.

use std::time::Duration;

use axum::Router;
use serde_json::Value;

use crate::support::{Answer, World, invoice_paid, script, send, within};

/// Delivers one scripted event; the answer, and what the execution says of itself.
async fn deliver(world: &World, environment: &Router, todo: &str) -> (Answer, String) {
    let request = within(world.stripe(&script(todo)), Duration::from_millis(8_400));
    let answer = send(environment, request).await;
    let state = "SELECT status || ': ' || last_error FROM executions ORDER BY received_at DESC LIMIT 1";
    (answer, world.database.text(state).await)
}

/// A failure leaves nothing behind, is on record, and does no harm to the next event of the same environment.
async fn fails_cleanly(todo: &str, expected: &str) {
    let world = World::new().await;
    let environment = world.environment().await;
    let (answer, state) = deliver(&world, &environment, todo).await;
    answer.expect(202, "processing_failed");
    assert!(state.starts_with("failed: ") && state.contains(expected), "{state}");
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 0, "rolled back");
    let recorded = world.database.text("SELECT outcome || ': ' || error FROM attempts").await;
    assert!(recorded.starts_with("failed: ") && recorded.contains(expected), "{recorded}");
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'solo_app'
                AND state IN ('active', 'idle in transaction')";
    assert_eq!(world.database.count(busy).await, 0, "nothing goes on in the database");
}

#[tokio::test]
async fn an_error() {
    fails_cleanly("retry", "the other side is busy").await;
}

#[tokio::test]
async fn a_panic() {
    fails_cleanly("panic", "the handler panicked: the handler has a bug").await;
}

#[tokio::test]
async fn hanging_past_the_deadline() {
    fails_cleanly("hang", "the handler did not finish within 0.4 s").await;
}

#[tokio::test]
async fn hanging_in_the_database_past_the_deadline() {
    fails_cleanly("hang in the database", "the handler did not finish within 0.4 s").await;
}

#[tokio::test]
async fn a_failed_statement_that_the_handler_ignores() {
    fails_cleanly("swallow a failed statement", "current transaction is aborted").await;
}

#[tokio::test]
async fn a_commit_that_fails() {
    fails_cleanly("break at commit", "violates foreign key constraint").await;
}

#[tokio::test]
async fn retry_after_is_respected() {
    let world = World::new().await;
    let environment = world.environment().await;
    deliver(&world, &environment, "retry in an hour").await;
    let wait = world.database.count("SELECT extract(epoch FROM next_attempt_at - now())::bigint FROM executions").await;
    assert!((3_590..=3_600).contains(&wait), "{wait} s");
}

#[tokio::test]
async fn attempts_are_counted_and_spent() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = script("retry");
    let due = "UPDATE executions SET next_attempt_at = now() WHERE status = 'failed'";
    let mut answers = Vec::new();
    for _ in 0..4 {
        let answer = send(&environment, world.stripe(&event)).await;
        answers.push(answer.body["status"].as_str().unwrap_or_default().to_owned());
        world.database.execute(due).await;
    }
    assert_eq!(answers, ["processing_failed", "processing_failed", "dead_lettered", "dead_lettered"]);
    let attempts = "SELECT string_agg(attempt || ' ' || outcome, ', ' ORDER BY fence) FROM attempts";
    assert_eq!(world.database.text(attempts).await, "1 failed, 2 failed, 3 dead");
}

#[tokio::test]
async fn an_error_that_postgresql_could_not_store_is_stored_without_what_it_cannot_be() {
    let world = World::new().await;
    let environment = world.environment().await;
    let mut event = invoice_paid();
    event["data"]["object"]["currency"] = Value::from("a\0b");
    send(&environment, world.stripe(&event)).await.expect(202, "dead_lettered");
}

#[tokio::test]
async fn a_handler_that_must_not_be_rerun_is_not_rerun_after_a_timeout_or_a_panic() {
    for todo in ["hang", "panic", "break at commit"] {
        let world = World::new().await;
        let environment = world.environment().await;
        let mut event = script(todo);
        event["type"] = "test.once".into();
        let request = within(world.stripe(&event), Duration::from_millis(8_400));
        send(&environment, request).await.expect(202, "dead_lettered");
        assert_eq!(
            world.database.count("SELECT attempt::bigint FROM executions WHERE status = 'dead'").await,
            1,
            "{todo}"
        );
    }
}

/// What came first is what is run: a repetition of the key with other data does not slip in.
#[tokio::test]
async fn a_failed_event_is_not_retried_with_other_data() {
    let world = World::new().await;
    let environment = world.environment().await;
    let mut event = script("retry");
    send(&environment, world.stripe(&event)).await.expect(202, "processing_failed");
    world.database.execute("UPDATE executions SET next_attempt_at = now()").await;
    event["data"]["todo"] = "ok".into();
    send(&environment, world.stripe(&event)).await.expect(202, "processing_failed");
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 0);
    assert_eq!(world.database.count("SELECT attempt::bigint FROM executions").await, 1);
}

/// A warm environment lives through migrations.
#[tokio::test]
async fn a_prepared_statement_that_a_migration_outdated_fails_once() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = script("read everything");
    send(&environment, world.stripe(&script("read everything"))).await.expect(200, "ok");
    world.database.execute("ALTER TABLE effects ADD COLUMN more text").await;
    send(&environment, world.stripe(&event)).await.expect(202, "processing_failed");
    world.database.execute("UPDATE executions SET next_attempt_at = now() WHERE status = 'failed'").await;
    send(&environment, world.stripe(&event)).await.expect(200, "ok");
}
