//! What a person finds in the log. A process of its own: whether a log line is wanted is remembered for the whole process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/codedeploy.rs"]
mod codedeploy;
#[path = "it/permissions.rs"]
mod permissions;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/stage.rs"]
mod stage;

use serde_json::Value;
use shared::telemetry::{LogLevel, filter, json};
use testkit::Captured;
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use stage::{DEPLOYMENT, Stage, busy, number};

/// The log's lines of one smoke test that passes.
async fn lines(stage: &Stage) -> Vec<Value> {
    let log = Captured::default();
    let _guard =
        tracing::subscriber::set_default(Registry::default().with(filter(LogLevel::Info)).with(json(log.clone())));
    assert_eq!(stage.faults().await, Vec::<String>::new());
    log.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn with_message<'l>(lines: &'l [Value], message: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

#[tokio::test]
async fn the_versions_are_named_once() {
    let lines = lines(&Stage::new().await).await;
    let [line] = with_message(&lines, "the smoke test tests these versions")[..] else { panic!("{lines:?}") };
    assert_eq!((&line["level"], &line["deployment_id"]), (&"INFO".into(), &DEPLOYMENT.into()));
    for name in ["webhooks", "health", "worker", "courier", "ops"] {
        assert_eq!(line[name], number(name).to_string(), "{line}");
    }
    assert!(with_message(&lines, "busy, not tested").is_empty(), "{lines:?}");
}

#[tokio::test]
async fn worker_and_courier_pass_while_they_are_busy_with_a_warning() {
    for name in ["worker", "courier"] {
        let mut stage = Stage::new().await;
        stage.put(name, busy());
        let lines = lines(&stage).await;
        let [line] = with_message(&lines, "busy, not tested")[..] else { panic!("{name}: {lines:?}") };
        assert_eq!((&line["level"], &line["function"]), (&"WARN".into(), &name.into()));
        assert!(line["error"].as_str().unwrap().contains("TooManyRequestsException"), "{line}");
    }
}
