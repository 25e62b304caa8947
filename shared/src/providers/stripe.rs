//! Stripe.
//!
//! Rule: <https://docs.stripe.com/webhooks#verify-manually>. `Stripe-Signature: t=<unix seconds>,v1=<hex>`, where v1 is
//! HMAC-SHA256 over `{t}.{body}` with the endpoint's whole secret (`whsec_...`) as the key. There are several v1 while a
//! secret is being rolled; v0 belongs to test events of old and is ignored. Stripe's own libraries allow 300 s; most of
//! them accept timestamps in the future, we do not.
//!
//! An event's id is `id`, its type `type`, its data `data` (<https://docs.stripe.com/api/events/object>). The same event
//! may be delivered with another `pending_webhooks`, so only `data` counts for telling a changed payload.

use std::time::Duration;

use aws_lc_rs::hmac::HMAC_SHA256;
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    About, Delivery, Provider, Refusal,
    parts::{MOST_SIGNATURES, check_time, headers, json, mac, member, one_fits, signed_text, unix_seconds},
};
use crate::events::{Envelope, Malformed, is_storable};

const HEADER: &str = "Stripe-Signature";

#[derive(Debug)]
pub(super) struct Stripe;

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn new_secret(&self, random: &[u8; 24]) -> SecretString {
        SecretString::from(format!("whsec_{}", hex::encode(random)))
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        now: Timestamp,
        tolerance: Duration,
    ) -> Result<(), Refusal> {
        let signature = Signature::parse(signed_text(headers, HEADER)?)?;
        let keys = secrets.iter().map(|secret| secret.expose_secret().as_bytes());
        if !one_fits(HMAC_SHA256, keys, &[signature.timestamp_text.as_bytes(), b".", body], &signature.v1) {
            return Err(Refusal::NoMatch(HEADER.into()));
        }
        check_time(signature.timestamp, now, tolerance)
    }

    fn parse(&self, _headers: &HeaderMap, body: &[u8]) -> Result<Envelope, Malformed> {
        let event = json(body)?;
        let text = |name: &str| member(&event, name).map(str::to_owned);
        let id = text("id").ok_or_else(|| Malformed("the event has no id".into()))?;
        let event_type = text("type").ok_or_else(|| Malformed("the event has no type".into()))?;
        let created = event.get("created").and_then(Value::as_i64);
        let occurred_at = created.and_then(|seconds| Timestamp::from_second(seconds).ok()).filter(is_storable);
        Ok(Envelope::new(self.name(), &id, &event_type, 1, self.take_data(event), body)?.at(occurred_at))
    }

    fn data_member(&self, _body: &Value) -> Option<&'static str> {
        Some("data")
    }

    fn sign(&self, body: Vec<u8>, _about: &About<'_>, secret: &SecretString, now: Timestamp) -> Delivery {
        let timestamp = now.as_second().to_string();
        let key = secret.expose_secret().as_bytes();
        let v1 = hex::encode(mac(HMAC_SHA256, key, &[timestamp.as_bytes(), b".", &body]));
        Delivery { headers: headers([(HEADER, format!("t={timestamp},v1={v1}"))]), body }
    }

    fn sample(&self, event_type: &str, unique: &str, now: Timestamp) -> Value {
        let created = now.as_second();
        let object = match event_type {
            "invoice.paid" => sample_invoice(unique, created),
            kind if kind.starts_with("customer.subscription.") => sample_subscription(unique, created, kind),
            _ => json!({"id": format!("obj_{unique}"), "object": event_type.split('.').next().unwrap_or("object")}),
        };
        json!({
            "id": format!("evt_{unique}"), "object": "event", "api_version": null, "created": created,
            "data": {"object": object}, "livemode": false, "pending_webhooks": 1,
            "request": {"id": null, "idempotency_key": null}, "type": event_type,
        })
    }
}

struct Signature<'h> {
    /// As it was signed: leading zeros and all.
    timestamp_text: &'h str,
    timestamp: Timestamp,
    v1: Vec<Vec<u8>>,
}

impl<'h> Signature<'h> {
    fn parse(text: &'h str) -> Result<Self, Refusal> {
        let malformed = |problem| Refusal::MalformedSignature("the header Stripe-Signature".into(), problem);
        let (mut timestamp_text, mut v1) = (None, Vec::new());
        for (scheme, value) in text.split(',').filter_map(|part| part.trim().split_once('=')) {
            match scheme {
                "t" if timestamp_text.is_some() => return Err(malformed("has more than one timestamp (t=)")),
                "t" => timestamp_text = Some(value),
                "v1" if v1.len() == MOST_SIGNATURES => return Err(malformed("has more than 16 signatures")),
                "v1" => v1.extend(hex::decode(value).ok().filter(|tag| tag.len() == 32)),
                _ => {}
            }
        }
        let timestamp_text = timestamp_text.ok_or_else(|| malformed("has no timestamp (t=)"))?;
        let timestamp =
            unix_seconds(timestamp_text).ok_or_else(|| malformed("has a timestamp that is not a number of seconds"))?;
        if v1.is_empty() {
            return Err(malformed("has no v1 signature of 64 hexadecimal digits"));
        }
        Ok(Self { timestamp_text, timestamp, v1 })
    }
}

/// The members of Stripe's subscription that matter to a reader of events.
fn sample_subscription(unique: &str, created: i64, event_type: &str) -> Value {
    let is_over = event_type.ends_with(".deleted");
    json!({
        "id": format!("sub_{unique}"), "object": "subscription", "cancel_at_period_end": false,
        "canceled_at": is_over.then_some(created), "collection_method": "charge_automatically", "created": created,
        "currency": "usd", "customer": "cus_NffrFeUfNV2Hib", "ended_at": is_over.then_some(created),
        "items": {"object": "list", "has_more": false, "total_count": 1, "data": [{
            "id": format!("si_{unique}"), "object": "subscription_item", "created": created, "quantity": 1,
            "current_period_start": created, "current_period_end": created + 2_592_000,
            "price": {"id": "price_starter_monthly", "object": "price", "currency": "usd", "unit_amount": 4200},
        }]},
        "livemode": false, "metadata": {}, "start_date": created, "status": if is_over { "canceled" } else { "active" },
    })
}

/// The members of Stripe's invoice that matter to a reader of events, with Stripe's names and types.
fn sample_invoice(unique: &str, created: i64) -> Value {
    json!({
        "id": format!("in_{unique}"), "object": "invoice", "amount_due": 4200, "amount_paid": 4200,
        "amount_remaining": 0, "attempt_count": 1, "attempted": true, "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically", "created": created, "currency": "usd",
        "customer": "cus_NffrFeUfNV2Hib", "customer_email": "founder@example.com", "livemode": false,
        "lines": {
            "object": "list", "has_more": false, "total_count": 1, "url": format!("/v1/invoices/in_{unique}/lines"),
            "data": [{
                "id": format!("il_{unique}"), "object": "line_item", "amount": 4200, "currency": "usd",
                "description": "1 × Starter (at $42.00 / month)", "livemode": false, "quantity": 1,
                "period": {"start": created - 2_592_000, "end": created},
            }],
        },
        "metadata": {}, "number": "F00D-0001", "period_end": created, "period_start": created - 2_592_000,
        "status": "paid", "status_transitions": {
            "finalized_at": created - 60, "marked_uncollectible_at": null, "paid_at": created, "voided_at": null,
        },
        "subtotal": 4200, "total": 4200,
    })
}

#[cfg(test)]
mod tests;
