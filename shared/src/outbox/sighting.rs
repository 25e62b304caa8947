//! An error on its way to the error tracker.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An error, told to the error tracker (see [`crate::errors`]). No payload and no secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The name of the secret with the tracker's DSN.
    pub secret: String,
    pub fingerprint: String,
    /// Its kind (`panic`), which the tag of [`Effect`](super::Effect) has taken the word for.
    pub error: String,
    /// A handler, a job.
    pub culprit: String,
    /// Without what differs from time to time.
    pub title: String,
    /// The words of the latest time.
    pub message: String,
    pub source: Option<String>,
    pub event_type: Option<String>,
    pub execution_id: Option<Uuid>,
    pub correlation_id: Option<String>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// How often it was seen.
    pub count: i64,
    /// How often it came again after it was resolved.
    pub regressions: i32,
    pub release: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::outbox::Effect;

    /// Stored in rows and sent in messages: a later version must read them.
    #[test]
    fn the_stored_form() {
        let (first_seen, last_seen) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let text = |text: &str| Some(text.to_owned());
        let sighting = Sighting {
            secret: "SENTRY_DSN".into(),
            fingerprint: "f".repeat(32),
            error: "panic".into(),
            culprit: "record_payment".into(),
            title: "no row <n>".into(),
            message: "no row 7".into(),
            source: text("stripe"),
            event_type: text("invoice.paid"),
            execution_id: Some(Uuid::nil()),
            correlation_id: text("c"),
            first_seen,
            last_seen,
            count: 10,
            regressions: 0,
            release: None,
        };
        assert_eq!(
            serde_json::to_value(Effect::Error(Box::new(sighting))).unwrap(),
            json!({
                "kind": "error", "secret": "SENTRY_DSN", "fingerprint": "f".repeat(32), "error": "panic",
                "culprit": "record_payment", "title": "no row <n>", "message": "no row 7", "source": "stripe",
                "event_type": "invoice.paid", "execution_id": "00000000-0000-0000-0000-000000000000",
                "correlation_id": "c", "first_seen": "1970-01-01T00:00:00Z", "last_seen": "1970-01-01T00:00:00Z",
                "count": 10, "regressions": 0, "release": null,
            })
        );
    }
}
