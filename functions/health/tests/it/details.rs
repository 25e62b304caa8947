//! What `/health` tells, and to whom.

use std::time::Duration;

use axum::http::Method;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use shared::{clock, secrets::Refresh};
use testkit::Way;

use crate::support::{World, ask, degraded, get};

#[tokio::test]
async fn details_are_for_the_token_alone() {
    let world = World::new().await;
    let health = world.health().await;
    let others = world.secret.events_token.expose_secret();
    let almost = &world.token()[..world.token().len() - 1];
    for token in [None, Some(""), Some(others), Some(almost), Some(&format!("{almost}\u{e9}"))] {
        for path in ["/health", "/health/ready", "/health/live"] {
            let answer = get(&health, path, token).await;
            assert_eq!((answer.status, answer.json()), (200, json!({"status": "healthy"})), "{path} {token:?}");
        }
    }
    let answer = get(&health, "/health/ready", Some(world.token())).await;
    assert_eq!(answer.json(), json!({"status": "healthy"}), "nor at other paths");
    assert!(get(&health, "/health", Some(world.token())).await.json()["version"].is_string());
}

/// A token that was right a moment ago is not refused because nobody can say so again.
#[tokio::test]
async fn the_token_stays_good_while_the_secrets_manager_is_out() {
    let world = World::new().await;
    let health = world
        .health_with(|settings| settings.refresh = Refresh { ttl: Duration::ZERO, at_most_every: Duration::ZERO })
        .await;
    for way in [Way::Open, Way::Silent, Way::Cut] {
        world.to_secrets.set(way);
        let body = get(&health, "/health", Some(world.token())).await.json();
        assert!(body["version"].is_string(), "{way:?}: {body}");
        assert_eq!(get(&health, "/metrics", Some(world.token())).await.status, 200, "{way:?}");
    }
}

#[tokio::test]
async fn all_that_the_requirements_name_is_there() {
    let world = World::new().await;
    let health = world
        .health_with(|settings| {
            settings.release = Some("0123abc".into());
            settings.memory_limit = Some(8 << 30);
        })
        .await;
    let before = clock::now();
    let body = get(&health, "/health", Some(world.token())).await.json();
    assert_eq!(body["status"], "healthy");
    assert_eq!((&body["version"], &body["releaseId"]), (&json!(env!("CARGO_PKG_VERSION")), &json!("0123abc")));
    assert!(body["uptime_seconds"].as_u64().unwrap() < 60, "{body}");
    let memory = &body["memory"];
    assert!(memory["used"].as_u64().unwrap() > 1 << 20, "{body}");
    assert_eq!((&memory["limit"], &memory["threshold"]), (&json!(8_u64 << 30), &json!(512 << 20)));
    assert_eq!(body["last_deployment"], Value::Null, "there was none");
    for (name, kind) in [("database", "datastore"), ("queue", "component"), ("storage", "datastore")] {
        assert_eq!(body["dependencies"][name]["status"], "ok", "{body}");
        let latency = &body["dependencies"][name]["latency_ms"];
        assert!(latency.as_u64().unwrap() < 2_000, "{body}");
        let check = &body["checks"][format!("{name}:responseTime")][0];
        assert_eq!((&check["componentType"], &check["status"]), (&json!(kind), &json!("pass")), "{body}");
        assert_eq!((&check["observedValue"], &check["observedUnit"]), (latency, &json!("ms")), "{body}");
        let time: Timestamp = check["time"].as_str().unwrap().parse().unwrap();
        assert!((before..=clock::now()).contains(&time), "{body}");
        assert_eq!(check.get("output"), None, "{body}");
    }
    assert_eq!(body["checks"]["memory:utilization"][0]["status"], "pass");
    assert_eq!(body["checks"]["uptime"][0]["observedUnit"], "s");
}

#[tokio::test]
async fn the_last_deployment_is_the_newest_whatever_came_of_it() {
    let world = World::new().await;
    world
        .database
        .execute(
            "INSERT INTO deployments (id, kind, release, outcome, detail, actor, started_at, finished_at) VALUES
             (gen_random_uuid(), 'deploy', 'old', 'succeeded', NULL, 'me', '2026-01-01T00:00Z', '2026-01-01T01:00Z'),
             (gen_random_uuid(), 'rollback', 'new', 'failed', 'private', 'me', '2026-02-01T00:00Z', '2026-02-01T01:00Z')",
        )
        .await;
    let health = world.health().await;
    let body = get(&health, "/health", Some(world.token())).await.json();
    let expected =
        json!({"kind": "rollback", "release": "new", "outcome": "failed", "finished_at": "2026-02-01T01:00:00Z"});
    assert_eq!(body["last_deployment"], expected);

    world.database.execute("REVOKE SELECT ON deployments FROM solo_app").await;
    let body = get(&health, "/health", Some(world.token())).await.json();
    assert_eq!(
        (body.get("last_deployment"), &body["status"]),
        (None, &json!("healthy")),
        "unknown, and no outage: {body}"
    );
}

/// What is wrong is said without hosts, users and the words of libraries.
#[tokio::test]
async fn an_outage_is_told_in_our_own_words() {
    let world = World::new().await;
    let health = world.health().await;
    // The token is checked once while all is well, and known then.
    get(&health, "/health", Some(world.token())).await;
    world.to_database.set(Way::Cut);
    world.to_queue.set(Way::Silent);
    let answer = get(&health, "/health", Some(world.token())).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["status"]), (503, &json!("unhealthy")));
    assert_eq!(body.get("last_deployment"), None, "it is unknown: {body}");
    let output = |name: &str| body["checks"][format!("{name}:responseTime")][0]["output"].clone();
    assert_eq!(output("database"), "out of reach, or refused; the log has the error");
    assert_eq!(output("queue"), "no answer within 2 s");
    assert!(body["dependencies"]["queue"]["latency_ms"].as_u64().unwrap() >= 2_000, "{body}");
    for word in ["127.0.0.1", "solo_app", "inbox", "refused:"] {
        assert!(!answer.text.contains(word), "{word} in {}", answer.text);
    }
}

#[tokio::test]
async fn too_much_memory_degrades() {
    let world = World::new().await;
    let health = world.health_with(|settings| settings.memory_limit = Some(1 << 20)).await;
    let answer = get(&health, "/health", Some(world.token())).await;
    assert_eq!(answer.says(), degraded());
    assert_eq!(answer.json()["checks"]["memory:utilization"][0]["status"], "warn");
    assert_eq!(get(&health, "/health/ready", None).await.status, 200);
}

/// A token that was set a moment ago is known at once, and the one before it too, while both are in the secret.
#[tokio::test]
async fn a_rotated_token_is_taken() {
    let world = World::new().await;
    let health = world.health().await;
    assert!(get(&health, "/health", Some(world.token())).await.json()["version"].is_string());
    let new = "health_of_a_rotation_0123456789abcdef";
    world.secrets.put(&json!({"HEALTH_TOKEN": [new, world.token()]})).await;
    for token in [new, world.token()] {
        assert!(get(&health, "/health", Some(token)).await.json()["version"].is_string(), "{token}");
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let world = World::new().await;
    let health = world.health().await;
    for path in ["/health", "/health/ready", "/health/live"] {
        let (head, full) = (ask(&health, Method::HEAD, path, None).await, get(&health, path, None).await);
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        for name in ["content-type", "cache-control", "content-length"] {
            assert_eq!(head.header(name), full.header(name), "{name} of {path}");
        }
    }
    world.to_database.set(Way::Cut);
    assert_eq!(ask(&health, Method::HEAD, "/health/ready", None).await.status, 503);
    let refused = ask(&health, Method::POST, "/health", None).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (405, Some("method_not_allowed")));
    let nowhere = ask(&health, Method::HEAD, "/health/nowhere", None).await;
    assert_eq!((nowhere.status, nowhere.text.as_str()), (404, ""), "a problem has no body either");
}
