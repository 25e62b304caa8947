//! A canonical form of JSON: the same value always has the same bytes, and no two values share theirs, so that it can
//! be hashed. Nobody else reads it.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

/// SHA-256 of the type, the version and the data.
pub fn fingerprint(event_type: &str, version: u16, data: &Value) -> [u8; 32] {
    let mut text = Vec::with_capacity(4_096);
    write_text(event_type, &mut text);
    text.extend_from_slice(&version.to_be_bytes());
    write(data, &mut text);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &text).as_ref());
    hash
}

/// Without spaces, members sorted by name. Nesting is bounded by the parser that made the value (128 levels).
fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                write(item, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (name, item) in members {
                write_text(name, out);
                out.push(b':');
                write(item, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        Value::String(text) => write_text(text, out),
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Bool(true) => out.push(b't'),
        Value::Bool(false) => out.push(b'f'),
        Value::Null => out.push(b'n'),
    }
}

/// With its length before it, so that no text can look like something else.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(&text.len().to_be_bytes());
    out.extend_from_slice(text.as_bytes());
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
