//! What holds for every provider with code, whatever it is sent. The rest of the suite runs through the router:
//! `functions/webhooks/tests/it/conformance.rs`.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// The names of the headers that a provider looks at.
fn names(provider: &dyn Provider) -> Vec<HeaderName> {
    let about = About { id: "id", event_type: "a.b" };
    let sent = provider.sign(b"{}".to_vec(), &about, &provider.new_secret(&[1; 24]), NOW);
    sent.headers.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn names_are_unique_and_fit_for_paths_and_variables() {
    for provider in ALL {
        let name = provider.name();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
        assert_eq!(ALL.iter().filter(|other| other.name() == name).count(), 1, "{name}");
        assert_ne!(name, FIRST_PARTY);
    }
}

#[test]
fn a_new_secret_has_the_form_that_is_asked_for() {
    for provider in ALL {
        let secret = provider.new_secret(&[7; 24]);
        assert_eq!(provider.check_secret(&secret), Ok(()), "{}", provider.name());
        let text =
            json!({crate::secrets::webhook_secret(provider.name()): secrecy::ExposeSecret::expose_secret(&secret)});
        assert!(crate::secrets::AppSecrets::parse(&text.to_string().into()).is_ok(), "{}", provider.name());
    }
}

#[test]
fn data_of_first_party_and_of_unknown_sources() {
    let body = json!({"type": "a", "data": {"n": 1}});
    assert_eq!(data_of(FIRST_PARTY, &body), &json!({"n": 1}));
    assert_eq!(data_of("acme", &body), &body);
    assert_eq!(data_of("github", &body), &body);
    for source in [FIRST_PARTY, "stripe"] {
        assert_eq!(data_of(source, &json!([])), &Value::Null, "{source}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_one_panic_and_nothing_unsigned_is_believed(
        values in proptest::collection::vec(
            prop_oneof![
                "(sha256=|v0=|v1,|v1a,|t=[0-9]{1,12},v1=)?[0-9a-f]{0,130}", "[A-Za-z0-9+/]{43}=", "[0-9]{1,20}", ".{0,40}",
            ],
            8,
        ),
        body in prop_oneof![
            ".{0,100}",
            "\\{\"(id|type|event|event_id|challenge|data)\":(1|\"x\"|\\{\\}|null|\\[\\])(,\"(type|event)\":(\"url_verification\"|\\{\"type\":\"m\"\\}))?\\}",
        ],
    ) {
        for provider in ALL {
            let named = names(*provider).into_iter().zip(&values);
            let headers = named.filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?))).collect();
            let secret = provider.new_secret(&[1; 24]);
            let verified = provider.verify(&headers, body.as_bytes(), &[secret], NOW, Duration::from_mins(5));
            prop_assert!(verified.is_err(), "{}", provider.name());
            let _ = (provider.parse(&headers, body.as_bytes()), provider.challenge(body.as_bytes()));
        }
    }
}
