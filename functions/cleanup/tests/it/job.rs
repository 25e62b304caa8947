//! The function as it is invoked.

use cleanup::{Cleanup, Settings};
use serde_json::{Value, json};
use shared::{clock, config::Env};
use testkit::{TestQueues, TestSecrets};

use crate::support::World;

/// As the template would set it.
async fn function(world: &World, queues: &TestQueues) -> Cleanup {
    let (url, login) = (world.kept.app_url().to_string(), TestSecrets::app_login().await);
    let all = [
        ("DATABASE_URL", url.as_str()),
        ("DATABASE_SECRET_ID", &login.id),
        ("OUTBOUND_QUEUE_URL", &queues.config.outbound_url),
    ];
    Cleanup::new(Settings::load(&Env::of(&all)).unwrap()).await.unwrap()
}

/// What is left of its time when a function of 15 minutes begins. Of 30 s, 10 s after the platform's margin: no batch begins.
fn deadline(seconds: i64) -> u64 {
    u64::try_from(clock::now().as_millisecond() + 1_000 * seconds).unwrap()
}

async fn run(function: &Cleanup, seconds: i64) -> Value {
    function.invoke(json!({"job": "cleanup"}), deadline(seconds)).await.unwrap()
}

#[tokio::test]
async fn a_run_is_on_record_with_its_counts() {
    let world = World::new().await;
    let function = function(&world, &TestQueues::create().await).await;
    world.completed(3, "100 days").await;
    world.completed(2, "40 days").await;
    let expected = json!({
        "payloads_cleared": 2, "executions_deleted": 3, "effects_deleted": 0, "alerts_deleted": 0, "silences_deleted": 0,
        "runs_deleted": 0, "errors_deleted": 0, "batches": 2, "more": false,
    });
    assert_eq!(run(&function, 900).await, json!({"outcome": "succeeded", "result": expected}));
    let row = "SELECT job || ' ' || outcome || ' ' || (result ->> 'executions_deleted') FROM job_runs";
    assert_eq!(world.kept.text(row).await, "cleanup succeeded 3");
    function.invoke(json!({"job": "backup"}), deadline(900)).await.unwrap_err();
}

#[tokio::test]
async fn a_person_hears_of_it_when_two_runs_in_a_row_do_not_come_to_the_end() {
    let world = World::new().await;
    let function = function(&world, &TestQueues::create().await).await;
    let open = "SELECT count(*) FROM alerts WHERE key = 'cleanup_behind' AND resolved_at IS NULL";
    for (seconds, more, alerts) in [(30, true, 0), (900, false, 0), (30, true, 0), (30, true, 1), (900, false, 0)] {
        assert_eq!(run(&function, seconds).await["result"]["more"], more);
        assert_eq!(world.kept.count(open).await, alerts);
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_recorded_is_told_around_the_database() {
    let world = World::new().await;
    let queues = TestQueues::create().await;
    let function = function(&world, &queues).await;
    world.kept.execute("REVOKE ALL ON job_runs FROM solo_app").await;
    function.invoke(json!({"job": "cleanup"}), deadline(900)).await.unwrap_err();
    let sent = queues.outbound().await;
    assert!(sent.len() == 1 && sent[0].body.contains("the job cleanup is not on record"), "{sent:?}");
}
