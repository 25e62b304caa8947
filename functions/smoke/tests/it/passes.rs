//! What passes, and what is left of it.

use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use serde_json::{Value, json};
use shared::{
    config::Env,
    db::{Credentials, Database},
    events::Envelope,
    executions::{self, Claim, SMOKE_TEST, Settled},
};
use smoke::Config;
use testkit::AppSecret;
use uuid::Uuid;

use crate::stage::{Stage, function};

async fn store(stage: &Stage, key: &str, event_type: &str) -> Uuid {
    let database = Database::new(stage.database.app_url(), Credentials::Url, &[]).unwrap();
    let data = json!({"n": key});
    let event = Envelope::new("stripe", key, event_type, 1, data.clone(), data.to_string().as_bytes()).unwrap();
    let mut session = database.session().await.unwrap();
    match executions::settle(&mut session, &event, Settled::Unhandled).await.unwrap() {
        Claim::Owned(owned) => owned.id,
        Claim::Existing(existing) => panic!("{existing:?}"),
    }
}

#[tokio::test]
async fn good_versions_pass_and_nothing_is_left_but_what_was_there() {
    let stage = Stage::new().await;
    let mut there = [store(&stage, "1", "invoice.paid").await, store(&stage, "2", SMOKE_TEST).await];
    there.sort_unstable();
    for run in 1..=2 {
        // The second is a rerun of the same hook.
        assert_eq!(stage.faults().await, Vec::<String>::new(), "run {run}");
        let left = stage.database.text("SELECT string_agg(id::text, ' ' ORDER BY id) FROM executions").await;
        assert_eq!(left, there.map(|id| id.to_string()).join(" "));
        let removed = "SELECT count(*) FROM audit WHERE operation = 'remove_smoke_test'";
        assert_eq!(stage.database.count(removed).await, run);
    }
    assert_eq!(stage.database.count("SELECT count(*) FROM alerts").await, 0);
}

/// Nothing that is due is touched by a version that nobody has tried.
#[tokio::test]
async fn worker_and_courier_get_one_empty_batch_each() {
    let mut stage = Stage::new().await;
    for name in ["worker", "courier"] {
        let inner = stage.get(name);
        let asked = count(&mut stage, name);
        assert_eq!(stage.faults().await, Vec::<String>::new());
        let events = asked.lock().unwrap().clone();
        assert_eq!(events, [json!({"Records": []})], "{name}");
        let answer = inner(events[0].clone()).await.unwrap();
        assert_eq!(answer["batchItemFailures"], json!([]), "{name}");
    }
}

/// A run before died before it removed anything.
#[tokio::test]
async fn what_a_run_before_left_behind_is_no_fault_and_goes_too() {
    let mut stage = Stage::new().await;
    let ops = stage.get("ops");
    stage.put("ops", function(|_| async { Err(smoke::InvokeError::NotJson) }));
    assert!(!stage.faults().await.is_empty());
    assert_eq!(stage.smoke_tests().await, 1);
    stage.put("ops", ops);
    assert_eq!(stage.faults().await, Vec::<String>::new());
    assert_eq!((stage.smoke_tests().await, stage.database.count("SELECT count(*) FROM alerts").await), (0, 0));
}

#[tokio::test]
async fn without_a_secret_to_sign_with_the_other_checks_remain() {
    let mut secret = AppSecret::random();
    secret.webhooks.clear();
    let mut stage = Stage::with(&secret, None).await;
    let asked = count(&mut stage, "webhooks");
    assert_eq!(stage.faults().await, Vec::<String>::new());
    assert!(asked.lock().unwrap().is_empty());
    stage.put("courier", function(|_| async { Err(smoke::InvokeError::NotJson) }));
    assert_eq!(stage.faults().await.len(), 1);
}

/// A queued provider's answer says nothing of the database, and a public key signs nothing.
#[tokio::test]
async fn providers_that_cannot_be_tested_are_passed_over() {
    let file = std::env::temp_dir().join(format!("smoke-{}.toml", Uuid::new_v4()));
    let toml = "[providers.github]\n[providers.slack]\nmode = 'queued'\n[providers.standard]\n[providers.shopify]\n\
                enabled = false\n[providers.aaa]\nscheme = 'standard'";
    std::fs::write(&file, toml).unwrap();
    let mut secret = AppSecret::random();
    let public = format!("whpk_{}", "A".repeat(43) + "=");
    secret.webhooks.insert("standard".into(), SecretString::from(public.clone()));
    secret.webhooks.insert("aaa".into(), SecretString::from(public));
    let mut stage = Stage::with(&secret, Some(file.to_str().unwrap().to_owned())).await;
    let asked = count(&mut stage, "webhooks");
    assert_eq!(stage.faults().await, Vec::<String>::new());
    let paths: Vec<_> = asked.lock().unwrap().iter().map(|event| event["rawPath"].clone()).collect();
    assert_eq!(paths, ["/webhooks/github"; 3]);
    // GitHub signs no ids: the same contents under another one would be told as a replay.
    assert_eq!((stage.smoke_tests().await, stage.database.count("SELECT count(*) FROM alerts").await), (0, 0));
    std::fs::remove_file(&file).unwrap();
}

/// The events that a function gets.
fn count(stage: &mut Stage, name: &str) -> Arc<Mutex<Vec<Value>>> {
    let (seen, inner) = (Arc::new(Mutex::new(Vec::new())), stage.get(name));
    let keep = Arc::clone(&seen);
    stage.put(
        name,
        function(move |event| {
            keep.lock().unwrap().push(event.clone());
            inner(event)
        }),
    );
    seen
}

#[test]
fn the_file_that_is_built_in_has_a_provider() {
    let names =
        ["APP_SECRET_ID", "WEBHOOKS_VERSION", "HEALTH_VERSION", "WORKER_VERSION", "COURIER_VERSION", "OPS_VERSION"];
    let config = Config::load(&Env::of(&names.map(|name| (name, "x")))).unwrap();
    assert!(config.file.providers.values().any(|settings| settings.enabled));
}
