//! What is found, in words.

use super::*;
use crate::review::facts::Received;
use shared::reviews::{Figures, TableSize};

fn day(date: &str) -> Timestamp {
    format!("{date}T06:00:00Z").parse().unwrap()
}

#[test]
fn a_version_that_is_going_away_is_told_while_it_comes_and_when_it_does_not_any_more() {
    let types = app::handlers().event_types();
    let found = |source: &str, events: i64, today: &str| {
        let received =
            Received { source: source.into(), event_type: "invoice.paid".into(), version: 1, events, dead: 0 };
        let facts = Facts { received: vec![received], ..Facts::default() };
        let found = versions(&facts, &types, day(today));
        found.into_iter().map(|finding| format!("{}: {}", finding.severity, finding.what)).collect::<Vec<_>>()
    };
    let comes = "invoice.paid version 1 is going away on 2027-11-22 and came 3 times";
    assert_eq!(found(FIRST_PARTY, 3, "2026-12-01"), [format!("info: {comes}")]);
    assert_eq!(found(FIRST_PARTY, 3, "2027-11-22"), [format!("warning: {comes}")]);
    // Stripe's have one version, which is called the first, too.
    assert_eq!(found("stripe", 3, "2026-12-01"), [""; 0]);
    let silent = "info: invoice.paid version 1 is deprecated, and nobody sent it for 30 days";
    assert_eq!(found("stripe", 3, "2026-12-23"), [silent]);
}

#[test]
fn a_secret_is_old_after_90_days() {
    let of = |changed: Option<&str>| {
        let figures = Figures { secret_changed: changed.map(day), ..Figures::default() };
        secret(&Facts { figures, ..Facts::default() }, day("2026-11-22")).map(|finding| finding.what)
    };
    assert_eq!(of(Some("2026-08-24")), None);
    let old = "the app's secret was last changed on 2026-08-23, 91 days ago";
    assert_eq!(of(Some("2026-08-23")).as_deref(), Some(old));
    assert_eq!(of(None), None);
}

#[test]
fn a_table_is_told_of_when_it_grew_by_much_and_by_half() {
    const MB: i64 = 1024 * 1024;
    let found = |megabytes: i64, grown: Option<i64>| {
        let table = TableSize { table: "t".into(), bytes: megabytes * MB, grown: grown.map(|grown| grown * MB) };
        let figures = Figures { tables: vec![table], ..Figures::default() };
        growth(&Facts { figures, ..Facts::default() }).len()
    };
    assert_eq!(found(303, Some(102)), 1);
    assert_eq!([found(90, Some(80)), found(1_000, Some(200)), found(900, None), found(10, Some(-200))], [0; 4]);
}

#[test]
fn a_flag_that_everybody_has_is_to_be_removed_unless_it_is_to_stay() {
    let text = |state: &str, default: &str, permanent: bool| {
        format!(
            r#"{{"flags": {{"new-thing": {{"state": "{state}", "variants": {{"on": true, "off": false}},
                "defaultVariant": "{default}", "metadata": {{"description": "x", "permanent": {permanent}}}}}}}}}"#
        )
    };
    let found = |text: &str| rolled_out(&Flags::parse(text).unwrap()).len();
    assert_eq!(found(&text("ENABLED", "on", false)), 1);
    let none = [("ENABLED", "on", true), ("DISABLED", "on", false), ("ENABLED", "off", false)];
    assert_eq!(none.map(|(state, default, permanent)| found(&text(state, default, permanent))), [0; 3]);
    assert_eq!(rolled_out(&app::flags::built_in().unwrap()), []);
}

#[test]
fn the_worst_comes_first() {
    let mut facts = Facts { job_failures: Vec::new(), ..Facts::default() };
    facts.silences = Waiting { count: 1, time: Some(day("2026-12-01")) };
    let found = of(&facts, &SoloToml::parse("").unwrap(), &[], &Flags::default(), day("2026-11-22"));
    let severities: Vec<_> = found.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Warning, Warning, Info], "no backup, no drill, a silence");
}
