//! What is not called, and what is not waited for.

use std::{
    process::Command,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use courier::{Reach, System};
use serde_json::json;
use shared::config::Env;
use tokio::time::Instant;

use crate::{
    server::{End, Reply, Server},
    world::{Names, TIME, World, again, expect, outbound, post},
};

#[tokio::test]
async fn redirects_are_not_followed() {
    let world = World::new(json!({})).await;
    let target = Server::start(vec![Reply::of(200, "")]).await;
    let server = Server::start(vec![Reply::of(307, "").header("Location", &target.url("127.0.0.1"))]).await;
    let courier = world.courier("").await;
    assert!(world.deliver(&courier, &outbound(post(&server.url("127.0.0.1")))).await);
    expect(&world.report().await, "dead", 1, "redirects are not followed");
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn this_machine_is_called_with_the_switch_only() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier_with("", Arc::new(System), |config| config.reach = Reach::Public).await;
    for host in ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "localhost"] {
        assert!(world.deliver(&courier, &outbound(post(&server.url(host)))).await);
        expect(&world.report().await, "dead", 1, "not called");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_name_with_private_addresses_is_not_called() {
    let world = World::new(json!({})).await;
    let names = Names::of(&[("inside.test", &[&["10.0.0.1", "169.254.169.254", "fd00:ec2::254"]])]);
    let courier = world.courier_with("", names, |_| {}).await;
    assert!(world.deliver(&courier, &outbound(post("http://inside.test/"))).await);
    expect(&world.report().await, "dead", 1, "inside.test has no public address");
}

/// The name is asked for once for each attempt, and the connection goes to what was looked at: to the one address of
/// several that is allowed, and nowhere when the next answer has none.
#[tokio::test]
async fn a_name_that_changes_its_address_gains_nothing() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(503, "")]).await;
    let names = Names::of(&[("rebinding.test", &[&["10.0.0.1", "127.0.0.1"], &["169.254.169.254"]])]);
    let courier = world.courier_with("", names.clone(), |_| {}).await;
    let first = world.queued(&[outbound(post(&server.url("rebinding.test")))]).await;

    assert_eq!(world.invoke(&courier, &first, TIME).await.len(), 1);
    expect(&world.report().await, "failed", 1, "503");
    assert_eq!((names.asked.load(Ordering::SeqCst), server.seen().len()), (1, 1));

    assert!(world.invoke(&courier, &again(&first), TIME).await.is_empty());
    expect(&world.report().await, "dead", 2, "no public address");
    assert_eq!((names.asked.load(Ordering::SeqCst), server.seen().len()), (2, 1));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_tried_again() {
    let world = World::new(json!({})).await;
    let courier = world.courier_with("", Names::of(&[]), |_| {}).await;
    assert!(!world.deliver(&courier, &outbound(post("http://nowhere.test/"))).await);
    expect(&world.report().await, "failed", 1, "no such name");
}

/// In a process that has one in its environment, where nothing listens: this test once more.
#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    const CHILD: &str = "SOLO_TEST_BESIDE_A_PROXY";
    if Env::of_process().optional(CHILD).is_some() {
        let world = World::new(json!({})).await;
        let server = Server::start(vec![Reply::of(200, "")]).await;
        let courier = world.courier("").await;
        assert!(world.deliver(&courier, &outbound(post(&server.url("localhost")))).await);
        return expect(&world.report().await, "delivered", 1, "");
    }
    let proxy = "http://127.0.0.1:9";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "network::a_proxy_of_the_environment_is_not_used"])
        .envs([("HTTP_PROXY", proxy), ("http_proxy", proxy), ("ALL_PROXY", proxy), ("NO_PROXY", "127.0.0.1")])
        .env(CHILD, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "start").end(End::Endless)]).await;
    let courier = world.courier("").await;
    let start = Instant::now();
    assert!(world.deliver(&courier, &outbound(post(&server.url("127.0.0.1")))).await);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let report = world.report().await;
    expect(&report, "delivered", 1, "");
    let body = report["body"].as_str().unwrap();
    assert!(body.starts_with("startxxx") && body.len() <= 2_000, "{}", body.len());
}

#[tokio::test]
async fn an_answer_without_an_end_counts_by_its_status() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(202, "so far").end(End::Hang)]).await;
    let courier = world.courier("").await;
    let request = post(&server.url("127.0.0.1")).timeout(Duration::from_millis(300));
    let start = Instant::now();
    assert!(world.deliver(&courier, &outbound(request)).await);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let report = world.report().await;
    assert_eq!((&report["status"], &report["body"]), (&json!(202), &json!("so far")));
}

#[tokio::test]
async fn no_answer_in_time_is_tried_again() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "").after(Duration::from_secs(30))]).await;
    let courier = world.courier("").await;
    let request = post(&server.url("127.0.0.1")).timeout(Duration::from_millis(300));
    assert!(!world.deliver(&courier, &outbound(request)).await);
    expect(&world.report().await, "failed", 1, "no answer within 300 ms");
}
