//! Secrets reach those that they are for, and nobody else.

use serde_json::json;

use crate::{
    server::{Reply, Server},
    world::{Names, TIME, World, again, expect, outbound, post},
};

const TOKEN: &str = "crm_0123456789abcdef0123456789abcdef";
const NEWER: &str = "crm_fedcba9876543210fedcba9876543210";

#[tokio::test]
async fn a_secret_does_not_travel_in_the_clear() {
    let world = World::new(json!({"CRM_TOKEN": TOKEN})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier_with("", Names::of(&[("plain.test", &[&["127.0.0.1"]])]), |_| {}).await;
    let request = post(&server.url("plain.test")).secret_header("Authorization", "Bearer ", "CRM_TOKEN");
    assert!(world.deliver(&courier, &outbound(request)).await);
    expect(&world.report().await, "dead", 1, "use an https URL");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let world = World::new(json!({})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    let request = post(&server.url("127.0.0.1")).secret_header("Authorization", "Bearer ", "CRM_TOKEN");
    assert!(world.deliver(&courier, &outbound(request)).await);
    expect(&world.report().await, "dead", 1, "there is no secret CRM_TOKEN; add it");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn secrets_that_cannot_be_read_are_tried_again() {
    let world = World::new(json!({})).await;
    world.secrets.delete().await;
    let courier = world.courier("").await;
    let request = post("http://127.0.0.1:1/").secret_header("Authorization", "Bearer ", "CRM_TOKEN");
    assert!(!world.deliver(&courier, &outbound(request)).await);
    expect(&world.report().await, "failed", 1, "cannot be read");
}

/// The old one is cached for 5 minutes.
#[tokio::test]
async fn a_secret_that_was_just_rotated_is_no_failure_for_good() {
    let world = World::new(json!({"CRM_TOKEN": TOKEN})).await;
    let server = Server::start(vec![Reply::of(200, ""), Reply::of(401, ""), Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    let request = post(&server.url("127.0.0.1")).secret_header("Authorization", "Bearer ", "CRM_TOKEN");
    assert!(world.deliver(&courier, &outbound(request.clone())).await);
    world.secrets.put(&json!({"CRM_TOKEN": NEWER})).await;
    let first = world.queued(&[outbound(request)]).await;
    assert_eq!(world.invoke(&courier, &first, TIME).await.len(), 1);
    assert!(world.invoke(&courier, &again(&first), TIME).await.is_empty());
    assert_eq!(server.seen()[2].header("authorization"), Some(format!("Bearer {NEWER}").as_str()));
}

#[tokio::test]
async fn a_secret_that_was_just_added_is_found() {
    let world = World::new(json!({"CRM_TOKEN": TOKEN})).await;
    let server = Server::start(vec![Reply::of(200, "")]).await;
    let courier = world.courier("").await;
    let request = post(&server.url("127.0.0.1"));
    assert!(world.deliver(&courier, &outbound(request.clone().secret_header("x-token", "", "CRM_TOKEN"))).await);
    // All of them are cached now.
    world.secrets.put(&json!({"CRM_TOKEN": TOKEN, "NEW_TOKEN": NEWER})).await;
    assert!(world.deliver(&courier, &outbound(request.secret_header("x-token", "", "NEW_TOKEN"))).await);
    assert_eq!(server.seen()[1].header("x-token"), Some(NEWER));
}
