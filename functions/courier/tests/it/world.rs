//! A world to test in: queues and secrets in the emulator, and environments of the function.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lambda_events::sqs::SqsEvent;
use courier::{Config, Courier, Lookup, Reach, Services, SqsSource, System, Topic};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use shared::{
    alerts::Severity,
    aws, clock,
    config::{Env, SoloToml},
    inbox::{self, Message},
    outbox::{self, Effect, HttpRequest, Item, Notification, Outbound, Report},
    queue::{Depth, Queue, Sending, Sqs},
    secrets::SecretsManager,
};
use testkit::{Received, TestQueues, TestSecrets, admin_config};

/// Enough for a whole batch.
pub const TIME: Duration = Duration::from_mins(1);

pub struct World {
    pub queues: TestQueues,
    pub secrets: TestSecrets,
    pub inbox: Arc<Inbox>,
}

/// The inbox, which can be out.
pub struct Inbox {
    working: Sqs,
    missing: Sqs,
    pub out: AtomicBool,
}

impl Queue for Inbox {
    fn send_after(&self, delay: Duration, message: String) -> Sending<'_> {
        let queue = if self.out.load(Ordering::SeqCst) { &self.missing } else { &self.working };
        queue.send_after(delay, message)
    }

    fn send_all(&self, messages: Vec<String>) -> Sending<'_, Vec<usize>> {
        self.working.send_all(messages)
    }

    fn check(&self) -> Sending<'_> {
        self.working.check()
    }

    fn depth(&self) -> Sending<'_, Depth> {
        self.working.depth()
    }
}

/// Names and what they resolve to, one answer after the other; the last is for all others. `panic.test` panics.
#[derive(Default)]
pub struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<SocketAddr>>>>,
    pub asked: AtomicUsize,
}

impl Names {
    pub fn of(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let addresses = |answer: &&[&str]| answer.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        let answers =
            names.iter().map(|(name, answers)| ((*name).to_owned(), answers.iter().map(addresses).collect())).collect();
        Arc::new(Self { answers: Mutex::new(answers), asked: AtomicUsize::new(0) })
    }
}

impl Lookup for Names {
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        assert_ne!(name, "panic.test");
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut all = self.answers.lock().unwrap();
        let answer = match all.get_mut(&name) {
            None => Err(io::Error::other("no such name")),
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
        };
        Box::pin(async { answer })
    }
}

impl World {
    pub async fn new(secrets: Value) -> Self {
        let queues = TestQueues::create().await;
        let sdk = aws::sdk_config().await;
        let missing = Sqs::new(&sdk, queues.config.inbox_url.replace("/test-", "/test-missing-"));
        let working = Sqs::new(&sdk, queues.config.inbox_url.clone());
        let inbox = Arc::new(Inbox { working, missing, out: AtomicBool::new(false) });
        Self { secrets: TestSecrets::create(&secrets).await, queues, inbox }
    }

    /// An environment that may call this machine.
    pub async fn courier(&self, toml: &str) -> Courier {
        self.courier_with(toml, Arc::new(System), |_| {}).await
    }

    pub async fn courier_with(&self, toml: &str, lookup: Arc<dyn Lookup>, change: impl FnOnce(&mut Config)) -> Courier {
        let mut variables = self.queues.variables().to_vec();
        variables.push(("APP_SECRET_ID", self.secrets.id.clone()));
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut config = Config::load(&Env::of(&variables)).unwrap();
        config.reach = Reach::PublicAndLoopback;
        config.file = SoloToml::parse(toml).unwrap();
        change(&mut config);
        let sdk = aws::sdk_config().await;
        let services = Services {
            secrets: Arc::new(SecretsManager::new(&sdk)),
            inbox: Arc::clone(&self.inbox) as Arc<dyn Queue>,
            source: Arc::new(SqsSource::new(&sdk, config.outbound_url.clone())),
            topic: config.alerts_topic.clone().map(|arn| Topic::new(&sdk, arn)),
            lookup,
        };
        Courier::new(config, services).unwrap()
    }

    /// Puts the messages on the queue, and takes them off again.
    pub async fn queued(&self, messages: &[Outbound]) -> Vec<Received> {
        let queue = Sqs::new(&admin_config().await, self.queues.config.outbound_url.clone());
        for message in messages {
            queue.send(outbox::encode(message).unwrap()).await.unwrap();
        }
        let mut received = self.queues.outbound().await;
        let place = |body: &str| messages.iter().position(|message| outbox::decode(body).unwrap().id == message.id);
        received.sort_by_key(|received| place(&received.body));
        assert_eq!(received.len(), messages.len());
        received
    }

    /// One invocation, as Lambda does it. What was not acknowledged.
    pub async fn invoke(&self, courier: &Courier, messages: &[Received], time: Duration) -> Vec<Received> {
        let response = courier.deliver(event(messages), time).await;
        let response = serde_json::to_value(response).unwrap();
        let failed: Vec<&str> = response["batchItemFailures"]
            .as_array()
            .unwrap()
            .iter()
            .map(|failure| failure["itemIdentifier"].as_str().unwrap())
            .collect();
        for message in messages.iter().filter(|message| !failed.contains(&message.id.as_str())) {
            self.queues.delete_outbound(message).await;
        }
        messages.iter().filter(|message| failed.contains(&message.id.as_str())).cloned().collect()
    }

    /// A whole message's way. Whether it was acknowledged.
    pub async fn deliver(&self, courier: &Courier, message: &Outbound) -> bool {
        let received = self.queued(std::slice::from_ref(message)).await;
        self.invoke(courier, &received, TIME).await.is_empty()
    }

    /// The reports in the inbox, as JSON.
    pub async fn reports(&self) -> Vec<Value> {
        let read = |received: Received| match inbox::decode(&received.body).unwrap() {
            Message::Report(report) => serde_json::to_value(report).unwrap(),
            other => panic!("{other:?}"),
        };
        self.queues.inbox().await.into_iter().map(read).collect()
    }

    /// The only report.
    pub async fn report(&self) -> Value {
        let reports = self.reports().await;
        let [report] = reports.as_slice() else { panic!("{reports:?}") };
        // What the worker reads.
        serde_json::from_value::<Report>(report.clone()).unwrap();
        report.clone()
    }
}

pub fn event(messages: &[Received]) -> SqsEvent {
    let records: Vec<Value> = messages
        .iter()
        .map(|message| {
            json!({
                "messageId": message.id, "receiptHandle": message.receipt, "body": message.body,
                "attributes": {"ApproximateReceiveCount": message.receive_count.to_string()},
            })
        })
        .collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

pub fn outbound(effect: impl Into<Effect>) -> Outbound {
    let id = clock::new_id();
    Outbound {
        trace_parent: None,
        version: outbox::VERSION,
        id,
        tracked: true,
        idempotency_key: format!("key-{id}"),
        correlation_id: format!("correlation-{id}"),
        effect: effect.into(),
    }
}

pub fn post(url: &str) -> HttpRequest {
    HttpRequest::post(url.parse().unwrap(), json!({"order": 7}))
}

/// Of one alert.
pub fn notification(channel: &str) -> Notification {
    let item = Item {
        key: "outbox_dead:api.example.com".into(),
        severity: Severity::Critical,
        message: "the API is down".into(),
        occurrences: 1,
        first: clock::now(),
        last: clock::now(),
        resolved: false,
    };
    Notification {
        channel: channel.into(),
        severity: Severity::Critical,
        title: "critical: the API is down".into(),
        text: String::new(),
        items: vec![item],
    }
}

/// The same message, received once more.
pub fn again(messages: &[Received]) -> Vec<Received> {
    let once_more = |message: &Received| Received { receive_count: message.receive_count + 1, ..message.clone() };
    messages.iter().map(once_more).collect()
}

#[track_caller]
pub fn expect(report: &Value, result: &str, attempt: u16, words: &str) {
    assert_eq!(report["result"], result, "{report}");
    assert_eq!(report["attempt"], attempt, "{report}");
    assert!(report["error"].as_str().unwrap_or_default().contains(words), "{words:?} in {report}");
}
