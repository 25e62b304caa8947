//! Effects on their way out, and what is heard of them.

use shared::{
    inbox::{Message, encode},
    outbox::{Outbound, Report, ReportResult, decode},
};
use uuid::Uuid;
use worker::Worker;

use crate::support::{World, received, soon, tick};

async fn sent(world: &World) -> Vec<Outbound> {
    world.queues.outbound().await.iter().map(|message| decode(&message.body).unwrap()).collect()
}

async fn report(worker: &Worker, id: Uuid, attempt: u16, result: ReportResult) {
    let message = encode(&Message::Report(Report { id, attempt, result })).unwrap();
    assert_eq!(worker.drain(received(&message, 1), soon()).await.failed.len(), 0);
}

const STATUS: &str = "SELECT status || ' ' || attempts || ' ' || COALESCE(last_error, '-') FROM outbox";

fn delivered() -> ReportResult {
    ReportResult::Delivered { status: Some(201), body: Some("made".into()) }
}

#[tokio::test]
async fn an_effect_exists_if_and_only_if_its_handler_s_transaction_does() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(1, "send").await;
    world.due(1, "break at commit").await;
    let done = tick(&worker).await;
    assert_eq!((done.completed, done.failed, done.relayed), (1, 1, 1));
    let effects = sent(&world).await;
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0].idempotency_key, effects[0].id.to_string());
    assert_eq!(effects[0].correlation_id, "c-1");
    assert_eq!(world.database.text(STATUS).await, "sent 0 -");
    assert_eq!(tick(&worker).await.relayed, 0, "on the queue already");
}

#[tokio::test]
async fn an_effect_with_a_key_of_its_own_is_stored_once() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(3, "send once").await;
    let done = tick(&worker).await;
    assert_eq!((done.completed, done.relayed), (3, 1));
}

#[tokio::test]
async fn reports_are_brought_into_the_row_and_late_ones_change_nothing() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(1, "send").await;
    tick(&worker).await;
    let id = sent(&world).await[0].id;
    let retry_at = shared::clock::now() + jiff::SignedDuration::from_secs(4);
    report(&worker, id, 1, ReportResult::Failed { error: "503".into(), status: Some(503), retry_at }).await;
    assert_eq!(world.database.text(STATUS).await, "failed 1 503");
    assert_eq!(tick(&worker).await.relayed, 0, "courier has it");
    report(&worker, id, 2, delivered()).await;
    report(&worker, id, 2, delivered()).await;
    report(&worker, id, 1, ReportResult::Failed { error: "late".into(), status: None, retry_at }).await;
    report(&worker, id, 1, ReportResult::Dead { error: "late".into(), status: None }).await;
    assert_eq!(world.database.text(STATUS).await, "delivered 2 -");
    assert_eq!(world.database.text("SELECT response_status || ' ' || response_body FROM outbox").await, "201 made");
    assert_eq!(world.database.count("SELECT count(*) FROM alerts").await, 0);
    report(&worker, Uuid::new_v4(), 1, delivered()).await;
}

#[tokio::test]
async fn a_dead_effect_raises_an_alert_that_goes_out_at_once() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(1, "send").await;
    tick(&worker).await;
    let id = sent(&world).await[0].id;
    report(&worker, id, 5, ReportResult::Dead { error: "404 Not Found".into(), status: Some(404) }).await;
    assert_eq!(
        world.database.text("SELECT severity || ' ' || key FROM alerts").await,
        "critical outbox_dead:api.example.com"
    );
    assert_eq!(sent(&world).await.len(), 1, "the message to the founder");
}

/// The message was lost: purged, or courier died for good.
#[tokio::test]
async fn what_nothing_is_heard_of_goes_on_the_queue_again_and_is_given_up_in_the_end() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(1, "send").await;
    tick(&worker).await;
    for _ in 0..4 {
        world.database.execute("UPDATE outbox SET relay_at = now() - interval '1 second'").await;
        assert_eq!(tick(&worker).await.relayed, 1);
    }
    let keys: std::collections::BTreeSet<_> =
        sent(&world).await.into_iter().map(|effect| effect.idempotency_key).collect();
    assert_eq!(keys.len(), 1, "the same key every time");
    world.database.execute("UPDATE outbox SET relay_at = now() - interval '1 second'").await;
    tick(&worker).await;
    let status = "SELECT status || ' ' || relays FROM outbox WHERE effect ->> 'kind' = 'http'";
    assert_eq!(world.database.text(status).await, "dead 5");
}

#[tokio::test]
async fn a_queue_that_is_out_costs_no_relay_and_loses_nothing() {
    let world = World::new().await;
    let away = world.queues.config.outbound_url.replace("/test-", "/test-away-");
    let cut_off = world.worker_with(&world.database.app_url(), |config| config.queues.outbound_url = away).await;
    world.due(1, "send").await;
    assert_eq!(tick(&cut_off).await.relayed, 0);
    assert_eq!(world.database.text("SELECT status || ' ' || relays FROM outbox").await, "pending 0");
    world.database.execute("UPDATE outbox SET relay_at = now()").await;
    assert_eq!(tick(&world.worker().await).await.relayed, 1);
}

/// Of a newer version, before a rollback.
#[tokio::test]
async fn an_effect_that_cannot_be_read_does_not_hold_up_the_others() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(3, "send").await;
    world
        .database
        .execute(
            "INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id)
             VALUES (gen_random_uuid(), 'newer', '{\"kind\": \"telegraph\"}', 'x', 'c')",
        )
        .await;
    let done = tick(&worker).await;
    assert_eq!((done.completed, done.relayed), (3, 3));
    assert_eq!(tick(&worker).await.relayed, 0);
    assert_eq!(
        world.database.text("SELECT status || ' ' || relays FROM outbox WHERE destination = 'x'").await,
        "sent 1"
    );
}

/// A backlog for others is not in the way of a message to the founder.
#[tokio::test]
async fn the_queue_takes_no_more_than_it_should_hold_but_alerts_always() {
    let world = World::new().await;
    let worker = world.worker().await;
    let backlog = "INSERT INTO outbox (id, execution_id, idempotency_key, effect, destination, correlation_id, status)
                   SELECT gen_random_uuid(), gen_random_uuid(), n::text, '{}', 'x', 'c',
                          CASE WHEN n <= 1000 THEN 'sent' ELSE 'pending' END
                     FROM generate_series(1, 1500) n;
                   UPDATE outbox SET relay_at = now() + interval '1 hour' WHERE status = 'sent'";
    world.database.execute(backlog).await;
    world.database.execute("SELECT raise_alert('disk', 'critical', 'it is full')").await;
    assert_eq!(tick(&worker).await.relayed, 1);
    assert_eq!(world.database.count("SELECT count(*) FROM outbox WHERE status = 'pending'").await, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_side_by_side_put_each_on_the_queue_once() {
    let world = World::new().await;
    world.due(120, "send").await;
    let (a, b, c) = (world.worker().await, world.worker().await, world.worker().await);
    tokio::join!(tick(&a), tick(&b), tick(&c));
    let ids: Vec<_> = sent(&world).await.into_iter().map(|effect| effect.id).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len()), (120, 120));
}
