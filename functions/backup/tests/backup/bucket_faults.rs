//! The bucket on bad days: each ends in a good backup or in none, with an alert, and no upload is left behind.

use std::time::Duration;

use serde_json::Value;

use crate::{
    bucket_proxy::{BucketProxy, Fault},
    victim::Victim,
    world::{World, table},
};

/// A backup with an archive of four parts, or of one.
async fn backed_up(
    megabytes: u32,
    choose: impl Fn(&'static str, usize) -> Fault + Send + Sync + 'static,
) -> (World, Value) {
    let world = World::new().await;
    world.database.execute(&table(megabytes)).await;
    let proxy = BucketProxy::start(choose).await;
    let said = Victim::start(&world, &world.database.app_url(), &proxy.url).end().await;
    (world, said)
}

async fn is_good(choose: impl Fn(&'static str, usize) -> Fault + Send + Sync + 'static) {
    let (world, said) = backed_up(28, choose).await;
    assert_eq!(said["error"], Value::Null);
    let backups = world.good_backups().await;
    assert_eq!(backups.len(), 1);
    assert_eq!(world.rows_in(&backups[0].1, "noise").await, backups[0].0.inventory.tables["public.noise"].rows);
    assert_eq!(world.uploads().await, [""; 0]);
}

async fn is_none(words: &str, choose: impl Fn(&'static str, usize) -> Fault + Send + Sync + 'static) {
    let (world, said) = backed_up(28, choose).await;
    assert!(said["error"].as_str().is_some_and(|error| error.contains(words)), "{said}");
    world.none_and_an_alert(words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_busy_for_a_moment() {
    is_good(|kind, number| match (kind, number) {
        ("part", 2) => Fault::Refused(503, "SlowDown"),
        ("part" | "begin" | "put", 1) => Fault::Refused(500, "InternalError"),
        _ => Fault::None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_stays_busy() {
    is_none("SlowDown", |kind, number| match (kind, number) {
        ("part", 2..) => Fault::Refused(503, "SlowDown"),
        _ => Fault::None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_takes_no_uploads() {
    is_none("AccessDenied", |kind, _| if kind == "begin" { Fault::Refused(403, "AccessDenied") } else { Fault::None })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_bucket() {
    is_good(|_, _| Fault::Slow(Duration::from_millis(400))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_hangs_is_sent_again() {
    is_good(|kind, number| if (kind, number) == ("part", 2) { Fault::Hang } else { Fault::None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_hangs() {
    is_none("part", |kind, _| if kind == "part" { Fault::Hang } else { Fault::None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_the_first_request_is_lost() {
    let (world, said) =
        backed_up(28, |kind, number| if (kind, number) == ("begin", 1) { Fault::Lost } else { Fault::None }).await;
    assert!(said["error"].is_null(), "{said}");
    assert_eq!(world.good_backups().await.len(), 1);
    // Nobody knows its id, and who writes may not list: an upload without parts, for the next prune.
    assert_eq!(world.uploads().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_the_last_request_is_lost() {
    is_good(|kind, _| if kind == "complete" { Fault::Lost } else { Fault::None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_the_manifest_is_lost() {
    is_good(|kind, _| if kind == "put" { Fault::Lost } else { Fault::None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_cannot_be_completed() {
    is_none("InternalError", |kind, _| match kind {
        "complete" => Fault::Refused(500, "InternalError"),
        _ => Fault::None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_refused() {
    let (world, _) =
        backed_up(
            1,
            |kind, number| if (kind, number) == ("put", 2) { Fault::Refused(403, "AccessDenied") } else { Fault::None },
        )
        .await;
    world.none_and_an_alert("its manifest could not be").await;
    assert_eq!(world.keys().await.len(), 1, "the archive is there, and is no backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_expire_half_way() {
    // S3 says so of every request from then on, so nobody can abort: the next prune does.
    let expired = std::sync::atomic::AtomicBool::new(false);
    let (world, said) = backed_up(28, move |kind, number| {
        use std::sync::atomic::Ordering::SeqCst;
        expired.fetch_or(kind == "part" && number == 3, SeqCst);
        if expired.load(SeqCst) { Fault::Refused(400, "ExpiredToken") } else { Fault::None }
    })
    .await;
    assert!(said["error"].as_str().is_some_and(|error| error.contains("ExpiredToken")), "{said}");
    assert!(world.alert().await.contains("the credentials expired"));
    assert_eq!(world.keys().await, [""; 0]);
    assert_eq!(world.uploads().await.len(), 1);

    // They are renewed before the end.
    is_none("ExpiredToken", |kind, number| match (kind, number) {
        ("part", 3) => Fault::Refused(400, "ExpiredToken"),
        _ => Fault::None,
    })
    .await;
}
