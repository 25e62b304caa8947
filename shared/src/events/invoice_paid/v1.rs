//! Version 1: the amount and its currency side by side.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::InvoicePaid;
use crate::events::{Cents, Currency, Form, Id, Moment, Money};

/// A customer paid an invoice.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct InvoicePaidV1 {
    /// The invoice. The same invoice is recorded once, however often it is heard of.
    id: Id,
    customer_id: Id,
    /// What was paid, in the currency's smallest unit.
    amount_cents: Cents,
    currency: Currency,
    paid_at: Moment,
    /// Whatever the sender wants to keep with the payment.
    metadata: Option<Map<String, Value>>,
}

impl From<InvoicePaidV1> for InvoicePaid {
    fn from(old: InvoicePaidV1) -> Self {
        let amount = Money { cents: old.amount_cents, currency: old.currency };
        Self { id: old.id, customer_id: old.customer_id, amount, paid_at: old.paid_at, metadata: old.metadata }
    }
}

impl Form for InvoicePaidV1 {
    fn sample(unique: Uuid, now: Timestamp) -> Self {
        // Any other UUID that `unique` decides.
        let customer_id = Id(Uuid::new_v5(&unique, b"customer"));
        Self {
            id: Id(unique),
            customer_id,
            amount_cents: Cents::SAMPLE,
            currency: Currency::EUR,
            paid_at: Moment(now),
            metadata: json!({"plan": "team"}).as_object().cloned(),
        }
    }
}
