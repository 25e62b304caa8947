//! A message of the outbound queue, as the invocation brings it.
//!
//! Which attempt it is follows from how often the queue has handed it out. A message that was only put back, because it was
//! not its destination's turn, is a new one to the queue, and carries how often it was tried before.

use aws_lambda_events::sqs::SqsMessage;
use serde::Deserialize;
use shared::outbox::{self, Outbound};

/// What a message says besides the effect.
#[derive(Default, Deserialize)]
struct Earlier {
    /// Attempts before it was put back.
    #[serde(default)]
    attempts: u16,
}

pub(crate) struct Message {
    pub receipt: String,
    pub outbound: Outbound,
    /// This attempt's number, if it is made; the first is 1.
    pub attempt: u16,
}

/// The queue's id of a message. Lambda takes an empty one (there is none in practice) as the failure of the whole batch:
/// nothing is lost.
pub(crate) fn id(message: &SqsMessage) -> String {
    message.message_id.clone().unwrap_or_default()
}

impl Message {
    /// What is wrong with it otherwise, in words.
    pub fn read(message: &SqsMessage) -> Result<Self, String> {
        let body = message.body.as_deref().ok_or("it has no body")?;
        let receipt = message.receipt_handle.clone().ok_or("it has no receipt handle")?;
        let outbound = outbox::decode(body).map_err(|error| unquoted(&error))?;
        let earlier: Earlier = serde_json::from_str(body).map_err(|error| unquoted(&error))?;
        let received = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
        let attempt = earlier.attempts.saturating_add(received.unwrap_or(1)).max(1);
        Ok(Self { receipt, outbound, attempt })
    }

    /// Its text, to be put back as if this time had not been.
    pub fn text(&self) -> serde_json::Result<String> {
        let mut message = serde_json::to_value(&self.outbound)?;
        message["attempts"] = (self.attempt - 1).into();
        Ok(message.to_string())
    }
}

/// In words that quote nothing of the message: they go into the log.
fn unquoted(error: &serde_json::Error) -> String {
    match error.line() {
        // Our own: of another version.
        0 => error.to_string(),
        line => format!("a {:?} error in line {line}, column {}", error.classify(), error.column()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(body: &Value, received: &str) -> SqsMessage {
        serde_json::from_value(json!({
            "messageId": "m", "receiptHandle": "r", "body": body.to_string(),
            "attributes": {"ApproximateReceiveCount": received},
        }))
        .unwrap()
    }

    fn outbound() -> Value {
        json!({
            "version": 1, "id": "0190a5c4-0000-7000-8000-000000000001", "tracked": true, "idempotency_key": "k",
            "correlation_id": "c", "effect": {"kind": "http", "method": "GET", "url": "https://x/", "timeout_ms": 1},
        })
    }

    #[test]
    fn what_was_put_back_keeps_its_count() {
        let third = Message::read(&message(&outbound(), "3")).unwrap();
        assert_eq!(third.attempt, 3);
        let text: Value = serde_json::from_str(&third.text().unwrap()).unwrap();
        let again = Message::read(&message(&text, "1")).unwrap();
        assert_eq!((again.attempt, &again.outbound), (3, &third.outbound));
        assert_eq!(Message::read(&message(&text, "2")).unwrap().attempt, 4);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let newer = json!({"version": 2});
        for body in [json!({}), json!("x"), newer] {
            assert!(Message::read(&message(&body, "1")).is_err(), "{body}");
        }
        let mut other = outbound();
        other["version"] = 2.into();
        let Err(error) = Message::read(&message(&other, "1")) else { panic!() };
        assert_eq!(error, "the message has version 2, this is 1");
        other["id"] = "private".into();
        let Err(error) = Message::read(&message(&other, "1")) else { panic!() };
        assert!(error.starts_with("a Data error in line 1, column ") && !error.contains("private"), "{error}");
    }
}
