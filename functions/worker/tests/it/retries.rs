//! What failed and is due.

use std::time::Duration;

use shared::db::{Credentials, Database};
use tokio::time::Instant;

use crate::support::{World, tick};

#[tokio::test]
async fn what_is_due_is_run_and_what_is_not_waits() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(3, "ok").await;
    world
        .database
        .execute("UPDATE executions SET next_attempt_at = now() + interval '1 hour' WHERE correlation_id = 'c-2'")
        .await;
    let done = tick(&worker).await;
    assert_eq!((done.completed, done.failed, done.dead), (2, 0, 0));
    assert_eq!(world.statuses().await, "completed 2, failed 1");
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 2);
    assert_eq!(world.attempts().await, "2 completed, 2 completed");
    assert_eq!(tick(&worker).await.completed, 0);
}

#[tokio::test]
async fn failures_count_until_they_die_and_a_person_hears_of_it() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(1, "retry").await;
    assert_eq!(tick(&worker).await.failed, 1);
    world.database.execute("UPDATE executions SET next_attempt_at = now()").await;
    let done = tick(&worker).await;
    assert_eq!((done.dead, done.alerts, done.relayed), (1, 1, 1));
    assert_eq!(world.attempts().await, "2 failed, 3 dead");
    let alert = "SELECT severity || ' ' || key || ' ' || occurrences FROM alerts";
    assert_eq!(world.database.text(alert).await, "critical dead_letter:stripe:test.script 1");
    assert!(world.queues.outbound().await[0].body.contains("dead_letter:stripe:test.script"));
}

#[tokio::test]
async fn a_panic_or_a_handler_that_is_gone_harms_nobody_else() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(6, "ok").await;
    world.database.execute("UPDATE executions SET payload = '{\"data\": {\"todo\": \"panic\"}}' WHERE correlation_id IN ('c-1', 'c-4')").await;
    world.database.execute("UPDATE executions SET event_type = 'test.removed' WHERE correlation_id = 'c-2'").await;
    let done = tick(&worker).await;
    assert_eq!((done.completed, done.failed, done.dead), (3, 2, 1));
    let error = "SELECT last_error FROM executions WHERE status = 'dead'";
    assert_eq!(world.database.text(error).await, "no handler takes test.removed from stripe");
}

/// As at the door: a replay of what asks for nothing is no failure.
#[tokio::test]
async fn an_event_that_asks_for_nothing_is_done() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(1, "nothing").await;
    assert_eq!(tick(&worker).await.completed, 1);
    assert_eq!(world.statuses().await, "completed 1");
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 0);
    let handled = "SELECT count(handler) FROM executions";
    assert_eq!(world.database.count(handled).await, 0, "nobody handled it, though someone failed with it");
}

/// A bug in a type's `decode` is its events' end, and nobody else's.
#[tokio::test]
async fn a_panic_in_reading_an_event_is_its_own() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(4, "ok").await;
    let bad =
        "UPDATE executions SET payload = '{\"data\": {\"todo\": \"panic in decode\"}}' WHERE correlation_id = 'c-2'";
    world.database.execute(bad).await;
    let done = tick(&worker).await;
    assert_eq!((done.completed, done.dead), (3, 1));
}

/// Four workers of four lanes each.
#[tokio::test(flavor = "multi_thread")]
async fn workers_side_by_side_run_each_once() {
    let world = World::new().await;
    world.due(300, "ok").await;
    let (a, b, c, d) = (world.worker().await, world.worker().await, world.worker().await, world.worker().await);
    let done = tokio::join!(tick(&a), tick(&b), tick(&c), tick(&d));
    assert_eq!(done.0.completed + done.1.completed + done.2.completed + done.3.completed, 300);
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 300);
    assert_eq!(world.database.count("SELECT count(DISTINCT execution_id) FROM effects").await, 300);
}

#[tokio::test]
async fn handlers_run_side_by_side() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(8, "take 400 ms").await;
    let started = Instant::now();
    assert_eq!(tick(&worker).await.completed, 8);
    assert!(started.elapsed() < Duration::from_millis(2_400), "8 times 400 ms in 4 lanes took {:?}", started.elapsed());
}

/// Nothing begins that could be killed in its middle; what was taken and not begun is given back, and lost no attempt.
#[tokio::test]
async fn it_stops_early_rather_than_being_killed() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(12, "take 400 ms").await;
    worker.tick(Instant::now() + Duration::from_millis(30_300)).await.unwrap();
    assert_eq!(world.statuses().await, "completed 4, failed 8");
    let untouched = "SELECT count(*) FROM executions
                      WHERE status = 'failed' AND attempt = 1 AND next_attempt_at <= now() AND last_error = 'no luck'";
    assert_eq!(world.database.count(untouched).await, 8);
    assert_eq!(tick(&worker).await.completed, 8);
}

#[tokio::test]
async fn a_lease_that_was_lost_before_it_began_is_left_alone() {
    let world = World::new().await;
    world.due(1, "ok").await;
    let database = Database::new(world.database.app_url(), Credentials::Url, &[]).unwrap();
    let taken =
        shared::executions::due(&mut database.session().await.unwrap(), 10, Duration::from_mins(1)).await.unwrap();
    world.database.execute("UPDATE executions SET fence = fence + 1").await;
    let runner = shared::runner::Runner {
        database: &database,
        retry: shared::retry::RetryPolicy::default(),
        deadline: crate::support::soon(),
    };
    let handlers = testkit::scripted::handlers(app::handlers());
    assert_eq!(runner.resume(&taken[0], &handlers).await.unwrap(), None);
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 0);
    assert_eq!(world.database.count("SELECT attempt::bigint FROM executions").await, 1);
}

/// A tick reads an index for what is due, however much is stored.
#[tokio::test]
async fn the_plan_of_a_batch_uses_the_index() {
    let world = World::new().await;
    world.due(20_000, "ok").await;
    world.database.execute("ANALYZE executions").await;
    let client = world.database.admin().await;
    let sql = format!("EXPLAIN {}", include_str!("../../../../shared/src/executions/sql/due.sql"))
        .replace("$1", "16")
        .replace("$2", "1000");
    let plan: Vec<String> = client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("executions_unfinished") && !plan.contains("Seq Scan"), "{plan}");
}
