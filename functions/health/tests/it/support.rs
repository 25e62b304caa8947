//! A world to test in: a database, queues, a bucket and secrets, each behind a way of its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, retry::RetryConfig};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use health::{Environment, Services, Settings, router};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use shared::{config::Env, db::DatabaseUrl, http::layered};
use testkit::{AppSecret, Relay, TestDatabase, TestQueues, TestSecrets, variable};
use tower::ServiceExt as _;

pub struct World {
    pub database: TestDatabase,
    pub queues: TestQueues,
    pub secret: AppSecret,
    pub secrets: TestSecrets,
    /// The ways to them.
    pub to_database: Relay,
    pub to_queue: Relay,
    pub to_storage: Relay,
    pub to_secrets: Relay,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl World {
    pub async fn new() -> Self {
        let (database, queues, secret) = (TestDatabase::new().await, TestQueues::create().await, AppSecret::random());
        let secrets = TestSecrets::create(&secret.json()).await;
        let url = database.app_url();
        let aws = variable("AWS_ENDPOINT_URL").trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        let (to_database, to_queue) = (relay(&url.host, url.port).await, Relay::before(aws).await);
        let (to_storage, to_secrets) = (Relay::before(aws).await, Relay::before(aws).await);
        Self { database, queues, secret, secrets, to_database, to_queue, to_storage, to_secrets }
    }

    /// Nothing that it finds is kept.
    pub async fn health(&self) -> Router {
        self.health_with(|settings| settings.kept_for = Duration::ZERO).await
    }

    pub async fn health_with(&self, change: impl FnOnce(&mut Settings)) -> Router {
        let app = self.database.app_url();
        let mut all = vec![("DATABASE_URL", app.to_string()), ("APP_SECRET_ID", self.secrets.id.clone())];
        all.extend(self.queues.variables());
        let pairs: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut settings = Settings::load(&Env::of(&pairs)).unwrap();
        settings.database.url = DatabaseUrl { host: "127.0.0.1".into(), port: self.to_database.port, ..app };
        change(&mut settings);
        let services = Services {
            secrets: through(&self.to_secrets, &settings).await.secrets,
            queue: through(&self.to_queue, &settings).await.queue,
            storage: through(&self.to_storage, &settings).await.storage,
        };
        layered(router(Arc::new(Environment::new(settings, services).unwrap())))
    }

    pub fn token(&self) -> &str {
        self.secret.health_token.expose_secret()
    }
}

async fn relay(host: &str, port: u16) -> Relay {
    Relay::before(SocketAddr::new(host.parse().unwrap(), port)).await
}

async fn through(relay: &Relay, settings: &Settings) -> Services {
    // As `shared::aws::sdk_config` has it, whose endpoint is that of the environment.
    let config = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(format!("http://127.0.0.1:{}", relay.port))
        .retry_config(RetryConfig::standard().with_max_attempts(2));
    Services::of(&config.load().await, settings)
}

pub async fn ask(health: &Router, method: Method, path: &str, token: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = health.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text }
}

pub async fn get(health: &Router, path: &str, token: Option<&str>) -> Answer {
    ask(health, Method::GET, path, token).await
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code, and the word.
    pub fn says(&self) -> (u16, String) {
        (self.status, self.json()["status"].as_str().unwrap().to_owned())
    }
}

pub fn healthy() -> (u16, String) {
    (StatusCode::OK.as_u16(), "healthy".into())
}

pub fn degraded() -> (u16, String) {
    (StatusCode::OK.as_u16(), "degraded".into())
}

pub fn unhealthy() -> (u16, String) {
    (StatusCode::SERVICE_UNAVAILABLE.as_u16(), "unhealthy".into())
}
