//! The line that `template.yaml` makes a metric of. A process of its own: whether a log line is wanted is remembered for
//! the whole process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/support.rs"]
mod support;

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use shared::telemetry::{LogLevel, filter, json};
use testkit::Captured;
use tokio::time::Instant;
use tracing_subscriber::layer::SubscriberExt as _;

use support::World;

const TEMPLATE: &str = include_str!("../../../template.yaml");

#[tokio::test]
async fn a_tick_that_succeeded_says_so_at_every_level_and_no_other() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::registry().with(filter(LogLevel::Error)).with(json(captured.clone()));
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let worker = world.worker().await;
    worker.tick(Instant::now() + Duration::from_secs(30)).await.unwrap();
    let lines = captured.take();
    let line: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!((line["job"].as_str(), line["outcome"].as_str()), (Some("tick"), Some("succeeded")), "{line}");
    assert!(TEMPLATE.contains(r#"'{ $.job = "tick" && $.outcome = "succeeded" }'"#));

    let locked_out = world.database.app_url().with_user("solo_app", Some(SecretString::from("wrong")));
    let worker = world.worker_with(&locked_out, |_| {}).await;
    worker.tick(Instant::now() + Duration::from_secs(30)).await.unwrap_err();
    assert!(!captured.text().contains("succeeded"), "{}", captured.text());
}
