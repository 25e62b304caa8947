//! A database with what the founder's handlers made of real events, and the function beside it.

use std::time::Duration;

use app::invariants;
use jiff::Timestamp;
use reconcile::{Reconcile, Settings};
use serde_json::{Value, json};
use shared::{
    clock,
    config::Env,
    db::{Credentials, Database},
    events::Envelope,
    executions,
    invariants::Invariant,
    retry::RetryPolicy,
    runner::{Runner, State},
};
use testkit::{AppSecret, Kind, TestDatabase, TestQueues, TestSecrets, variable};
use tokio::time::Instant;
use uuid::Uuid;

pub struct World {
    pub database: TestDatabase,
    pub app_secret: TestSecrets,
    pub queues: TestQueues,
    variables: Vec<(&'static str, String)>,
}

impl World {
    pub async fn new() -> Self {
        let database = TestDatabase::new().await;
        let queues = TestQueues::create().await;
        let reader = json!({"username": "solo_reader", "password": variable("SOLO_TEST_READER_PASSWORD")});
        let app_secret = TestSecrets::create(&AppSecret::random().json()).await;
        let variables = vec![
            // It logs in with secrets, as in the cloud, where no URL has a password.
            ("DATABASE_URL", database.app_url().with_user("nobody", None).to_string()),
            ("DATABASE_SECRET_ID", TestSecrets::app_login().await.id),
            ("READER_LOGIN_SECRET_ID", TestSecrets::of(Kind::ReaderLogin, &reader).await.id),
            ("APP_SECRET_ID", app_secret.id.clone()),
            ("OUTBOUND_QUEUE_URL", queues.config.outbound_url.clone()),
        ];
        Self { database, app_secret, queues, variables }
    }

    pub fn settings(&self) -> Settings {
        let pairs: Vec<_> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Settings::load(&Env::of(&pairs)).unwrap()
    }

    /// Runs a job, as its schedule does; its result.
    pub async fn run(&self, job: &str) -> Value {
        self.run_with(job, invariants::ALL, Duration::from_mins(10)).await
    }

    /// With other invariants, and so much time.
    pub async fn run_with(&self, job: &str, invariants: &'static [Invariant], time: Duration) -> Value {
        let reconcile = Reconcile::with(self.settings(), invariants).await.unwrap();
        let deadline = clock::now().as_millisecond() + i64::try_from(time.as_millis()).unwrap();
        let answer = reconcile.invoke(json!({"job": job}), deadline.try_into().unwrap()).await.unwrap();
        assert_eq!(answer["outcome"], "succeeded", "{answer}");
        answer["result"].clone()
    }

    /// The open alerts: `warning reconciliation_failure:x: the message`.
    pub async fn alerts(&self) -> Vec<String> {
        let sql = "SELECT COALESCE(string_agg(severity || ' ' || key || ': ' || message, chr(10) ORDER BY key), '')
                     FROM alerts WHERE resolved_at IS NULL";
        self.database.text(sql).await.lines().map(str::to_owned).collect()
    }

    /// Hands an event to its handler.
    pub async fn deliver(&self, envelope: Envelope) -> State {
        let database = Database::new(self.database.app_url(), Credentials::Url, executions::WARM).unwrap();
        let retry = RetryPolicy { max_attempts: 3, base_delay: Duration::from_secs(2) };
        let runner = Runner { database: &database, retry, deadline: Instant::now() + Duration::from_secs(20) };
        runner.deliver(&envelope, app::handlers().resolve(&envelope)).await.unwrap().state
    }
}

/// As a client of `POST /events` sends it.
pub fn invoice(version: u16) -> Envelope {
    let types = app::handlers().event_types();
    let known = types.iter().find(|known| known.name == "invoice.paid").unwrap();
    let contract = known.versions.iter().find(|contract| contract.number == version).unwrap();
    let data = contract.sample(Uuid::new_v4(), clock::now()).unwrap();
    let body = json!({"type": "invoice.paid", "version": version, "data": data});
    Envelope::new("events", &key(), "invoice.paid", version, data, body.to_string().as_bytes()).unwrap()
}

/// As Stripe sends it. The same `id` is the same invoice.
pub fn stripe_invoice(id: &str, cents: i64) -> Envelope {
    let lines = json!({"data": []});
    stripe(
        "invoice.paid",
        1_795_000_000,
        &json!({"id": id, "customer": "cus_1", "amount_paid": cents, "currency": "eur", "lines": lines}),
    )
}

/// `created`, `updated` or `deleted`, at a second.
pub fn subscription(change: &str, second: i64) -> Envelope {
    let object = json!({"id": "sub_1", "customer": "cus_1", "status": "active", "items": {"data": []}});
    stripe(&format!("customer.subscription.{change}"), second, &object)
}

fn stripe(event_type: &str, second: i64, object: &Value) -> Envelope {
    let body = json!({"id": key(), "type": event_type, "created": second, "data": {"object": object}});
    let data = body["data"].clone();
    let envelope = Envelope::new("stripe", &key(), event_type, 1, data, body.to_string().as_bytes()).unwrap();
    envelope.at(Timestamp::from_second(second).ok())
}

/// As GitHub sends it, of a branch or a tag.
pub fn push(reference: &str) -> Envelope {
    let mut body: Value = serde_json::from_str(include_str!("../../../../app/fixtures/github/push.json")).unwrap();
    body["ref"] = json!(reference);
    Envelope::new("github", &key(), "push", 1, body.clone(), body.to_string().as_bytes()).unwrap()
}

fn key() -> String {
    Uuid::new_v4().to_string()
}
