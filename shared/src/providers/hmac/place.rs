//! Where something stands in a delivery: in a header, in an element of one, or in the body.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::providers::parts::LONGEST_HEADER;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `X-Acme-Id`, or with an element, `X-Acme-Signature[v1]` for `t=..,v1=..`: separated by commas or semicolons.
    Header { name: HeaderName, element: Option<String> },
    /// A JSON pointer (RFC 6901): `/signature/token`.
    Body(String),
}

impl Place {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Self::Body(text.to_owned()));
        }
        let (name, element) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
            Some((_, "")) => return Err(format!("{text:?} names no element")),
            Some((name, element)) => (name, Some(element.to_owned())),
            None => (text, None),
        };
        let name = name.parse();
        let problem = || format!("{text:?} is neither a header's name nor a JSON pointer (which begins with /)");
        name.map(|name| Self::Header { name, element }).map_err(|_| problem())
    }

    /// What is there; of several, the first. A number in the body counts as its text.
    pub(super) fn read<'a>(&self, headers: &'a HeaderMap, body: &'a Value) -> Option<Cow<'a, str>> {
        self.read_all(headers, body).into_iter().next()
    }

    pub(super) fn read_all<'a>(&self, headers: &'a HeaderMap, body: &'a Value) -> Vec<Cow<'a, str>> {
        match self {
            Self::Body(pointer) => match body.pointer(pointer) {
                Some(Value::String(text)) => vec![Cow::Borrowed(text.as_str())],
                Some(Value::Number(number)) => vec![Cow::Owned(number.to_string())],
                _ => Vec::new(),
            },
            Self::Header { name, element } => {
                let text =
                    headers.get(name).filter(|value| value.len() <= LONGEST_HEADER).and_then(|v| v.to_str().ok());
                match element {
                    None => text.map(Cow::Borrowed).into_iter().collect(),
                    Some(element) => elements(text.unwrap_or_default(), element).map(Cow::Borrowed).collect(),
                }
            }
        }
    }
}

fn elements<'t>(text: &'t str, wanted: &str) -> impl Iterator<Item = &'t str> {
    let parts = text.split([',', ';']).filter_map(|part| part.trim().split_once('='));
    parts.filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, element: None } => write!(f, "the header {name}"),
            Self::Header { name, element: Some(element) } => write!(f, "{element}= in the header {name}"),
            Self::Body(pointer) => write!(f, "{pointer} in the body"),
        }
    }
}

/// A delivery that is being made up.
pub(super) struct Simulation {
    headers: Vec<(HeaderName, Option<String>, String)>,
    pub(super) body: Vec<u8>,
}

impl Simulation {
    pub(super) fn of(body: Vec<u8>) -> Self {
        Self { headers: Vec::new(), body }
    }

    pub(super) fn put(&mut self, place: &Place, value: &str) {
        match place {
            Place::Header { name, element } => {
                self.headers.retain(|(known, part, _)| (known, part) != (name, element));
                self.headers.push((name.clone(), element.clone(), value.to_owned()));
            }
            Place::Body(pointer) => {
                // Not JSON: there is no place in it, and the receiver will say so.
                if let Ok(mut body) = serde_json::from_slice(&self.body) {
                    set(&mut body, pointer, value);
                    self.body = body.to_string().into_bytes();
                }
            }
        }
    }

    /// What stands in the body is as it is sent.
    pub(super) fn put_in_header(&mut self, place: &Place, value: &str) {
        if matches!(place, Place::Header { .. }) {
            self.put(place, value);
        }
    }

    pub(super) fn put_if_missing(&mut self, place: &Place, value: &str) {
        let body = serde_json::from_slice(&self.body).unwrap_or_default();
        if place.read(&self.headers(), &body).is_none() {
            self.put(place, value);
        }
    }

    pub(super) fn headers(&self) -> HeaderMap {
        self.all_headers().into_iter().collect()
    }

    /// The elements of one header are put together.
    pub(super) fn all_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut all: Vec<(HeaderName, String)> = Vec::new();
        for (name, element, value) in &self.headers {
            let value = element.as_ref().map_or_else(|| value.clone(), |element| format!("{element}={value}"));
            match all.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = format!("{known},{value}"),
                None => all.push((name.clone(), value)),
            }
        }
        all.into_iter().filter_map(|(name, value)| Some((name, value.try_into().ok()?))).collect()
    }
}

/// Makes the objects on the way there.
fn set(body: &mut Value, pointer: &str, value: &str) {
    let mut at = body;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[token];
    }
    *at = json!(value);
}
