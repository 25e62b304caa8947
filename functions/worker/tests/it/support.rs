//! A world to test in: a database, queues, and workers.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    aws::Services,
    config::{Config, Env},
    db::DatabaseUrl,
    inbox::{Message, QueuedEvent, encode},
};
use testkit::{Received, TestDatabase, TestQueues, scripted};
use tokio::time::Instant;
use uuid::Uuid;
use worker::{Batch, Settings, Ticked, Worker};

pub struct World {
    pub database: TestDatabase,
    pub queues: TestQueues,
}

impl World {
    pub async fn new() -> Self {
        let database = TestDatabase::new().await;
        database.execute(scripted::TABLES).await;
        Self { database, queues: TestQueues::create().await }
    }

    pub async fn worker(&self) -> Worker {
        self.worker_with(&self.database.app_url(), |_| {}).await
    }

    pub async fn worker_with(&self, database: &DatabaseUrl, change: impl FnOnce(&mut Config)) -> Worker {
        let queues = self.queues.variables();
        let mut all: Vec<(&str, &str)> = queues.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let text = database.to_string();
        all.extend([("DATABASE_URL", text.as_str()), ("APP_SECRET_ID", "unused")]);
        let mut config = Config::load(&Env::of(&all)).unwrap();
        config.database.url = database.clone();
        change(&mut config);
        let services = Services::from_env(&config.queues).await;
        let settings = Settings { connections: 4 };
        Worker::new(config, &settings, services, scripted::handlers(app::handlers())).unwrap()
    }

    /// Stores executions of the scripted handler that failed before and are due now.
    pub async fn due(&self, count: u32, todo: &str) {
        let insert = format!(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt,
                                     fence, payload, fingerprint, correlation_id, next_attempt_at, last_error)
             SELECT gen_random_uuid(), 'stripe', gen_random_uuid(), 'test.script', 1, 'scripted', 'failed', 1, 1,
                    jsonb_build_object('data', jsonb_build_object('todo', '{todo}')), sha256('x'), 'c-' || n,
                    now() - n * interval '1 ms', 'no luck'
               FROM generate_series(1, {count}) n"
        );
        self.database.execute(&insert).await;
    }

    /// How many executions are in each status: `completed 3, dead 1`.
    pub async fn statuses(&self) -> String {
        let sql = "SELECT COALESCE(string_agg(status || ' ' || n, ', ' ORDER BY status), '')
                     FROM (SELECT status, count(*) n FROM executions GROUP BY 1) s";
        self.database.text(sql).await
    }

    /// The attempts on record: `1 crashed, 2 completed`.
    pub async fn attempts(&self) -> String {
        let sql = "SELECT COALESCE(string_agg(attempt || ' ' || outcome, ', ' ORDER BY fence), '') FROM attempts";
        self.database.text(sql).await
    }
}

/// When a test's invocation ends.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(40)
}

pub async fn tick(worker: &Worker) -> Ticked {
    worker.tick(soon()).await.unwrap()
}

pub fn batch(messages: &[Received]) -> Batch {
    let records: Vec<_> = messages
        .iter()
        .map(|message| {
            json!({"messageId": message.id, "body": message.body,
                   "attributes": {"ApproximateReceiveCount": message.receive_count.to_string()}})
        })
        .collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

/// A batch of one message that was received so often.
pub fn received(body: &str, count: u32) -> Batch {
    let id = Uuid::new_v4().to_string();
    batch(&[Received { id, receipt: String::new(), body: body.to_owned(), receive_count: count }])
}

/// A message with an event for the scripted handler.
pub fn queued(key: &str, todo: &str) -> String {
    encode(&Message::Event(event(key, "test.script", &json!({"data": {"todo": todo}})))).unwrap()
}

pub fn event(key: &str, event_type: &str, body: &Value) -> QueuedEvent {
    QueuedEvent {
        source: "stripe".into(),
        key: key.into(),
        event_type: event_type.into(),
        schema_version: 1,
        occurred_at: None,
        correlation_id: format!("c-{key}"),
        signs_id: true,
        trace_parent: None,
        payload: body.to_string(),
    }
}
