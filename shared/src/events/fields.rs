//! Reading a JSON object field by field, so that everything wrong with it is found in one go.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use super::form::escape;

/// One field that does not fit: a JSON pointer (RFC 6901) into the body, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    #[serde(rename = "pointer")]
    pub field: String,
    pub detail: String,
}

impl FieldError {
    pub fn new(field: &str, detail: &str) -> Self {
        let field = if field.is_empty() { String::new() } else { format!("/{field}") };
        Self { field, detail: detail.to_owned() }
    }
}

/// Data that is not what its type and version promise. At least one error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPayload {
    pub errors: Vec<FieldError>,
}

impl InvalidPayload {
    pub fn of(error: FieldError) -> Self {
        Self { errors: vec![error] }
    }

    /// Where the errors are, without what they quote: for logs, alerts and trackers. A segment that is no name of a field is a key of a
    /// map, and so somebody's data; at most 1,000 characters.
    pub fn fields(&self) -> String {
        let places = self.errors.iter().map(|error| {
            let segments = error.field.split('/').map(|segment| if is_name(segment) { segment } else { "<key>" });
            segments.collect::<Vec<_>>().join("/")
        });
        places.collect::<Vec<_>>().join(" ").chars().take(LONGEST_PLACES).collect()
    }
}

const LONGEST_PLACES: usize = 1_000;
const LONGEST_NAME: usize = 40;

/// As fields are called, or an index; empty before the first one. A key that looks like one passes.
fn is_name(segment: &str) -> bool {
    segment.len() <= LONGEST_NAME && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte))
}

impl fmt::Display for InvalidPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let colon = if error.field.is_empty() { "" } else { ": " };
            write!(f, "{separator}{}{colon}{}", error.field, error.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidPayload {}

/// The JSON pointer to where `serde` found a fault.
pub(super) fn pointer(path: &Path) -> String {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// A JSON object being read.
pub struct Fields<'v> {
    object: &'v Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<'v> Fields<'v> {
    pub fn of(value: &'v Value) -> Result<Self, InvalidPayload> {
        let object =
            value.as_object().ok_or_else(|| InvalidPayload::of(FieldError::new("", "is not a JSON object")))?;
        Ok(Self { object, errors: Vec::new() })
    }

    /// `None` when it is missing, null or wrong; that is noted.
    pub fn required<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.optional(name)?;
        if value.is_none() {
            self.errors.push(FieldError::new(name, "is missing"));
        }
        value
    }

    /// `Some(None)` when it is missing or null, `None` when it is wrong; that is noted.
    #[allow(clippy::option_option)]
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Option<Option<T>> {
        match self.object.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => match serde_path_to_error::deserialize(value) {
                Ok(value) => Some(Some(value)),
                Err(error) => {
                    let field = format!("/{name}{}", pointer(error.path()));
                    self.errors.push(FieldError { field, detail: error.into_inner().to_string() });
                    None
                }
            },
        }
    }

    /// Notes what only a look at the value itself can tell.
    pub fn reject(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError::new(name, detail));
    }

    /// The value that `build` makes of the fields, or all that was noted.
    pub fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, InvalidPayload> {
        if !self.errors.is_empty() {
            return Err(InvalidPayload { errors: self.errors });
        }
        build().ok_or_else(|| InvalidPayload::of(FieldError::new("", "is incomplete")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_and_keys_of_maps_are_not() {
        let of = |fields: &[&str]| {
            let errors = fields.iter().map(|field| FieldError::new(field, "is \"Ada\"")).collect();
            InvalidPayload { errors }.fields()
        };
        assert_eq!(of(&["lines/0/amount_paid", ""]), "/lines/0/amount_paid ");
        assert_eq!(of(&["seats/ada@example.com/x", "seats/Ada Lovelace"]), "/seats/<key>/x /seats/<key>");
        assert_eq!(of(&[&"k".repeat(1_000_000)]), "/<key>");
        assert_eq!(of(&["a_place"; 1_000]).chars().count(), 1_000);
    }
}
