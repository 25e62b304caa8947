//! What the log and the reports never say.
//!
//! A process of its own: whether a log line is wanted is remembered for the whole process, and tests without a subscriber
//! would have it forgotten.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/server.rs"]
mod server;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/world.rs"]
mod world;

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::json;
use shared::telemetry::{self, LogLevel};
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use server::{End, Reply, Server};
use world::{World, notification, outbound, post};

const TOKEN: &str = "crm_0123456789abcdef0123456789abcdef";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other side sends everything back that it gets: with a success, with an error, and from a URL that is a secret.
#[tokio::test]
async fn no_secret_is_in_a_report_or_in_the_log() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log =
        Registry::default().with(telemetry::filter(LogLevel::Debug)).with(telemetry::json(move || writer.clone()));
    let _guard = tracing::subscriber::set_default(log);

    let replies = [200, 400, 503, 404].map(|status| Reply::of(status, "").end(End::Echo)).to_vec();
    let server = Server::start(replies).await;
    let hook = server.url("127.0.0.1");
    let secret_url = format!("{hook}/services/T0123456789/B0123456789");
    let unreachable = "http://127.0.0.1:1/services/T0123456789/B0123456789";
    let secrets = json!({"CRM_TOKEN": TOKEN, "SLACK_URL": secret_url, "UNREACHABLE_URL": unreachable});
    let world = World::new(secrets).await;
    let toml = "[channels.ops]\nkind = 'slack'\nsecret = 'SLACK_URL'
                [channels.unreachable]\nkind = 'discord'\nsecret = 'UNREACHABLE_URL'";
    let courier = world.courier(toml).await;
    for _ in 0..3 {
        let request = post(&hook).secret_header("Authorization", "Bearer ", "CRM_TOKEN");
        world.deliver(&courier, &outbound(request)).await;
    }
    for channel in ["ops", "unreachable"] {
        world.deliver(&courier, &outbound(notification(channel))).await;
    }

    let seen = server.seen();
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()), "it was sent");
    assert!(seen[3].head.contains("T0123456789"), "so was that");
    let reports = serde_json::Value::from(world.reports().await).to_string();
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(reports.contains("Bearer [REDACTED]") && reports.contains("404"), "{reports}");
    assert!(reports.contains("onnection refused"), "{reports}");
    assert!(log.contains("given up") && log.contains("correlation_id"), "{log}");
    assert!(
        reports.contains("POST /hook") && !log.contains("/hook"),
        "what was sent and answered is not logged: {log}"
    );
    for text in [&reports, &log] {
        assert!(!text.contains(TOKEN) && !text.contains("B0123456789"), "{text}");
    }
}
