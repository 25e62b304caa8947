//! The envelope: one event in the form that all senders share.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::telemetry::TraceParent;

use super::{Decoded, FIRST_PARTY, FieldError, Fields, InvalidPayload, fields::pointer, fingerprint};

/// The longest idempotency key and the longest event type, in bytes. Stripe's and Shopify's ids have about 30.
pub const MAX_KEY: usize = 255;

/// An event, whoever sent it.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Who sent it: a provider's name, or [`FIRST_PARTY`].
    pub source: String,
    /// The sender's key for it. The same key from the same source is the same event.
    pub key: String,
    pub event_type: String,
    /// The version of the data's schema; 1 where the sender has none.
    pub version: u16,
    pub occurred_at: Option<Timestamp>,
    pub correlation_id: String,
    /// Where in its trace what follows from the event is.
    pub trace_parent: Option<TraceParent>,
    /// The event's data, in the sender's shape.
    pub data: Value,
    /// The whole body as it came, which is what is stored.
    pub payload: Box<RawValue>,
    /// SHA-256 over type, version and data in canonical JSON. Two bodies that differ only in order, spacing or the
    /// sender's bookkeeping have the same one. Over what a replay keeps where [`Envelope::signs_id`] is false.
    pub fingerprint: [u8; 32],
    /// Whether the sender signed the key. If not, the same event can be made to come again under another.
    pub signs_id: bool,
}

/// A body that is no event: not JSON, or without what every event must have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Envelope {
    /// Puts an envelope together and checks what holds for all senders. `body` is the JSON text that `data` was found in.
    pub fn new(
        source: &str,
        key: &str,
        event_type: &str,
        version: u16,
        data: Value,
        body: &[u8],
    ) -> Result<Self, Malformed> {
        check_name("id", key)?;
        check_name("type", event_type)?;
        if version == 0 || i16::try_from(version).is_err() {
            return Err(Malformed("the version must be from 1 to 32767".into()));
        }
        let not_json = |error: serde_json::Error| Malformed(format!("the body is not JSON: {error}"));
        let mut payload: Box<RawValue> = serde_json::from_slice(body).map_err(not_json)?;
        let mut data = data;
        // PostgreSQL's jsonb has no U+0000. An authentic event with one (a customer's name, say) must not be lost.
        if payload.get().contains("\\u0000") {
            let mut value: Value = serde_json::from_str(payload.get()).map_err(not_json)?;
            replace_nul(&mut value);
            replace_nul(&mut data);
            payload = to_raw_value(&value).map_err(not_json)?;
        }
        Ok(Self {
            source: source.to_owned(),
            key: key.to_owned(),
            event_type: event_type.to_owned(),
            version,
            occurred_at: None,
            correlation_id: String::new(),
            trace_parent: None,
            fingerprint: fingerprint(event_type, version, &data),
            signs_id: true,
            data,
            payload,
        })
    }

    /// The body of `POST /events`: `{"type": "invoice.paid", "version": 1, "occurred_at": "...", "data": {...}}`.
    /// `version` is 1 and `occurred_at` unknown when left out.
    pub fn first_party(key: &str, body: &[u8]) -> Result<Self, InvalidPayload> {
        let whole: Value = serde_json::from_slice(body)
            .map_err(|error| InvalidPayload::of(FieldError::new("", &format!("the body is not JSON: {error}"))))?;
        let mut fields = Fields::of(&whole)?;
        let event_type: Option<String> = fields.required("type");
        let version: Option<Option<u16>> = fields.optional("version");
        let occurred_at: Option<Option<Timestamp>> = fields.optional("occurred_at");
        let data: Option<Value> = fields.required("data");
        if occurred_at.flatten().is_some_and(|time| !is_storable(&time)) {
            fields.reject("occurred_at", "is before the year 1");
        }
        let envelope = fields.finish(|| {
            let (event_type, version, data) = (event_type?, version?.unwrap_or(1), data?);
            Some((event_type, version, occurred_at?, data))
        })?;
        let (event_type, version, occurred_at, data) = envelope;
        let envelope = Self::new(FIRST_PARTY, key, &event_type, version, data, body)
            .map_err(|malformed| InvalidPayload::of(FieldError::new("", &malformed.0)))?;
        Ok(envelope.at(occurred_at))
    }

    #[must_use]
    pub fn at(self, occurred_at: Option<Timestamp>) -> Self {
        Self { occurred_at, ..self }
    }

    /// For a sender that signs the data and nothing else: neither the key nor, since it is beside the data, the type. The
    /// fingerprint is then of what a replay keeps.
    #[must_use]
    pub fn with_unsigned_id(self) -> Self {
        Self { signs_id: false, fingerprint: fingerprint("", self.version, &self.data), ..self }
    }

    #[must_use]
    pub fn correlated(self, correlation_id: &str) -> Self {
        Self { correlation_id: correlation_id.to_owned(), ..self }
    }

    #[must_use]
    pub fn traced(self, trace_parent: Option<TraceParent>) -> Self {
        Self { trace_parent, ..self }
    }

    /// The data as a type that derives `Deserialize`. Names the field that does not fit.
    pub fn data_as<E: DeserializeOwned>(&self, version: u16) -> Result<Decoded<E>, InvalidPayload> {
        if self.version != version {
            return Err(self.unsupported_version(version));
        }
        serde_path_to_error::deserialize(&self.data).map(Decoded::Event).map_err(|error| {
            let field = pointer(error.path());
            InvalidPayload::of(FieldError { field, detail: error.into_inner().to_string() })
        })
    }

    pub fn unsupported_version(&self, known: u16) -> InvalidPayload {
        let problem = format!("{} has no version {} here; the newest is {known}", self.event_type, self.version);
        InvalidPayload::of(FieldError::new("version", &problem))
    }
}

/// Whether PostgreSQL's `timestamptz` can hold it: from the year 1 on.
pub fn is_storable(time: &Timestamp) -> bool {
    time.as_second() >= -62_135_596_800
}

fn check_name(what: &str, text: &str) -> Result<(), Malformed> {
    if text.is_empty() {
        return Err(Malformed(format!("the event's {what} is empty")));
    }
    if text.len() > MAX_KEY {
        return Err(Malformed(format!("the event's {what} is longer than {MAX_KEY} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Malformed(format!("the event's {what} has control characters")));
    }
    Ok(())
}

fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(map) => {
            let renamed = std::mem::take(map).into_iter().map(|(name, mut item)| {
                replace_nul(&mut item);
                (name.replace('\0', "\u{fffd}"), item)
            });
            *map = renamed.collect();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_first_party_body_lists_every_wrong_field() {
        let body = br#"{"type": 5, "version": "one", "occurred_at": "yesterday"}"#;
        let invalid = Envelope::first_party("k", body).unwrap_err();
        let fields: Vec<_> = invalid.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["/type", "/version", "/occurred_at", "/data"]);
    }

    #[test]
    fn nul_is_replaced_in_what_is_stored_and_in_what_handlers_see() {
        let body = br#"{"type": "a", "data": {"na\u0000me": ["x\u0000y"]}}"#;
        let envelope = Envelope::first_party("k", body).unwrap();
        assert!(!envelope.payload.get().contains("u0000"));
        assert_eq!(envelope.data, json!({"na\u{fffd}me": ["x\u{fffd}y"]}));
    }

    #[test]
    fn large_numbers_are_stored_as_they_came() {
        let body = br#"{"type": "a", "data": {"n": 123456789012345678901234567890}}"#;
        let envelope = Envelope::first_party("k", body).unwrap();
        assert!(envelope.payload.get().contains("123456789012345678901234567890"));
    }

    #[test]
    fn keys_are_bounded() {
        let body = br#"{"type": "a", "data": {}}"#;
        assert!(Envelope::first_party(&"k".repeat(MAX_KEY), body).is_ok());
        assert!(Envelope::first_party(&"k".repeat(MAX_KEY + 1), body).is_err());
        assert!(Envelope::first_party("", body).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(key in ".{0,300}", body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Envelope::first_party(&key, &body);
        }

        #[test]
        fn no_json_makes_it_panic(body in "\\{\"type\":(\"a\"|1|null),\"version\":(-1|1|99999|\"x\"),\"data\":(\\{\\}|\\[\\]|\"\\\\u0000\"|1e308)\\}") {
            let _ = Envelope::first_party("k", body.as_bytes());
        }
    }
}
