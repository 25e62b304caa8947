//! What providers have in common: MACs compared in constant time, headers as text, times that are checked both ways.

use std::time::Duration;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;

use super::Refusal;
use crate::events::Malformed;

/// The longest signature header that is read. One signature has about 100 bytes, and API Gateway lets about 10 KB of
/// headers through.
pub(super) const LONGEST_HEADER: usize = 4_096;
/// The most signatures that are tried for one delivery.
pub(super) const MOST_SIGNATURES: usize = 16;

/// The MAC of `parts`, one after the other.
pub(super) fn mac(algorithm: hmac::Algorithm, key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// Whether one of the `given` MACs is right for one of the keys. Every pair is compared, each in constant time.
pub(super) fn one_fits<K: AsRef<[u8]>>(
    algorithm: hmac::Algorithm,
    keys: impl IntoIterator<Item = K>,
    parts: &[&[u8]],
    given: &[Vec<u8>],
) -> bool {
    keys.into_iter().fold(false, |known, key| {
        let right = mac(algorithm, key.as_ref(), parts);
        given.iter().fold(known, |known, given| known | verify_slices_are_equal(given, right.as_ref()).is_ok())
    })
}

/// A header that a signature needs.
pub(super) fn signed_text<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Refusal> {
    let value = headers.get(name).ok_or_else(|| Refusal::Missing(format!("the header {name}").into()))?;
    let malformed = |problem| Refusal::MalformedSignature(format!("the header {name}").into(), problem);
    if value.len() > LONGEST_HEADER {
        return Err(malformed("is longer than 4096 bytes"));
    }
    value.to_str().map_err(|_| malformed("is not ASCII text"))
}

/// A header that says something about an event.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Malformed> {
    let value = headers.get(name).ok_or_else(|| Malformed(format!("the header {name} is missing")))?;
    value.to_str().map_err(|_| Malformed(format!("the header {name} is not ASCII text")))
}

/// A whole number of seconds since 1970, in digits only: a sign, a space or a fraction is not what was signed.
pub(super) fn unix_seconds(text: &str) -> Option<Timestamp> {
    let digits = (1..=11).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok())).flatten()
}

/// That two moments are at most `tolerance` apart, whichever is first.
pub(super) fn check_time(signed: Timestamp, now: Timestamp, tolerance: Duration) -> Result<(), Refusal> {
    if signed.duration_since(now).unsigned_abs() <= tolerance {
        return Ok(());
    }
    Err(Refusal::OutsideTolerance(signed, tolerance))
}

pub(super) fn json(body: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(body).map_err(|error| Malformed(format!("the body is not JSON: {error}")))
}

/// A text member of an object.
pub(super) fn member<'v>(body: &'v Value, name: &str) -> Option<&'v str> {
    body.get(name).and_then(Value::as_str)
}

/// Headers of a simulated delivery. What cannot be a header is left out, and is then missed by the receiver.
pub(super) fn headers<const N: usize>(all: [(&str, String); N]) -> Vec<(HeaderName, HeaderValue)> {
    all.into_iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.try_into().ok()?))).collect()
}
