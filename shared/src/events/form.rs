//! Reading a first-party form: through its derived `Deserialize`, with every wrong field named.
//!
//! `Deserialize` stops at the first fault. So a wrong field is exchanged for the sample's and the rest is read again, until
//! all of it fits. That happens to refused data only, and is bounded.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{FieldError, Form, InvalidPayload, fields::pointer};

/// How many faults are named at most. A body has up to 1 MiB, and each fault costs another reading.
const MOST: usize = 32;
/// A message quotes what it complains about, which may be long.
const LONGEST_DETAIL: usize = 200;

pub(super) fn read<F: Form>(data: &Value) -> Result<F, InvalidPayload> {
    let first = match attempt::<F>(data) {
        Ok(form) => return Ok(form),
        Err(fault) => fault,
    };
    let Ok(sample) = serde_json::to_value(F::sample(Uuid::nil(), jiff::Timestamp::UNIX_EPOCH)) else {
        return Err(InvalidPayload::of(first));
    };
    let mut mended = data.clone();
    let mut errors: Vec<FieldError> = Vec::new();
    while errors.len() < MOST {
        let fault = other_shape(&mended, &sample, String::new()).or_else(|| attempt::<F>(&mended).err());
        let Some(fault) = fault.filter(|fault| errors.iter().all(|known| known.field != fault.field)) else { break };
        let more = mend(&mut mended, &sample, &fault.field);
        errors.push(fault);
        if !more {
            break;
        }
    }
    Err(InvalidPayload { errors })
}

fn attempt<F: Form>(data: &Value) -> Result<F, FieldError> {
    let form: F = serde_path_to_error::deserialize(data).map_err(|error| {
        let at = pointer(error.path());
        let detail = error.into_inner().to_string();
        // An absent field has no place of its own; its message names it.
        let absent = detail.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        match absent {
            Some(name) => FieldError { field: format!("{at}/{}", escape(name)), detail: "is missing".to_owned() },
            None => FieldError { field: at, detail: detail.chars().take(LONGEST_DETAIL).collect() },
        }
    })?;
    // `Deserialize` takes an array for a struct and `{"name": null}` for an enum's name; JSON Schema does not.
    let again = serde_json::to_value(&form).map_err(|error| FieldError::new("", &error.to_string()))?;
    other_shape(data, &again, String::new()).map_or(Ok(form), Err)
}

/// Where `data` has another shape than `right`, as far as `Deserialize` does not mind. The one item of a sample's array
/// stands for all.
fn other_shape(data: &Value, right: &Value, at: String) -> Option<FieldError> {
    match (data, right) {
        (Value::Array(_), Value::Object(_)) => Some(FieldError { field: at, detail: "must be an object".to_owned() }),
        (Value::Object(_), Value::String(_)) => Some(FieldError { field: at, detail: "must be text".to_owned() }),
        (Value::Object(data), Value::Object(right)) => right.iter().find_map(|(name, right)| {
            let at = format!("{at}/{}", escape(name));
            other_shape(data.get(name)?, right, at)
        }),
        (Value::Array(data), Value::Array(right)) => data.iter().enumerate().find_map(|(index, data)| {
            let right = right.get(index).or(right.first())?;
            other_shape(data, right, format!("{at}/{index}"))
        }),
        _ => None,
    }
}

/// Puts the sample's value where the fault is. False when there is none, or no place for it.
fn mend(data: &mut Value, sample: &Value, fault: &str) -> bool {
    let mut sample = Some(sample);
    let Some((parents, last)) = fault.rsplit_once('/') else { return false };
    let mut place = Some(data);
    for token in parents.split('/').skip(1) {
        let token = unescape(token);
        sample = sample.and_then(|sample| member(sample, &token));
        place = place.and_then(|place| member_mut(place, &token));
    }
    let last = unescape(last);
    let Some(good) = sample.and_then(|sample| member(sample, &last)) else { return false };
    match place {
        Some(Value::Object(object)) => {
            object.insert(last, good.clone());
            true
        }
        Some(Value::Array(items)) => match last.parse().ok().and_then(|index: usize| items.get_mut(index)) {
            Some(item) => {
                *item = good.clone();
                true
            }
            None => false,
        },
        _ => false,
    }
}

/// A member by name, or an item. A list of the sample's has one item that stands for all.
fn member<'v>(value: &'v Value, token: &str) -> Option<&'v Value> {
    match value {
        Value::Array(items) => items.first(),
        other => other.as_object().and_then(|object: &Map<_, _>| object.get(token)),
    }
}

fn member_mut<'v>(value: &'v mut Value, token: &str) -> Option<&'v mut Value> {
    match value {
        Value::Array(items) => items.get_mut(token.parse::<usize>().ok()?),
        Value::Object(object) => object.get_mut(token),
        _ => None,
    }
}

/// RFC 6901, section 3.
pub(super) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests;
