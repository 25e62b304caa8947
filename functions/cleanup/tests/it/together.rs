//! Side by side with what uses the same rows.

use std::time::Duration;

use cleanup::clean;
use serde_json::json;
use shared::{
    config::Retention,
    db::Database,
    events::Envelope,
    executions::{self, Claim, Status, Terms},
    inbox,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::World;

const TERMS: Terms = Terms { lease: Duration::from_mins(1), max_attempts: 3, rerun_after_crash: true };

fn event(key: &str) -> Envelope {
    inbox::restore("stripe", key, "invoice.paid", 1, &json!({"n": 1}).to_string()).unwrap()
}

async fn claim(database: &Database, key: &str) -> Claim {
    let mut session = database.session().await.unwrap();
    executions::claim(&mut session, &event(key), "record_payment", TERMS).await.unwrap()
}

async fn key_of(world: &World, id: Uuid) -> String {
    world.kept.text(&format!("SELECT idempotency_key FROM executions WHERE id = '{id}'")).await
}

#[tokio::test]
async fn a_duplicate_is_told_after_its_payload_went_and_is_a_new_event_after_its_key_went() {
    let world = World::new().await;
    let Claim::Owned(owned) = claim(&world.app, "evt_late").await else { panic!("it was there") };
    let mut session = world.app.session().await.unwrap();
    session.begin().await.unwrap();
    executions::finish(&mut session, &owned).await.unwrap();
    drop(session);
    let age = |days: u32| {
        format!(
            "UPDATE executions SET received_at = now() - interval '{days} days', finished_at = now() - interval '{days} days'"
        )
    };
    world.kept.execute(&age(31)).await;
    assert_eq!(world.clean().await.payloads_cleared, 1);
    let Claim::Existing(existing) = claim(&world.app, "evt_late").await else { panic!("it ran twice") };
    assert_eq!((existing.id, existing.status), (owned.id, Status::Completed));
    assert_eq!(existing.fingerprint, event("evt_late").fingerprint, "other data under its key is still told");

    world.kept.execute(&age(91)).await;
    assert_eq!(world.clean().await.executions_deleted, 1);
    let Claim::Owned(again) = claim(&world.app, "evt_late").await else { panic!("it is gone") };
    assert_ne!(again.id, owned.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cleanups_at_once_take_each_row_once() {
    let world = World::new().await;
    world.completed(8_000, "100 days").await;
    world.completed(8_000, "40 days").await;
    let (other, retention) = (world.other_app(), Retention::default());
    let deadline = Instant::now() + Duration::from_mins(1);
    let run = |database| clean(database, &retention, deadline, async |_| {});
    let (one, two) = tokio::join!(run(&world.app), run(&other));
    let (one, two) = (one.unwrap(), two.unwrap());
    // What one held, the other passed by; the next run finds what neither took.
    let rest = world.clean().await;
    assert_eq!(one.executions_deleted + two.executions_deleted + rest.executions_deleted, 8_000);
    assert_eq!(one.payloads_cleared + two.payloads_cleared + rest.payloads_cleared, 8_000);
    assert_eq!(world.kept.count("SELECT count(*) FROM executions").await, 8_000);
}

/// Deliveries of the very keys that go: each is a duplicate or a new event, at once, and nothing deadlocks.
#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_what_goes_wait_for_nobody() {
    let world = World::new().await;
    world.completed(6_000, "100 days").await;
    world.completed(6_000, "40 days").await;
    let admin = world.kept.admin().await;
    let rows =
        admin.query("SELECT idempotency_key FROM executions ORDER BY md5(id::text) LIMIT 2000", &[]).await.unwrap();
    let keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let (deliveries, retention) = (world.other_app(), Retention::default());
    let deadline = Instant::now() + Duration::from_mins(1);
    let delivering = async {
        let (mut new, mut longest) = (0, Duration::ZERO);
        for key in &keys {
            let started = Instant::now();
            match claim(&deliveries, key).await {
                Claim::Owned(_) => new += 1,
                Claim::Existing(existing) => assert_eq!(existing.status, Status::Completed),
            }
            longest = longest.max(started.elapsed());
        }
        (new, longest)
    };
    let cleaning = clean(&world.app, &retention, deadline, async |_| {});
    let (cleaned, (new, longest)) = tokio::join!(cleaning, delivering);
    let cleaned = cleaned.unwrap();
    assert_eq!((cleaned.executions_deleted, cleaned.payloads_cleared), (6_000, 6_000));
    assert!(longest < Duration::from_secs(1), "a delivery took {longest:?}");
    assert_eq!(world.kept.count("SELECT count(*) FROM executions WHERE status = 'processing'").await, new);
}

/// A person's replay holds the rows that it looks at.
#[tokio::test]
async fn what_somebody_holds_is_passed_by_and_goes_the_next_time() {
    let world = World::new().await;
    let (held, gone) = (world.execution("completed", "100 days").await, world.execution("completed", "99 days").await);
    let (held_payload, cleared) =
        (world.execution("completed", "41 days").await, world.execution("completed", "40 days").await);
    let mut replay = world.kept.admin().await;
    let transaction = replay.transaction().await.unwrap();
    let lock = "SELECT FROM executions WHERE id = ANY($1) FOR UPDATE";
    transaction.query(lock, &[&vec![held, held_payload]]).await.unwrap();
    let started = Instant::now();
    let cleaned = world.clean().await;
    assert!(started.elapsed() < Duration::from_secs(2), "it waited");
    assert_eq!((cleaned.executions_deleted, cleaned.payloads_cleared, cleaned.more), (1, 1, false));
    assert_eq!((world.left(gone).await.as_str(), world.left(cleared).await.as_str()), ("gone", "cleared"));
    transaction.rollback().await.unwrap();
    assert!(key_of(&world, held).await.starts_with("evt_"));
    world.clean().await;
    assert_eq!((world.left(held).await.as_str(), world.left(held_payload).await.as_str()), ("gone", "cleared"));
}

/// A replay holds its row from its first statement to its commit: cleanup passes it by in between, and finds it changed afterwards.
#[tokio::test]
async fn a_replay_that_comes_first_keeps_its_payload() {
    let world = World::new().await;
    let (id, old) = (world.execution("completed", "40 days").await, world.execution("completed", "100 days").await);
    let mut person = world.kept.admin().await;
    let transaction = person.transaction().await.unwrap();
    let replay =
        "UPDATE executions SET status = 'failed', next_attempt_at = now(), finished_at = NULL, last_error = 'replayed'";
    transaction.execute(replay, &[]).await.unwrap();
    let started = Instant::now();
    let cleaned = world.clean().await;
    assert!(started.elapsed() < Duration::from_secs(2), "it waited");
    assert_eq!(
        (cleaned.payloads_cleared, cleaned.executions_deleted, cleaned.batches),
        (0, 0, 2),
        "it saw them as completed"
    );
    transaction.commit().await.unwrap();
    world.clean().await;
    assert_eq!((world.left(id).await.as_str(), world.left(old).await.as_str()), ("payload", "payload"));
}
