//! The messages between the relay and courier.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Effect;
use crate::telemetry::TraceParent;

/// The version of everything in this file. An older courier leaves a newer message on the queue.
pub const VERSION: u16 = 1;

/// An effect on its way to courier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    pub version: u16,
    /// The outbox's row; something of its own when there is none.
    pub id: Uuid,
    /// Whether there is a row, so that courier reports what became of it.
    pub tracked: bool,
    pub idempotency_key: String,
    pub correlation_id: String,
    /// Where in its trace the effect is. Older messages have none.
    #[serde(default, deserialize_with = "TraceParent::lenient", skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<TraceParent>,
    pub effect: Effect,
}

/// What courier says of an effect, through the inbox. It may come twice, late, and out of order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub id: Uuid,
    /// How often courier has tried it since it was last put on the queue; the first is 1.
    pub attempt: u16,
    #[serde(flatten)]
    pub result: Result,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Result {
    /// The other side took it.
    Delivered {
        /// Of its answer, when it was HTTP; the body is the start of it, 2,000 bytes at most.
        status: Option<u16>,
        body: Option<String>,
    },
    /// Courier tries again, at about that time.
    Failed { error: String, status: Option<u16>, retry_at: Timestamp },
    /// It will not be tried again.
    Dead { error: String, status: Option<u16> },
}

pub fn encode(message: &Outbound) -> serde_json::Result<String> {
    serde_json::to_string(message)
}

/// Refuses other versions.
pub fn decode(text: &str) -> serde_json::Result<Outbound> {
    use serde::de::Error as _;
    let message: Outbound = serde_json::from_str(text)?;
    if message.version == VERSION {
        return Ok(message);
    }
    Err(serde_json::Error::custom(format!("the message has version {}, this is {VERSION}", message.version)))
}
