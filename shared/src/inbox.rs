//! The inbox: the queue that the worker drains. Verified events that could not, or should not, be handled at the door;
//! courier's reports; and a wake-up when something should not wait for the next tick.
//!
//! A message that is too large for the queue goes into the bucket, under `spool/`, and the queue carries a pointer to it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    clock,
    events::Envelope,
    objects::{ObjectError, ObjectStore},
    outbox::Report,
    providers,
    queue::{Depth, LARGEST_MESSAGE, Queue, QueueError},
    telemetry::TraceParent,
};

/// The version of everything in this file. An older worker leaves a newer message on the queue.
pub const VERSION: u16 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    Event(QueuedEvent),
    Report(Report),
    /// Something waits in the database that should not wait for the next tick.
    Wake,
    /// The message itself is in the bucket.
    Spooled {
        key: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Versioned<M> {
    version: u16,
    #[serde(flatten)]
    message: M,
}

/// An event that was verified at the door.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueuedEvent {
    pub source: String,
    pub key: String,
    pub event_type: String,
    pub schema_version: u16,
    pub occurred_at: Option<Timestamp>,
    pub correlation_id: String,
    /// See [`Envelope::signs_id`].
    pub signs_id: bool,
    /// See [`Envelope::trace_parent`]. Older messages have none.
    #[serde(default, deserialize_with = "TraceParent::lenient", skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<TraceParent>,
    /// The whole body, as a text: JSON inside of flattened JSON would lose its large numbers.
    pub payload: String,
}

#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("the message is not understood: {0}")]
    Malformed(String),
}

/// The way into the queue, and out of the bucket.
pub struct Inbox {
    queue: Arc<dyn Queue>,
    spool: Arc<dyn ObjectStore>,
    woken_at: Mutex<Option<Instant>>,
}

/// How long a wake-up is on its way, at least, and how much of that a later one is spared.
const WAKE_AFTER: Duration = Duration::from_secs(1);
const WAKE_COVERS: Duration = Duration::from_millis(800);

impl Inbox {
    pub fn new(queue: Arc<dyn Queue>, spool: Arc<dyn ObjectStore>) -> Self {
        Self { queue, spool, woken_at: Mutex::default() }
    }

    /// Durable on return.
    pub async fn put(&self, message: &Message) -> Result<(), InboxError> {
        let text = encode(message)?;
        if text.len() <= LARGEST_MESSAGE {
            return Ok(self.queue.send(text).await?);
        }
        let key = format!("spool/{}", clock::new_id());
        self.spool.put(&key, text.into_bytes()).await?;
        Ok(self.queue.send(encode(&Message::Spooled { key })?).await?)
    }

    /// The message in the text of a queue's message. What is in the bucket stays there until the bucket's own rule removes
    /// it: a message can come again as long as the queue keeps it.
    pub async fn open(&self, text: &str) -> Result<Message, InboxError> {
        match decode(text)? {
            Message::Spooled { key } if key.starts_with("spool/") => {
                let content = self.spool.get(&key).await?;
                let text = String::from_utf8(content).map_err(|error| InboxError::Malformed(error.to_string()))?;
                match decode(&text)? {
                    Message::Spooled { .. } => Err(InboxError::Malformed("a spooled message points on".into())),
                    message => Ok(message),
                }
            }
            Message::Spooled { key } => Err(InboxError::Malformed(format!("{key} is not in the spool"))),
            message => Ok(message),
        }
    }

    /// How much waits in it: events, courier's reports, wake-ups.
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }

    /// Has the worker look in a second. Best effort: its next tick would find the same.
    ///
    /// The second is there so that one message serves everything that this environment leaves within it: what is in the
    /// database before the worker looks is found.
    pub async fn wake(&self) {
        {
            let mut woken_at = self.woken_at.lock().unwrap_or_else(PoisonError::into_inner);
            if woken_at.is_some_and(|at| at.elapsed() < WAKE_COVERS) {
                return;
            }
            *woken_at = Some(Instant::now());
        }
        let sent = async { Ok::<_, InboxError>(self.queue.send_after(WAKE_AFTER, encode(&Message::Wake)?).await?) };
        if let Err(error) = sent.await {
            tracing::warn!(%error, "the worker was not woken; its next tick does the work");
        }
    }
}

pub fn encode(message: &Message) -> Result<String, InboxError> {
    let versioned = Versioned { version: VERSION, message };
    serde_json::to_string(&versioned).map_err(|error| InboxError::Malformed(error.to_string()))
}

pub fn decode(text: &str) -> Result<Message, InboxError> {
    let malformed = |error: serde_json::Error| InboxError::Malformed(error.to_string());
    let versioned: Versioned<Message> = serde_json::from_str(text).map_err(malformed)?;
    if versioned.version != VERSION {
        return Err(InboxError::Malformed(format!("it has version {}, this is {VERSION}", versioned.version)));
    }
    Ok(versioned.message)
}

impl From<&Envelope> for QueuedEvent {
    fn from(event: &Envelope) -> Self {
        Self {
            source: event.source.clone(),
            key: event.key.clone(),
            event_type: event.event_type.clone(),
            schema_version: event.version,
            occurred_at: event.occurred_at,
            correlation_id: event.correlation_id.clone(),
            signs_id: event.signs_id,
            trace_parent: event.trace_parent,
            payload: event.payload.get().to_owned(),
        }
    }
}

impl QueuedEvent {
    /// The envelope that it was made of.
    pub fn envelope(&self) -> Result<Envelope, InboxError> {
        let event = restore(&self.source, &self.key, &self.event_type, self.schema_version, &self.payload)?;
        let event = event.at(self.occurred_at).correlated(&self.correlation_id).traced(self.trace_parent);
        Ok(if self.signs_id { event } else { event.with_unsigned_id() })
    }
}

/// An envelope from what is stored of it.
pub fn restore(source: &str, key: &str, event_type: &str, version: u16, payload: &str) -> Result<Envelope, InboxError> {
    let malformed = |error: &dyn std::fmt::Display| InboxError::Malformed(error.to_string());
    let body: serde_json::Value = serde_json::from_str(payload).map_err(|error| malformed(&error))?;
    let data = providers::data_of(source, &body).clone();
    Envelope::new(source, key, event_type, version, data, payload.as_bytes()).map_err(|error| malformed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"version": 1, "kind": "event", "source": "stripe", "key": "evt_1", "event_type": "invoice.paid",
        "schema_version": 1, "occurred_at": null, "correlation_id": "c", "signs_id": true, "payload": "{}"}"#;
    const PLACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace_parent(text: &str) -> Option<String> {
        let Message::Event(event) = decode(text).unwrap() else { panic!("{text}") };
        let encoded = encode(&Message::Event(event.clone())).unwrap();
        assert_eq!(
            encoded.contains("trace_parent"),
            event.trace_parent.is_some(),
            "older workers read the rest: {encoded}"
        );
        assert_eq!(event.envelope().unwrap().trace_parent, event.trace_parent);
        event.trace_parent.map(|place| place.to_string())
    }

    #[test]
    fn messages_without_a_place_in_a_trace_are_read_and_written_as_before() {
        assert_eq!(trace_parent(EVENT), None);
    }

    #[test]
    fn a_place_goes_along_and_what_is_none_loses_no_event() {
        let with = |value: &str| EVENT.replacen('{', &format!("{{\"trace_parent\": {value}, "), 1);
        assert_eq!(trace_parent(&with(&format!("\"{PLACE}\""))).as_deref(), Some(PLACE));
        for wrong in ["null", "7", "\"\"", "\"00-0-0-01\"", "{\"a\": [1]}"] {
            assert_eq!(trace_parent(&with(wrong)), None, "{wrong}");
        }
    }
}
