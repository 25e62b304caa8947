//! The secrets' cache, against the emulator's Secrets Manager.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use serde_json::{Value, json};
use shared::{
    db::{Credentials, Database},
    secrets::{Refresh, SecretSource, Secrets, SecretsError, SecretsManager, is_one_of},
};
use testkit::{TestDatabase, TestSecrets, variable};
use tokio::time::sleep;

fn token(name: &str) -> Value {
    json!({"EVENTS_TOKEN": format!("{name:_<32}")})
}

async fn cache(secret: &TestSecrets) -> Secrets {
    let refresh = Refresh { ttl: Duration::from_millis(600), at_most_every: Duration::from_millis(300) };
    Secrets::refreshed(Arc::new(SecretsManager::from_env().await), secret.id.clone(), refresh)
}

async fn has(secrets: &Secrets, name: &str) -> bool {
    is_one_of(&format!("{name:_<32}"), secrets.get().await.unwrap().events_tokens())
}

#[tokio::test]
async fn a_value_is_used_until_its_time_is_up_and_then_read_again() {
    let secret = TestSecrets::create(&token("old")).await;
    let secrets = cache(&secret).await;
    assert!(has(&secrets, "old").await);
    secret.put(&token("new")).await;
    assert!(has(&secrets, "old").await);
    sleep(Duration::from_millis(650)).await;
    assert!(has(&secrets, "new").await);
}

#[tokio::test]
async fn a_failed_refresh_keeps_the_last_good_value() {
    let secret = TestSecrets::create(&token("good")).await;
    let secrets = cache(&secret).await;
    assert!(has(&secrets, "good").await);
    secret.put(&json!({"EVENTS_TOKEN": "short"})).await;
    sleep(Duration::from_millis(650)).await;
    assert!(has(&secrets, "good").await, "unfit");
    secret.delete().await;
    sleep(Duration::from_millis(350)).await;
    assert!(has(&secrets, "good").await, "gone");
}

#[tokio::test]
async fn after_a_failed_verification_it_is_read_again_but_not_at_every_one() {
    let secret = TestSecrets::create(&token("old")).await;
    let secrets = cache(&secret).await;
    assert!(has(&secrets, "old").await);
    secret.put(&token("new")).await;
    assert!(secrets.refetch().await.is_some());
    assert!(has(&secrets, "new").await);
    secret.put(&token("newer")).await;
    assert!(secrets.refetch().await.is_none());
    assert!(has(&secrets, "new").await);
    sleep(Duration::from_millis(350)).await;
    assert!(secrets.refetch().await.is_some());
    assert!(has(&secrets, "newer").await);
}

#[tokio::test]
async fn what_is_not_there_or_unfit_at_first_is_an_error_that_names_it() {
    let gone = TestSecrets::create(&token("x")).await;
    gone.delete().await;
    let error = cache(&gone).await.get().await.err().unwrap();
    assert!(error.to_string().contains(&gone.id), "{error}");
    assert!(matches!(error, SecretsError::Unreadable { .. }));

    let short = TestSecrets::create(&json!({"STRIPE_WEBHOOK_SECRET": "whsec_short", "EVENTS_TOKEN": "tiny"})).await;
    let error = cache(&short).await.get().await.err().unwrap().to_string();
    assert!(error.contains("STRIPE_WEBHOOK_SECRET") && error.contains("EVENTS_TOKEN"), "{error}");
    assert!(!error.contains("whsec_short"), "{error}");
}

#[tokio::test]
async fn the_databases_login_comes_from_its_secret_and_is_read_again_when_refused() {
    let database = TestDatabase::new().await;
    let source: Arc<dyn SecretSource> = Arc::new(SecretsManager::from_env().await);
    let wrong = json!({"username": "solo_app", "password": "rotated-away"});
    let secret = TestSecrets::create(&wrong).await;
    let url = database.app_url().with_user("ignored", Some(SecretString::from("ignored")));
    let connecting = Database::new(url, Credentials::new(Some(secret.id.clone()), &source), &[]).unwrap();
    let error = connecting.open().await.unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("28P01"), "{error}");
    secret.put(&json!({"username": "solo_app", "password": variable("SOLO_TEST_APP_PASSWORD")})).await;
    connecting.open().await.unwrap();
}
