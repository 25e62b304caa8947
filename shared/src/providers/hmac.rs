//! Any provider that signs with an HMAC and that nobody wrote code for: `scheme = "hmac"` in `solo.toml`.
//!
//! The settings say where the signature, the time, the id and the type are (a header, an element of a header like
//! `t=..,v1=..`, or a JSON pointer into the body) and what is signed. `docs/providers.md` has them with examples.
//! [`Hmac::new`] refuses settings that would believe what was not signed; what they cannot say needs code.
//!
//! The whole body is the data. Secrets are `<NAME>_WEBHOOK_SECRET`, as for every provider. SHA-1 is there because some
//! still sign with it; as a MAC it is not broken, but nobody should choose it today.

mod place;
mod settings;

pub use settings::{Encoding, Hash, Settings};

use std::{borrow::Cow, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use self::place::{Place, Simulation};
use super::{
    About, Delivery, Provider, Refusal,
    parts::{MOST_SIGNATURES, check_time, json, mac, one_fits, unix_seconds},
};
use crate::events::{Envelope, Malformed};

/// A provider made of settings.
#[derive(Clone, Debug)]
pub struct Hmac {
    name: String,
    signature: Place,
    prefix: String,
    encoding: Encoding,
    hash: Hash,
    key: Option<Encoding>,
    signed: Vec<Part>,
    timestamp: Option<Place>,
    /// Without one, the body's hash is the id.
    id: Option<Place>,
    event_type: Place,
}

/// A piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Body,
    At(Place),
}

impl Provider for Hmac {
    fn name(&self) -> &str {
        &self.name
    }

    fn signs_id(&self) -> bool {
        self.id.as_ref().is_none_or(|id| self.signs(id))
    }

    fn signs_time(&self) -> bool {
        self.timestamp.is_some()
    }

    fn check_secret(&self, secret: &SecretString) -> Result<(), String> {
        match self.read_key(secret).map(|key| key.len()) {
            Some(16..) => Ok(()),
            Some(_) => Err("decodes to less than 16 bytes".into()),
            None => Err("is not in the encoding that `key` names".into()),
        }
    }

    fn new_secret(&self, random: &[u8; 24]) -> SecretString {
        SecretString::from(self.key.unwrap_or(Encoding::Hex).encode(random))
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[SecretString],
        now: Timestamp,
        tolerance: Duration,
    ) -> Result<(), Refusal> {
        let whole = self.json_for_signature(body);
        let given = self.given(headers, &whole)?;
        let timestamp = self.timestamp.as_ref().map(|place| read_time(place, headers, &whole)).transpose()?;
        let signed = self.signed_content(headers, body, &whole)?;
        let signed: Vec<_> = signed.iter().map(AsRef::as_ref).collect();
        let keys = secrets.iter().filter_map(|secret| self.read_key(secret));
        if !one_fits(self.hash.algorithm(), keys, &signed, &given) {
            return Err(Refusal::NoMatch(self.signature.to_string().into()));
        }
        timestamp.map_or(Ok(()), |timestamp| check_time(timestamp, now, tolerance))
    }

    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Result<Envelope, Malformed> {
        let whole = json(body)?;
        let read = |place: &Place| {
            place.read(headers, &whole).map(Cow::into_owned).ok_or_else(|| Malformed(format!("{place} is missing")))
        };
        let id = self.id.as_ref().map(read).transpose()?;
        let id = id.unwrap_or_else(|| format!("sha256:{}", hex::encode(digest(&SHA256, body))));
        let event_type = read(&self.event_type)?;
        // What a replay of an unsigned body keeps.
        let kept =
            if self.signed.contains(&Part::Body) { None } else { Some(self.signed_hash(headers, body, &whole)?) };
        let envelope = Envelope::new(&self.name, &id, &event_type, 1, whole, body)?;
        if self.signs_id() {
            return Ok(envelope);
        }
        let envelope = envelope.with_unsigned_id();
        Ok(Envelope { fingerprint: kept.unwrap_or(envelope.fingerprint), ..envelope })
    }

    fn sign(&self, body: Vec<u8>, about: &About<'_>, secret: &SecretString, now: Timestamp) -> Delivery {
        let mut simulation = Simulation::of(body);
        if let Some(id) = &self.id {
            simulation.put_in_header(id, about.id);
        }
        simulation.put_in_header(&self.event_type, about.event_type);
        for part in &self.signed {
            if let Part::At(place) = part {
                simulation.put_if_missing(place, "simulated");
            }
        }
        if let Some(timestamp) = &self.timestamp {
            simulation.put(timestamp, &now.as_second().to_string());
        }
        let (headers, whole) = (simulation.headers(), self.json_for_signature(&simulation.body));
        let signed = self.signed_content(&headers, &simulation.body, &whole).unwrap_or_default();
        let signed: Vec<_> = signed.iter().map(AsRef::as_ref).collect();
        let tag = mac(self.hash.algorithm(), &self.read_key(secret).unwrap_or_default(), &signed);
        simulation.put(&self.signature, &format!("{}{}", self.prefix, self.encoding.encode(tag.as_ref())));
        Delivery { headers: simulation.all_headers(), body: simulation.body }
    }

    fn sample(&self, event_type: &str, unique: &str, now: Timestamp) -> Value {
        let mut simulation = Simulation::of(json!({"created_at": now, "unique": unique}).to_string().into_bytes());
        for part in &self.signed {
            if let Part::At(place @ Place::Body(_)) = part {
                simulation.put(place, unique);
            }
        }
        if let Some(id @ Place::Body(_)) = &self.id {
            simulation.put(id, unique);
        }
        if let Place::Body(_) = self.event_type {
            simulation.put(&self.event_type, event_type);
        }
        serde_json::from_slice(&simulation.body).unwrap_or_default()
    }
}

impl Hmac {
    /// Whether the signature covers what is at `place`.
    fn signs(&self, place: &Place) -> bool {
        let with_body = matches!(place, Place::Body(_)) && self.signed.contains(&Part::Body);
        with_body || self.signed.iter().any(|part| matches!(part, Part::At(signed) if signed == place))
    }

    /// The body as JSON, if something in it is needed before the signature is known to be right. Null when it is none.
    fn json_for_signature(&self, body: &[u8]) -> Value {
        let in_body = |place: &Place| matches!(place, Place::Body(_));
        let needed = in_body(&self.signature)
            || self.timestamp.as_ref().is_some_and(in_body)
            || self.signed.iter().any(|part| matches!(part, Part::At(place) if in_body(place)));
        if needed { serde_json::from_slice(body).unwrap_or_default() } else { Value::Null }
    }

    fn given(&self, headers: &HeaderMap, whole: &Value) -> Result<Vec<Vec<u8>>, Refusal> {
        let malformed = |problem| Refusal::MalformedSignature(self.signature.to_string().into(), problem);
        let texts = self.signature.read_all(headers, whole);
        if texts.is_empty() {
            return Err(Refusal::Missing(self.signature.to_string().into()));
        }
        if texts.len() > MOST_SIGNATURES {
            return Err(malformed("has more than 16 signatures"));
        }
        let given: Vec<_> = texts
            .iter()
            .filter_map(|text| self.encoding.decode(text.trim().strip_prefix(self.prefix.as_str())?))
            .filter(|tag| tag.len() == self.hash.length())
            .collect();
        if given.is_empty() {
            Err(malformed("is not a signature with the configured prefix, encoding and hash"))
        } else {
            Ok(given)
        }
    }

    fn signed_content<'a>(
        &'a self,
        headers: &'a HeaderMap,
        body: &'a [u8],
        whole: &'a Value,
    ) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
        let piece = |(index, part): (usize, &'a Part)| match part {
            Part::Text(text) => Ok(Cow::Borrowed(text.as_bytes())),
            Part::Body => Ok(Cow::Borrowed(body)),
            Part::At(place) => {
                let text = place.read(headers, whole).ok_or_else(|| Refusal::Missing(place.to_string().into()))?;
                // Else the parts could be told apart in more than one way, and an id be moved into the body.
                if let Some(Part::Text(next)) = self.signed.get(index + 1)
                    && self.timestamp.as_ref() != Some(place)
                    && text.contains(next.as_str())
                {
                    let problem = "contains the text that separates it from what is signed after it";
                    return Err(Refusal::MalformedSignature(place.to_string().into(), problem));
                }
                Ok(match text {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                })
            }
        };
        self.signed.iter().enumerate().map(piece).collect()
    }

    fn signed_hash(&self, headers: &HeaderMap, body: &[u8], whole: &Value) -> Result<[u8; 32], Malformed> {
        let content = self.signed_content(headers, body, whole).map_err(|refusal| Malformed(refusal.to_string()))?;
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &content.concat()).as_ref());
        Ok(hash)
    }

    fn read_key(&self, secret: &SecretString) -> Option<Vec<u8>> {
        let text = secret.expose_secret();
        match self.key {
            None => Some(text.as_bytes().to_vec()),
            Some(encoding) => encoding.decode(text),
        }
    }
}

/// Unix seconds, Unix milliseconds (12 digits or more), or RFC 3339. Leading zeros would let a digit wander off from
/// what stands before the time.
fn read_time(place: &Place, headers: &HeaderMap, whole: &Value) -> Result<Timestamp, Refusal> {
    let text = place.read(headers, whole).ok_or_else(|| Refusal::Missing(place.to_string().into()))?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let time = match text.len() {
        _ if text.starts_with('0') => None,
        12..=15 if digits => text.parse().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        _ if digits => unix_seconds(&text),
        _ => text.parse().ok(),
    };
    time.ok_or_else(|| Refusal::MalformedSignature(place.to_string().into(), "is no time"))
}

#[cfg(test)]
mod tests;
