//! Queues, behind a narrow interface: something that takes messages. Reading them is the platform's work (Lambda's event
//! source mapping in the cloud, `solo dev`'s pump locally), so it is not here.

use std::{future::Future, pin::Pin, time::Duration};

use aws_config::SdkConfig;

use crate::errors::chain;

/// The largest message that is sent, in bytes. SQS takes 1 MiB; queues and emulators of an older kind 256 KiB.
pub const LARGEST_MESSAGE: usize = 250_000;

const LONGEST_DELAY_SECONDS: u64 = 900;

#[derive(Debug, thiserror::Error)]
#[error("the queue {queue} {what}: {reason}")]
pub struct QueueError {
    queue: String,
    what: &'static str,
    reason: String,
}

/// What a call of a [`Queue`] returns.
pub type Sending<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T, QueueError>> + Send + 'a>>;

/// JSON that SQS takes. It refuses messages with U+FFFE or U+FFFF; in JSON they can only stand within a text, where their
/// escapes mean the same.
pub fn sendable(json: String) -> String {
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        return json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
    }
    json
}

/// Where messages go. One implementation, [`Sqs`]; the trait keeps the vendor behind it.
pub trait Queue: Send + Sync {
    /// Durable on return. At most [`LARGEST_MESSAGE`] bytes. It is handed out after `delay`, in whole seconds, 15 minutes
    /// at most.
    fn send_after(&self, delay: Duration, message: String) -> Sending<'_>;

    /// Without a delay.
    fn send(&self, message: String) -> Sending<'_> {
        self.send_after(Duration::ZERO, message)
    }

    /// Several, in their order. Returns the places of those that the queue refused. An error leaves open what became of
    /// them: each message must bear being there twice.
    fn send_all(&self, messages: Vec<String>) -> Sending<'_, Vec<usize>>;

    /// Whether it is there, and answers. Nothing is sent, and no message is touched.
    fn check(&self) -> Sending<'_>;

    /// How many messages there are, as the queue reckons.
    fn depth(&self) -> Sending<'_, Depth>;
}

/// Messages of a queue. SQS says so approximately, and some seconds late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    pub waiting: u64,
    /// Handed out, and neither acknowledged nor given back.
    pub in_flight: u64,
}

/// An SQS queue.
pub struct Sqs {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Sqs {
    pub fn new(config: &SdkConfig, url: String) -> Self {
        Self { client: aws_sdk_sqs::Client::new(config), url }
    }

    fn error(&self, reason: String) -> QueueError {
        QueueError { queue: self.url.clone(), what: "did not take a message", reason }
    }

    /// The places of those that were refused.
    async fn send_batch(&self, messages: &[String]) -> Result<Vec<usize>, QueueError> {
        use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
        let entries = messages
            .iter()
            .enumerate()
            .map(|(index, message)| {
                SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(message).build()
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.error(chain(&error)))?;
        let sent = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await;
        let failed = sent.map_err(|error| self.error(chain(&error)))?.failed;
        for failure in &failed {
            let reason = failure.message().unwrap_or(failure.code());
            tracing::error!(queue = self.url, reason, "the queue refused a message");
        }
        Ok(failed.iter().filter_map(|failure| failure.id().parse().ok()).collect())
    }
}

impl Queue for Sqs {
    fn send_after(&self, delay: Duration, message: String) -> Sending<'_> {
        Box::pin(async move {
            let seconds = i32::try_from(delay.as_secs().min(LONGEST_DELAY_SECONDS)).unwrap_or_default();
            let request = self.client.send_message().queue_url(&self.url).message_body(sendable(message));
            let sent = request.delay_seconds(seconds).send().await;
            sent.map(drop).map_err(|error| self.error(chain(&error)))
        })
    }

    fn send_all(&self, messages: Vec<String>) -> Sending<'_, Vec<usize>> {
        Box::pin(async move {
            let messages: Vec<_> = messages.into_iter().map(sendable).collect();
            let (mut refused, mut before) = (Vec::new(), 0);
            for batch in batches(&messages) {
                refused.extend(self.send_batch(batch).await?.into_iter().map(|place| before + place));
                before += batch.len();
            }
            Ok(refused)
        })
    }

    fn check(&self) -> Sending<'_> {
        Box::pin(async move {
            let name = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
            let asked = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name).send().await;
            let unanswered = |error| QueueError { what: "does not answer", ..self.error(chain(&error)) };
            asked.map(drop).map_err(unanswered)
        })
    }

    fn depth(&self) -> Sending<'_, Depth> {
        use aws_sdk_sqs::types::QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible,
        };
        Box::pin(async move {
            let request = self.client.get_queue_attributes().queue_url(&self.url);
            let request = request
                .attribute_names(ApproximateNumberOfMessages)
                .attribute_names(ApproximateNumberOfMessagesNotVisible);
            let unanswered =
                |reason| QueueError { what: "does not say how many messages it has", ..self.error(reason) };
            let answer = request.send().await.map_err(|error| unanswered(chain(&error)))?;
            let number = |name| answer.attributes()?.get(&name)?.parse().ok();
            let (waiting, in_flight) =
                (number(ApproximateNumberOfMessages), number(ApproximateNumberOfMessagesNotVisible));
            let depth = waiting.zip(in_flight).map(|(waiting, in_flight)| Depth { waiting, in_flight });
            depth.ok_or_else(|| unanswered("there is no number in its answer".into()))
        })
    }
}

/// What one call may carry: ten messages, and together no more than one may be large.
fn batches(mut messages: &[String]) -> Vec<&[String]> {
    let mut all = Vec::new();
    while !messages.is_empty() {
        let mut bytes = 0;
        let fits = messages.iter().take(10).take_while(|message| {
            bytes += message.len();
            bytes <= LARGEST_MESSAGE
        });
        let count = fits.count().max(1);
        let (batch, rest) = messages.split_at(count);
        all.push(batch);
        messages = rest;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqs_refuses_is_escaped_and_means_the_same() {
        let value = serde_json::json!({"a\u{ffff}": "x\u{fffe}y\u{fffd}"});
        let sent = sendable(value.to_string());
        assert!(!sent.contains(['\u{fffe}', '\u{ffff}']) && sent.contains('\u{fffd}'), "{sent}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&sent).unwrap(), value);
    }

    #[test]
    fn a_batch_has_ten_messages_and_one_message_s_size_at_most() {
        let of = |sizes: &[usize]| {
            let messages: Vec<_> = sizes.iter().map(|size| "x".repeat(*size)).collect();
            batches(&messages).iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), Vec::<usize>::new());
        assert_eq!(of(&[1; 23]), [10, 10, 3]);
        assert_eq!(of(&[100_000, 100_000, 100_000, 1]), [2, 2]);
        assert_eq!(of(&[900_000, 1]), [1, 1], "too large a one is the queue's to refuse");
    }
}
