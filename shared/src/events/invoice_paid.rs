//! `invoice.paid`: a customer paid an invoice.
//!
//! First-party data (`docs/events/invoice.paid.v2.json`):
//!
//! ```json
//! {"id": "<uuid>", "customer_id": "<uuid>", "amount": {"cents": 4200, "currency": "USD"},
//!  "paid_at": "2026-11-22T10:00:00Z", "metadata": {"optional": "object"}}
//! ```
//!
//! Version 1 had `amount_cents` and `currency` side by side. Version 2 has them as one value, so that a second amount (a
//! tax, a refund) cannot be read in the wrong currency.
//!
//! Stripe's `invoice.paid` is mapped into the newest version: the identifiers become UUIDs (version 5, of Stripe's own ids,
//! so the same invoice is the same UUID for ever), `amount_paid` the amount, and Stripe's ids are kept in `metadata`. An
//! invoice of 0 (a trial) is paid without a payment: there is nothing to do.

mod stripe;
mod v1;

use jiff::{Timestamp, civil::date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use stripe::expanded_id;

use super::{Decoded, Envelope, Event, Form, Id, InvalidPayload, Moment, Money, Version, version};

/// A customer paid an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvoicePaid {
    /// The invoice. The same invoice is recorded once, however often it is heard of.
    pub id: Id,
    pub customer_id: Id,
    /// What was paid.
    pub amount: Money,
    pub paid_at: Moment,
    /// Whatever the sender wants to keep with the payment.
    pub metadata: Option<Map<String, Value>>,
}

impl Event for InvoicePaid {
    const TYPE: &'static str = "invoice.paid";
    const VERSIONS: &'static [Version<Self>] = &[
        Version::of::<v1::InvoicePaidV1>(1).deprecated(date(2026, 11, 22), date(2027, 11, 22)),
        Version::of::<Self>(2),
    ];

    fn decode(envelope: &Envelope) -> Result<Decoded<Self>, InvalidPayload> {
        match envelope.source.as_str() {
            "stripe" => stripe::read(&envelope.data, envelope.occurred_at),
            _ => version::read(envelope),
        }
    }
}

impl Form for InvoicePaid {
    fn sample(unique: Uuid, now: Timestamp) -> Self {
        v1::InvoicePaidV1::sample(unique, now).into()
    }
}

#[cfg(test)]
mod tests;
