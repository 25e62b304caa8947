//! Queues, behind a narrow interface: something that takes messages. Reading them is the platform's work (Lambda's event
//! source mapping in the cloud, `solo dev`'s pump locally), so it is not here.

use std::{future::Future, pin::Pin, time::Duration};

use aws_config::SdkConfig;

use crate::errors::chain;

/// The largest message that is sent, in bytes. SQS takes 1 MiB; queues and emulators of an older kind 256 KiB.
pub const LARGEST_MESSAGE: usize = 250_000;

const LONGEST_DELAY_SECONDS: u64 = 900;

#[derive(Debug, thiserror::Error)]
#[error("the queue {queue} did not take a message: {reason}")]
pub struct QueueError {
    queue: String,
    reason: String,
}

/// What a call of a [`Queue`] returns.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), QueueError>> + Send + 'a>>;

/// Where messages go. One implementation, [`Sqs`]; the trait keeps the vendor behind it.
pub trait Queue: Send + Sync {
    /// Durable on return. At most [`LARGEST_MESSAGE`] bytes. It is handed out after `delay`, in whole seconds, 15 minutes
    /// at most.
    fn send_after(&self, delay: Duration, message: String) -> Sending<'_>;

    /// Without a delay.
    fn send(&self, message: String) -> Sending<'_> {
        self.send_after(Duration::ZERO, message)
    }

    /// Several at once; those that were not taken are an error for all. Sending again is the caller's to decide: each
    /// message must bear being there twice.
    fn send_all(&self, messages: Vec<String>) -> Sending<'_>;
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
        QueueError { queue: self.url.clone(), reason }
    }

    async fn send_batch(&self, messages: &[String]) -> Result<(), QueueError> {
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
        match failed.first() {
            None => Ok(()),
            Some(first) => Err(self.error(format!(
                "{} of {} messages: {}",
                failed.len(),
                messages.len(),
                first.message().unwrap_or(first.code())
            ))),
        }
    }
}

impl Queue for Sqs {
    fn send_after(&self, delay: Duration, message: String) -> Sending<'_> {
        Box::pin(async move {
            let seconds = i32::try_from(delay.as_secs().min(LONGEST_DELAY_SECONDS)).unwrap_or_default();
            let request = self.client.send_message().queue_url(&self.url).message_body(message);
            let sent = request.delay_seconds(seconds).send().await;
            sent.map(drop).map_err(|error| self.error(chain(&error)))
        })
    }

    fn send_all(&self, messages: Vec<String>) -> Sending<'_> {
        Box::pin(async move {
            for batch in batches(&messages) {
                self.send_batch(batch).await?;
            }
            Ok(())
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
