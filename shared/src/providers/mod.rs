//! Webhook providers: how each signs, and where its events keep their id, type and data.
//!
//! One file each: the rule with its source, the parser, the simulator that signs as the provider does, the tests.
//! To add one: a file here and a line in [`ALL`].

mod stripe;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::events::{Envelope, Malformed};

/// Every provider that this version knows. `solo.toml` says which of them are on.
pub const ALL: &[&dyn Provider] = &[&stripe::Stripe];

/// The provider of that name, as it stands in the path and in `solo.toml`.
pub fn find(name: &str) -> Option<&'static dyn Provider> {
    ALL.iter().copied().find(|provider| provider.name() == name)
}

/// The part of a stored body that is its event's data.
pub fn data_of<'v>(source: &str, body: &'v serde_json::Value) -> &'v serde_json::Value {
    match source {
        "stripe" | crate::events::FIRST_PARTY => body.get("data").unwrap_or(body),
        _ => body,
    }
}

/// A sender of webhooks.
pub trait Provider: Send + Sync {
    /// Lower case; the last part of its path, and its table in `solo.toml`.
    fn name(&self) -> &'static str;

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

    /// The event in a verified body.
    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Result<Envelope, Malformed>;

    /// The headers that this provider would send with `body`, for simulation and tests.
    fn sign(&self, body: &[u8], secret: &SecretString, now: Timestamp) -> Vec<(HeaderName, HeaderValue)>;

    /// A realistic body of an event of `event_type`, for simulation. `unique` makes its ids new.
    fn sample(&self, event_type: &str, unique: &str, now: Timestamp) -> serde_json::Value;
}

/// Why a delivery is not believed. Says nothing about the secret or the right signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    #[error("the header {0} {1}")]
    MalformedHeader(&'static str, &'static str),
    #[error(
        "no signature in {0} fits the body and the configured secrets; if the secret is right, check that nothing \
         between the sender and here parsed, re-encoded or trimmed the body"
    )]
    NoMatch(&'static str),
    /// The signature is right, but its time is further from now than the tolerance.
    #[error("the signed timestamp is {0}, which is more than {1:?} from now")]
    OutsideTolerance(Timestamp, Duration),
}

/// Whether two moments are at most `tolerance` apart.
pub(crate) fn within(signed: Timestamp, now: Timestamp, tolerance: Duration) -> bool {
    signed.duration_since(now).unsigned_abs() <= tolerance
}
