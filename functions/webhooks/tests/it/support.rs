//! A world to test in: a database, secrets, and as many environments of the function as a test needs.

use std::{sync::Arc, time::Duration};

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
    clock,
    config::{Config, Env},
    db::DatabaseUrl,
    events::{Decoded, Envelope, Event, InvalidPayload},
    handlers::{Context, Handler, HandlerError, Handlers},
    http::layered,
    providers::{self, About, Delivery},
    secrets::{SecretsError, SecretsManager},
};
use testkit::{AppSecret, TestDatabase, TestSecrets};
use tower::ServiceExt as _;
use uuid::Uuid;
use webhooks::{Environment, router};

pub struct World {
    pub database: TestDatabase,
    pub secret: AppSecret,
    pub secrets: TestSecrets,
}

impl World {
    pub async fn new() -> Self {
        Self::with(AppSecret::random()).await
    }

    pub async fn with(secret: AppSecret) -> Self {
        let secrets = TestSecrets::create(&secret.json()).await;
        let database = TestDatabase::new().await;
        database.execute(EFFECTS).await;
        Self { database, secret, secrets }
    }

    /// An environment of the function with the founder's handlers, and the scripted one.
    pub async fn environment(&self) -> Router {
        self.environment_with(&self.database.app_url(), |_| {}).await
    }

    pub async fn environment_with(&self, database: &DatabaseUrl, change: impl FnOnce(&mut Config)) -> Router {
        environment_of(self.config(database, change)).await
    }

    pub fn config(&self, database: &DatabaseUrl, change: impl FnOnce(&mut Config)) -> Config {
        let env = Env::of(&[("DATABASE_URL", &database.to_string()), ("APP_SECRET_ID", &self.secrets.id)]);
        let mut config = Config::load(&env).unwrap();
        config.database.url = database.clone();
        change(&mut config);
        config
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
    let environment = Environment::new(config, Arc::new(SecretsManager::from_env().await), handlers()).unwrap();
    environment.warm_up().await?;
    Ok(layered(router(Arc::new(environment))))
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

/// Where the scripted handler leaves its mark, and one table that only complains at COMMIT.
const EFFECTS: &str = "
    CREATE TABLE effects (execution_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE TABLE late (id int PRIMARY KEY, of int REFERENCES late DEFERRABLE INITIALLY DEFERRED);
    GRANT SELECT, INSERT ON effects, late TO solo_app";

fn handlers() -> Handlers {
    let ours = app::handlers().on("stripe", "test.script", Scripted).on("stripe", "test.once", OnlyOnce);
    ours.on("github", "push", Scripted)
}

pub struct Script(String);

impl Event for Script {
    const TYPE: &'static str = "test.script";
    const VERSION: u16 = 1;

    fn decode(envelope: &Envelope) -> Result<Decoded<Self>, InvalidPayload> {
        Ok(Decoded::Event(Self(envelope.data["todo"].as_str().unwrap_or_default().to_owned())))
    }
}

/// Leaves a mark, then does as it is told.
struct Scripted;

impl Handler for Scripted {
    type Event = Script;
    const NAME: &'static str = "scripted";

    async fn handle(&self, script: Script, context: &mut Context<'_>) -> Result<(), HandlerError> {
        let id = context.execution_id();
        context.execute("INSERT INTO effects (execution_id) VALUES ($1)", &[&id]).await?;
        match script.0.as_str() {
            "retry" => Err(HandlerError::retry("the other side is busy")),
            "retry in an hour" => Err(HandlerError::retry_after("asked to wait", Duration::from_hours(1))),
            "fail" => Err(HandlerError::fail("this can never work")),
            "panic" => panic!("the handler has a bug"),
            "hang" => std::future::pending().await,
            "hang in the database" => Ok(context.query("SELECT pg_sleep(60)", &[]).await.map(drop)?),
            "hang loudly once" if Env::of_process().optional("SOLO_TEST_VICTIM").is_none() => Ok(()),
            "hang loudly" | "hang loudly once" => {
                println!("the handler runs");
                std::future::pending().await
            }
            "swallow a failed statement" => {
                let _ = context.execute("INSERT INTO late VALUES (1, 1), (1, 1)", &[]).await;
                Ok(())
            }
            "break at commit" => Ok(context.execute("INSERT INTO late VALUES (1, 2)", &[]).await.map(drop)?),
            "read everything" => Ok(context.query("SELECT * FROM effects", &[]).await.map(drop)?),
            "take 400 ms" => {
                tokio::time::sleep(Duration::from_millis(400)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Must not be rerun after a crash.
struct OnlyOnce;

impl Handler for OnlyOnce {
    type Event = Script;
    const NAME: &'static str = "only_once";
    const RERUN_AFTER_CRASH: bool = false;

    async fn handle(&self, script: Script, context: &mut Context<'_>) -> Result<(), HandlerError> {
        Scripted.handle(script, context).await
    }
}
