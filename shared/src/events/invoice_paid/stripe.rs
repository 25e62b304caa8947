//! Stripe's `invoice.paid` (<https://docs.stripe.com/api/invoices/object>), mapped.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::InvoicePaid;
use crate::events::{Cents, Currency, Decoded, Fields, Id, InvalidPayload, Moment, Money, is_storable};

/// The namespace of the UUIDs that stand for Stripe's identifiers. It must never change.
const STRIPE_IDS: Uuid = Uuid::from_u128(0x5f1c_3a52_9e0b_4c6e_8d57_2b64_90c1_7ae3);

/// `data` is the `data` member of Stripe's event; the invoice is its `object`.
pub(super) fn read(data: &Value, occurred_at: Option<Timestamp>) -> Result<Decoded<InvoicePaid>, InvalidPayload> {
    let mut fields = Fields::of(data.get("object").unwrap_or(&Value::Null))?;
    let invoice: Option<String> = fields.required("id");
    let customer: Option<Value> = fields.required("customer");
    let paid: Option<i64> = fields.required("amount_paid");
    let currency: Option<Currency> = fields.required("currency");
    let lines: Option<Value> = fields.required("lines");
    let transitions: Option<Option<Value>> = fields.optional("status_transitions");
    let given = customer.is_some();
    let customer = customer.and_then(expanded_id);
    if given && customer.is_none() {
        fields.reject("customer", "is neither an id nor a customer");
    }
    if paid.is_some_and(|paid| paid != 0 && Cents::new(paid).is_none()) {
        fields.reject("amount_paid", &format!("must be from 0 to {}", Cents::LARGEST));
    }
    let paid_at = transitions
        .flatten()
        .and_then(|transitions| transitions.get("paid_at")?.as_i64())
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .filter(is_storable)
        .or(occurred_at);
    if paid_at.is_none() {
        fields.reject("status_transitions", "has no paid_at, and the event no time of its own");
    }
    fields.finish(|| {
        let (invoice, customer) = (invoice?, customer?);
        let Some(cents) = Cents::new(paid?) else { return Some(Decoded::Nothing) };
        let lines = lines?.get("data").and_then(Value::as_array).map_or(0, Vec::len);
        let metadata = json!({"stripe_invoice": invoice, "stripe_customer": customer, "lines": lines});
        Some(Decoded::Event(InvoicePaid {
            id: Id(Uuid::new_v5(&STRIPE_IDS, invoice.as_bytes())),
            customer_id: Id(Uuid::new_v5(&STRIPE_IDS, customer.as_bytes())),
            amount: Money { cents, currency: currency? },
            paid_at: Moment(paid_at?),
            metadata: metadata.as_object().cloned(),
        }))
    })
}

/// The id of a related object: Stripe gives the id alone, or the whole object when the endpoint asks for that.
pub fn expanded_id(value: Value) -> Option<String> {
    match value {
        Value::String(id) if !id.is_empty() => Some(id),
        Value::Object(object) => object.get("id")?.as_str().map(str::to_owned),
        _ => None,
    }
}
