//! A published JSON Schema as somebody else's validator understands it, and values in its neighbourhood.

use std::collections::BTreeSet;

use jsonschema::{Draft, Validator, error::ValidationErrorKind};
use serde_json::Value;

mod neighbours;

/// A JSON Schema, read by the `jsonschema` crate. `format` is asserted: the calendar is nowhere else.
pub struct Schema {
    json: Value,
    validator: Validator,
}

impl Schema {
    /// Of a file's text. It must fit the metaschema of JSON Schema 2020-12.
    pub fn parse(text: &str) -> Self {
        let json: Value = serde_json::from_str(text).unwrap();
        jsonschema::draft202012::meta::validate(&json).unwrap();
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let validator = options.build(&json).unwrap();
        Self { json, validator }
    }

    pub fn json(&self) -> &Value {
        &self.json
    }

    /// JSON pointers to everything in `data` that does not fit; a missing member's is where it should be.
    pub fn faults(&self, data: &Value) -> BTreeSet<String> {
        let pointers = self.validator.iter_errors(data).map(|error| match error.kind() {
            ValidationErrorKind::Required { property } => {
                format!("{}/{}", error.instance_path(), property.as_str().unwrap())
            }
            _ => error.instance_path().to_string(),
        });
        pointers.collect()
    }
}
