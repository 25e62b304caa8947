//! Standard Webhooks, and Svix, which it came from.
//!
//! Rule: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>. The headers are
//! `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature`, or the same with `svix-` in front
//! (<https://docs.svix.com/receiving/verifying-payloads/how-manual>). What is signed is `{id}.{timestamp}.{body}`. The
//! signatures are separated by spaces: `v1,<base64>` is HMAC-SHA256, whose key is the 24 to 64 bytes behind
//! `whsec_`; `v1a,<base64>` is ed25519, whose public key is behind `whpk_`. Others are ignored.
//!
//! A secret that does not have one of these forms is refused when it is loaded: a mistyped `whsec_` would otherwise
//! decode to a key of next to nothing, which anybody could guess. An id with a dot is refused, as the rule asks, because
//! the parts of what was signed could then be told apart in more than one way.
//!
//! The body is `{"type": ..., "timestamp": ..., "data": {...}}`; without `data`, the whole body is the data. The type is
//! only recommended by the rule, but nothing can be handled here without one.

use std::{borrow::Cow, time::Duration};

use aws_lc_rs::{
    hmac::HMAC_SHA256,
    signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    About, Delivery, Provider, Refusal,
    parts::{MOST_SIGNATURES, check_time, headers, json, mac, member, one_fits, signed_text, text, unix_seconds},
};
use crate::events::{Envelope, Malformed, is_storable};

/// The names of the id's, the time's and the signature's header.
type Names = [&'static str; 3];
const PLAIN: Names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const SVIX: Names = ["svix-id", "svix-timestamp", "svix-signature"];

/// One sender of them. `[providers.clerk]` with `scheme = "standard"` makes another of that name, whose data is always
/// the whole body: what is stored under a name of your own is read back without a look at `solo.toml`.
#[derive(Clone, Debug)]
pub struct Standard {
    name: Cow<'static, str>,
}

/// The one with the name of the rule.
pub(super) static STANDARD: Standard = Standard { name: Cow::Borrowed(NAME) };
const NAME: &str = "standard";

impl Standard {
    pub fn named(name: &str) -> Self {
        Self { name: Cow::Owned(name.to_owned()) }
    }
}

impl Provider for Standard {
    fn name(&self) -> &str {
        &self.name
    }

    fn check_secret(&self, secret: &SecretString) -> Result<(), String> {
        Key::read(secret).map(drop).map_err(str::to_owned)
    }

    fn new_secret(&self, random: &[u8; 24]) -> SecretString {
        SecretString::from(format!("whsec_{}", BASE64.encode(random)))
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        now: Timestamp,
        tolerance: Duration,
    ) -> Result<(), Refusal> {
        let [id_name, timestamp_name, signature_name] = names(headers);
        let (id, timestamp_text) = (signed_text(headers, id_name)?, signed_text(headers, timestamp_name)?);
        if id.is_empty() || id.contains('.') {
            return Err(Refusal::MalformedSignature(id_name.into(), "is empty or has a dot"));
        }
        let timestamp = unix_seconds(timestamp_text)
            .ok_or(Refusal::MalformedSignature(timestamp_name.into(), "is not a number of seconds"))?;
        let given = Signatures::parse(signed_text(headers, signature_name)?)
            .map_err(|problem| Refusal::MalformedSignature(signature_name.into(), problem))?;
        let signed = [id.as_bytes(), b".", timestamp_text.as_bytes(), b".", body];
        let known = secrets.iter().fold(false, |known, secret| known | given.fit(secret, &signed));
        if !known {
            return Err(Refusal::NoMatch(signature_name.into()));
        }
        check_time(timestamp, now, tolerance)
    }

    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Result<Envelope, Malformed> {
        let [id_name, ..] = names(headers);
        let id = text(headers, id_name)?;
        let whole = json(body)?;
        let event_type = member(&whole, "type").ok_or_else(|| Malformed("the event has no type".into()))?.to_owned();
        let time = member(&whole, "timestamp").and_then(|time| time.parse().ok()).filter(is_storable);
        Ok(Envelope::new(self.name(), id, &event_type, 1, self.take_data(whole), body)?.at(time))
    }

    fn data_member(&self, body: &Value) -> Option<&'static str> {
        (self.name == NAME && body.get("data").is_some()).then_some("data")
    }

    /// With a `whsec_`, or with the private key (`whsk_`) that belongs to a `whpk_`.
    fn sign(&self, body: Vec<u8>, about: &About<'_>, secret: &SecretString, now: Timestamp) -> Delivery {
        let timestamp = now.as_second().to_string();
        let signed = [about.id.as_bytes(), b".", timestamp.as_bytes(), b".", &body];
        let private = secret.expose_secret().strip_prefix("whsk_").and_then(|text| BASE64.decode(text).ok());
        let signature = match (private, Key::read(secret)) {
            (Some(private), _) => sign_ed25519(&private, &signed),
            (None, Ok(Key::Secret(key))) => Some(format!("v1,{}", BASE64.encode(mac(HMAC_SHA256, &key, &signed)))),
            (None, _) => None,
        };
        let [id_name, timestamp_name, signature_name] = PLAIN;
        let headers = headers([
            (id_name, about.id.to_owned()),
            (timestamp_name, timestamp),
            // Without a key there is no signature, and the receiver says so.
            (signature_name, signature.unwrap_or_default()),
        ]);
        Delivery { headers, body }
    }

    fn sample(&self, event_type: &str, unique: &str, now: Timestamp) -> Value {
        let (resource, _) = event_type.split_once('.').unwrap_or((event_type, ""));
        json!({"type": event_type, "timestamp": now, "data": {
            "id": unique, "type": resource, "full_name": "John Smith", "email": "john@example.com",
        }})
    }
}

/// Svix's only where the standard's are not there; never some of each.
fn names(headers: &HeaderMap) -> Names {
    let svix = SVIX.iter().any(|name| headers.contains_key(*name));
    let plain = PLAIN.iter().any(|name| headers.contains_key(*name));
    if svix && !plain { SVIX } else { PLAIN }
}

enum Key {
    Secret(Vec<u8>),
    Public(Vec<u8>),
}

impl Key {
    /// The key in a configured secret, or what is wrong with its form.
    fn read(secret: &SecretString) -> Result<Self, &'static str> {
        let text = secret.expose_secret();
        let decode = |text: &str| BASE64.decode(text).map_err(|_| "is not base64 behind its prefix");
        if let Some(text) = text.strip_prefix("whsec_") {
            let key = decode(text)?;
            return match key.len() {
                24..=64 => Ok(Self::Secret(key)),
                _ => Err("does not have 24 to 64 bytes of base64 behind whsec_"),
            };
        }
        if let Some(text) = text.strip_prefix("whpk_") {
            let key = decode(text)?;
            return if key.len() == 32 { Ok(Self::Public(key)) } else { Err("does not have 32 bytes behind whpk_") };
        }
        if text.starts_with("whsk_") {
            return Err("is the sender's private key (whsk_); the public one (whpk_) belongs here");
        }
        Err("begins neither with whsec_ nor with whpk_")
    }
}

#[derive(Debug, Default)]
struct Signatures {
    v1: Vec<Vec<u8>>,
    v1a: Vec<Vec<u8>>,
}

impl Signatures {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut all = Self::default();
        for (scheme, value) in text.split(' ').filter_map(|part| part.split_once(',')) {
            let (list, length) = match scheme {
                "v1" => (&mut all.v1, 32),
                "v1a" => (&mut all.v1a, 64),
                _ => continue,
            };
            list.extend(BASE64.decode(value).ok().filter(|tag| tag.len() == length));
            if all.v1.len() + all.v1a.len() > MOST_SIGNATURES {
                return Err("has more than 16 signatures");
            }
        }
        let none = all.v1.is_empty() && all.v1a.is_empty();
        if none { Err("has no v1 signature of 32 bytes and no v1a signature of 64, in base64") } else { Ok(all) }
    }

    /// Each kind of key knows its own kind of signature only.
    fn fit(&self, secret: &SecretString, signed: &[&[u8]]) -> bool {
        match Key::read(secret) {
            Ok(Key::Secret(key)) => one_fits(HMAC_SHA256, [key], signed, &self.v1),
            Ok(Key::Public(key)) if !self.v1a.is_empty() => {
                let (key, message) = (UnparsedPublicKey::new(&ED25519, key), signed.concat());
                self.v1a.iter().any(|signature| key.verify(&message, signature).is_ok())
            }
            Ok(Key::Public(_)) | Err(_) => false,
        }
    }
}

/// The private key is a seed of 32 bytes, or the seed with the public key behind it.
fn sign_ed25519(private: &[u8], signed: &[&[u8]]) -> Option<String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(private.get(..32)?).ok()?;
    Some(format!("v1a,{}", BASE64.encode(pair.sign(&signed.concat()))))
}

#[cfg(test)]
mod tests;
