use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A file with one flag, after a change.
fn file(change: impl FnOnce(&mut Value)) -> String {
    let mut file = json!({"flags": {"ai-assistant": {
        "state": "ENABLED",
        "variants": {"on": true, "off": false},
        "defaultVariant": "off",
        "targeting": {"fractional": [["on", 25], ["off", 75]]},
        "metadata": {"description": "Answers questions."},
    }}});
    change(&mut file);
    file.to_string()
}

fn flag(change: impl FnOnce(&mut Value)) -> String {
    file(|file| change(&mut file["flags"]["ai-assistant"]))
}

fn flags(change: impl FnOnce(&mut Value)) -> Flags {
    Flags::parse(&flag(change)).unwrap()
}

fn rollout(weight: u64, total: u64) -> Value {
    json!({"fractional": [["on", weight], ["off", total - weight]]})
}

/// On or off for everybody.
fn without_targeting(flag: &mut Value, default: &str) {
    flag.as_object_mut().unwrap().remove("targeting");
    flag["defaultVariant"] = json!(default);
}

fn signed_in(then: &Value) -> Value {
    json!({"if": [{"var": "authenticated"}, then, "off"]})
}

/// Flags with these keys, each on for so many hundredths of a percent.
fn partial(keys: &[&str], share: u64) -> Flags {
    let entry: Value = serde_json::from_str(&flag(|flag| flag["targeting"] = rollout(share, 10_000))).unwrap();
    let entry = &entry["flags"]["ai-assistant"];
    let all: serde_json::Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), entry.clone())).collect();
    Flags::parse(&json!({"flags": all}).to_string()).unwrap()
}

fn having<'u>(flags: &Flags, key: &str, users: &'u [User]) -> BTreeSet<&'u str> {
    users.iter().filter(|user| flags.is_on(key, user)).filter_map(User::key).collect()
}

fn users(prefix: &str, count: usize) -> Vec<User> {
    (0..count).map(|number| User::id(format!("{prefix}{number}"))).collect()
}

fn percent(part: usize, of: usize) -> f64 {
    100.0 * f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(of).unwrap())
}

/// A key as the file takes it.
fn key() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,30}"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Raising a percentage takes the flag from nobody.
    #[test]
    fn who_has_a_flag_keeps_it_as_the_percentage_grows(
        key in key(), user in ".{1,60}", (less, more) in (1..9_999_u64).prop_flat_map(|less| (Just(less), less..9_999)),
    ) {
        let on = |share| partial(&[&key], share).is_on(&key, &User::id(&user));
        prop_assert!(!on(less) || on(more), "{less} and not {more}");
    }

    #[test]
    fn the_same_two_get_the_same_answer_every_time(key in key(), user in ".{0,60}", share in 1..9_999_u64) {
        let (one, other) = (partial(&[&key], share), partial(&[&key], share));
        prop_assert_eq!(one.decide(&key, &User::id(&user)), other.decide(&key, &User::id(&user)));
        prop_assert_eq!(one.is_on(&key, &User::id(&user)), one.is_on(&key, &User::visitor(&user)));
    }

    #[test]
    fn the_anonymous_are_in_no_partial_rollout(key in key(), share in 1..9_999_u64, blank in "[ \t\n]{0,3}") {
        let flags = partial(&[&key], share);
        for user in [User::anonymous(), User::id(&blank), User::visitor(&blank)] {
            let decision = flags.decide(&key, &user);
            prop_assert!(!decision.on && matches!(decision.reason, Reason::Anonymous { .. }), "{:?}", decision);
        }
    }

    #[test]
    fn an_unknown_flag_is_off_for_everybody(key in key(), asked in ".{0,60}", user in ".{0,60}") {
        prop_assume!(key != asked);
        let flags = Flags::fixed(&[(&key, true)]);
        prop_assert!(flags.is_on(&key, &User::anonymous()));
        prop_assert_eq!(flags.decide(&asked, &User::id(user)), Decision { flag: asked, on: false, reason: Reason::Unknown });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of 20,000 users 25 % have each of two flags, and 25 % of 25 %, 6.25 %, have both. Chance moves the first by 0.3 and
    /// the second by 0.17 points (one standard deviation); allowed are five of them.
    #[test]
    fn flags_are_independent_of_each_other(one in key(), other in key(), prefix in "[a-z_-]{0,8}") {
        prop_assume!(one != other);
        let (flags, users) = (partial(&[&one, &other], 2_500), users(&prefix, 20_000));
        let (ones, others) = (having(&flags, &one, &users), having(&flags, &other, &users));
        for share in [ones.len(), others.len()].map(|part| percent(part, users.len())) {
            prop_assert!((23.5..26.5).contains(&share), "{share} % have one");
        }
        let both = percent(ones.intersection(&others).count(), users.len());
        prop_assert!((5.4..7.1).contains(&both), "{both} % have both");
    }

    /// So that 1 % is not 0 % or 2 %.
    #[test]
    fn a_share_is_as_large_as_it_says(key in key(), share in 1..10_000_u64) {
        let (flags, users) = (partial(&[&key], share), users("u_", 20_000));
        let (found, meant) = (percent(having(&flags, &key, &users).len(), users.len()), flags.flags[&key].share.percent());
        prop_assert!((found - meant).abs() < 1.8, "{found} % instead of {meant} %");
    }
}

#[test]
fn a_flag_is_read_as_it_is_meant() {
    let read = |change: fn(&mut Value)| {
        let Flag { enabled, share, requires_auth, .. } = flags(change).flags.remove("ai-assistant").unwrap();
        (enabled, share.to_string(), requires_auth)
    };
    let meant = |enabled, share: &str, requires_auth| (enabled, share.to_owned(), requires_auth);
    assert_eq!(read(|_| ()), meant(true, "25 %", false));
    assert_eq!(read(|flag| flag["state"] = json!("DISABLED")), meant(false, "25 %", false));
    assert_eq!(read(|flag| flag["targeting"] = rollout(0, 100)), meant(true, "0 %", false));
    assert_eq!(read(|flag| flag["targeting"] = rollout(1, 10_000)), meant(true, "0.01 %", false));
    assert_eq!(read(|flag| flag["targeting"] = signed_in(&rollout(25, 100))), meant(true, "25 %", true));
    assert_eq!(read(|flag| flag["targeting"] = signed_in(&rollout(100, 100))), meant(true, "100 %", true));
    assert_eq!(read(|flag| without_targeting(flag, "on")), meant(true, "100 %", false));
    assert_eq!(read(|flag| without_targeting(flag, "off")), meant(true, "0 %", false));
}

#[test]
fn each_user_gets_what_the_flag_says_for_the_reason_that_it_says() {
    let decide = |change: fn(&mut Value), user: &User| {
        let decision = flags(change).decide("ai-assistant", user);
        (decision.on, decision.reason.code())
    };
    // At 66.43 and at 12.49 of the flag's scale: shared/tests/flagd/places.json has more.
    let (late, early) = (User::id("u_42"), User::id("u_2"));
    assert_eq!(decide(|_| (), &late), (false, "split"));
    assert_eq!(decide(|_| (), &early), (true, "split"));
    assert_eq!(decide(|flag| flag["state"] = json!("DISABLED"), &early), (false, "disabled"));
    assert_eq!(decide(|flag| flag["targeting"] = rollout(0, 100), &early), (false, "nobody"));

    let of_signed_in = |flag: &mut Value| flag["targeting"] = signed_in(&rollout(25, 100));
    assert_eq!(decide(of_signed_in, &early), (true, "split"));
    assert_eq!(decide(of_signed_in, &late), (false, "split"));
    assert_eq!(decide(of_signed_in, &User::visitor("u_2")), (false, "not_signed_in"));
    assert_eq!(decide(of_signed_in, &User::anonymous()), (false, "not_signed_in"));
    let all_signed_in = |flag: &mut Value| flag["targeting"] = signed_in(&rollout(100, 100));
    assert_eq!(decide(all_signed_in, &late), (true, "everybody"));
    assert_eq!(decide(all_signed_in, &User::visitor("u_2")), (false, "not_signed_in"));

    for user in [late, early, User::visitor("v"), User::anonymous()] {
        assert_eq!(decide(|flag| without_targeting(flag, "on"), &user), (true, "everybody"));
    }
}

#[test]
fn what_has_no_plain_meaning_is_refused_with_what_to_write() {
    let cases: Vec<(&str, String, &str)> = vec![
        ("not JSON", "{".into(), "line 1"),
        ("something after it", flag(|_| ()) + "x", "trailing"),
        ("no flags", "{}".into(), "missing field `flags`"),
        ("another field", file(|file| file["$evaluators"] = json!({})), "$evaluators"),
        ("a field of a flag", flag(|flag| flag["rollout"] = json!(25)), "flags.ai-assistant"),
        ("no state", flag(|flag| drop(flag.as_object_mut().unwrap().remove("state"))), "missing field `state`"),
        ("another state", flag(|flag| flag["state"] = json!("ON")), "flags.ai-assistant.state: unknown variant `ON`"),
        ("variants", flag(|flag| flag["variants"] = json!({"on": true, "off": true})), r#"{"on": true, "off": false}"#),
        ("a third one", flag(|flag| flag["variants"]["blue"] = json!(true)), "blue"),
        ("texts", flag(|flag| flag["variants"]["on"] = json!("yes")), "flags.ai-assistant.variants.on: invalid type"),
        ("a default", flag(|flag| flag["defaultVariant"] = json!("blue")), "defaultVariant: unknown variant `blue`"),
        ("a default with targeting", flag(|flag| flag["defaultVariant"] = json!("on")), "leaves out"),
        ("no metadata", flag(|flag| drop(flag.as_object_mut().unwrap().remove("metadata"))), "`metadata`"),
        ("a description", flag(|flag| flag["metadata"]["description"] = json!(" ")), "description"),
        ("two lines", flag(|flag| flag["metadata"]["description"] = json!("a\nb")), "description"),
        ("a long one", flag(|flag| flag["metadata"]["description"] = json!("a".repeat(201))), "200 bytes"),
        ("an owner", flag(|flag| flag["metadata"]["owner"] = json!("me")), "owner"),
        ("all with an id", flag(|flag| flag["targeting"] = rollout(100, 100)), "remove the targeting"),
    ];
    for (what, text, named) in cases {
        let faults = Flags::parse(&text).expect_err(what).to_string();
        assert!(faults.contains(named) && faults.contains("app/flags.json"), "{what}: {named} in {faults}");
    }
}

#[test]
fn targeting_takes_two_forms() {
    let pair = |on: Value, off: Value| json!({"fractional": [on, off]});
    for targeting in [
        json!({}),
        json!("on"),
        json!([]),
        json!({"fractional": []}),
        json!({"fractional": [["on", 25]]}),
        json!({"fractional": [["on", 25], ["off", 25], ["off", 50]]}),
        json!({"fractional": [{"var": "targetingKey"}, ["on", 25], ["off", 75]]}),
        json!({"fractional": ["u_42", ["on", 25], ["off", 75]]}),
        json!({"fractional": {"on": 25}}),
        pair(json!(["off", 75]), json!(["on", 25])),
        pair(json!(["on", 25, 1]), json!(["off", 75])),
        pair(json!(["on"]), json!(["off"])),
        pair(json!(["on", 2.5]), json!(["off", 97.5])),
        pair(json!(["on", "25"]), json!(["off", 75])),
        pair(json!(["on", -25]), json!(["off", 125])),
        pair(json!(["on", 0]), json!(["off", 0])),
        pair(json!(["on", 1]), json!(["off", 2])),
        pair(json!(["on", 25_000]), json!(["off", 75_000])),
        pair(json!(["on", u64::MAX]), json!(["off", 1])),
        json!({"fractional": [["on", 25], ["off", 75]], "if": []}),
        json!({"if": [{"var": "authenticated"}, "on", "off"]}),
        json!({"if": [{"var": "authenticated"}, rollout(25, 100), "on"]}),
        json!({"if": [{"var": "authenticated"}, rollout(25, 100)]}),
        json!({"if": [{"var": "admin"}, rollout(25, 100), "off"]}),
        json!({"if": [{"!": [{"var": "authenticated"}]}, rollout(25, 100), "off"]}),
        signed_in(&signed_in(&rollout(25, 100))),
        Value::from("off"),
    ] {
        let faults = Flags::parse(&flag(|flag| flag["targeting"] = targeting.clone())).expect_err("it is refused");
        assert!(faults.len() == 1 && faults.to_string().contains("flags.ai-assistant has "), "{targeting}: {faults}");
    }
}

#[test]
fn keys_are_plain_and_there_is_one_of_each() {
    let named = |key: &str| {
        file(|file| {
            let entry = file["flags"]["ai-assistant"].take();
            file["flags"] = json!({key: entry});
        })
    };
    for key in ["", "AI", "ai_assistant", "1st", "-a", "ai assistant", "ä", &"a".repeat(65)] {
        let faults = Flags::parse(&named(key)).expect_err(key);
        assert!(faults.to_string().contains("lower-case"), "{faults}");
    }
    assert!(Flags::parse(&named(&"a".repeat(64))).is_ok());
    // serde_json's own objects have each key once.
    let one = named("twice");
    let entry = one.strip_prefix(r#"{"flags":{"#).unwrap().strip_suffix("}}").unwrap();
    let faults = Flags::parse(&format!(r#"{{"flags":{{{entry},{entry}}}}}"#)).unwrap_err();
    assert!(faults.to_string().contains("flags.twice is there twice"), "{faults}");
}

#[test]
fn all_faults_are_listed_together() {
    let text = file(|file| {
        let flag = &mut file["flags"]["ai-assistant"];
        flag["variants"]["off"] = json!(true);
        flag["targeting"] = json!({});
        let mut other = flag.clone();
        other["metadata"]["description"] = json!("");
        file["flags"]["Other"] = other;
    });
    assert_eq!(Flags::parse(&text).unwrap_err().len(), 6);
}

#[test]
fn a_decision_tells_programs_and_people() {
    let decide = |user: &User| flags(|_| ()).decide("ai-assistant", user);
    let split = decide(&User::id("u_42"));
    let expected = json!({"flag": "ai-assistant", "on": false, "reason": "split", "bucket": 66.43, "percentage": 25.0});
    assert_eq!(serde_json::to_value(&split).unwrap(), expected);
    assert_eq!(split.reason.to_string(), "bucket 66.43 of 100, and the flag is on below 25");
    let anonymous = serde_json::to_value(decide(&User::anonymous())).unwrap();
    assert_eq!(anonymous, json!({"flag": "ai-assistant", "on": false, "reason": "anonymous", "percentage": 25.0}));
}
