//! Invoking a version of a function, and hearing what became of it.

use std::{future::Future, pin::Pin, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_lambda::{Client, config::Builder, error::ProvideErrorMetadata as _, primitives::Blob};
use serde_json::Value;
use shared::errors::chain;
use tokio::time::{Instant, sleep};

/// A version that was just published, or whose function is busy, may not take an invocation at once. It is given this long.
const READY_WITHIN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(1);
/// Longer than any check: who waits decides how long.
const ANSWER_WITHIN: Duration = Duration::from_secs(50);
/// How much of a function's own words is repeated, in characters.
const MOST_WORDS: usize = 300;

#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// It ran, or tried to start, and failed.
    #[error("it failed: {0}")]
    Function(String),
    #[error("it cannot be invoked: {0}")]
    NotInvoked(String),
    /// As many invocations as its function may have at once were under way all the time, so this one never ran.
    #[error("it was not tested, because its function was as busy as it may be: {0}")]
    Throttled(String),
    #[error("its answer is not JSON")]
    NotJson,
}

impl InvokeError {
    /// Of what Lambda tells about a failed invocation.
    pub fn of_function(kind: &str, payload: &Value) -> Self {
        let said = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default();
        let words = format!("{kind} {} {}", said("errorType"), said("errorMessage"));
        Self::Function(words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MOST_WORDS).collect())
    }
}

/// A future that a trait object can return.
pub type Invoking<'a> = Pin<Box<dyn Future<Output = Result<Value, InvokeError>> + Send + 'a>>;

/// The Lambda API. One implementation, [`Lambda`]; the trait keeps the vendor behind it.
pub trait Invoke: Send + Sync {
    /// The answer of the version with this ARN to the event.
    fn invoke<'a>(&'a self, version: &'a str, event: Value) -> Invoking<'a>;
}

pub struct Lambda {
    client: Client,
}

impl Lambda {
    pub fn new(sdk: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(2));
        let timeouts = timeouts.operation_attempt_timeout(ANSWER_WITHIN).read_timeout(ANSWER_WITHIN);
        let config = Builder::from(sdk).timeout_config(timeouts.build());
        Self { client: Client::from_conf(config.retry_config(RetryConfig::standard().with_max_attempts(3)).build()) }
    }

    /// Whether trying again in a moment is worth it, with what went wrong.
    async fn invoke_once(&self, version: &str, event: Vec<u8>) -> Result<Value, (bool, InvokeError)> {
        let sent = self.client.invoke().function_name(version).payload(Blob::new(event)).send().await;
        let output = sent.map_err(|error| {
            let words = match (error.code(), error.message()) {
                (Some(code), message) => format!("{code}: {}", message.unwrap_or("no reason given")),
                (None, _) => chain(&error),
            };
            match error.code() {
                Some("TooManyRequestsException") => (true, InvokeError::Throttled(words)),
                Some("ResourceConflictException" | "ResourceNotReadyException") => {
                    (true, InvokeError::NotInvoked(words))
                }
                _ => (false, InvokeError::NotInvoked(words)),
            }
        })?;
        let payload = output.payload().map(AsRef::as_ref).unwrap_or_default();
        let answer = serde_json::from_slice(payload);
        match output.function_error() {
            Some(kind) => Err((false, InvokeError::of_function(kind, &answer.unwrap_or_default()))),
            None => answer.map_err(|_| (false, InvokeError::NotJson)),
        }
    }
}

impl Invoke for Lambda {
    fn invoke<'a>(&'a self, version: &'a str, event: Value) -> Invoking<'a> {
        Box::pin(async move {
            let patience = Instant::now() + READY_WITHIN;
            loop {
                match self.invoke_once(version, event.to_string().into_bytes()).await {
                    Ok(answer) => return Ok(answer),
                    Err((true, error)) if Instant::now() < patience => {
                        tracing::info!(%error, "not ready yet");
                        sleep(PAUSE).await;
                    }
                    Err((_, error)) => return Err(error),
                }
            }
        })
    }
}
