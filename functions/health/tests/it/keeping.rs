//! What was found is kept for a moment, and caches are told so.

use std::{num::NonZeroU32, time::Duration};

use axum::Router;
use futures_util::future::join_all;
use testkit::{Proxy, Way};
use tokio::time::{Instant, sleep};

use crate::support::{World, get, healthy, unhealthy};

#[tokio::test]
async fn a_storm_looks_once_at_each_dependency() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let health = world
        .health_with(|settings| {
            settings.database.url = proxy.url(&settings.database.url);
            settings.kept_for = Duration::from_secs(30);
        })
        .await;
    let storm = |token| {
        let health = &health;
        // Fewer than a client may send at once.
        (0..60).map(move |n| async move { get(health, ["/health", "/health/ready"][n % 2], token).await.says() })
    };
    let said = join_all(storm(None)).await;
    assert!(said.iter().all(|said| *said == healthy()), "{said:?}");
    // Details, too: the last deployment is read once more than the probe.
    join_all(storm(Some(world.token()))).await;
    assert!(proxy.statements() <= 2, "{} statements: {:?}", proxy.statements(), proxy.seen());
    assert_eq!((world.to_queue.requests(), world.to_storage.requests(), world.to_secrets.requests()), (1, 1, 1));
}

/// While the database hangs, a request that comes late does not wait for a look of its own.
#[tokio::test]
async fn a_storm_on_a_silent_database_takes_two_seconds_and_not_two_for_each() {
    let world = World::new().await;
    let health = world.health_with(|_| {}).await;
    world.to_database.set(Way::Silent);
    let asked = Instant::now();
    let said = join_all((0..50).map(|_| async { get(&health, "/health/ready", None).await.says() })).await;
    assert!(said.iter().all(|said| *said == unhealthy()), "{said:?}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

async fn ready(health: &Router) -> (u16, String) {
    get(health, "/health/ready", None).await.says()
}

#[tokio::test]
async fn what_was_found_is_told_until_it_is_old() {
    let world = World::new().await;
    let health = world.health_with(|settings| settings.kept_for = Duration::from_millis(400)).await;
    assert_eq!(ready(&health).await, healthy());
    world.to_database.set(Way::Cut);
    assert_eq!(ready(&health).await, healthy(), "a moment ago it was");
    sleep(Duration::from_millis(450)).await;
    assert_eq!(ready(&health).await, unhealthy());
    world.to_database.set(Way::Open);
    assert_eq!(ready(&health).await, unhealthy());
    sleep(Duration::from_millis(450)).await;
    assert_eq!(ready(&health).await, healthy());
}

#[tokio::test]
async fn caches_may_keep_what_everyone_may_see_for_as_long() {
    let world = World::new().await;
    let health = world.health_with(|_| {}).await;
    for (path, token, cache_control) in [
        ("/health", None, "max-age=2"),
        ("/health", Some("wrong"), "max-age=2"),
        ("/health", Some(world.token()), "private, max-age=2"),
        ("/health/ready", None, "max-age=2"),
        ("/health/live", None, "no-store"),
    ] {
        let answer = get(&health, path, token).await;
        assert_eq!(answer.header("cache-control"), cache_control, "{path} {token:?}");
        assert_eq!(answer.header("content-type"), "application/health+json", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("vary") == "authorization", path != "/health/live", "{path}");
    }
    world.to_database.set(Way::Cut);
    let health = world.health_with(|_| {}).await;
    let answer = get(&health, "/health/ready", None).await;
    assert_eq!((answer.status, answer.header("cache-control")), (503, "max-age=2"), "no load on what is down, either");
}

/// Not even what is kept is told without end. The process itself always says that it lives.
#[tokio::test]
async fn one_address_is_stopped_after_its_burst() {
    let world = World::new().await;
    let one = NonZeroU32::MIN;
    for path in ["/health", "/health/ready", "/metrics"] {
        let health = world
            .health_with(|settings| {
                (settings.file.limits.requests_per_second, settings.file.limits.burst) = (one, one.saturating_add(1));
            })
            .await;
        for _ in 0..2 {
            assert_eq!(get(&health, path, Some(world.token())).await.status, 200, "{path}");
        }
        let answer = get(&health, path, Some(world.token())).await;
        assert_eq!(
            (answer.status, answer.header("retry-after"), answer.header("cache-control")),
            (429, "1", "no-store"),
            "{path}"
        );
        assert_eq!(get(&health, "/health/live", None).await.status, 200);
    }
}
