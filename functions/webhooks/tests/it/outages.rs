//! The database is out, comes back, or breaks off at the worst moment; secrets are rotated.

use secrecy::SecretString;
use serde_json::json;
use shared::{
    clock,
    config::{Config, Mode},
    inbox::{Message, decode},
};
use testkit::{Proxy, TestSecrets};

use crate::support::{World, first_party, invoice_paid, send, stripe_signed, within};

#[tokio::test]
async fn a_database_that_is_out_from_the_start_and_comes_back() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    proxy.set_down(true);
    let environment = world.environment_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    for request in [world.stripe(&invoice_paid()), world.event("k", &first_party())] {
        send(&environment, request).await.expect(202, "queued");
    }
    assert_eq!(world.queues.inbox().await.len(), 2);
    let paged = world.queues.outbound().await;
    assert_eq!(paged.len(), 1, "one environment says the same thing once: {paged:?}");
    assert!(paged[0].body.contains("database_failed"), "{paged:?}");
    proxy.set_down(false);
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
}

#[tokio::test]
async fn with_the_queue_out_too_the_sender_keeps_the_event() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    proxy.set_down(true);
    let environment = world.environment_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    world.queues.delete_inbox().await;
    for request in [world.stripe(&invoice_paid()), world.event("k", &first_party())] {
        let answer = send(&environment, request).await;
        answer.expect(503, "unavailable");
        assert_eq!(answer.headers["retry-after"], "60");
    }
}

/// A body that no message of the queue could hold.
#[tokio::test]
async fn a_large_event_goes_through_the_bucket() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    proxy.set_down(true);
    let environment = world.environment_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    let mut event = invoice_paid();
    event["data"]["object"]["description"] = "x".repeat(600_000).into();
    send(&environment, world.stripe(&event)).await.expect(202, "queued");
    let objects = world.queues.objects().await;
    let messages = world.queues.inbox().await;
    assert!(objects.len() == 1 && objects[0].starts_with("spool/"), "{objects:?}");
    assert!(messages.len() == 1 && messages[0].body.contains(&objects[0]), "{messages:?}");
}

#[tokio::test]
async fn a_queued_provider_never_touches_the_database() {
    let world = World::new().await;
    let queued = |config: &mut Config| {
        config.file.providers.get_mut("stripe").unwrap().mode = Mode::Queued;
    };
    let environment = world.environment_with(&world.database.app_url(), queued).await;
    let event = invoice_paid();
    send(&environment, world.stripe(&event)).await.expect(202, "queued");
    assert_eq!(world.database.count("SELECT count(*) FROM executions").await, 0);
    let messages = world.queues.inbox().await;
    let Message::Event(queued) = decode(&messages[0].body).unwrap() else { panic!("{messages:?}") };
    let envelope = queued.envelope().unwrap();
    assert_eq!((envelope.key.as_str(), &envelope.data), (event["id"].as_str().unwrap(), &event["data"]));
}

#[tokio::test]
async fn a_connection_that_breaks_between_two_events() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let environment = world.environment_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
    proxy.set_down(true);
    send(&environment, world.stripe(&invoice_paid())).await.expect(202, "queued");
    proxy.set_down(false);
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
    assert_eq!(world.database.count("SELECT count(*) FROM payments").await, 2);
}

#[tokio::test]
async fn a_server_that_is_restarted_under_the_connection() {
    let world = World::new().await;
    let environment = world.environment().await;
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
    let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND usename = 'solo_app'";
    assert_eq!(world.database.count(terminate).await, 1);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_looked_up_and_not_repeated() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let environment = world.environment_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    let event = invoice_paid();
    proxy.lose_next_commit_answer();
    send(&environment, world.stripe(&event)).await.expect(200, "ok");
    send(&environment, world.stripe(&event)).await.expect(200, "already_processed");
    assert_eq!(world.database.count("SELECT count(*) FROM payments").await, 1);
    assert_eq!(world.database.text("SELECT status || ' ' || attempt FROM executions").await, "completed 1");
}

/// It takes bytes and answers nothing: no error, no end of the connection.
#[tokio::test]
async fn a_server_that_falls_silent_does_not_hold_the_invocation() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let environment = world.environment_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    proxy.set_silent(true);
    let asked = tokio::time::Instant::now();
    let request = within(world.stripe(&invoice_paid()), std::time::Duration::from_secs(6));
    send(&environment, request).await.expect(202, "queued");
    assert!(asked.elapsed() < std::time::Duration::from_millis(5_500), "{:?}", asked.elapsed());
    proxy.set_silent(false);
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
}

/// As in the cloud, where no URL has a password.
#[tokio::test]
async fn the_login_to_the_database_comes_from_its_secret() {
    let (world, login) = (World::new().await, TestSecrets::app_login().await);
    let nobody = world.database.app_url().with_user("nobody", None);
    let with_secret = |config: &mut Config| config.database.secret_id = Some(login.id.clone());
    let environment = world.environment_with(&nobody, with_secret).await;
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
}

#[tokio::test]
async fn a_rotated_secret_is_read_at_the_first_signature_that_needs_it() {
    let world = World::new().await;
    let environment = world.environment().await;
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
    let new = SecretString::from("whsec_the_new_one_after_the_rotation_1");
    let mut secret = world.secret.json();
    secret["STRIPE_WEBHOOK_SECRET"] =
        json!(["whsec_the_new_one_after_the_rotation_1", secret["STRIPE_WEBHOOK_SECRET"]]);
    world.secrets.put(&secret).await;

    let body = invoice_paid().to_string();
    send(&environment, stripe_signed(body.as_bytes(), &new, clock::now())).await.expect(200, "ok");
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");
}
