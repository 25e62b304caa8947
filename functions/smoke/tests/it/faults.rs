//! What keeps the traffic away, each time told to CodeDeploy, and each time cleaned up after.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use shared::{
    clock,
    config::Env,
    providers::{self, About},
    secrets::SecretsManager,
};
use smoke::{Hook, InvokeError};
use testkit::AppSecret;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    codedeploy::Server,
    stage::{Function, Stage, busy, event, function},
};

/// Stripe's delivery, with the body changed and signed anew.
fn resigned(mut event: Value, secret: &AppSecret, change: impl Fn(String) -> String) -> Value {
    let body = String::from_utf8(STANDARD.decode(event["body"].as_str().unwrap()).unwrap()).unwrap();
    let about = About { id: "", event_type: "" };
    let provider = providers::find("stripe").unwrap();
    let delivery = provider.sign(change(body).into_bytes(), &about, &secret.stripe, clock::now());
    for (name, value) in &delivery.headers {
        event["headers"][name.as_str()] = json!(value.to_str().unwrap());
    }
    event["body"] = json!(STANDARD.encode(&delivery.body));
    event
}

/// As Lambda answers for a version that does not start.
fn does_not_start() -> Function {
    function(|_| async {
        let payload = json!({"errorType": "Runtime.ExitError", "errorMessage": "exit status: 1"});
        Err(InvokeError::of_function("Unhandled", &payload))
    })
}

fn hangs() -> Function {
    function(|_| std::future::pending())
}

#[tokio::test]
async fn webhooks_that_fail() {
    let mut stage = Stage::new().await;
    stage.put("webhooks", function(|_| async { Ok(json!({"statusCode": 500, "body": "{\"error\":\"internal\"}"})) }));
    let faults = stage.faults().await;
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("forged") && faults[0].contains("500 internal"), "{faults:?}");
    assert!(faults[1].contains("the first webhook was answered with 500"), "{faults:?}");
}

/// No answer names what was stored: it is found by its key.
#[tokio::test]
async fn an_answer_that_is_lost() {
    let mut stage = Stage::new().await;
    let inner = stage.get("webhooks");
    stage.put(
        "webhooks",
        function(move |event| {
            let answer = inner(event);
            async move { answer.await.map(|_| json!({"statusCode": 502})) }
        }),
    );
    assert_eq!(stage.faults().await.len(), 2);
    assert_eq!((stage.smoke_tests().await, stage.database.count("SELECT count(*) FROM audit").await), (0, 1));
}

#[tokio::test]
async fn a_signature_that_is_not_looked_at() {
    let mut stage = Stage::new().await;
    let (inner, secret) = (stage.get("webhooks"), stage.secret.clone());
    stage.put("webhooks", function(move |event| inner(resigned(event, &secret, |body| body))));
    let faults = stage.faults().await;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("a forged webhook was answered with 200 ignored, not 401"), "{faults:?}");
    assert_eq!(stage.smoke_tests().await, 0);
}

#[tokio::test]
async fn a_duplicate_that_is_not_recognised() {
    let mut stage = Stage::new().await;
    let (inner, secret) = (stage.get("webhooks"), stage.secret.clone());
    stage.put(
        "webhooks",
        function(move |event| {
            let signature = event["headers"]["stripe-signature"].as_str().unwrap();
            let headers: HeaderMap =
                [(HeaderName::from_static("stripe-signature"), HeaderValue::from_str(signature).unwrap())]
                    .into_iter()
                    .collect();
            let body = STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
            let good = providers::find("stripe").unwrap().verify(
                &headers,
                &body,
                std::slice::from_ref(&secret.stripe),
                clock::now(),
                Duration::from_mins(5),
            );
            let new = uuid::Uuid::new_v4().simple().to_string();
            let change = |body: String| body.replace("\"evt_", &format!("\"evt_{new}"));
            inner(if good.is_ok() { resigned(event, &secret, change) } else { event })
        }),
    );
    let faults = stage.faults().await;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("stored anew"), "{faults:?}");
    // Both of them.
    assert_eq!(stage.smoke_tests().await, 0);
    assert_eq!(stage.database.count("SELECT count(*) FROM audit").await, 2);
}

#[tokio::test]
async fn a_database_that_is_out_for_the_new_version() {
    let mut stage = Stage::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut closed = stage.database.app_url();
    closed.port = listener.local_addr().unwrap().port();
    drop(listener);
    stage.put("health", stage.health(&closed).await);
    let faults = stage.faults().await;
    assert_eq!(faults, ["health: /health/ready says 503 unhealthy"]);
    // The webhook is queued then, and that is not good enough either.
    stage.put("webhooks", stage.webhooks(&closed).await);
    let faults = stage.faults().await;
    assert!(faults.iter().any(|fault| fault.contains("202 queued")), "{faults:?}");
}

#[tokio::test]
async fn versions_that_do_not_start_are_all_listed() {
    let mut stage = Stage::new().await;
    for (name, count) in [("health", 1), ("worker", 2), ("courier", 3), ("webhooks", 5), ("ops", 7)] {
        stage.put(name, does_not_start());
        let faults = stage.faults().await;
        assert_eq!(faults.len(), count, "{name}: {faults:?}");
        let ours = faults.iter().find(|fault| fault.starts_with(name)).unwrap();
        assert!(ours.contains("Unhandled Runtime.ExitError exit status: 1"), "{ours}");
    }
}

#[tokio::test]
async fn an_operation_that_is_refused_or_makes_no_sense() {
    let mut stage = Stage::new().await;
    for (answer, words) in [
        (json!({"version": 2, "outcome": "refused", "error": "another version"}), "refused: another version"),
        (json!({"outcome": "audit", "entries": []}), "answered with audit"),
        (json!("ok"), "no outcome"),
    ] {
        stage.put(
            "ops",
            function(move |_| {
                let answer = answer.clone();
                async move { Ok(answer) }
            }),
        );
        let faults = stage.faults().await;
        assert!(faults.iter().any(|fault| fault.starts_with("ops: ") && fault.contains(words)), "{words}: {faults:?}");
    }
}

/// No queue feeds these, so they are not left untested.
#[tokio::test]
async fn versions_without_a_queue_that_are_busy() {
    let mut stage = Stage::new().await;
    let words = "it was not tested, because its function was as busy as it may be: TooManyRequestsException";
    for (name, count) in [("health", 1), ("webhooks", 3), ("ops", 5)] {
        stage.put(name, busy());
        let faults = stage.faults().await;
        assert_eq!(faults.len(), count, "{name}: {faults:?}");
        assert!(faults.iter().any(|fault| fault.starts_with(name) && fault.contains(words)), "{name}: {faults:?}");
    }
}

/// CodeDeploy hears of it in time, whatever hangs.
#[tokio::test]
async fn versions_that_hang() {
    let mut stage = Stage::new().await;
    stage.put("worker", hangs());
    stage.put("courier", hangs());
    let deadline = |seconds: u64| u64::try_from(clock::now().as_millisecond()).unwrap() + seconds * 1_000;
    let started = Instant::now();
    let faults = stage.faults_within(deadline(23)).await;
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("worker: not done within"), "{faults:?}");
    assert!(faults[1].starts_with("courier: not done within"), "{faults:?}");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());

    stage.put("webhooks", hangs());
    stage.put("health", hangs());
    let faults = stage.faults_within(deadline(23)).await;
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults.iter().all(|fault| fault.contains("not done within")), "{faults:?}");
    stage.put("ops", hangs());
    let started = Instant::now();
    let faults = stage.faults_within(deadline(23)).await;
    assert_eq!(faults.len(), 6, "{faults:?}");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_panic_a_fault_of_the_configuration_and_a_secret_that_is_gone_are_outcomes() {
    let mut stage = Stage::new().await;
    stage.put("webhooks", function(|_| async { panic!("a bug") }));
    let faults = stage.faults().await;
    assert_eq!(faults, ["webhooks: its check panicked"]);

    stage.secrets.delete().await;
    let faults = stage.faults().await;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains(&stage.secrets.id), "{faults:?}");

    let codedeploy = Server::start(&[]).await;
    let (invoke, secrets) =
        (Arc::new(smoke::Lambda::new(&shared::aws::sdk_config().await)), Arc::new(SecretsManager::from_env().await));
    let hook = Hook::new(&Env::of(&[]), invoke, secrets, codedeploy.client().await);
    let answer = hook.handle(event(), 0).await.unwrap();
    assert!(answer["faults"][0].as_str().unwrap().contains("WEBHOOKS_VERSION"), "{answer}");
    assert_eq!(codedeploy.outcome(), "Failed");
    assert!(hook.handle(json!({"DeploymentId": "d"}), 0).await.is_err());
}
