//! Webhook providers: how each signs, and where its events keep their id, type and data.
//!
//! One file each: the rule with its source, the parser, the simulator that signs as the provider does, the tests.
//! To add one: a file here and a line in [`ALL`]. One that signs with an HMAC, or as Standard Webhooks do, needs no
//! code, only a table in `solo.toml` (see [`Hmac`], [`Standard`] and `docs/providers.md`).

mod github;
mod hmac;
mod parts;
mod shopify;
mod slack;
mod standard;
mod stripe;

pub use hmac::{Encoding, Hash, Hmac, Settings};
pub use standard::Standard;

use std::{borrow::Cow, fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use crate::events::{Envelope, FIRST_PARTY, Malformed};

/// Every provider that has code of its own. `solo.toml` says which of them are on.
pub const ALL: &[&dyn Provider] =
    &[&github::GitHub, &shopify::Shopify, &slack::Slack, &standard::STANDARD, &stripe::Stripe];

/// The provider of that name that has code of its own. [`crate::config::SoloToml::provider`] knows the configured ones
/// as well.
pub fn find(name: &str) -> Option<&'static dyn Provider> {
    ALL.iter().copied().find(|provider| provider.name() == name)
}

/// The part of a stored body that is its event's data, by the name that the event was stored under. The same as
/// [`Provider::parse`] put into [`Envelope::data`], whatever `solo.toml` says by now.
pub fn data_of<'v>(source: &str, body: &'v Value) -> &'v Value {
    match find(source) {
        Some(provider) => provider.data(body),
        None if source == FIRST_PARTY => body.get("data").unwrap_or(&NOTHING),
        None => body,
    }
}

static NOTHING: Value = Value::Null;

/// A sender of webhooks.
pub trait Provider: fmt::Debug + Send + Sync {
    /// Lower case; the last part of its path, and its table in `solo.toml`.
    fn name(&self) -> &str;

    /// Whether the signature covers the event's id. Where it does not, a captured body can come back under a new id:
    /// it is handled, since equal bodies can be honest, and an alert is raised.
    fn signs_id(&self) -> bool {
        true
    }

    /// Whether the signature covers a time, so that a tolerance means something.
    fn signs_time(&self) -> bool {
        true
    }

    /// What is wrong with the form of a secret that was configured, without quoting it. Asked when secrets are loaded:
    /// a fault keeps the function from starting.
    fn check_secret(&self, _secret: &SecretString) -> Result<(), String> {
        Ok(())
    }

    /// A secret of the right form, for the local stack and for tests.
    fn new_secret(&self, random: &[u8; 24]) -> SecretString {
        SecretString::from(hex::encode(random))
    }

    /// Whether `body` was signed with one of `secrets`, no further than `tolerance` from `now`. Over the raw bytes, in
    /// constant time, against every secret.
    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        now: Timestamp,
        tolerance: Duration,
    ) -> Result<(), Refusal>;

    /// What to answer to a verified body that is no event but a question whether we are there.
    fn challenge(&self, _body: &[u8]) -> Option<Value> {
        None
    }

    /// The event in a verified body.
    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Result<Envelope, Malformed>;

    /// The member of `body` that holds the event's data; `None` when the whole body is the data.
    fn data_member(&self, _body: &Value) -> Option<&'static str> {
        None
    }

    /// The part of `body` that is the event's data; null when it is not there.
    fn data<'v>(&self, body: &'v Value) -> &'v Value {
        self.data_member(body).map_or(body, |member| body.get(member).unwrap_or(&NOTHING))
    }

    /// The same, without a copy.
    fn take_data(&self, mut body: Value) -> Value {
        match self.data_member(&body) {
            Some(member) => body.get_mut(member).map_or(Value::Null, Value::take),
            None => body,
        }
    }

    /// `body` as this provider would send it, for simulation and tests.
    fn sign(&self, body: Vec<u8>, about: &About<'_>, secret: &SecretString, now: Timestamp) -> Delivery;

    /// A realistic body of an event of `event_type`, for simulation. `unique` makes its ids new.
    fn sample(&self, event_type: &str, unique: &str, now: Timestamp) -> Value;
}

/// What some providers say of an event outside of its body.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub id: &'a str,
    pub event_type: &'a str,
}

/// A simulated webhook.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
}

/// Why a delivery is not believed. Says nothing about the secret or the right signature. The text is a header's name, or
/// a place in the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0} is missing")]
    Missing(Cow<'static, str>),
    #[error("{0} {1}")]
    MalformedSignature(Cow<'static, str>, &'static str),
    #[error(
        "no signature in {0} fits the body and the configured secrets; if the secret is right, check that nothing \
         between the sender and here parsed, re-encoded or trimmed the body"
    )]
    NoMatch(Cow<'static, str>),
    /// The signature is right, but its time is further from now than the tolerance.
    #[error("the signed timestamp is {0}, which is more than {1:?} from now")]
    OutsideTolerance(Timestamp, Duration),
}

#[cfg(test)]
mod tests;
