//! Stripe's `customer.subscription.created`, `.updated` and `.deleted`
//! (<https://docs.stripe.com/api/subscriptions/object>): what a customer subscribes to now.
//!
//! Each of the three brings the whole subscription, so the newest is all that matters. Stripe sends them in any order
//! (<https://docs.stripe.com/webhooks#event-ordering>).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use shared::events::{Decoded, Envelope, Event, FieldError, Fields, InvalidPayload, expanded_id, is_storable};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub id: String,
    pub customer: String,
    /// As Stripe has it: `active`, `past_due`, `canceled`, ...
    pub status: String,
    /// Of the first item.
    pub price: Option<String>,
    pub quantity: Option<i64>,
    /// The earliest end of its items' periods.
    pub current_period_end: Option<Timestamp>,
    pub cancel_at_period_end: bool,
    pub change: Change,
    /// The event's own time, in whole seconds.
    pub changed_at: Timestamp,
}

/// What happened, in the order in which it happens to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Created = 0,
    Updated = 1,
    Deleted = 2,
}

/// In bytes; Stripe promises that no id is longer.
const LONGEST_ID: usize = 255;

#[derive(Deserialize)]
struct Items {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    price: Option<Price>,
    quantity: Option<i64>,
    /// Here since the API's version 2025-03-31; at the subscription before that.
    current_period_end: Option<i64>,
}

#[derive(Deserialize)]
struct Price {
    id: String,
}

impl Event for Subscription {
    const TYPE: &'static str = "customer.subscription";

    fn decode(envelope: &Envelope) -> Result<Decoded<Self>, InvalidPayload> {
        let Some(change) = Change::of(&envelope.event_type) else { return Ok(Decoded::Nothing) };
        let mut fields = Fields::of(envelope.data.get("object").unwrap_or(&Value::Null))?;
        let id: Option<String> = fields.required("id");
        let customer: Option<Value> = fields.required("customer");
        let status: Option<String> = fields.required("status");
        let items: Option<Items> = fields.required("items");
        let period_end: Option<Option<i64>> = fields.optional("current_period_end");
        let cancel_at_period_end: Option<Option<bool>> = fields.optional("cancel_at_period_end");
        if id.as_ref().is_some_and(|id| !(1..=LONGEST_ID).contains(&id.len())) {
            fields.reject("id", "is empty, or longer than 255 bytes");
        }
        let given = customer.is_some();
        let customer = customer.and_then(expanded_id).filter(|customer| (1..=LONGEST_ID).contains(&customer.len()));
        if given && customer.is_none() {
            fields.reject("customer", "is neither an id nor a customer");
        }
        if status.as_deref() == Some("") {
            fields.reject("status", "is empty");
        }
        let first = items.as_ref().and_then(|items| items.data.first());
        let quantity = first.and_then(|item| item.quantity);
        if quantity.is_some_and(|quantity| quantity < 0) {
            fields.reject("items/data/0/quantity", "is negative");
        }
        let price = first.and_then(|item| item.price.as_ref()).map(|price| price.id.clone());
        let end = items.as_ref().and_then(Items::period_end).or(period_end.flatten());
        let current_period_end = end.and_then(|seconds| Timestamp::from_second(seconds).ok()).filter(is_storable);
        if end.is_some() && current_period_end.is_none() {
            fields.reject("current_period_end", "is no time");
        }
        let without_time = || InvalidPayload::of(FieldError::new("", "the event has no time (created) to order it by"));
        let changed_at = envelope.occurred_at.ok_or_else(without_time)?;
        fields.finish(|| {
            Some(Decoded::Event(Self {
                id: id?,
                customer: customer?,
                status: status?,
                price,
                quantity,
                current_period_end,
                cancel_at_period_end: cancel_at_period_end?.unwrap_or(false),
                change,
                changed_at,
            }))
        })
    }
}

impl Items {
    fn period_end(&self) -> Option<i64> {
        self.data.iter().filter_map(|item| item.current_period_end).min()
    }
}

impl Change {
    fn of(event_type: &str) -> Option<Self> {
        match event_type {
            "customer.subscription.created" => Some(Self::Created),
            "customer.subscription.updated" => Some(Self::Updated),
            "customer.subscription.deleted" => Some(Self::Deleted),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NEW: &str = include_str!("../../fixtures/stripe/subscription_updated.json");
    const OLD: &str = include_str!("../../fixtures/stripe/subscription_updated_2024.json");

    fn event(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn decode(event: &Value) -> Result<Decoded<Subscription>, InvalidPayload> {
        let event_type = event["type"].as_str().unwrap();
        let envelope = Envelope::new("stripe", "evt_1", event_type, 1, event["data"].clone(), b"{}").unwrap();
        let occurred_at = event["created"].as_i64().map(|seconds| Timestamp::from_second(seconds).unwrap());
        Subscription::decode(&envelope.at(occurred_at))
    }

    #[test]
    fn both_of_stripes_shapes_say_the_same() {
        let expected = Subscription {
            id: "sub_1SolTeam".into(),
            customer: "cus_SolTeam".into(),
            status: "active".into(),
            price: Some("price_1SolTeamMonthly".into()),
            quantity: Some(5),
            current_period_end: Timestamp::from_second(1_797_768_000).ok(),
            cancel_at_period_end: false,
            change: Change::Updated,
            changed_at: Timestamp::from_second(1_795_176_000).unwrap(),
        };
        assert!(event(NEW)["data"]["object"]["current_period_end"].is_null());
        assert_eq!(decode(&event(NEW)), Ok(Decoded::Event(expected.clone())));
        assert!(event(OLD)["data"]["object"]["items"]["data"][0]["current_period_end"].is_null());
        assert_eq!(decode(&event(OLD)), Ok(Decoded::Event(expected.clone())));

        let mut several = event(NEW);
        let items = several["data"]["object"]["items"]["data"].as_array_mut().unwrap();
        items.push(json!({"price": null, "current_period_end": 1_796_000_000}));
        let current_period_end = Timestamp::from_second(1_796_000_000).ok();
        assert_eq!(decode(&several), Ok(Decoded::Event(Subscription { current_period_end, ..expected })));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let faults = |path: &str, value: Value| {
            let mut event = event(NEW);
            *event.pointer_mut(path).unwrap() = value;
            decode(&event).unwrap_err().fields()
        };
        assert_eq!(faults("/data/object/id", json!("")), "/id");
        assert_eq!(faults("/data/object/id", json!("x".repeat(256))), "/id");
        assert_eq!(faults("/data/object/customer", json!(1)), "/customer");
        assert_eq!(faults("/data/object/status", json!("")), "/status");
        assert_eq!(faults("/data/object/items/data/0/price/id", json!(1)), "/items/data/0/price/id");
        assert_eq!(faults("/data/object/items/data/0/quantity", json!(-1)), "/items/data/0/quantity");
        let far = json!(9_000_000_000_000_000_i64);
        assert_eq!(faults("/data/object/items/data/0/current_period_end", far), "/current_period_end");
        assert_eq!(faults("/created", Value::Null), "");
        assert_eq!(faults("/data", json!({})), "");
        assert_eq!(faults("/data/object", json!({})), "/id /customer /status /items");
    }
}
