//! The contract with clients: the published schema and the decoder agree on every value, and on what is wrong with it.
//!
//! Fixtures are in `app/fixtures/events/<type>.v<N>.json`: a list of `{"what", "data", "faults"}`, where `faults` are the
//! JSON pointers that both must name; none for data that fits.

use std::{cell::Cell, collections::BTreeSet, fs, path::PathBuf};

use proptest::{
    prelude::ProptestConfig,
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::Value;
use shared::{
    clock,
    events::{Contract, Decoded, Envelope, Event as _, EventType, FIRST_PARTY, InvoicePaid},
    handlers::{Handlers, Resolution},
    providers,
};
use testkit::Schema;
use uuid::Uuid;

use crate::published::docs;

#[test]
fn fixtures_get_the_same_verdict_from_the_schema_and_the_decoder() {
    each_version(|name, event_type, version, schema| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/events").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let fixtures: Vec<Value> = serde_json::from_str(&text).unwrap();
        let handlers = app::handlers();
        let (mut good, mut bad) = (0, 0);
        for fixture in &fixtures {
            let (what, data) = (fixture["what"].as_str().unwrap(), &fixture["data"]);
            let pointers =
                |faults: &Value| faults.as_array().into_iter().flatten().map(text_of).collect::<BTreeSet<_>>();
            let expected = pointers(&fixture["faults"]);
            assert_eq!(schema.faults(data), expected, "{name}: {what}: the schema");
            assert_eq!(decoded(&handlers, event_type, version, data), expected, "{name}: {what}: the decoder");
            if expected.is_empty() { good += 1 } else { bad += 1 }
        }
        assert!(good > 0 && bad > 0, "{name} needs good fixtures and bad ones: {good} and {bad}");
    });
}

#[test]
fn samples_fit_and_fill_in_every_field() {
    each_version(|name, event_type, version, schema| {
        let sample = version.sample(Uuid::new_v4(), clock::now()).unwrap();
        assert_eq!(schema.faults(&sample), BTreeSet::new(), "{name}");
        assert_eq!(decoded(&app::handlers(), event_type, version, &sample), BTreeSet::new(), "{name}");
        for field in schema.json()["properties"].as_object().unwrap().keys() {
            assert!(sample.get(field).is_some_and(|value| !value.is_null()), "{name}: the sample has no {field}");
        }
    });
}

/// Also that they name the same places, so that a client can trust the errors of both.
#[test]
fn values_near_the_schema_get_the_same_verdict_from_both() {
    each_version(|name, event_type, version, schema| {
        let handlers = app::handlers();
        let (fits, does_not) = (Cell::new(0), Cell::new(0));
        let mut runner =
            TestRunner::new(ProptestConfig { cases: 3_000, failure_persistence: None, ..Default::default() });
        let result = runner.run(&schema.neighbours(), |data| {
            let (published, ours) = (schema.faults(&data), decoded(&handlers, event_type, version, &data));
            if published != ours {
                return Err(TestCaseError::fail(format!("schema {published:?}, decoder {ours:?}: {data}")));
            }
            let seen = if ours.is_empty() { &fits } else { &does_not };
            seen.set(seen.get() + 1);
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(fits.get() > 300 && does_not.get() > 300, "{name}: {} fit, {} do not", fits.get(), does_not.get());
    });
}

/// What a provider sends becomes the newest version: also that of the published schema.
#[test]
fn stripes_invoice_becomes_the_newest_version() {
    let stripe = providers::find("stripe").unwrap();
    let body = stripe.sample("invoice.paid", "1", clock::now()).to_string();
    let envelope = stripe.parse(&http::HeaderMap::new(), body.as_bytes()).unwrap();
    let Decoded::Event(event) = InvoicePaid::decode(&envelope).unwrap() else { panic!("an event was expected") };
    let file = docs().join(format!("{}.v{}.json", InvoicePaid::TYPE, InvoicePaid::VERSION));
    let schema = Schema::parse(&fs::read_to_string(file).unwrap());
    assert_eq!(schema.faults(&serde_json::to_value(event).unwrap()), BTreeSet::new());
}

fn each_version(check: impl Fn(&str, &EventType, &Contract, &Schema)) {
    for event_type in app::handlers().event_types() {
        for version in &event_type.versions {
            let (name, _) = event_type.document(version).unwrap();
            let schema = Schema::parse(&fs::read_to_string(docs().join(&name)).unwrap());
            check(&name, &event_type, version, &schema);
        }
    }
}

/// Where the decoder finds `data` wrong, through the same door as an event.
fn decoded(handlers: &Handlers, event_type: &EventType, version: &Contract, data: &Value) -> BTreeSet<String> {
    let envelope = Envelope::new(FIRST_PARTY, "k", event_type.name, version.number, data.clone(), b"{}").unwrap();
    match handlers.resolve(&envelope) {
        Resolution::Ready(_) => BTreeSet::new(),
        Resolution::Unhandled { .. } => panic!("{} has no handler", event_type.name),
        Resolution::Invalid(invalid) => invalid.errors.into_iter().map(|error| error.field).collect(),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
