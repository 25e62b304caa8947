//! From the text of `solo.toml` to a provider, or to what is wrong with it.

use aws_lc_rs::hmac::{Algorithm, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA512};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;

use super::{Hmac, Part, Place};

/// What `[providers.<name>]` says beside what every provider has. A place is a header (`X-Acme-Id`), an element of one
/// (`X-Acme-Signature[v1]`), or a JSON pointer into the body (`/meta/id`).
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where the signature is.
    pub signature: Option<String>,
    /// What stands before it: `sha256=`. Nothing unless said otherwise.
    pub prefix: Option<String>,
    pub encoding: Option<Encoding>,
    pub hash: Option<Hash>,
    /// How the secret holds the key. Its characters are the key unless said otherwise.
    pub key: Option<Encoding>,
    /// What is signed, with `{body}`, `{timestamp}`, `{id}`, `{type}` or any place in braces. `{body}` unless said
    /// otherwise.
    pub signed: Option<String>,
    /// Where the signed time is.
    pub timestamp: Option<String>,
    /// Where the event's id is. Without one, the body's hash is the id.
    pub id: Option<String>,
    /// Where the event's type is.
    pub event_type: Option<String>,
    /// Says that the sender does not sign its bodies, as Mailgun does not.
    pub body_unsigned: bool,
}

impl Settings {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        let texts = [&self.signature, &self.prefix, &self.signed, &self.timestamp, &self.id, &self.event_type];
        let others = self.encoding.is_none() && self.hash.is_none() && self.key.is_none() && !self.body_unsigned;
        texts.iter().all(|text| text.is_none()) && others
    }
}

impl Hmac {
    /// Refuses settings under which something would be believed that nobody signed.
    pub fn new(name: &str, settings: &Settings) -> Result<Self, String> {
        let place = |text: &Option<String>| text.as_deref().map(Place::parse).transpose();
        let signature = place(&settings.signature)?.ok_or("says not where the `signature` is")?;
        let event_type = place(&settings.event_type)?.ok_or("says not where the `type` is")?;
        let (timestamp, id) = (place(&settings.timestamp)?, place(&settings.id)?);
        let template = settings.signed.as_deref().unwrap_or("{body}");
        let named = |name: &str| match name {
            "timestamp" => timestamp.clone().ok_or("signs a {timestamp}, and says not where it is".to_owned()),
            "id" => id.clone().ok_or("signs an {id}, and says not where it is".to_owned()),
            "type" => Ok(event_type.clone()),
            place => Place::parse(place),
        };
        let signed = parse_template(template, named)?;
        let provider = Self {
            name: name.to_owned(),
            signature,
            prefix: settings.prefix.clone().unwrap_or_default(),
            encoding: settings.encoding.unwrap_or(Encoding::Hex),
            hash: settings.hash.unwrap_or(Hash::Sha256),
            key: settings.key,
            signed,
            timestamp,
            id,
            event_type,
        };
        provider.checked(settings.body_unsigned).map_err(str::to_owned)
    }

    fn checked(self, body_unsigned: bool) -> Result<Self, &'static str> {
        let signs_body = self.signed.contains(&Part::Body);
        let time_is_signed = self.timestamp.as_ref().is_some_and(|place| self.signs(place));
        if self.signed.contains(&Part::At(self.signature.clone())) {
            return Err("signs the signature itself");
        }
        if self.timestamp.is_some() && !time_is_signed {
            return Err("has a `timestamp` that is not part of what is `signed`: anybody could change it");
        }
        match (signs_body, body_unsigned) {
            (true, true) => Err("signs the {body}, and says body_unsigned"),
            (true, false) if matches!(self.signature, Place::Body(_)) => {
                Err("has a signature inside of the {body} that it signs")
            }
            (false, false) => {
                Err("does not sign the {body}; if the sender really leaves it out, say so: body_unsigned = true")
            }
            (false, true) if !time_is_signed => {
                Err("signs neither the {body} nor a {timestamp}: one signature would do for everything, for ever")
            }
            (false, true) if self.id.is_none() => Err("says not where the `id` is, and the body is not signed"),
            (true, false) | (false, true) => Ok(self),
        }
    }
}

fn parse_template(template: &str, named: impl Fn(&str) -> Result<Place, String>) -> Result<Vec<Part>, String> {
    let unbalanced = || format!("has `signed = {template:?}`, whose braces do not match");
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}').ok_or_else(unbalanced)?;
        if text.contains('}') {
            return Err(unbalanced());
        }
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        parts.push(if name == "body" { Part::Body } else { Part::At(named(name)?) });
        rest = behind;
    }
    if rest.contains('}') {
        return Err(unbalanced());
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    Hex,
    /// With or without padding.
    Base64,
    /// The alphabet that is safe in URLs, with or without padding.
    Base64Url,
}

impl Encoding {
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
        }
    }

    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok(),
            Self::Base64Url => URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok(),
        }
    }
}

/// The hash under the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    pub(super) fn algorithm(self) -> Algorithm {
        match self {
            Self::Sha1 => HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => HMAC_SHA256,
            Self::Sha512 => HMAC_SHA512,
        }
    }

    pub(super) fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}
