//! What the logs say, and what they never say.
//!
//! A process of its own and one test at a time: whether a log line is wanted is remembered for the whole process, and
//! tests without a subscriber would have it forgotten.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/support.rs"]
mod support;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use shared::{
    clock,
    telemetry::{LogLevel, filter, json},
};
use testkit::{Captured, variable};
use tracing_subscriber::layer::SubscriberExt as _;

use support::{World, first_party, invoice_paid, script, send, stripe_signed};

/// Everything that can happen, happens; the log of it.
async fn log_of_a_bad_day(level: LogLevel) -> (World, String) {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::registry().with(filter(level)).with(json(captured.clone()));
    let guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let environment = world.environment().await;
    let event = invoice_paid();
    for _ in 0..2 {
        send(&environment, world.stripe(&event)).await;
        send(&environment, world.event("k", &first_party())).await;
    }
    for todo in ["retry", "fail", "panic", "have its data refused"] {
        send(&environment, world.stripe(&script(todo))).await;
    }
    let forger = SecretString::from("whsec_the_forgers_own_secret_0123456789");
    send(&environment, stripe_signed(event.to_string().as_bytes(), &forger, clock::now())).await;
    send(&environment, world.stripe_bytes(b"{\"oops\"")).await;
    let mut misfit = invoice_paid();
    misfit["data"]["object"]["amount_paid"] = json!("a name that nobody should read in a log");
    send(&environment, world.stripe(&misfit)).await.expect(202, "dead_lettered");
    let mut wrong = world.event("k2", &first_party());
    wrong.headers_mut().insert("authorization", "Bearer a-wrong-token-of-somebody".parse().unwrap());
    send(&environment, wrong).await;
    let no_database =
        world.database.app_url().with_user("solo_app", Some(SecretString::from("a-wrong-database-password")));
    let cut_off = world.environment_with(&no_database, |_| {}).await;
    send(&cut_off, world.stripe(&invoice_paid())).await.expect(202, "queued");
    world.secrets.put(&json!({"STRIPE_WEBHOOK_SECRET": "whsec_short"})).await;
    send(&environment, stripe_signed(b"{}", &forger, clock::now())).await;
    drop(guard);
    let log = captured.text();
    (world, log)
}

#[tokio::test]
async fn log_lines() {
    for level in [LogLevel::Debug, LogLevel::Info] {
        let (world, log) = log_of_a_bad_day(level).await;
        no_secret_and_at_info_no_payload(&world, &log, level);
        each_line_is_one_json_object_that_leads_to_its_request(&log);
    }
}

fn no_secret_and_at_info_no_payload(world: &World, log: &str, level: LogLevel) {
    let app_password = variable("SOLO_TEST_APP_PASSWORD");
    for secret in [
        world.secret.stripe.expose_secret(),
        world.secret.events_token.expose_secret(),
        world.secret.health_token.expose_secret(),
        app_password.as_str(),
        "a-wrong-token-of-somebody",
        "a-wrong-database-password",
        "whsec_short",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    for payload in ["founder@example.com", "cus_NffrFeUfNV2Hib", "amount_paid\":", "a name that nobody", "s3cret"] {
        assert!(level == LogLevel::Debug || !log.contains(payload), "{payload} in {log}");
    }
}

fn each_line_is_one_json_object_that_leads_to_its_request(log: &str) {
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 10, "{log}");
    for line in &lines {
        assert_eq!(line["service"], "solo-os", "{line}");
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    let completed = lines.iter().find(|line| line["message"] == "completed").unwrap();
    assert!(completed["correlation_id"].is_string() && completed["execution_id"].is_string(), "{completed}");
    let alert = lines.iter().find(|line| line["alert.key"] == "dead_letter").unwrap();
    assert_eq!(alert["alert.severity"], "critical");
}

#[test]
fn debug_output_shows_no_secret() {
    let secret = testkit::AppSecret::random();
    let text = SecretString::from(secret.json().to_string());
    let shown = format!("{:?}", shared::secrets::AppSecrets::parse(&text).unwrap());
    assert!(!shown.contains(secret.stripe.expose_secret()), "{shown}");
    let url = shared::db::DatabaseUrl::parse("postgres://a:hunter22@localhost/b").unwrap();
    let shown = format!(
        "{url:?} {url} {:?}",
        shared::config::DatabaseConfig { url: url.clone(), secret_id: None, release: None }
    );
    assert!(!shown.contains("hunter22"), "{shown}");
}
