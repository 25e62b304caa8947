//! Executions: what goes when, and what never does.

use std::time::Duration;

use cleanup::clean;
use shared::config::Retention;
use tokio::time::Instant;

use crate::{others::effect, support::World};

#[tokio::test]
async fn a_payload_goes_thirty_days_after_its_execution_was_settled() {
    let world = World::new().await;
    let mut all = Vec::new();
    for (state, received, settled, expected) in [
        ("completed", "29 days 23 hours", "29 days 23 hours", "payload"),
        ("completed", "30 days 1 hour", "30 days 1 hour", "cleared"),
        ("completed", "31 days", "31 days", "cleared"),
        ("completed", "400 days", "29 days", "payload"),
        ("completed", "400 days", "31 days", "cleared"),
        ("unhandled", "29 days", "29 days", "payload"),
        ("unhandled", "31 days", "31 days", "cleared"),
        ("resolved", "200 days", "29 days", "payload"),
        ("resolved", "200 days", "31 days", "cleared"),
        ("resolved", "200 days", "89 days", "cleared"),
    ] {
        all.push((world.execution_of(state, received, settled).await, state, settled, expected));
    }
    let before = keys(&world).await;
    let cleaned = world.clean().await;
    assert_eq!((cleaned.payloads_cleared, cleaned.executions_deleted, cleaned.more), (6, 0, false), "{cleaned:?}");
    for (id, state, settled, expected) in all {
        assert_eq!(world.left(id).await, expected, "{state}, {settled} ago");
    }
    assert_eq!(keys(&world).await, before, "everything else of them is as it was");
    assert_eq!(world.clean().await.payloads_cleared, 0);
}

/// All but the payload.
async fn keys(world: &World) -> String {
    let sql = "SELECT md5(jsonb_agg(to_jsonb(e) - 'payload' || jsonb_build_object('its attempt', to_jsonb(a)) ORDER BY e.id)::text)
                 FROM executions e JOIN attempts a ON a.execution_id = e.id";
    world.kept.text(sql).await
}

#[tokio::test]
async fn an_execution_goes_ninety_days_after_it_was_settled_and_its_attempts_with_it() {
    let world = World::new().await;
    let mut all = Vec::new();
    for (state, received, settled, expected) in [
        ("completed", "89 days 23 hours", "89 days 23 hours", "cleared"),
        ("completed", "90 days 1 hour", "90 days 1 hour", "gone"),
        ("completed", "400 days", "89 days", "cleared"),
        ("completed", "400 days", "91 days", "gone"),
        ("unhandled", "89 days", "89 days", "cleared"),
        ("unhandled", "91 days", "91 days", "gone"),
        ("resolved", "400 days", "89 days", "cleared"),
        ("resolved", "400 days", "91 days", "gone"),
    ] {
        all.push((world.execution_of(state, received, settled).await, state, settled, expected));
    }
    assert_eq!(world.clean().await.executions_deleted, 4);
    for (id, state, settled, expected) in all {
        assert_eq!(world.left(id).await, expected, "{state}, {settled} ago");
    }
    assert_eq!(world.kept.count("SELECT count(*) FROM attempts").await, 4);
}

#[tokio::test]
async fn what_is_not_done_with_stays_whatever_its_age() {
    let world = World::new().await;
    for state in ["dead", "failed", "processing"] {
        world.execution(state, "4000 days").await;
    }
    // It was replayed, and completed yesterday.
    world.execution_of("completed", "4000 days", "1 day").await;
    let all = "SELECT md5(jsonb_agg(to_jsonb(e) ORDER BY id)::text) FROM executions e";
    let before = world.kept.text(all).await;
    let cleaned = world.clean().await;
    assert_eq!((cleaned.payloads_cleared, cleaned.executions_deleted), (0, 0));
    assert_eq!(world.kept.text(all).await, before);
    assert_eq!(world.kept.count("SELECT count(*) FROM attempts").await, 4);
}

/// An effect that could not be delivered is mended by a replay, and explained by the event.
#[tokio::test]
async fn an_execution_with_an_effect_that_is_not_delivered_stays_with_its_payload() {
    let world = World::new().await;
    let mut held = Vec::new();
    for status in ["pending", "sent", "failed", "dead"] {
        for age in ["40 days", "100 days"] {
            let id = world.execution("completed", age).await;
            effect(&world, status, status, age, "", Some(id)).await;
            effect(&world, "another", "delivered", "1 day", "", Some(id)).await;
            held.push((id, status));
        }
    }
    let (cleared, gone) =
        (world.execution("completed", "40 days").await, world.execution("resolved", "100 days").await);
    effect(&world, "another", "delivered", "1 day", "", Some(cleared)).await;
    effect(&world, "another", "delivered", "1 day", "", Some(gone)).await;
    world.clean().await;
    for (id, status) in &held {
        assert_eq!(world.left(*id).await, "payload", "{status}");
    }
    assert_eq!((world.left(cleared).await.as_str(), world.left(gone).await.as_str()), ("cleared", "gone"));

    let delivered = "UPDATE outbox SET status = 'delivered', relay_at = NULL, finished_at = now()";
    world.kept.execute(delivered).await;
    let cleaned = world.clean().await;
    assert_eq!((cleaned.executions_deleted, cleaned.payloads_cleared), (4, 4));
}

#[tokio::test]
async fn other_ages_are_heeded() {
    let world = World::new().await;
    let (young, old) = (world.execution("completed", "13 days").await, world.execution("completed", "15 days").await);
    let (kept, gone) = (world.execution("completed", "44 days").await, world.execution("completed", "46 days").await);
    let retention = Retention { payload_days: 14, key_days: 45, ..Retention::default() };
    let deadline = Instant::now() + Duration::from_mins(1);
    clean(&world.app, &retention, deadline, async |_| {}).await.unwrap();
    let mut left = Vec::new();
    for id in [young, old, kept, gone] {
        left.push(world.left(id).await);
    }
    assert_eq!(left, ["payload", "cleared", "cleared", "gone"]);
}

/// A cleared payload is only possible where nothing is left to be done: older code cannot replay it either.
#[tokio::test]
async fn the_database_itself_refuses_to_have_a_cleared_one_run_again() {
    let world = World::new().await;
    let id = world.execution("completed", "31 days").await;
    world.clean().await;
    let replayed = format!(
        "UPDATE executions SET status = 'failed', next_attempt_at = now(), finished_at = NULL, last_error = 'replayed'
          WHERE id = '{id}'"
    );
    let error = world.kept.admin().await.batch_execute(&replayed).await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().constraint(), Some("executions_payload_check"));
}
