//! `invoice.paid`, version 1: a customer paid an invoice.
//!
//! First-party data (R2):
//!
//! ```json
//! {"id": "<uuid>", "customer_id": "<uuid>", "amount_cents": 4200, "currency": "USD",
//!  "paid_at": "2026-11-22T10:00:00Z", "metadata": {"optional": "object"}}
//! ```
//!
//! Stripe's `invoice.paid` (<https://docs.stripe.com/api/invoices/object>) is mapped into it: the identifiers become
//! UUIDs (version 5, of Stripe's own ids, so the same invoice is the same UUID for ever), `amount_paid` the amount, and
//! Stripe's ids are kept in `metadata`. An invoice of 0 (a trial) is paid without a payment: there is nothing to do.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Decoded, Envelope, Event, FIRST_PARTY, FieldError, Fields, InvalidPayload, is_storable};

/// The namespace of the UUIDs that stand for Stripe's identifiers. It must never change.
const STRIPE_IDS: Uuid = Uuid::from_u128(0x5f1c_3a52_9e0b_4c6e_8d57_2b64_90c1_7ae3);

/// The largest amount that Stripe charges has 12 digits; anything beyond 15 is a mistake.
const LARGEST_AMOUNT: i64 = 999_999_999_999_999;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoicePaid {
    pub id: Uuid,
    pub customer_id: Uuid,
    /// In the currency's smallest unit. At least 1.
    pub amount_cents: i64,
    pub currency: Currency,
    pub paid_at: Timestamp,
    pub metadata: Map<String, Value>,
}

/// Three letters, upper case (ISO 4217's form; that such a currency exists is not checked).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Event for InvoicePaid {
    const TYPE: &'static str = "invoice.paid";
    const VERSION: u16 = 1;

    fn decode(envelope: &Envelope) -> Result<Decoded<Self>, InvalidPayload> {
        if envelope.version != Self::VERSION {
            return Err(envelope.unsupported_version(Self::VERSION));
        }
        match envelope.source.as_str() {
            FIRST_PARTY => first_party(&envelope.data).map(Decoded::Event),
            "stripe" => stripe(&envelope.data, envelope.occurred_at),
            other => Err(InvalidPayload::of(FieldError::new("", &format!("{other} sends no invoice.paid")))),
        }
    }
}

fn first_party(data: &Value) -> Result<InvoicePaid, InvalidPayload> {
    let mut fields = Fields::of(data)?;
    let id = fields.required("id");
    let customer_id = fields.required("customer_id");
    let amount_cents: Option<i64> = fields.required("amount_cents");
    let currency = fields.required("currency");
    let paid_at: Option<Timestamp> = fields.required("paid_at");
    let metadata = fields.optional("metadata");
    if amount_cents.is_some_and(|amount| !(1..=LARGEST_AMOUNT).contains(&amount)) {
        fields.reject("amount_cents", &format!("must be from 1 to {LARGEST_AMOUNT}"));
    }
    if paid_at.is_some_and(|time| !is_storable(&time)) {
        fields.reject("paid_at", "is before the year 1");
    }
    fields.finish(|| {
        Some(InvoicePaid {
            id: id?,
            customer_id: customer_id?,
            amount_cents: amount_cents?,
            currency: currency?,
            paid_at: paid_at?,
            metadata: metadata?.unwrap_or_default(),
        })
    })
}

/// `data` is the `data` member of Stripe's event; the invoice is its `object`.
fn stripe(data: &Value, occurred_at: Option<Timestamp>) -> Result<Decoded<InvoicePaid>, InvalidPayload> {
    let mut fields = Fields::of(data.get("object").unwrap_or(&Value::Null))?;
    let invoice: Option<String> = fields.required("id");
    let customer = fields.required("customer").and_then(expanded_id);
    let amount: Option<i64> = fields.required("amount_paid");
    let currency: Option<Currency> = fields.required("currency");
    let lines: Option<Value> = fields.required("lines");
    let transitions: Option<Option<Value>> = fields.optional("status_transitions");
    if customer.is_none() {
        fields.reject("customer", "is neither an id nor a customer");
    }
    if amount.is_some_and(|amount| !(0..=LARGEST_AMOUNT).contains(&amount)) {
        fields.reject("amount_paid", &format!("must be from 0 to {LARGEST_AMOUNT}"));
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
        let (invoice, customer, amount_cents) = (invoice?, customer?, amount?);
        if amount_cents == 0 {
            return Some(Decoded::Nothing);
        }
        let lines = lines?.get("data").and_then(Value::as_array).map_or(0, Vec::len);
        let metadata = json!({"stripe_invoice": invoice, "stripe_customer": customer, "lines": lines});
        Some(Decoded::Event(InvoicePaid {
            id: Uuid::new_v5(&STRIPE_IDS, invoice.as_bytes()),
            customer_id: Uuid::new_v5(&STRIPE_IDS, customer.as_bytes()),
            amount_cents,
            currency: currency?,
            paid_at: paid_at?,
            metadata: metadata.as_object()?.clone(),
        }))
    })
}

/// Stripe gives a related object as its id, or whole when the endpoint asks for that.
fn expanded_id(value: Value) -> Option<String> {
    match value {
        Value::String(id) if !id.is_empty() => Some(id),
        Value::Object(object) => object.get("id")?.as_str().map(str::to_owned),
        _ => None,
    }
}

impl Currency {
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_bytes() {
            &[a, b, c] if text.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Ok(Self([a, b, c].map(|byte| byte.to_ascii_uppercase())))
            }
            _ => Err("must be three letters"),
        }
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(source: &str, data: Value) -> Envelope {
        let mut envelope = Envelope::new(source, "k", InvoicePaid::TYPE, 1, data, b"{}").unwrap();
        envelope.occurred_at = Timestamp::from_second(1_700_000_000).ok();
        envelope
    }

    fn stripe_invoice() -> Value {
        json!({"object": {"id": "in_1", "customer": "cus_1", "amount_paid": 4200, "currency": "usd",
               "status_transitions": {"paid_at": 1_700_000_100}, "lines": {"data": [{}]}}})
    }

    fn event(data: Value) -> InvoicePaid {
        match InvoicePaid::decode(&envelope("stripe", data)).unwrap() {
            Decoded::Event(event) => event,
            Decoded::Nothing => panic!("an event was expected"),
        }
    }

    #[test]
    fn stripe_is_mapped_and_the_same_invoice_is_the_same_uuid() {
        let first = event(stripe_invoice());
        assert_eq!(first, event(stripe_invoice()));
        assert_eq!(
            first.id.to_string(),
            "da36b1ca-53fc-551a-a543-31b2d3d89e58",
            "golden (and what Python's uuid5 gives): it must never change"
        );
        assert_eq!((first.amount_cents, first.currency.as_str()), (4200, "USD"));
        assert_eq!(first.paid_at.as_second(), 1_700_000_100);
        assert_eq!(first.metadata["stripe_invoice"], "in_1");
    }

    #[test]
    fn stripe_variations() {
        let mut expanded = stripe_invoice();
        expanded["object"]["customer"] = json!({"id": "cus_1", "object": "customer"});
        expanded["object"]["status_transitions"] = Value::Null;
        assert_eq!(event(expanded).paid_at.as_second(), 1_700_000_000, "the event's own time");

        let mut trial = stripe_invoice();
        trial["object"]["amount_paid"] = json!(0);
        assert_eq!(InvoicePaid::decode(&envelope("stripe", trial)), Ok(Decoded::Nothing));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = json!({"id": "1", "customer_id": null, "amount_cents": 0, "currency": "euro", "paid_at": "now",
                           "metadata": []});
        let invalid = InvoicePaid::decode(&envelope(FIRST_PARTY, wrong)).unwrap_err();
        let mut fields: Vec<_> = invalid.errors.iter().map(|error| error.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["/amount_cents", "/currency", "/customer_id", "/id", "/metadata", "/paid_at"]);

        let wrong = json!({"object": {"amount_paid": -1, "currency": "us"}});
        let invalid = InvoicePaid::decode(&envelope("stripe", wrong)).unwrap_err();
        assert!(invalid.errors.len() >= 4, "{invalid}");
    }

    #[test]
    fn another_version_is_refused() {
        let mut old = envelope(FIRST_PARTY, json!({}));
        old.version = 2;
        assert!(InvoicePaid::decode(&old).unwrap_err().to_string().contains("no version 2"));
    }
}
