//! Canonical JSON: the same value always has the same bytes, so that it can be hashed.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

/// SHA-256 of the type, the version and the data.
pub fn fingerprint(event_type: &str, version: u16, data: &Value) -> [u8; 32] {
    let mut text = format!("{}\n{version}\n", Value::from(event_type));
    write(data, &mut text);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// Without spaces, members sorted by name. Nesting is bounded by the parser that made the value (128 levels).
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (name, item) in members {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(item, out);
                out.push(',');
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> [u8; 32] {
        fingerprint("t", 1, &serde_json::from_str(json).unwrap())
    }

    #[test]
    fn order_and_spaces_do_not_count_but_values_do() {
        assert_eq!(of(r#"{"a": 1, "b": [true, null]}"#), of(r#"{"b":[true,null],"a":1}"#));
        assert_ne!(of(r#"{"a": 1}"#), of(r#"{"a": 2}"#));
        assert_ne!(of(r#"{"a": [1, 2]}"#), of(r#"{"a": [2, 1]}"#));
        assert_ne!(of(r#"{"a": [[1], 2]}"#), of(r#"{"a": [[1, 2]]}"#));
        assert_ne!(of(r#"{"a": "1"}"#), of(r#"{"a": 1}"#));
        assert_ne!(fingerprint("t", 1, &Value::Null), fingerprint("t", 2, &Value::Null));
        assert_ne!(fingerprint("t", 1, &Value::Null), fingerprint("u", 1, &Value::Null));
    }
}
