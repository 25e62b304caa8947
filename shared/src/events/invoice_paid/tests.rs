//! `invoice.paid` from both senders.

use serde_json::json;

use super::*;
use crate::events::FIRST_PARTY;

fn envelope(source: &str, version: u16, data: Value) -> Envelope {
    let mut envelope = Envelope::new(source, "k", InvoicePaid::TYPE, version, data, b"{}").unwrap();
    envelope.occurred_at = Timestamp::from_second(1_700_000_000).ok();
    envelope
}

fn stripe_invoice() -> Value {
    json!({"object": {"id": "in_1", "customer": "cus_1", "amount_paid": 4200, "currency": "usd",
           "status_transitions": {"paid_at": 1_700_000_100}, "lines": {"data": [{}]}}})
}

fn event(data: Value) -> InvoicePaid {
    read(&envelope("stripe", 1, data))
}

fn read(envelope: &Envelope) -> InvoicePaid {
    match InvoicePaid::decode(envelope).unwrap() {
        Decoded::Event(event) => event,
        Decoded::Nothing => panic!("an event was expected"),
    }
}

#[test]
fn stripe_is_mapped_and_the_same_invoice_is_the_same_uuid() {
    let first = event(stripe_invoice());
    assert_eq!(first, event(stripe_invoice()));
    assert_eq!(
        first.id.0.to_string(),
        "da36b1ca-53fc-551a-a543-31b2d3d89e58",
        "golden (and what Python's uuid5 gives): it must never change"
    );
    assert_eq!((first.amount.cents.get(), first.amount.currency.as_str()), (4200, "USD"));
    assert_eq!(first.paid_at.0.as_second(), 1_700_000_100);
    assert_eq!(first.metadata.unwrap()["stripe_invoice"], "in_1");
}

#[test]
fn stripe_variations() {
    let mut expanded = stripe_invoice();
    expanded["object"]["customer"] = json!({"id": "cus_1", "object": "customer"});
    expanded["object"]["status_transitions"] = Value::Null;
    assert_eq!(event(expanded).paid_at.0.as_second(), 1_700_000_000, "the event's own time");

    let mut trial = stripe_invoice();
    trial["object"]["amount_paid"] = json!(0);
    assert_eq!(InvoicePaid::decode(&envelope("stripe", 1, trial)), Ok(Decoded::Nothing));
}

#[test]
fn every_wrong_field_is_named() {
    let wrong = json!({"id": "1", "customer_id": null, "amount_cents": 0, "currency": "euro", "paid_at": "now",
                       "metadata": []});
    let invalid = InvoicePaid::decode(&envelope(FIRST_PARTY, 1, wrong)).unwrap_err();
    let mut fields: Vec<_> = invalid.errors.iter().map(|error| error.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["/amount_cents", "/currency", "/customer_id", "/id", "/metadata", "/paid_at"]);

    let wrong = json!({"object": {"amount_paid": -1, "currency": "us"}});
    let invalid = InvoicePaid::decode(&envelope("stripe", 1, wrong)).unwrap_err();
    assert!(invalid.errors.len() >= 4, "{invalid}");
}

#[test]
fn version_1_is_upcast_and_version_2_is_itself() {
    let id = "0192f0c1-2345-7abc-8def-0123456789ab";
    let both = json!({"id": id, "customer_id": id, "paid_at": "2026-11-22T10:00:00Z", "metadata": {"plan": "team"}});
    let (mut old, mut new) = (both.clone(), both);
    old["amount_cents"] = json!(4200);
    old["currency"] = json!("eur");
    new["amount"] = json!({"cents": 4200, "currency": "EUR"});
    let upcast = read(&envelope(FIRST_PARTY, 1, old.clone()));
    assert_eq!(upcast, read(&envelope(FIRST_PARTY, 2, new.clone())));
    assert_eq!(upcast.metadata.as_ref().unwrap()["plan"], "team");

    let faults = |version, data| InvoicePaid::decode(&envelope(FIRST_PARTY, version, data)).unwrap_err().fields();
    assert_eq!(faults(2, old), "/amount", "a form under another version's number");
    assert_eq!(faults(1, new.clone()), "/amount_cents /currency");
    new["amount"] = json!({"cents": 0});
    assert_eq!(faults(2, new), "/amount/cents /amount/currency");
}

#[test]
fn another_version_or_sender_is_refused() {
    let unknown = InvoicePaid::decode(&envelope(FIRST_PARTY, 3, json!({}))).unwrap_err();
    assert_eq!(unknown.fields(), "/version");
    assert!(unknown.to_string().contains("no version 3 here; the newest is 2"), "{unknown}");
    let stranger = InvoicePaid::decode(&envelope("github", 2, json!({}))).unwrap_err();
    assert!(stranger.to_string().contains("github sends no invoice.paid"), "{stranger}");
}
