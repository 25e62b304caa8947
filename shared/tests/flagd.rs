//! Our rule that places users is flagd's: held to flagd's own engine, and to places that were written down.
//!
//! The engine is pinned. When an update of it fails here, it places users otherwise, and so would anybody else who reads
//! the file with it. Then the question is whether our users move with it; the places stay as they are until that is decided.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flagd_evaluation_engine::{model::FlagParser, targeting::Operator};
use open_feature::EvaluationContext;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::flags::{Flags, Place, Share, User};

/// Of every kind: short and long, plain and not, and lengths at the edges of CBOR's forms.
const PLACES: &str = include_str!("flagd/places.json");

/// A file with one flag.
fn file(key: &str, state: &str, default: &str, targeting: Option<Value>) -> String {
    let mut flag = json!({
        "state": state, "variants": {"on": true, "off": false}, "defaultVariant": default,
        "metadata": {"description": "x"},
    });
    if let Some(targeting) = targeting {
        flag["targeting"] = targeting;
    }
    json!({"flags": {key: flag}}).to_string()
}

fn fractional(on: u64, off: u64) -> Value {
    json!({"fractional": [["on", on], ["off", off]]})
}

fn signed_in(then: &Value) -> Value {
    json!({"if": [{"var": "authenticated"}, then, "off"]})
}

/// As a flagd provider does it: a flag that is disabled is not there, one whose targeting says nothing has its default.
fn flagd_says(text: &str, key: &str, id: Option<&str>, authenticated: bool) -> bool {
    let flag = FlagParser::parse_string(text).unwrap().flags.remove(key).unwrap();
    if flag.state == "DISABLED" {
        return false;
    }
    let mut context = EvaluationContext::default().with_custom_field("authenticated", authenticated);
    context.targeting_key = id.map(str::to_owned);
    let targeted = match &flag.targeting {
        Some(_) => Operator::new().apply(key, &flag.get_targeting(), &context).unwrap(),
        None => None,
    };
    flag.variants[&targeted.unwrap_or(flag.default_variant)].as_bool().unwrap()
}

/// Every form that the file may have.
fn targeting() -> impl Strategy<Value = (&'static str, Option<Value>)> {
    let total = prop_oneof![Just(100_u64), Just(1_000), Just(10_000)];
    let weights =
        total.prop_flat_map(|total| (0..total, Just(total))).prop_map(|(on, total)| fractional(on, total - on));
    prop_oneof![
        1 => prop_oneof![Just("on"), Just("off")].prop_map(|default| (default, None)),
        4 => weights.clone().prop_map(|rule| ("off", Some(rule))),
        4 => weights.prop_map(|rule| ("off", Some(signed_in(&rule)))),
        1 => Just(("off", Some(signed_in(&fractional(100, 0))))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn we_say_what_flagd_says(
        key in "[a-z][a-z0-9-]{0,63}", id in "\\PC{0,300}", (default, targeting) in targeting(), enabled in any::<bool>(),
    ) {
        let text = file(&key, if enabled { "ENABLED" } else { "DISABLED" }, default, targeting);
        let flags = Flags::parse(&text).unwrap();
        // An id that is blank is none.
        let id = Some(id.as_str()).filter(|id| !id.trim().is_empty());
        let users = [
            (User::id(id.unwrap_or_default()), id, id.is_some()),
            (User::visitor(id.unwrap_or_default()), id, false),
            (User::anonymous(), None, false),
        ];
        for (user, id, authenticated) in users {
            let ours = flags.is_on(&key, &user);
            prop_assert_eq!(ours, flagd_says(&text, &key, id, authenticated), "{:?}: {}", user, text);
        }
    }
}

/// `[flag, user, place]`. A user like `x*70000` is that often an x.
fn places() -> Vec<(String, String, String)> {
    let places: Vec<(String, String, String)> = serde_json::from_str(PLACES).unwrap();
    let long = |user: String| match user.split_once('*') {
        Some((text, times)) => text.repeat(times.parse().unwrap()),
        None => user,
    };
    places.into_iter().map(|(flag, user, place)| (flag, long(user), place)).collect()
}

/// These never change: a change is other users for every flag.
#[test]
fn users_are_where_they_always_were() {
    let places = places();
    assert!(places.len() >= 40, "{}", places.len());
    for (flag, user, place) in places {
        let short = user.chars().take(20).collect::<String>();
        assert_eq!(Place::of(&flag, &user).to_string(), place, "{flag} {short}");
    }
}

#[test]
fn flagd_has_them_at_the_same_places() {
    for (flag, user, place) in places() {
        // The share that ends below the place, and the one that just takes it in.
        let below = place.replace('.', "").parse::<u64>().unwrap();
        for (on, expected) in [(below, false), (below + 1, true)] {
            assert!(Share::of(on, 10_000).is_some());
            let text = file(&flag, "ENABLED", "off", Some(fractional(on, 10_000 - on)));
            assert_eq!(flagd_says(&text, &flag, Some(&user), false), expected, "{flag} {place} {on}");
        }
    }
}
