//! Events that come again under another id, for senders that do not sign theirs.

use std::sync::OnceLock;

use axum::http::HeaderValue;
use serde_json::{Value, json};
use shared::{
    clock,
    providers::Delivery,
    telemetry::{LogLevel, filter, json as json_log},
};
use testkit::Captured;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::{
    senders::{self, Sender},
    support::{World, request_of, send},
};

/// The log of this process, from the first call on.
fn log() -> &'static Captured {
    static LOG: OnceLock<Captured> = OnceLock::new();
    LOG.get_or_init(|| {
        let captured = Captured::default();
        let subscriber = tracing_subscriber::registry().with(filter(LogLevel::Info)).with(json_log(captured.clone()));
        tracing::subscriber::set_global_default(subscriber).unwrap();
        captured
    })
}

/// How often the alert was raised while a request with this correlation id was answered.
fn alerts_in(log: &Captured, key: &str, correlation_id: &str) -> usize {
    let log = log.text();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["alert.key"] == key && line["correlation_id"] == correlation_id).count()
}

/// A captured delivery, under an id that its sender never gave; elsewhere also under another type.
fn replayed(sender: &Sender<'_>, captured: &Delivery) -> Delivery {
    let mut replay = captured.clone();
    if sender.name() == "mailgun" {
        let mut body: Value = serde_json::from_slice(&replay.body).unwrap();
        body["event-data"]["id"] = json!("another");
        replay.body = body.to_string().into_bytes();
    }
    for (name, value) in &mut replay.headers {
        if ["x-github-delivery", "x-shopify-webhook-id", "webhook-id", "x-acme-id"].contains(&name.as_str()) {
            *value = HeaderValue::from_static("another");
        }
    }
    replay
}

#[tokio::test]
async fn a_replay_under_another_id_is_handled_and_flagged_or_refused() {
    log();
    let (world, file) = senders::world().await;
    let all = file.clone();
    let environment = world.environment_with(&world.database.app_url(), |config| config.file = all).await;
    for sender in senders::of(&file) {
        let name = sender.name();
        let mut step = 0;
        let mut deliver = async |delivery: &Delivery| {
            step += 1;
            let correlation_id = format!("{name}-{step}-{}", world.secrets.id.replace('/', "."));
            let mut request = request_of(name, delivery.clone());
            request.headers_mut().insert("x-correlation-id", correlation_id.parse().unwrap());
            (send(&environment, request).await, alerts_in(log(), &format!("possible_replay:{name}"), &correlation_id))
        };
        let first = sender.delivery(&world, "one");
        for expected in ["the first", "its duplicate"] {
            let (answer, alerts) = deliver(&first).await;
            assert_eq!((answer.status.as_u16(), alerts), (200, 0), "{expected} of {name}: {}", answer.body);
        }
        let (answer, alerts) = deliver(&sender.delivery(&world, "another event")).await;
        assert_eq!((answer.status.as_u16(), alerts), (200, 0), "other contents of {name}: {}", answer.body);

        let replay = replayed(&sender, &first);
        let (answer, alerts) = deliver(&replay).await;
        if sender.provider.signs_id() {
            let changed = replay.headers != first.headers;
            let expected = if changed { 401 } else { 200 };
            assert_eq!((answer.status.as_u16(), alerts), (expected, 0), "{name}: {}", answer.body);
        } else {
            answer.expect(200, sender.word());
            assert_eq!(alerts, 1, "{name}");
            let (answer, alerts) = deliver(&replay).await;
            assert_eq!((answer.status.as_u16(), alerts), (200, 0), "a duplicate of the replay of {name}");
        }
        let rows = format!("SELECT count(*) FROM executions WHERE source = '{name}'");
        let expected = if sender.provider.signs_id() { 2 } else { 3 };
        assert_eq!(world.database.count(&rows).await, expected, "{name}");
    }
}

/// The type is no more signed than the id.
#[tokio::test]
async fn a_replay_as_another_type_is_flagged_too() {
    log();
    let world = World::new().await;
    let (_, file) = senders::world().await;
    let all = file.clone();
    let environment = world.environment_with(&world.database.app_url(), |config| config.file = all).await;
    for (name, header) in [("github", "x-github-event"), ("shopify", "x-shopify-topic")] {
        let sender = senders::of(&file).into_iter().find(|sender| sender.name() == name).unwrap();
        let first = sender.delivery(&world, "one");
        send(&environment, request_of(name, first.clone())).await.expect(200, sender.word());
        let mut replay = request_of(name, replayed(&sender, &first));
        replay.headers_mut().insert(header, "other".parse().unwrap());
        replay.headers_mut().insert("x-correlation-id", world.secrets.id.replace('/', ".").parse().unwrap());
        send(&environment, replay).await.expect(200, "ignored");
        let alerts = alerts_in(log(), &format!("possible_replay:{name}"), &world.secrets.id.replace('/', "."));
        assert_eq!(alerts, 1, "{name}");
    }
}

/// An attempt that is made again is no new event: it was flagged when it came.
#[tokio::test]
async fn a_later_attempt_is_not_flagged_again() {
    log();
    let (world, file) = senders::world().await;
    let all = file.clone();
    let environment = world.environment_with(&world.database.app_url(), |config| config.file = all).await;
    let github = senders::of(&file).into_iter().find(|sender| sender.name() == "github").unwrap();
    let mut alerts = Vec::new();
    for (step, id) in ["one", "two", "two"].into_iter().enumerate() {
        let delivery =
            github.signed_body(br#"{"todo": "retry"}"#.to_vec(), id, &world.secret.webhooks["github"], clock::now());
        let correlation_id = format!("{step}-{}", world.secrets.id.replace('/', "."));
        let mut request = request_of("github", delivery);
        request.headers_mut().insert("x-correlation-id", correlation_id.parse().unwrap());
        send(&environment, request).await.expect(202, "processing_failed");
        alerts.push(alerts_in(log(), "possible_replay:github", &correlation_id));
        world.database.execute("UPDATE executions SET next_attempt_at = now()").await;
    }
    assert_eq!(alerts, [0, 1, 0]);
    assert_eq!(world.database.count("SELECT max(attempt)::bigint FROM executions").await, 2);
}

/// With a generic plan, as a prepared statement gets it.
#[tokio::test]
async fn the_look_for_a_replay_uses_its_index() {
    let world = World::new().await;
    let admin = world.database.admin().await;
    let plan = admin
        .simple_query(
            "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
             PREPARE look (text, bytea, uuid) AS SELECT id FROM executions
              WHERE source = $1 AND fingerprint = $2 AND id <> $3
                AND source NOT IN ('events', 'slack', 'standard', 'stripe') LIMIT 1;
             EXPLAIN EXECUTE look ('github', '', gen_random_uuid())",
        )
        .await
        .unwrap();
    let plan = format!("{plan:?}");
    assert!(plan.contains("executions_fingerprint") && plan.contains("fingerprint = $2"), "{plan}");
}
