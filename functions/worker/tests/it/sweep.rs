//! Runners that were killed, or hung.

use crate::support::{World, tick};

/// An execution whose runner is gone. `begun`: in the middle of an attempt; else one of a batch that had not begun.
async fn abandoned(world: &World, attempt: u16, event_type: &str, handler: &str, begun: bool) {
    let started = if begun { "now() - interval '1 minute'" } else { "NULL" };
    let insert = format!(
        "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence,
                                 payload, fingerprint, correlation_id, started_at, lease_until)
         VALUES (gen_random_uuid(), 'stripe', gen_random_uuid(), '{event_type}', 1, '{handler}', 'processing', {attempt},
                 7, '{{\"data\": {{}}}}', sha256('x'), 'c', {started}, now() - interval '1 second')"
    );
    world.database.execute(&insert).await;
}

#[tokio::test]
async fn a_crashed_attempt_counts_and_is_tried_again_after_its_wait() {
    let world = World::new().await;
    let worker = world.worker().await;
    abandoned(&world, 1, "test.script", "scripted", true).await;
    let done = tick(&worker).await;
    assert_eq!((done.swept, done.completed), (1, 0));
    assert_eq!(world.attempts().await, "1 crashed");
    let wait = "SELECT (extract(epoch FROM next_attempt_at - now()) * 1000)::bigint FROM executions";
    let wait = world.database.count(wait).await;
    assert!((1_000..=2_400).contains(&wait), "{wait} ms");
    world.database.execute("UPDATE executions SET next_attempt_at = now()").await;
    assert_eq!(tick(&worker).await.completed, 1);
    assert_eq!(world.attempts().await, "1 crashed, 2 completed");
}

#[tokio::test]
async fn the_last_attempt_s_crash_is_the_end() {
    let world = World::new().await;
    let worker = world.worker().await;
    abandoned(&world, 3, "test.script", "scripted", true).await;
    let done = tick(&worker).await;
    assert_eq!((done.swept, done.alerts), (1, 1));
    assert_eq!(world.statuses().await, "dead 1");
    assert_eq!(world.attempts().await, "3 crashed");
}

#[tokio::test]
async fn a_handler_that_must_not_be_rerun_dies_at_its_first_crash() {
    let world = World::new().await;
    let worker = world.worker().await;
    abandoned(&world, 1, "test.once", "only_once", true).await;
    tick(&worker).await;
    assert_eq!(world.statuses().await, "dead 1");
}

/// Its batch died with someone else's attempt.
#[tokio::test]
async fn what_had_not_begun_loses_no_attempt_and_runs_at_once() {
    let world = World::new().await;
    let worker = world.worker().await;
    abandoned(&world, 2, "test.script", "scripted", false).await;
    abandoned(&world, 0, "test.once", "only_once", false).await;
    let done = tick(&worker).await;
    assert_eq!((done.swept, done.completed), (2, 2));
    assert_eq!(world.database.count("SELECT count(*) FROM attempts WHERE outcome = 'crashed'").await, 0);
}

/// They raise the same alerts: in one order, or they wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn sweeps_side_by_side_do_not_deadlock() {
    let world = World::new().await;
    for round in 0..4 {
        let insert = format!(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt,
                                     fence, payload, fingerprint, correlation_id, started_at, lease_until)
             SELECT gen_random_uuid(), 'stripe', gen_random_uuid(), 'type.' || (random() * 30)::int, 1, 'h', 'processing', 3,
                    7, '{{}}', sha256('x'), 'c', now(), now() - random() * interval '1 minute'
               FROM generate_series(1, 2000) n WHERE {round} >= 0"
        );
        world.database.execute(&insert).await;
        let (a, b, c, d) = (world.worker().await, world.worker().await, world.worker().await, world.worker().await);
        tokio::join!(tick(&a), tick(&b), tick(&c), tick(&d));
    }
    assert_eq!(world.statuses().await, "dead 8000");
}

#[tokio::test]
async fn a_live_lease_is_left_alone() {
    let world = World::new().await;
    let worker = world.worker().await;
    abandoned(&world, 1, "test.script", "scripted", true).await;
    world.database.execute("UPDATE executions SET lease_until = now() + interval '10 seconds'").await;
    assert_eq!(tick(&worker).await.swept, 0);
    assert_eq!(world.statuses().await, "processing 1");
}
