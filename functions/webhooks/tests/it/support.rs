//! A world to test in: a database, secrets, and as many environments of the function as a test needs.

use std::{collections::BTreeMap, io::Write as _, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use lambda_http::RequestExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use shared::{
    aws::Services,
    clock,
    config::{Config, Env},
    db::DatabaseUrl,
    http::{layered, metered},
    metrics::Meter,
    providers::{self, About, Delivery},
    secrets::SecretsError,
    telemetry::LogFormat,
};
use testkit::{AppSecret, Captured, TestDatabase, TestQueues, TestSecrets, scripted};
use tower::ServiceExt as _;
use uuid::Uuid;
use webhooks::{Environment, router};

pub struct World {
    pub database: TestDatabase,
    pub secret: AppSecret,
    pub secrets: TestSecrets,
    pub queues: TestQueues,
}

impl World {
    pub async fn new() -> Self {
        Self::with(AppSecret::random()).await
    }

    pub async fn with(secret: AppSecret) -> Self {
        let secrets = TestSecrets::create(&secret.json()).await;
        let database = TestDatabase::new().await;
        database.execute(scripted::TABLES).await;
        Self { database, secret, secrets, queues: TestQueues::create().await }
    }

    /// An environment of the function with the founder's handlers, and the scripted one.
    pub async fn environment(&self) -> Router {
        self.environment_with(&self.database.app_url(), |_| {}).await
    }

    pub async fn environment_with(&self, database: &DatabaseUrl, change: impl FnOnce(&mut Config)) -> Router {
        environment_of(self.config(database, change)).await
    }

    pub fn config(&self, database: &DatabaseUrl, change: impl FnOnce(&mut Config)) -> Config {
        let variables = self.variables();
        let all: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut config = Config::load(&Env::of(&all)).unwrap();
        config.database.url = database.clone();
        change(&mut config);
        config
    }

    /// The environment of the function, without the database's password.
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::from(self.queues.variables());
        all.insert("DATABASE_URL", self.database.app_url().to_string());
        all.insert("APP_SECRET_ID", self.secrets.id.clone());
        all
    }

    /// A webhook as Stripe would send it now.
    pub fn stripe(&self, event: &Value) -> Request<Body> {
        self.stripe_bytes(event.to_string().as_bytes())
    }

    pub fn stripe_bytes(&self, body: &[u8]) -> Request<Body> {
        stripe_signed(body, &self.secret.stripe, clock::now())
    }

    pub fn event(&self, key: &str, body: &Value) -> Request<Body> {
        Request::post("/events")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.secret.events_token.expose_secret()))
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()))
            .unwrap()
    }
}

pub async fn environment_of(config: Config) -> Router {
    try_environment_of(config).await.unwrap()
}

/// What does not start is an error.
pub async fn try_environment_of(config: Config) -> Result<Router, SecretsError> {
    Ok(layered(router(Arc::new(warm(config).await?))))
}

/// An environment whose metrics go to `captured`.
pub async fn metered_environment_of(config: Config, captured: &Captured) -> Router {
    let (lines, environment) = (captured.clone(), warm(config).await.unwrap());
    let meter = Meter::new("webhooks", None, LogFormat::Json, environment.known())
        .to(move |line| writeln!(lines.clone(), "{line}").unwrap());
    layered(metered(router(Arc::new(environment)), meter))
}

async fn warm(config: Config) -> Result<Environment, SecretsError> {
    let services = Services::from_env(&config.queues).await;
    let environment = Environment::new(config, services, scripted::handlers(app::handlers())).unwrap();
    environment.warm_up().await?;
    Ok(environment)
}

pub fn stripe_signed(body: &[u8], secret: &SecretString, time: jiff::Timestamp) -> Request<Body> {
    let about = About { id: "", event_type: "" };
    request_of("stripe", providers::find("stripe").unwrap().sign(body.to_vec(), &about, secret, time))
}

/// A provider's delivery as a request.
pub fn request_of(provider: &str, delivery: Delivery) -> Request<Body> {
    let mut request = Request::post(format!("/webhooks/{provider}"));
    for (name, value) in delivery.headers {
        request = request.header(name, value);
    }
    request.body(Body::from(delivery.body)).unwrap()
}

/// A paid invoice in Stripe's shape, new every time.
pub fn invoice_paid() -> Value {
    providers::find("stripe").unwrap().sample("invoice.paid", &Uuid::new_v4().simple().to_string(), clock::now())
}

/// An event for the scripted handler.
pub fn script(todo: &str) -> Value {
    json!({"id": format!("evt_{}", Uuid::new_v4().simple()), "type": "test.script", "data": {"todo": todo}})
}

/// A first-party `invoice.paid`.
pub fn first_party() -> Value {
    json!({"type": "invoice.paid", "data": {
        "id": Uuid::new_v4(), "customer_id": Uuid::new_v4(), "amount_cents": 1250, "currency": "eur",
        "paid_at": "2026-11-22T10:00:00Z",
    }})
}

/// Gives the invocation so much time, as Lambda would.
pub fn within(request: Request<Body>, time: Duration) -> Request<Body> {
    let mut context = lambda_http::Context::default();
    context.deadline = u64::try_from(clock::now().as_millisecond()).unwrap() + u64::try_from(time.as_millis()).unwrap();
    request.with_lambda_context(context)
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// HTTP status, and the `status` of a success or the `error` of a problem.
    pub fn is(&self, status: u16, word: &str) -> bool {
        let said = self.body.get("error").or(self.body.get("status")).and_then(Value::as_str);
        self.status.as_u16() == status && said == Some(word)
    }

    #[track_caller]
    pub fn expect(&self, status: u16, word: &str) {
        assert!(self.is(status, word), "{status} {word} expected, not {} {}", self.status, self.body);
    }
}

pub async fn send(environment: &Router, request: Request<Body>) -> Answer {
    let response = environment.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body: serde_json::from_slice(&bytes).unwrap_or_default() }
}
