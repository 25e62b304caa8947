//! The probes, with the database up, out, and slow.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use health::{Environment, router};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use shared::{
    config::{Config, Env},
    db::DatabaseUrl,
    http::layered,
    secrets::SecretsManager,
};
use testkit::{AppSecret, Proxy, TestDatabase, TestSecrets};
use tokio::{net::TcpListener, time::Instant};
use tower::ServiceExt as _;

async fn environment(database: &DatabaseUrl, secrets: &TestSecrets) -> Router {
    environment_with(database, secrets, None).await
}

async fn environment_with(database: &DatabaseUrl, secrets: &TestSecrets, login: Option<&TestSecrets>) -> Router {
    let env = Env::of(&[
        ("DATABASE_URL", &database.to_string()),
        ("APP_SECRET_ID", &secrets.id),
        ("INBOX_QUEUE_URL", "http://127.0.0.1/inbox"),
        ("INBOX_DEAD_QUEUE_URL", "http://127.0.0.1/inbox-dead"),
        ("OUTBOUND_QUEUE_URL", "http://127.0.0.1/outbound"),
        ("ASSETS_BUCKET", "assets"),
    ]);
    let mut config = Config::load(&env).unwrap();
    config.database.url = database.clone();
    config.database.secret_id = login.map(|login| login.id.clone());
    let environment = Environment::new(config, Arc::new(SecretsManager::from_env().await)).unwrap();
    layered(router(Arc::new(environment)))
}

async fn get(environment: &Router, path: &str, token: Option<&str>) -> (u16, Value) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = environment.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn healthy_and_with_details_only_for_the_token() {
    let (database, secret) = (TestDatabase::new().await, AppSecret::random());
    let secrets = TestSecrets::create(&secret.json()).await;
    let environment = environment(&database.app_url(), &secrets).await;
    for path in ["/health/live", "/health/ready", "/health"] {
        assert_eq!(get(&environment, path, None).await, (200, serde_json::json!({"status": "healthy"})), "{path}");
    }
    let wrong = get(&environment, "/health", Some(secret.events_token.expose_secret())).await;
    assert!(wrong.1.get("version").is_none(), "{wrong:?}");
    let (_, body) = get(&environment, "/health", Some(secret.health_token.expose_secret())).await;
    assert_eq!(body["dependencies"]["database"]["status"], "ok");
    assert!(body["version"].is_string() && body["uptime_seconds"].is_u64());
}

/// As in the cloud, where no URL has a password.
#[tokio::test]
async fn the_login_to_the_database_comes_from_its_secret() {
    let (database, login) = (TestDatabase::new().await, TestSecrets::app_login().await);
    let secrets = TestSecrets::create(&AppSecret::random().json()).await;
    let nobody = database.app_url().with_user("nobody", None);
    let environment = environment_with(&nobody, &secrets, Some(&login)).await;
    assert_eq!(get(&environment, "/health/ready", None).await.0, 200);
}

#[tokio::test]
async fn out_and_back_again() {
    let (database, secret) = (TestDatabase::new().await, AppSecret::random());
    let secrets = TestSecrets::create(&secret.json()).await;
    let proxy = Proxy::before(&database.app_url()).await;
    let environment = environment(&proxy.url(&database.app_url()), &secrets).await;
    assert_eq!(get(&environment, "/health/ready", None).await.0, 200);
    proxy.set_down(true);
    for path in ["/health/ready", "/health"] {
        assert_eq!(get(&environment, path, None).await, (503, serde_json::json!({"status": "unhealthy"})), "{path}");
    }
    assert_eq!(get(&environment, "/health/live", None).await.0, 200, "alive without a database");
    let (_, body) = get(&environment, "/health", Some(secret.health_token.expose_secret())).await;
    assert_eq!(body["dependencies"]["database"]["status"], "fail");
    proxy.set_down(false);
    assert_eq!(get(&environment, "/health/ready", None).await.0, 200);
}

/// Something listens and never says a word.
#[tokio::test]
async fn a_silent_database_is_given_two_seconds() {
    let (database, secret) = (TestDatabase::new().await, AppSecret::random());
    let secrets = TestSecrets::create(&secret.json()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = DatabaseUrl { port: listener.local_addr().unwrap().port(), ..database.app_url() };
    let environment = environment(&url, &secrets).await;
    let asked = Instant::now();
    assert_eq!(get(&environment, "/health/ready", None).await.0, 503);
    assert!(asked.elapsed() < Duration::from_millis(2_500), "{:?}", asked.elapsed());
}
