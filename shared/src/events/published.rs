//! What is published of the first-party types: a JSON Schema for each version, and a table of them all.
//!
//! The files are in `docs/events`; `make schemas` renews them, and a test fails when they are not current.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Contract;

/// The example in a schema must not change from one run to the next: its id, and its time (2026-11-22T10:00:00Z).
const EXAMPLE_ID: Uuid = Uuid::from_u128(0x0192_f0c1_2345_7abc_8def_0123_4567_89ab);
const EXAMPLE_TIME: Timestamp = Timestamp::constant(1_795_341_600, 0);

/// A type that clients of `POST /events` may send. Made of the handlers' registrations: see [`crate::handlers::Handlers`].
#[derive(Clone, Debug)]
pub struct EventType {
    /// As clients spell it: `invoice.paid`.
    pub name: &'static str,
    /// The versions that are taken, oldest first; handlers get the newest.
    pub versions: Vec<Contract>,
}

impl EventType {
    pub fn newest(&self) -> Option<&Contract> {
        self.versions.last()
    }

    /// The name and the contents of the file of one version.
    pub fn document(&self, version: &Contract) -> serde_json::Result<(String, String)> {
        let mut schema = version.schema();
        schema["title"] = Value::from(format!("{}, version {}", self.name, version.number));
        schema["examples"] = json!([version.sample(EXAMPLE_ID, EXAMPLE_TIME)?]);
        if version.deprecation.is_some() {
            schema["deprecated"] = Value::from(true);
        }
        let text = serde_json::to_string_pretty(&schema)? + "\n";
        Ok((file_name(self.name, version.number), text))
    }
}

/// All of it as a table in Markdown, for the index.
pub fn index(types: &[EventType]) -> String {
    let rows = types.iter().flat_map(|event_type| event_type.versions.iter().map(|version| row(event_type, version)));
    let head = "| type | version | | schema |\n|---|---|---|---|\n".to_owned();
    std::iter::once(head).chain(rows).collect()
}

fn row(event_type: &EventType, version: &Contract) -> String {
    let newest = event_type.newest().map(|newest| newest.number);
    let state = match version.deprecation {
        Some(deprecation) => format!("deprecated since {}, until {}", deprecation.since, deprecation.until),
        None if newest == Some(version.number) => "newest".to_owned(),
        None => "taken".to_owned(),
    };
    let file = file_name(event_type.name, version.number);
    format!("| `{}` | {} | {state} | [{file}]({file}) |\n", event_type.name, version.number)
}

fn file_name(event_type: &str, version: u16) -> String {
    format!("{event_type}.v{version}.json")
}
