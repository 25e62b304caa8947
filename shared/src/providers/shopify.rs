//! Shopify.
//!
//! Rule: <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries>. `X-Shopify-Hmac-SHA256: <base64>` is
//! HMAC-SHA256 over the body with the app's client secret. No time is signed, and neither are the headers that hold id,
//! topic and time: a captured body can come back under others, so the fingerprint of an event is that of its body alone.
//!
//! `X-Shopify-Webhook-Id` stays the same when a delivery is repeated, and is the event's key here, as that page says;
//! `X-Shopify-Event-Id` takes its place where it is missing. (The event's own id is shared by all deliveries of one
//! change, which can have different topics.) Shopify waits 5 s, repeats 8 times in 4 hours, and then deletes
//! subscriptions that were made by the Admin API. After a change of the client secret it may sign with the old one for
//! an hour: keep both until then.

use std::time::Duration;

use aws_lc_rs::hmac::HMAC_SHA256;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    About, Delivery, Provider, Refusal,
    parts::{headers, json, mac, one_fits, signed_text, text},
};
use crate::events::{Envelope, Malformed, is_storable};

const SIGNATURE: &str = "X-Shopify-Hmac-SHA256";
const WEBHOOK_ID: &str = "X-Shopify-Webhook-Id";
const EVENT_ID: &str = "X-Shopify-Event-Id";
const TOPIC: &str = "X-Shopify-Topic";
const TRIGGERED_AT: &str = "X-Shopify-Triggered-At";

#[derive(Debug)]
pub(super) struct Shopify;

impl Provider for Shopify {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn signs_id(&self) -> bool {
        false
    }

    fn signs_time(&self) -> bool {
        false
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        _now: Timestamp,
        _tolerance: Duration,
    ) -> Result<(), Refusal> {
        let given = BASE64
            .decode(signed_text(headers, SIGNATURE)?)
            .ok()
            .filter(|tag| tag.len() == 32)
            .ok_or(Refusal::MalformedSignature(SIGNATURE.into(), "is not the base64 of 32 bytes"))?;
        let keys = secrets.iter().map(|secret| secret.expose_secret().as_bytes());
        if one_fits(HMAC_SHA256, keys, &[body], &[given]) { Ok(()) } else { Err(Refusal::NoMatch(SIGNATURE.into())) }
    }

    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Result<Envelope, Malformed> {
        let id = text(headers, WEBHOOK_ID).or_else(|missing| text(headers, EVENT_ID).map_err(|_| missing))?;
        let topic = text(headers, TOPIC)?;
        let triggered_at = text(headers, TRIGGERED_AT).ok().and_then(|time| time.parse().ok()).filter(is_storable);
        let envelope = Envelope::new(self.name(), id, topic, 1, json(body)?, body)?;
        Ok(envelope.at(triggered_at).with_unsigned_id())
    }

    fn sign(&self, body: Vec<u8>, about: &About<'_>, secret: &SecretString, now: Timestamp) -> Delivery {
        let tag = BASE64.encode(mac(HMAC_SHA256, secret.expose_secret().as_bytes(), &[&body]));
        let headers = headers([
            (SIGNATURE, tag),
            (WEBHOOK_ID, about.id.to_owned()),
            (EVENT_ID, format!("event-{}", about.id)),
            (TOPIC, about.event_type.to_owned()),
            (TRIGGERED_AT, now.to_string()),
            ("X-Shopify-Shop-Domain", "example.myshopify.com".to_owned()),
            ("X-Shopify-API-Version", "2026-10".to_owned()),
        ]);
        Delivery { headers, body }
    }

    fn sample(&self, event_type: &str, unique: &str, now: Timestamp) -> Value {
        let (resource, _) = event_type.split_once('/').unwrap_or((event_type, ""));
        let id = 820_982_911_946_154_508_i64;
        if resource != "orders" {
            let global_id = format!("gid://shopify/{resource}/{unique}");
            return json!({"id": id, "admin_graphql_api_id": global_id, "updated_at": now});
        }
        let money = |amount: &str| json!({"shop_money": {"amount": amount, "currency_code": "USD"}});
        json!({
            "id": id, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508", "name": "#1001",
            "checkout_token": unique, "order_number": 1001, "created_at": now, "updated_at": now, "currency": "USD",
            "email": "jon@example.com", "financial_status": "paid", "fulfillment_status": null, "test": true,
            "subtotal_price": "389.00", "total_price": "409.94", "total_price_set": money("409.94"),
            "customer": {
                "id": 115_310_627_314_723_954_i64, "email": "jon@example.com", "first_name": "Jon", "last_name": "Smith",
            },
            "line_items": [{
                "id": 866_550_311_766_439_020_i64, "title": "IPod Nano - 8GB", "sku": "IPOD2008PINK", "quantity": 1,
                "price": "389.00", "price_set": money("389.00"), "taxable": true, "variant_id": 808_950_810,
            }],
        })
    }
}

#[cfg(test)]
mod tests;
