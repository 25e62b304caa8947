//! Each dependency out, slow, silent, and back again.

use std::time::Duration;

use axum::Router;
use testkit::{Relay, TestSecrets, Way};
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::{World, degraded, get, healthy, unhealthy};

/// What a dependency has, and a little for this machine.
const IN_TIME: Duration = Duration::from_millis(2_600);

const PATHS: [&str; 3] = ["/health", "/health/ready", "/health/live"];

/// What the three paths say, and each dependency's word for whoever has the token; none of it slower than that.
async fn said(health: &Router, world: &World) -> ([(u16, String); 3], [String; 3]) {
    let mut said = Vec::new();
    for path in PATHS {
        let asked = Instant::now();
        said.push(get(health, path, None).await.says());
        assert!(asked.elapsed() < IN_TIME, "{path} took {:?}", asked.elapsed());
    }
    let asked = Instant::now();
    let body = get(health, "/health", Some(world.token())).await.json();
    assert!(asked.elapsed() < IN_TIME, "the details took {:?}", asked.elapsed());
    let words =
        ["database", "queue", "storage"].map(|name| body["dependencies"][name]["status"].as_str().unwrap().to_owned());
    (said.try_into().unwrap(), words)
}

fn words(out: &str) -> [String; 3] {
    ["database", "queue", "storage"].map(|name| if name == out { "fail" } else { "ok" }.to_owned())
}

/// Every way that a dependency can be bad, each followed by a good one, which is told at once.
async fn every_way(world: &World, health: &Router, way: &Relay, name: &str, expected: [(u16, String); 3]) {
    let well = [healthy(), healthy(), healthy()];
    assert_eq!(said(health, world).await, (well.clone(), words("none")), "{name} before");
    for bad in [Way::Cut, Way::Silent, Way::Slow(Duration::from_secs(3))] {
        way.set(bad);
        assert_eq!(said(health, world).await, (expected.clone(), words(name)), "{name} {bad:?}");
        way.set(Way::Open);
        assert_eq!(said(health, world).await, (well.clone(), words("none")), "{name} after {bad:?}");
    }
    // Slow, and in time.
    way.set(Way::Slow(Duration::from_millis(100)));
    assert_eq!(said(health, world).await, (well, words("none")), "{name} slow");
}

#[tokio::test]
async fn a_database_that_is_out_makes_it_unhealthy_and_unready() {
    let world = World::new().await;
    let health = world.health().await;
    every_way(&world, &health, &world.to_database, "database", [unhealthy(), unhealthy(), healthy()]).await;
}

#[tokio::test]
async fn a_queue_that_is_out_degrades() {
    let world = World::new().await;
    let health = world.health().await;
    every_way(&world, &health, &world.to_queue, "queue", [degraded(), healthy(), healthy()]).await;
}

#[tokio::test]
async fn a_bucket_that_is_out_degrades() {
    let world = World::new().await;
    let health = world.health().await;
    every_way(&world, &health, &world.to_storage, "storage", [degraded(), healthy(), healthy()]).await;
}

/// All at once: what hangs beside it costs no time of its own.
#[tokio::test]
async fn everything_silent_is_answered_within_two_seconds() {
    let world = World::new().await;
    let health = world.health().await;
    for way in [&world.to_database, &world.to_queue, &world.to_storage, &world.to_secrets] {
        way.set(Way::Silent);
    }
    let asked = Instant::now();
    let answer = get(&health, "/health", Some(world.token())).await;
    assert!(asked.elapsed() < IN_TIME, "{:?}", asked.elapsed());
    assert_eq!(answer.says(), unhealthy());
    assert_eq!(answer.json(), serde_json::json!({"status": "unhealthy"}), "no details: the token could not be checked");
}

/// The servers answer, and what we ask for is not there.
#[tokio::test]
async fn a_queue_and_a_bucket_that_are_gone_are_out() {
    let world = World::new().await;
    let health = world.health().await;
    world.queues.delete_inbox().await;
    assert_eq!(said(&health, &world).await, ([degraded(), healthy(), healthy()], words("queue")));

    let world = World::new().await;
    let nowhere = format!("test-{}-assets", Uuid::new_v4().simple());
    let health = world.health_with(|settings| settings.assets_bucket = nowhere).await;
    assert_eq!(get(&health, "/health", None).await.says(), degraded());
}

/// A connection that broke since it was last used says nothing about the database now.
#[tokio::test]
async fn a_broken_connection_is_not_an_outage() {
    let world = World::new().await;
    let health = world.health().await;
    for _ in 0..3 {
        assert_eq!(get(&health, "/health/ready", None).await.says(), healthy());
        // Nobody has noticed when the next look begins.
        world.to_database.break_connections();
        assert_eq!(get(&health, "/health/ready", None).await.says(), healthy());
    }
}

/// No smoothing: what flaps is told as it is each time, so that whoever counts can count.
#[tokio::test]
async fn flapping_is_told_as_it_is() {
    let world = World::new().await;
    let health = world.health().await;
    for _ in 0..5 {
        world.to_database.set(Way::Cut);
        assert_eq!(get(&health, "/health/ready", None).await.says(), unhealthy());
        world.to_database.set(Way::Open);
        assert_eq!(get(&health, "/health/ready", None).await.says(), healthy());
    }
}

/// As in the cloud, where no URL has a password; and with a login that the database refuses.
#[tokio::test]
async fn the_login_to_the_database_comes_from_its_secret() {
    let (world, login) = (World::new().await, TestSecrets::app_login().await);
    let with = |id: String| {
        world.health_with(move |settings| {
            settings.database.url = settings.database.url.with_user("nobody", None);
            settings.database.secret_id = Some(id);
        })
    };
    assert_eq!(get(&with(login.id.clone()).await, "/health/ready", None).await.says(), healthy());
    let wrong =
        TestSecrets::of(testkit::Kind::AppLogin, &serde_json::json!({"username": "solo_app", "password": "no"})).await;
    assert_eq!(get(&with(wrong.id).await, "/health/ready", None).await.says(), unhealthy());
}
