//! What a run says in the log. A process of its own: whether a log line is wanted is remembered for the whole process.
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
async fn a_run_says_in_one_line_what_it_removed() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::registry().with(filter(LogLevel::Info)).with(json(captured.clone()));
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    world.completed(3, "100 days").await;
    world.completed(2, "40 days").await;
    world.clean().await;
    let text = captured.text();
    let mut lines = text.lines().filter(|line| line.contains("cleanup finished"));
    let line: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    for (count, expected) in
        [("executions_deleted", 3), ("payloads_cleared", 2), ("effects_deleted", 0), ("batches", 2)]
    {
        assert_eq!(line[count], expected, "{line}");
    }
    assert_eq!((line["more"].as_bool(), lines.next()), (Some(false), None));
}
