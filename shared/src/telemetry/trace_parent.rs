//! Where in a trace something is, in the form in which it travels: W3C's `traceparent`
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>), 55 characters.
//!
//! It goes with an event from the door through the queue, the outbox and courier to whom is called, whether or not spans are
//! exported here. Deliberately absent: `tracestate` and baggage, which others fill with what they like.

use std::{fmt, str::FromStr};

use axum::http::{HeaderMap, HeaderName};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

const LENGTH: usize = 55;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) sampled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no traceparent of version 00")]
pub struct NoTraceParent;

impl TraceParent {
    /// Of a request. One that is not valid counts as none, and so do several.
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACE_PARENT).iter();
        let (first, second) = (all.next()?, all.next());
        if second.is_some() { None } else { first.to_str().ok()?.parse().ok() }
    }

    /// For fields of messages: what is not valid there must not keep the message from being read.
    pub fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(value.as_str().and_then(|text| text.parse().ok()))
    }
}

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let is_lower_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let parts: Vec<&str> =
            if text.len() == LENGTH { text.split('-').collect() } else { return Err(NoTraceParent) };
        let [version, trace_id, span_id, flags] = parts[..] else { return Err(NoTraceParent) };
        let lengths = [version.len(), trace_id.len(), span_id.len(), flags.len()];
        if version != "00" || lengths != [2, 32, 16, 2] || !parts.iter().all(|part| is_lower_hex(part)) {
            return Err(NoTraceParent);
        }
        let parent = Self {
            trace_id: u128::from_str_radix(trace_id, 16).map_err(|_| NoTraceParent)?,
            span_id: u64::from_str_radix(span_id, 16).map_err(|_| NoTraceParent)?,
            sampled: u8::from_str_radix(flags, 16).map_err(|_| NoTraceParent)? & 1 == 1,
        };
        // All zeros: the specification's "invalid".
        if parent.trace_id == 0 || parent.span_id == 0 { Err(NoTraceParent) } else { Ok(parent) }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, sampled } = self;
        write!(formatter, "00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(*sampled))
    }
}

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// The specification's own example.
    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_valid_comes_out_as_it_went_in() {
        let parent: TraceParent = EXAMPLE.parse().unwrap();
        assert_eq!(parent.to_string(), EXAMPLE);
        let unsampled = EXAMPLE.replace("-01", "-00");
        assert_eq!(unsampled.parse::<TraceParent>().unwrap().to_string(), unsampled);
        // Flags that nobody defined yet are not passed on.
        assert_eq!(EXAMPLE.replace("-01", "-ff").parse(), Ok(parent));
    }

    #[test]
    fn what_is_not_is_refused() {
        for wrong in [
            "",
            "00",
            &EXAMPLE.to_uppercase(),
            &EXAMPLE.replace("00-", "ff-"),
            &EXAMPLE.replace("00-", "01-"),
            &format!("{EXAMPLE}-extra"),
            &format!("{EXAMPLE} "),
            &EXAMPLE.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &EXAMPLE.replace("b7ad6b7169203331", &"0".repeat(16)),
            &EXAMPLE.replace("b7ad6b7169203331", "+7ad6b7169203331"),
            &EXAMPLE.replace("-01", "-0g"),
            &"é".repeat(27),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033-3101",
        ] {
            assert_eq!(wrong.parse::<TraceParent>(), Err(NoTraceParent), "{wrong}");
        }
    }

    #[test]
    fn a_request_has_one_or_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceParent::of_headers(&headers), None);
        headers.insert(TRACE_PARENT, HeaderValue::from_static(EXAMPLE));
        assert_eq!(TraceParent::of_headers(&headers), EXAMPLE.parse().ok());
        headers.append(TRACE_PARENT, HeaderValue::from_static(EXAMPLE));
        assert_eq!(TraceParent::of_headers(&headers), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = text.parse::<TraceParent>();
        }

        #[test]
        fn whatever_is_read_is_55_characters(text in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}") {
            if let Ok(parent) = text.parse::<TraceParent>() {
                prop_assert_eq!(parent.to_string().len(), LENGTH);
            }
        }
    }
}
