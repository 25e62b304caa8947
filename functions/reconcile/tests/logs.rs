//! What the daily run says in the log. A process of its own: whether a log line is wanted is remembered for the whole process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/support.rs"]
mod support;

use serde_json::Value;
use shared::telemetry::{LogLevel, filter, json};
use testkit::Captured;
use tracing_subscriber::layer::SubscriberExt as _;

use support::World;

#[tokio::test]
async fn the_daily_run_says_reconciliation_ok_or_failure() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::registry().with(filter(LogLevel::Info)).with(json(captured.clone()));
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let lines = |message: &str| -> Vec<Value> {
        let lines: Vec<Value> = captured.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.into_iter().filter(|line| line["message"] == message).collect()
    };
    world.run("reconcile").await;
    let ok = lines("reconciliation_ok");
    assert_eq!((ok.len(), lines("reconciliation_failure").len()), (1, 0));
    assert_eq!((&ok[0]["invariants"], &ok[0]["violations"]), (&app::invariants::ALL.len().into(), &0.into()));

    world.deliver(support::push("refs/heads/main")).await;
    world.database.execute("DELETE FROM pushes").await;
    world.run("reconcile").await;
    let failures = lines("reconciliation_failure");
    assert_eq!((failures.len(), lines("reconciliation_ok").len()), (1, 1));
    let line = &failures[0];
    assert_eq!((&line["level"], &line["name"], &line["count"]), (&"WARN".into(), &"push_missing".into(), &1.into()));
    assert!(line["keys"].as_str().unwrap().starts_with("execution="), "{line}");
}
