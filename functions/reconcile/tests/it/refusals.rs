//! Invariants that are not as they should be: they do no harm, and hide no other.

use std::time::Duration;

use serde_json::{Value, json};
use shared::invariants::Invariant;

use crate::support::World;
use reconcile::Reconcile;

const fn named(name: &'static str, query: &'static str) -> Invariant {
    Invariant::new(name, query, "it is broken", "mend it")
}

fn problem<'r>(result: &'r Value, name: &str) -> &'r str {
    let violations = result["violations"].as_array().unwrap();
    let found = violations.iter().find(|violation| violation["name"] == name);
    found.unwrap_or_else(|| panic!("{name}: {result}"))["problem"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_query_that_writes_is_refused_by_the_server_and_hides_no_other() {
    const ALL: &[Invariant] = &[
        named("by_function", "SELECT raise_alert('x', 'info', 'y')"),
        named("by_statement", "WITH gone AS (DELETE FROM payments RETURNING 1) SELECT * FROM gone"),
        named("by_two", "SELECT 1) AS violation; DELETE FROM payments; SELECT (SELECT 1"),
        named("by_setting", "SELECT set_config('transaction_read_only', 'off', false)"),
        named("no_such_table", "SELECT * FROM nothing_of_this_name"),
        named("ends_its_connection", "SELECT pg_terminate_backend(pg_backend_pid())"),
        named(
            "many",
            "SELECT n, NULL AS nothing, repeat('x', 500) AS long, E'a\\nb' AS lines FROM generate_series(1, 5000) n",
        ),
        named("holds", "SELECT 1 WHERE false -- a comment"),
    ];
    const LATER: &[Invariant] = &[named("holds", "SELECT 1 WHERE false")];
    let world = World::new().await;
    let result = world.run_with("reconcile", ALL, Duration::from_mins(10)).await;
    let expected =
        ["by_function", "by_statement", "by_two", "by_setting", "no_such_table", "ends_its_connection", "many"];
    assert_eq!(result["violated"], json!(expected), "{result:#}");
    for (name, words) in [
        ("by_function", "25006"),
        ("by_statement", "0A000"),
        ("by_two", "42601"),
        ("by_setting", "25001"),
        ("no_such_table", "42P01"),
        ("ends_its_connection", ""),
    ] {
        assert!(problem(&result, name).contains(words) && !problem(&result, name).is_empty(), "{name}: {result:#}");
    }
    // Counted up to a bound, shown in part, and in one line.
    let many = result["violations"].as_array().unwrap().last().unwrap();
    assert_eq!((&many["count"], many["rows"].as_array().unwrap().len()), (&json!(1_000), 20));
    let row = many["rows"][0].as_str().unwrap();
    assert!(row.starts_with("n=1 nothing=null long=xxx") && row.ends_with("x lines=a b") && row.len() < 200, "{row}");
    assert_eq!(world.alerts().await.len(), expected.len());
    assert!(
        world.alerts().await.iter().any(|alert| alert.contains("the invariant no_such_table could not be checked"))
    );

    // Another release has none of them any more.
    world.run_with("reconcile", LATER, Duration::from_mins(10)).await;
    assert_eq!(world.alerts().await, [""; 0]);
}

/// Even as somebody who may do everything, an invariant changes nothing: the transaction is read-only.
#[tokio::test]
async fn rights_on_the_tables_do_not_let_a_query_write() {
    const WRITES: &[Invariant] = &[named("writes", "SELECT raise_alert('x', 'info', 'y')")];
    let world = World::new().await;
    world.database.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO solo_reader").await;
    let result = world.run_with("reconcile", WRITES, Duration::from_mins(10)).await;
    assert!(problem(&result, "writes").contains("25006"), "{result}");
}

/// The function keeps 20 s back to end, and the job 15 s to record.
#[tokio::test]
async fn a_slow_query_is_ended_in_time_and_those_after_it_are_said_to_be_unchecked() {
    const ALL: &[Invariant] = &[named("slow", "SELECT pg_sleep(60)"), named("after", "SELECT 1 WHERE false")];
    let world = World::new().await;
    let result = world.run_with("reconcile", ALL, Duration::from_secs(37)).await;
    assert!(problem(&result, "slow").contains("57014"), "{result}");
    assert!(problem(&result, "after").contains("time was over"), "{result}");
}

#[tokio::test]
async fn two_invariants_of_one_name_fail_the_job() {
    const TWO: &[Invariant] = &[named("a", "SELECT 1"), named("a", "SELECT 1")];
    let world = World::new().await;
    let reconcile = reconcile::Reconcile::with(world.settings(), TWO).await.unwrap();
    let deadline = u64::try_from(shared::clock::now().as_millisecond()).unwrap() + 600_000;
    let error = reconcile.invoke(json!({"job": "reconcile"}), deadline).await.unwrap_err();
    assert!(error.to_string().contains("two invariants of the name a"), "{error}");
    assert!(world.alerts().await[0].starts_with("warning job_failed:reconcile: "));
}

#[tokio::test]
async fn a_run_that_cannot_be_recorded_is_told_around_the_database() {
    let world = World::new().await;
    world.database.execute("REVOKE ALL ON job_runs FROM solo_app").await;
    let reconcile = Reconcile::with(world.settings(), &[]).await.unwrap();
    reconcile.invoke(json!({"job": "reconcile"}), 0).await.unwrap_err();
    let sent = world.queues.outbound().await;
    assert!(sent.iter().any(|message| message.body.contains("database_failed")), "{sent:?}");
}
