//! Alerts on their way to people.

use shared::{
    alerts::{self, QuietHours, Severity},
    config::Config,
    db::{Credentials, Database},
    inbox::{Message, encode},
    outbox::{Effect, Notification, Report, ReportResult, decode},
};
use uuid::Uuid;
use worker::Worker;

use crate::support::{World, received, soon, tick};

async fn raise(world: &World, severity: Severity, key: &str) {
    let database = Database::new(world.database.app_url(), Credentials::Url, &[]).unwrap();
    alerts::raise(&mut database.session().await.unwrap(), severity, key, "it happened").await.unwrap();
}

async fn resolve(world: &World, key: &str) {
    let database = Database::new(world.database.app_url(), Credentials::Url, &[]).unwrap();
    assert!(alerts::resolve(&mut database.session().await.unwrap(), key).await.unwrap());
}

/// What went out: the outbox's ids and the messages.
async fn messages(world: &World) -> Vec<(Uuid, Notification)> {
    let sent = world.queues.outbound().await;
    let read = sent.iter().map(|message| decode(&message.body).unwrap());
    read.map(|outbound| match outbound.effect {
        Effect::Notify(notification) => (outbound.id, notification),
        other => panic!("{other:?}"),
    })
    .collect()
}

async fn report(worker: &Worker, id: Uuid, result: ReportResult) {
    let message = encode(&Message::Report(Report { id, attempt: 1, result })).unwrap();
    assert_eq!(worker.drain(received(&message, 1), soon()).await.failed.len(), 0);
}

fn delivered() -> ReportResult {
    ReportResult::Delivered { status: Some(200), body: None }
}

const AGE: &str = "UPDATE alerts SET pending_since = now() - interval '300 seconds' WHERE pending_since IS NOT NULL";

#[tokio::test]
async fn a_critical_alert_goes_out_at_once_and_once() {
    let world = World::new().await;
    let worker = world.worker().await;
    raise(&world, Severity::Critical, "disk").await;
    raise(&world, Severity::Critical, "disk").await;
    assert_eq!(tick(&worker).await.alerts, 1);
    raise(&world, Severity::Critical, "disk").await;
    assert_eq!(tick(&worker).await.alerts, 0, "open, and being sent");
    let sent = messages(&world).await;
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].1.channel.as_str(), sent[0].1.items[0].occurrences), ("ops", 2));
}

#[tokio::test]
async fn a_digest_goes_when_five_wait_or_the_oldest_has_waited_five_minutes() {
    let world = World::new().await;
    let worker = world.worker().await;
    for key in ["a", "b", "c", "d"] {
        raise(&world, Severity::Warning, key).await;
    }
    assert_eq!(tick(&worker).await.alerts, 0);
    raise(&world, Severity::Info, "e").await;
    assert_eq!(tick(&worker).await.alerts, 5);
    raise(&world, Severity::Info, "f").await;
    world.database.execute("UPDATE alerts SET pending_since = now() - interval '299 seconds' WHERE key = 'f'").await;
    assert_eq!(tick(&worker).await.alerts, 0);
    world.database.execute(AGE).await;
    assert_eq!(tick(&worker).await.alerts, 1);
    let sent = messages(&world).await;
    let titles: Vec<_> = sent.iter().map(|(_, message)| (message.channel.as_str(), message.title.as_str())).collect();
    assert_eq!(titles, [("ops-digest", "5 alerts: 4 warning, 1 info"), ("ops-digest", "info: it happened")]);
}

#[tokio::test]
async fn it_counts_as_sent_when_it_was_delivered_and_waits_again_when_not() {
    let world = World::new().await;
    let worker = world.worker().await;
    raise(&world, Severity::Critical, "disk").await;
    tick(&worker).await;
    let state = "SELECT (sent_at IS NOT NULL) || ' ' || (pending_since IS NOT NULL) FROM alerts WHERE key = 'disk'";
    assert_eq!(world.database.text(state).await, "false false");
    let first = messages(&world).await[0].0;
    report(&worker, first, ReportResult::Dead { error: "gone".into(), status: Some(410) }).await;
    assert_eq!(world.database.text(state).await, "false true", "said to nobody: it waits again");
    tick(&worker).await;
    assert!(messages(&world).await.is_empty(), "the channel is broken: not at once, or it would go round and round");
    let wait = "SELECT (extract(epoch FROM pending_since - now()) / 60)::bigint FROM alerts WHERE key = 'disk'";
    assert_eq!(world.database.count(wait).await, 15);
    world.database.execute("UPDATE alerts SET pending_since = now() WHERE key = 'disk'").await;
    tick(&worker).await;
    let again = messages(&world).await;
    assert_eq!(again.len(), 1);
    report(&worker, again[0].0, delivered()).await;
    assert_eq!(world.database.text(state).await, "true false");
}

/// The alert about the broken channel is itself in the message that dies.
#[tokio::test]
async fn a_channel_that_stays_broken_is_recorded_each_time() {
    let world = World::new().await;
    let worker = world.worker().await;
    raise(&world, Severity::Warning, "a").await;
    for round in 0..3 {
        world.database.execute(AGE).await;
        assert!(tick(&worker).await.alerts > 0, "round {round}");
        let digest = messages(&world).await;
        report(&worker, digest[0].0, ReportResult::Dead { error: "gone".into(), status: Some(404) }).await;
    }
    let broken = "SELECT occurrences::bigint FROM alerts WHERE key = 'channel_dead:ops-digest'";
    assert_eq!(world.database.count(broken).await, 3);
    assert_eq!(world.database.count("SELECT count(*) FROM outbox WHERE status = 'dead'").await, 3);
    assert_eq!(world.database.count("SELECT count(*) FROM alerts WHERE pending_since IS NULL").await, 0);
}

/// Courier was out for hours: what its messages carried is not lost with them.
#[tokio::test]
async fn alerts_whose_message_is_given_up_wait_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    raise(&world, Severity::Critical, "disk").await;
    tick(&worker).await;
    world.database.execute("UPDATE outbox SET relays = 5, relay_at = now() - interval '1 second'").await;
    tick(&worker).await;
    assert_eq!(
        world.database.text("SELECT status FROM outbox WHERE effect ->> 'title' LIKE 'critical%'").await,
        "dead"
    );
    let waits = "SELECT count(*) FROM alerts WHERE key = 'disk' AND pending_since > now()";
    assert_eq!(world.database.count(waits).await, 1);
}

/// A handler that raised it and works on must not hold up the others, nor the tick.
#[tokio::test]
async fn an_alert_that_someone_holds_goes_with_the_next_flush() {
    let world = World::new().await;
    let worker = world.worker().await;
    raise(&world, Severity::Critical, "held").await;
    raise(&world, Severity::Critical, "free").await;
    let holder = world.database.admin().await;
    holder.batch_execute("BEGIN; SELECT FROM alerts WHERE key = 'held' FOR UPDATE").await.unwrap();
    assert_eq!(tick(&worker).await.alerts, 1);
    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(tick(&worker).await.alerts, 1);
}

#[tokio::test]
async fn a_resolved_alert_is_told_of_to_those_who_heard_of_it() {
    let world = World::new().await;
    let worker = world.worker().await;
    raise(&world, Severity::Critical, "told").await;
    raise(&world, Severity::Critical, "untold").await;
    resolve(&world, "untold").await;
    tick(&worker).await;
    let sent = messages(&world).await;
    assert_eq!(sent[0].1.items.len(), 1, "what was over before anyone knew is not told: {sent:?}");
    report(&worker, sent[0].0, delivered()).await;
    resolve(&world, "told").await;
    tick(&worker).await;
    let sent = messages(&world).await;
    assert_eq!(sent[0].1.title, "resolved: it happened");
    report(&worker, sent[0].0, delivered()).await;
    assert_eq!(world.database.count("SELECT count(*) FROM alerts WHERE resolution_sent_at IS NOT NULL").await, 1);
    raise(&world, Severity::Critical, "told").await;
    assert_eq!(tick(&worker).await.alerts, 1, "a new condition of the same key");
}

#[tokio::test]
async fn an_open_alert_is_repeated_after_four_hours_or_when_it_gets_worse() {
    let world = World::new().await;
    let worker = world.worker().await;
    raise(&world, Severity::Warning, "slow").await;
    world.database.execute(AGE).await;
    tick(&worker).await;
    report(&worker, messages(&world).await[0].0, delivered()).await;
    raise(&world, Severity::Warning, "slow").await;
    assert_eq!(tick(&worker).await.alerts, 0);
    raise(&world, Severity::Critical, "slow").await;
    assert_eq!(tick(&worker).await.alerts, 1, "worse");
    report(&worker, messages(&world).await[0].0, delivered()).await;
    world.database.execute("UPDATE alerts SET sent_at = now() - interval '4 hours 1 second'").await;
    raise(&world, Severity::Warning, "slow").await;
    assert_eq!(tick(&worker).await.alerts, 1, "still not mended");
}

#[tokio::test]
async fn silences_and_quiet_hours_hold() {
    let world = World::new().await;
    let worker = world.worker().await;
    raise(&world, Severity::Critical, "dead_letter:stripe:invoice.paid").await;
    raise(&world, Severity::Critical, "dead-letter_stripe").await;
    world
        .database
        .execute(
            "INSERT INTO alert_silences (pattern, until, reason, created_by)
             VALUES ('dead_letter:*', now() + interval '1 hour', 'known', 'someone')",
        )
        .await;
    assert_eq!(tick(&worker).await.alerts, 1, "`_` is no wildcard");
    world.database.execute("UPDATE alert_silences SET until = now()").await;
    assert_eq!(tick(&worker).await.alerts, 1);

    // Always quiet: but for the minute of midnight.
    let always = |config: &mut Config| {
        config.file.alerts.quiet = Some(QuietHours::parse("00:01-00:00", "UTC").unwrap());
    };
    let quiet = world.worker_with(&world.database.app_url(), always).await;
    raise(&world, Severity::Warning, "a").await;
    raise(&world, Severity::Critical, "b").await;
    world.database.execute(AGE).await;
    assert_eq!(tick(&quiet).await.alerts, 1, "critical alerts are never held");
    assert_eq!(tick(&worker).await.alerts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_side_by_side_never_send_it_twice() {
    let world = World::new().await;
    for n in 0..30 {
        raise(&world, Severity::Critical, &format!("c{n}")).await;
        raise(&world, Severity::Warning, &format!("w{n}")).await;
    }
    let (a, b, c, d) = (world.worker().await, world.worker().await, world.worker().await, world.worker().await);
    tokio::join!(tick(&a), tick(&b), tick(&c), tick(&d));
    tokio::join!(tick(&a), tick(&b), tick(&c), tick(&d));
    let mut keys: Vec<_> =
        messages(&world).await.into_iter().flat_map(|(_, message)| message.items).map(|item| item.key).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!((all, keys.len()), (60, 60));
}

#[tokio::test]
async fn an_alert_of_a_handler_is_in_its_transaction() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(1, "alert").await;
    tick(&worker).await;
    assert_eq!(world.database.text("SELECT severity || ' ' || key FROM alerts").await, "warning test");
}
