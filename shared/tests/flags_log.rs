//! What the log says of flags.
//!
//! A process of its own: whether a log line is wanted is remembered for the whole process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use shared::{
    flags::{Flags, User},
    telemetry::{LogLevel, filter, json as log_lines},
};
use testkit::Captured;
use tracing_subscriber::layer::SubscriberExt as _;

#[test]
fn an_unknown_flag_is_off_and_leaves_a_warning_and_a_known_one_leaves_nothing() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::registry().with(filter(LogLevel::Info)).with(log_lines(captured.clone()));
    let _guard = tracing::subscriber::set_default(subscriber);
    let flags = Flags::fixed(&[("new-editor", true)]);

    assert!(flags.is_on("new-editor", &User::id("u_42")));
    assert!(!flags.decide("new-editer", &User::id("u_42")).on);
    assert_eq!(captured.take(), "");

    assert!(!flags.is_on("new-editer", &User::id("u_42")));
    let line: Value = serde_json::from_str(&captured.take()).unwrap();
    assert_eq!(
        (&line["level"], &line["message"], &line["flag"]),
        (&"WARN".into(), &"an unknown flag was asked for; it counts as off".into(), &"new-editer".into())
    );
    assert!(!line.to_string().contains("u_42"), "{line}");
}
