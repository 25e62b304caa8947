//! What the cloud does between queues, schedules and functions, as `template.yaml` says it: hands over batches, takes off
//! what was done, leaves the rest to come again after its visibility timeout, and fires schedules.
//!
//! As Lambda's event source mapping does it (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>), without its scaling.

use std::{pin::Pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::clock;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{Backing, aws, times::Times};

/// Between two looks into an empty queue. (The emulator's own long polling keeps a processor busy.)
const EMPTY: Duration = Duration::from_millis(150);
/// After a failure of the queue or of the function.
const REST: Duration = Duration::from_secs(1);
/// Longer than any function may run.
const INVOCATION_WITHIN: Duration = Duration::from_mins(16);
/// The longest sleep until a schedule's time: a machine that was asleep itself looks at the clock then.
const DOZE: Duration = Duration::from_secs(30);

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
    /// How often every `rate(...)` fires, instead of what the template says. Nothing at times of the day fires then: who is in a
    /// hurry wants no backup in between.
    pub every: Option<Duration>,
    /// How many batches of each queue at once.
    pub batches: usize,
}

impl Pace {
    /// When a schedule fires at this pace, if it does.
    fn times(self, times: &Times) -> Option<Times> {
        match (times, self.every) {
            (times, None) => Some(times.clone()),
            (Times::Every(_), Some(every)) => Some(Times::Every(every)),
            (Times::At(_), Some(_)) => None,
        }
    }
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
            if let Some(times) = pace.times(&schedule.times) {
                let (function, input) = (schedule.function.clone(), schedule.input.clone());
                tasks.spawn(fire(times, Arc::clone(functions), function, input));
            }
        }
        Ok(Self { _tasks: tasks })
    }
}

/// Invokes a function at its times. One that is still at work when its next time comes misses it.
async fn fire(times: Times, functions: Arc<impl Invoke>, function: String, input: Value) {
    if let Times::Every(every) = times {
        let mut times = interval(every);
        times.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            times.tick().await;
            let _ = functions.invoke(&function, input.clone()).await;
        }
    }
    while let Some(time) = times.after(clock::now()) {
        sleep_until(time).await;
        let _ = functions.invoke(&function, input.clone()).await;
    }
}

/// By the clock on the wall, which may jump.
async fn sleep_until(time: Timestamp) {
    loop {
        let left = Duration::try_from(time.duration_since(clock::now())).unwrap_or_default();
        if left.is_zero() {
            return;
        }
        sleep(left.min(DOZE)).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faster_pace_makes_rates_faster_and_fires_nothing_else() {
        let (rate, cron) = (Times::parse("rate(1 hour)").unwrap(), Times::parse("cron(30 1 * * ? *)").unwrap());
        let quick = Pace { every: Some(Duration::from_secs(2)), batches: 1 };
        assert!(matches!(quick.times(&rate), Some(Times::Every(every)) if every.as_secs() == 2));
        assert!(quick.times(&cron).is_none());
        let usual = Pace { every: None, batches: 1 };
        assert!(matches!(usual.times(&rate), Some(Times::Every(every)) if every.as_secs() == 3_600));
        assert!(matches!(usual.times(&cron), Some(Times::At(_))));
    }
}
