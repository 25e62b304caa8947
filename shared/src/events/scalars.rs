//! The values that first-party forms are made of. Each reads exactly what its JSON Schema allows, so that a client that
//! follows the published schema is never refused, and one that does not always is.
//!
//! Deliberately absent: a schema that leans on `format` alone. Validators may ignore it, so each has a `pattern` too; what
//! only `format` knows is the calendar (a 30th of February).

mod moment;
mod money;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use moment::Moment;
pub use money::{Cents, Currency, Money};

/// A UUID in its hyphenated form (RFC 9562, section 4), in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(pub Uuid);

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // The parser also takes forms without hyphens, in braces and as a URN; those have other lengths.
        match text.parse() {
            Ok(id) if text.len() == 36 => Ok(Self(id)),
            _ => Err("must be a UUID such as 0192f0c1-2345-7abc-8def-0123456789ab"),
        }
    }
}

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "format": "uuid",
            "pattern": "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hyphenated_uuids() {
        let read = |text: &str| Id::try_from(text.to_owned()).is_ok();
        assert!(read("0192f0c1-2345-7abc-8def-0123456789ab") && read("0192F0C1-2345-7ABC-8DEF-0123456789AB"));
        for text in [
            "0192f0c123457abc8def0123456789ab",
            "{0192f0c1-2345-7abc-8def-0123456789ab}",
            "urn:uuid:0192f0c1-2345-7abc-8def-0123456789ab",
            "0192f0c1-2345-7abc-8def-0123456789ag",
            "",
        ] {
            assert!(!read(text), "{text}");
        }
    }
}
