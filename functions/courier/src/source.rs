//! Courier's own queue, behind a narrow interface: when a message comes again.

use std::time::Duration;

use aws_config::SdkConfig;
use futures_util::future::BoxFuture;
use shared::{errors::chain, queue::sendable};

/// The longest that SQS takes a message with a delay for.
const LONGEST_DELAY: Duration = Duration::from_mins(15);

#[derive(Debug, thiserror::Error)]
#[error("the queue {queue} did not take it: {reason}")]
pub struct SourceError {
    queue: String,
    reason: String,
}

/// What a call of a [`Source`] returns.
pub type Changing<'a> = BoxFuture<'a, Result<(), SourceError>>;

/// The queue that the messages come from. One implementation, [`SqsSource`]; the trait keeps the vendor behind it.
pub trait Source: Send + Sync {
    /// The message comes again after so long, counted as received once more.
    fn hide<'a>(&'a self, receipt: &'a str, wait: Duration) -> Changing<'a>;

    /// A new message, which comes after so long, 15 minutes at most. Durable on return.
    fn put_back(&self, text: String, wait: Duration) -> Changing<'_>;
}

pub struct SqsSource {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl SqsSource {
    pub fn new(config: &SdkConfig, url: String) -> Self {
        Self { client: aws_sdk_sqs::Client::new(config), url }
    }

    fn error(&self, error: &dyn std::error::Error) -> SourceError {
        SourceError { queue: self.url.clone(), reason: chain(error) }
    }
}

impl Source for SqsSource {
    fn hide<'a>(&'a self, receipt: &'a str, wait: Duration) -> Changing<'a> {
        let change = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
        let change = change.visibility_timeout(seconds(wait));
        Box::pin(async move { change.send().await.map(drop).map_err(|error| self.error(&error)) })
    }

    fn put_back(&self, text: String, wait: Duration) -> Changing<'_> {
        let send = self.client.send_message().queue_url(&self.url).message_body(sendable(text));
        let send = send.delay_seconds(seconds(wait.min(LONGEST_DELAY)));
        Box::pin(async move { send.send().await.map(drop).map_err(|error| self.error(&error)) })
    }
}

/// Rounded up: never too early.
fn seconds(wait: Duration) -> i32 {
    i32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up() {
        assert_eq!([0, 1, 1_000, 1_001, 2_400].map(|ms| seconds(Duration::from_millis(ms))), [0, 1, 1, 2, 3]);
    }
}
