//! Values near a schema: most members fit it, some are just outside, a few are anything at all.
//!
//! What `schemars` writes for structs, lists, options, enums and our own scalars is followed (definitions must not refer to
//! themselves); all else is taken for anything.

use proptest::{collection::vec, prelude::*, strategy::Union, string::string_regex};
use serde_json::{Map, Number, Value, json};

use super::Schema;

impl Schema {
    /// Values that fit the schema or nearly do.
    pub fn neighbours(&self) -> BoxedStrategy<Value> {
        prop_oneof![19 => near(&self.json, &self.json), 1 => anything()].boxed()
    }
}

fn near(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    if let Some(definition) = schema["$ref"].as_str().and_then(|place| root.pointer(place.strip_prefix('#')?)) {
        return near(definition, root);
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        return Union::new(choices.iter().map(|choice| near(choice, root))).boxed();
    }
    let values = schema["enum"].as_array().cloned().or(schema.get("const").map(|value| vec![value.clone()]));
    if let Some(values) = values {
        let named = |value: Value| value.as_str().map_or(Value::Null, |name| json!({name: null}));
        let fitting = proptest::sample::select(values);
        return prop_oneof![30 => fitting.clone(), 1 => fitting.prop_map(named)].boxed();
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return anything(),
    };
    Union::new(kinds.into_iter().map(|kind| near_kind(kind, schema, root))).boxed()
}

fn near_kind(kind: &str, schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    match kind {
        "object" if schema["properties"].is_object() => object(schema, root),
        "object" => {
            let members = vec(("[a-z\u{0}/~]{0,3}", anything()), 0..3);
            members.prop_map(|members| members.into_iter().collect()).boxed()
        }
        "array" => vec(near_member(&schema["items"], root), 0..3).prop_map(Value::from).boxed(),
        "string" => text(schema),
        "integer" => integer(schema),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "null" => Just(Value::Null).boxed(),
        _ => anything(),
    }
}

fn near_member(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    prop_oneof![30 => near(schema, root), 1 => anything()].boxed()
}

/// Each member is there, or now and then is not; an unknown one joins them sometimes.
fn object(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let mut object = Just(Map::new()).boxed();
    for (name, schema) in properties {
        let there = prop_oneof![30 => Just(true), 1 => Just(false)];
        let join = |(mut object, there, name, value): (Map<_, _>, bool, String, Value)| {
            if there {
                object.insert(name, value);
            }
            object
        };
        object = (object, there, Just(name), near_member(&schema, root)).prop_map(join).boxed();
    }
    let unknown = proptest::option::weighted(0.1, ("[a-z]{1,8}", anything()));
    let join = |(mut object, unknown): (Map<_, _>, Option<(String, Value)>)| {
        if let Some((name, value)) = unknown {
            object.entry(name).or_insert(value);
        }
        Value::Object(object)
    };
    (object, unknown).prop_map(join).boxed()
}

/// What the pattern gives, or that with one character changed, added or taken away.
fn text(schema: &Value) -> BoxedStrategy<Value> {
    let Some(pattern) = schema["pattern"].as_str() else { return ".{0,20}".prop_map(Value::from).boxed() };
    let fitting = string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap().boxed();
    let edited = (fitting.clone(), any::<prop::sample::Index>(), 0..3, "[0-9A-Za-z:.+{}\\- é\n\u{0}]");
    let edited = edited.prop_map(|(text, at, edit, new)| {
        let mut letters: Vec<char> = text.chars().collect();
        let at = at.index(letters.len() + 1);
        match edit {
            0 => letters.splice(at..at, new.chars()).for_each(drop),
            _ if at == letters.len() => {}
            1 => letters.splice(at..=at, new.chars()).for_each(drop),
            _ => letters.truncate(at),
        }
        letters.into_iter().collect::<String>()
    });
    prop_oneof![15 => fitting, 1 => edited].prop_map(Value::from).boxed()
}

/// Within the bounds, at them, just beyond, and in the forms of floating point.
fn integer(schema: &Value) -> BoxedStrategy<Value> {
    let bound = |name: &str, without| schema[name].as_i64().unwrap_or(without);
    let (low, high) = (bound("minimum", i64::MIN), bound("maximum", i64::MAX));
    let edges = [low, low.saturating_sub(1), high, high.saturating_add(1), 0, -1].map(Value::from);
    #[allow(clippy::cast_precision_loss, reason = "near is near enough")]
    let floats = [high as f64, high as f64 + 1.0, low as f64, 4_200.0, 4_200.5, 0.1, -0.0, 1e15, 1e19, 1e300];
    let floats = floats.map(|float| Number::from_f64(float).map_or(Value::Null, Value::Number));
    let (edges, floats) = (proptest::sample::select(edges.to_vec()), proptest::sample::select(floats.to_vec()));
    prop_oneof![20 => (low..=high).prop_map(Value::from), 1 => edges, 1 => floats].boxed()
}

fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| json!(float)),
        ".{0,8}".prop_map(Value::from),
    ];
    let nested = |inner: BoxedStrategy<Value>| {
        let object = vec((".{0,3}", inner.clone()), 0..3).prop_map(|members| members.into_iter().collect());
        prop_oneof![vec(inner, 0..6).prop_map(Value::from), object]
    };
    leaf.prop_recursive(2, 8, 3, nested).boxed()
}
