//! The file: flagd's format, and of it only what has one plain meaning. Everything else is refused, with what to write.
//!
//! ```json
//! {
//!   "$schema": "https://flagd.dev/schema/v0/flags.json",
//!   "flags": {
//!     "ai-assistant": {
//!       "state": "ENABLED",
//!       "variants": { "on": true, "off": false },
//!       "defaultVariant": "off",
//!       "targeting": {
//!         "if": [{ "var": "authenticated" }, { "fractional": [["on", 25], ["off", 75]] }, "off"]
//!       },
//!       "metadata": { "description": "Answers questions about the customer's own data." }
//!     }
//!   }
//! }
//! ```
//!
//! A flag without targeting is on for everybody (`"defaultVariant": "on"`) or for nobody. The order of the two weights is
//! fixed: the other way round, the same percentages would mean other users.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::{FILE, Flag, Share};
use crate::config::{Fault, Faults};

/// What targeting may be.
const SHAPES: &str = r#"write {"fractional": [["on", 25], ["off", 75]]}, or, for users who have signed in, {"if": [{"var": "authenticated"}, {"fractional": [["on", 25], ["off", 75]]}, "off"]}"#;
/// The longest key, in bytes.
const MAX_KEY: usize = 64;
/// The longest description, in bytes.
const MAX_DESCRIPTION: usize = 200;

pub(super) fn parse(text: &str) -> Result<Vec<Flag>, Faults> {
    let mut json = serde_json::Deserializer::from_str(text);
    let file: File = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let at = error.path().to_string();
        let at = if at == "." { String::new() } else { format!("{at}: ") };
        Fault::new(FILE, &format!("cannot be read: {at}{}", error.inner()))
    })?;
    json.end().map_err(|error| Fault::new(FILE, &format!("cannot be read: {error}")))?;
    let mut faults = Faults::default();
    let mut flags: Vec<Flag> = Vec::new();
    for (key, entry) in file.flags.0 {
        if flags.iter().any(|flag| flag.key == key) {
            faults.push(fault(&key, "is there twice").hint("keep one of them"));
        }
        flags.push(entry.read(key, &mut faults));
    }
    faults.into_result(flags)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// For editors.
    #[serde(rename = "$schema", default)]
    _schema: Option<String>,
    flags: Entries,
}

/// In the order of the file, one that comes twice twice: a map would keep the last in silence.
struct Entries(Vec<(String, Entry)>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    state: State,
    variants: Variants,
    default_variant: Variant,
    #[serde(default)]
    targeting: Option<Value>,
    metadata: Metadata,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Enabled,
    Disabled,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variants {
    on: bool,
    off: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Variant {
    On,
    Off,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    description: String,
    #[serde(default)]
    permanent: bool,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of flags by their keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

impl Entry {
    fn read(self, key: String, faults: &mut Faults) -> Flag {
        let is_key = key.starts_with(|first: char| first.is_ascii_lowercase())
            && key.len() <= MAX_KEY
            && key.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
        if !is_key {
            let rule = format!("take lower-case letters, digits and -, a letter first, at most {MAX_KEY}");
            faults.push(fault(&key, "has a key that is none").hint(&rule));
        }
        if (self.variants.on, self.variants.off) != (true, false) {
            faults.push(fault(&key, "has other variants").hint(r#"write {"on": true, "off": false}"#));
        }
        let description = self.metadata.description;
        if description.trim().is_empty()
            || description.len() > MAX_DESCRIPTION
            || description.chars().any(char::is_control)
        {
            let rule = format!("say in one line what it switches, in at most {MAX_DESCRIPTION} bytes");
            faults.push(fault(&key, "has no metadata.description that can be shown").hint(&rule));
        }
        let (share, requires_auth) = match rollout(self.targeting.as_ref(), self.default_variant) {
            Ok(rollout) => rollout,
            Err((problem, hint)) => {
                faults.push(fault(&key, problem).hint(hint));
                (Share::NONE, true)
            }
        };
        let (enabled, permanent) = (self.state == State::Enabled, self.metadata.permanent);
        Flag { key, enabled, share, requires_auth, description, permanent }
    }
}

/// What is wrong, and what to write.
type Problem = (&'static str, &'static str);

/// The share, and whether it is of those who have signed in.
fn rollout(targeting: Option<&Value>, default: Variant) -> Result<(Share, bool), Problem> {
    let Some(targeting) = targeting else {
        return Ok((if default == Variant::On { Share::ALL } else { Share::NONE }, false));
    };
    if default == Variant::On {
        return Err((
            r#"has targeting, and "defaultVariant": "on""#,
            r#"the default is for those whom the targeting leaves out: "off". For everybody, remove the targeting"#,
        ));
    }
    let requires_auth = match only(targeting, "if").map(Vec::as_slice) {
        None => None,
        Some([condition, then, Value::String(otherwise)])
            if otherwise == "off" && only_value(condition, "var").is_some_and(|name| name == "authenticated") =>
        {
            Some(then)
        }
        Some(_) => return Err(("has targeting of another form", SHAPES)),
    };
    let share = share(requires_auth.unwrap_or(targeting))?;
    if requires_auth.is_none() && share == Share::ALL {
        return Err((
            "is at 100 % of the users with an id",
            r#"for everybody, remove the targeting and write "defaultVariant": "on""#,
        ));
    }
    Ok((share, requires_auth.is_some()))
}

fn share(rule: &Value) -> Result<Share, Problem> {
    let weights = only(rule, "fractional").map(Vec::as_slice);
    let Some([on, off]) = weights else { return Err(("has targeting of another form", SHAPES)) };
    let weight = |pair: &Value, variant: &str| match pair.as_array().map(Vec::as_slice) {
        Some([name, weight]) if name == variant => weight.as_u64(),
        _ => None,
    };
    let (Some(on), Some(off)) = (weight(on, "on"), weight(off, "off")) else {
        return Err(("has weights that are none", r#"write ["on", 25], ["off", 75]: on first, whole numbers"#));
    };
    let share = on.checked_add(off).filter(|total| *total <= 10_000).and_then(|total| Share::of(on, total));
    share.ok_or((
        "has weights that do not make a percentage",
        "they add up to 100, or to 10000 for hundredths of a percent",
    ))
}

/// The value of an object with this one member.
fn only_value<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object().filter(|object| object.len() == 1)?.get(name)
}

fn only<'v>(value: &'v Value, name: &str) -> Option<&'v Vec<Value>> {
    only_value(value, name)?.as_array()
}

fn fault(key: &str, problem: &str) -> Fault {
    Fault::new(FILE, &format!("flags.{} {problem}", key.escape_debug()))
}
