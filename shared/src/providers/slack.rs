//! Slack's Events API.
//!
//! Rule: <https://docs.slack.dev/authentication/verifying-requests-from-slack>. `X-Slack-Signature: v0=<hex>` is
//! HMAC-SHA256 over `v0:{X-Slack-Request-Timestamp}:{body}` with the app's signing secret; the time may be 5 minutes off.
//!
//! The body of an event (<https://docs.slack.dev/apis/events-api>) is `{"type": "event_callback", "event_id": ...,
//! "event_time": ..., "event": {"type": "message", ...}}`: the type is the inner event's, the data the inner event. A
//! body without an inner event (`app_rate_limited`) is its own data; having no id either, it is known by its hash.
//! `url_verification` asks for its challenge back and is no event. Slack waits 3 s, repeats at once, after 1 minute and
//! after 5.
//!
//! Deliberately absent: slash commands and interactive messages, which are forms, not JSON, and want a prompt answer.

use std::time::Duration;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac::HMAC_SHA256,
};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    About, Delivery, Provider, Refusal,
    parts::{check_time, headers, json, mac, member, one_fits, signed_text, unix_seconds},
};
use crate::events::{Envelope, Malformed, is_storable};

const SIGNATURE: &str = "X-Slack-Signature";
const TIMESTAMP: &str = "X-Slack-Request-Timestamp";

#[derive(Debug)]
pub(super) struct Slack;

impl Provider for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn new_secret(&self, random: &[u8; 24]) -> SecretString {
        SecretString::from(hex::encode(&random[..16]))
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        now: Timestamp,
        tolerance: Duration,
    ) -> Result<(), Refusal> {
        let given = signed_text(headers, SIGNATURE)?
            .strip_prefix("v0=")
            .and_then(|digits| hex::decode(digits).ok())
            .filter(|tag| tag.len() == 32)
            .ok_or(Refusal::MalformedSignature(SIGNATURE.into(), "is not v0= and 64 hexadecimal digits"))?;
        let timestamp_text = signed_text(headers, TIMESTAMP)?;
        let timestamp = unix_seconds(timestamp_text)
            .ok_or(Refusal::MalformedSignature(TIMESTAMP.into(), "is not a number of seconds"))?;
        let keys = secrets.iter().map(|secret| secret.expose_secret().as_bytes());
        if !one_fits(HMAC_SHA256, keys, &[b"v0:", timestamp_text.as_bytes(), b":", body], &[given]) {
            return Err(Refusal::NoMatch(SIGNATURE.into()));
        }
        check_time(timestamp, now, tolerance)
    }

    fn challenge(&self, body: &[u8]) -> Option<Value> {
        let body = json(body).ok()?;
        let challenge = member(&body, "challenge").filter(|_| member(&body, "type") == Some("url_verification"));
        challenge.map(|challenge| json!({"challenge": challenge}))
    }

    fn parse(&self, _headers: &HeaderMap, body: &[u8]) -> Result<Envelope, Malformed> {
        let whole = json(body)?;
        let inner = whole.get("event").and_then(|event| member(event, "type"));
        let event_type = inner.or_else(|| member(&whole, "type"));
        let event_type = event_type.ok_or_else(|| Malformed("the event has no type".into()))?.to_owned();
        let id = match member(&whole, "event_id") {
            Some(id) => id.to_owned(),
            None if inner.is_some() => return Err(Malformed("the event has no event_id".into())),
            None => format!("sha256:{}", hex::encode(digest(&SHA256, body))),
        };
        let time = whole.get("event_time").and_then(Value::as_i64);
        let occurred_at = time.and_then(|seconds| Timestamp::from_second(seconds).ok()).filter(is_storable);
        Ok(Envelope::new(self.name(), &id, &event_type, 1, self.take_data(whole), body)?.at(occurred_at))
    }

    fn data_member(&self, body: &Value) -> Option<&'static str> {
        body.get("event").is_some_and(Value::is_object).then_some("event")
    }

    fn sign(&self, body: Vec<u8>, _about: &About<'_>, secret: &SecretString, now: Timestamp) -> Delivery {
        let timestamp = now.as_second().to_string();
        let key = secret.expose_secret().as_bytes();
        let tag = hex::encode(mac(HMAC_SHA256, key, &[b"v0:", timestamp.as_bytes(), b":", &body]));
        Delivery { headers: headers([(SIGNATURE, format!("v0={tag}")), (TIMESTAMP, timestamp)]), body }
    }

    fn sample(&self, event_type: &str, unique: &str, now: Timestamp) -> Value {
        if event_type == "url_verification" {
            return json!({"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": unique, "type": "url_verification"});
        }
        let seconds = now.as_second();
        let time = format!("{seconds}.000100");
        json!({
            "type": "event_callback", "token": "XXYYZZ", "team_id": "T123ABC456", "api_app_id": "A123ABC456",
            "event_id": format!("Ev{unique}"), "event_time": seconds, "event_context": "EC123ABC456",
            "event": {
                "type": event_type, "channel": "C123ABC456", "channel_type": "channel", "user": "U123ABC456",
                "text": "Live long and prospect.", "ts": time, "event_ts": time,
            },
            "authorizations": [{"team_id": "T123ABC456", "user_id": "U123ABC456", "is_bot": false}],
        })
    }
}

#[cfg(test)]
mod tests;
