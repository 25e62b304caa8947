//! What the cloud does between queues, schedules and functions, as `template.yaml` says it: hands over batches, takes off
//! what was done, leaves the rest to come again after its visibility timeout, and fires schedules.
//!
//! As Lambda's event source mapping does it (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>), without its scaling.

use std::{pin::Pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{Backing, aws};
use crate::ui;

/// Between two looks into an empty queue. (The emulator's own long polling keeps a processor busy.)
const EMPTY: Duration = Duration::from_millis(150);
/// After a failure of the queue or of the function.
const REST: Duration = Duration::from_secs(1);
/// Longer than any function may run.
const INVOCATION_WITHIN: Duration = Duration::from_mins(3);

/// What an invocation returns: the function's answer; none when it failed, or is not there.
pub type Invoking<'i> = Pin<Box<dyn Future<Output = Option<Value>> + Send + 'i>>;

/// Something that runs functions.
pub trait Invoke: Send + Sync + 'static {
    fn invoke<'i>(&'i self, function: &'i str, event: Value) -> Invoking<'i>;
}

/// The functions of `solo dev`, behind the emulator.
pub struct Emulator {
    client: reqwest::Client,
    url: String,
}

impl Emulator {
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(INVOCATION_WITHIN).build()?;
        Ok(Self { client, url: url.to_owned() })
    }
}

impl Invoke for Emulator {
    fn invoke<'i>(&'i self, function: &'i str, event: Value) -> Invoking<'i> {
        Box::pin(async move {
            let url = format!("{}/2015-03-31/functions/{function}/invocations", self.url);
            let answer = self.client.post(url).json(&event).send().await.ok()?;
            let answer = answer.error_for_status().ok()?.json::<Value>().await.ok()?;
            answer.get("errorType").is_none().then_some(answer)
        })
    }
}

/// How fast it goes.
#[derive(Clone, Copy)]
pub struct Pace {
    /// How often every schedule fires, instead of what the template says.
    pub every: Option<Duration>,
    /// How many batches of each queue at once.
    pub batches: usize,
}

/// Pumps until it is dropped. What was handed over and not taken off comes again, as it would in the cloud.
pub struct Pump {
    _tasks: JoinSet<()>,
}

impl Pump {
    pub fn start(backing: &Backing, functions: &Arc<impl Invoke>, pace: Pace) -> anyhow::Result<Self> {
        let sqs = aws_sdk_sqs::Client::new(&aws::sdk_config(&backing.aws_endpoint));
        let mut tasks = JoinSet::new();
        for feed in &backing.wiring.feeds {
            let queue = backing.queues.url(&feed.queue).with_context(|| {
                format!(
                    "template.yaml feeds {} from {}, a queue that the local stack does not have",
                    feed.function, feed.queue
                )
            })?;
            for _ in 0..pace.batches {
                let (sqs, functions) = (sqs.clone(), Arc::clone(functions));
                let (queue, function, batch) = (queue.to_owned(), feed.function.clone(), feed.batch);
                tasks.spawn(async move {
                    loop {
                        hand_over(&sqs, &queue, batch, &*functions, &function).await;
                    }
                });
            }
        }
        for schedule in &backing.wiring.schedules {
            let Some(every) = schedule.every else {
                ui::note(&format!("{} ({}) does not fire here", schedule.name, schedule.expression));
                continue;
            };
            let mut times = interval(pace.every.unwrap_or(every));
            let (functions, function, input) =
                (Arc::clone(functions), schedule.function.clone(), schedule.input.clone());
            times.set_missed_tick_behavior(MissedTickBehavior::Skip);
            tasks.spawn(async move {
                loop {
                    times.tick().await;
                    let _ = functions.invoke(&function, input.clone()).await;
                }
            });
        }
        Ok(Self { _tasks: tasks })
    }
}

/// One batch, if there is one.
async fn hand_over(sqs: &aws_sdk_sqs::Client, queue: &str, batch: i32, functions: &impl Invoke, function: &str) {
    let request = sqs.receive_message().queue_url(queue).max_number_of_messages(batch);
    let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
    let messages = match request.send().await {
        Ok(received) => received.messages.unwrap_or_default(),
        // The emulator is stopping, or busy.
        Err(_) => return sleep(REST).await,
    };
    if messages.is_empty() {
        return sleep(EMPTY).await;
    }
    let records: Vec<Value> = messages.iter().map(|message| record(queue, message)).collect();
    let Some(answer) = functions.invoke(function, json!({"Records": records})).await else {
        return sleep(REST).await;
    };
    let failures = answer["batchItemFailures"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failed: Vec<&str> = failures.iter().filter_map(|failure| failure["itemIdentifier"].as_str()).collect();
    let done = messages.iter().filter(|message| message.message_id.as_deref().is_some_and(|id| !failed.contains(&id)));
    let entries: Vec<_> = done
        .enumerate()
        .filter_map(|(index, message)| {
            let receipt = message.receipt_handle.as_deref()?;
            DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(receipt).build().ok()
        })
        .collect();
    if !entries.is_empty() {
        let _ = sqs.delete_message_batch().queue_url(queue).set_entries(Some(entries)).send().await;
    }
}

/// As Lambda hands it over.
fn record(queue: &str, message: &Message) -> Value {
    let attributes = message.attributes.iter().flatten();
    let attributes: serde_json::Map<String, Value> =
        attributes.map(|(name, value)| (name.as_str().to_owned(), Value::from(value.as_str()))).collect();
    let name = queue.rsplit('/').next().unwrap_or_default();
    json!({
        "messageId": message.message_id, "receiptHandle": message.receipt_handle, "body": message.body,
        "attributes": attributes, "messageAttributes": {}, "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:{}:123456789012:{name}", aws::REGION),
        "awsRegion": aws::REGION,
    })
}
