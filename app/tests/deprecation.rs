//! What the log says of deprecated versions.
//!
//! A process of its own: whether a log line is wanted is remembered for the whole process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use shared::{
    events::{Envelope, FIRST_PARTY},
    handlers::Resolution,
    telemetry::{LogLevel, filter, json as log_lines},
};
use testkit::Captured;
use tracing_subscriber::layer::SubscriberExt as _;
use uuid::Uuid;

#[test]
fn a_deprecated_version_is_taken_with_one_warning_and_the_newest_with_none() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::registry().with(filter(LogLevel::Info)).with(log_lines(captured.clone()));
    let _guard = tracing::subscriber::set_default(subscriber);
    let handlers = app::handlers();
    let types = handlers.event_types();
    let invoice = types.iter().find(|known| known.name == "invoice.paid").unwrap();
    let mut warnings = Vec::new();
    for version in &invoice.versions {
        let data = version.sample(Uuid::new_v4(), jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1));
        let envelope = Envelope::new(FIRST_PARTY, "k", invoice.name, version.number, data.unwrap(), b"{}").unwrap();
        assert!(matches!(handlers.resolve(&envelope), Resolution::Ready(_)), "version {}", version.number);
        let log = captured.take();
        warnings.push(log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>());
    }
    let [old, newest] = warnings.try_into().unwrap();
    assert!(newest.is_empty(), "{newest:?}");
    let [warning] = <[Value; 1]>::try_from(old).unwrap();
    let expected = json!({"event_type": "invoice.paid", "version": 1, "newest": 2, "source": "events",
                          "since": "2026-11-22", "until": "2027-11-22"});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&warning[name], value, "{name}: {warning}");
    }
    assert_eq!(warning["level"], "WARN");

    // What is refused has another problem than its age.
    let envelope = Envelope::new(FIRST_PARTY, "k", invoice.name, 1, json!({}), b"{}").unwrap();
    assert!(matches!(handlers.resolve(&envelope), Resolution::Invalid(_)));
    assert!(captured.text().is_empty());
}
