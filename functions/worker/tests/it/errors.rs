//! Errors that the worker finds, those of jobs, and telling the tracker of them.

use serde_json::Value;
use shared::{config::Config, outbox};

use crate::support::{World, tick};

fn tracked(config: &mut Config) {
    config.file.errors.tracker = Some("SENTRY_DSN".into());
}

/// `kind culprit times: title`, in order.
pub async fn errors(database: &testkit::TestDatabase) -> String {
    let sql = "SELECT COALESCE(string_agg(concat_ws(' ', kind, culprit, count) || ': ' || title, '; ' ORDER BY kind, culprit), '')
                 FROM errors";
    database.text(sql).await
}

#[tokio::test]
async fn crashes_that_a_sweep_finds_are_one_error_for_each_handler() {
    let world = World::new().await;
    let insert = "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence,
                                          payload, fingerprint, correlation_id, started_at, lease_until)
                  SELECT gen_random_uuid(), 'stripe', gen_random_uuid(), 'type.' || n % 5, 1, 'h' || n % 2, 'processing', 1 + n % 3, 7,
                         '{}', sha256('x'), 'c', CASE WHEN n > 5 THEN now() END, now() - interval '1 second'
                    FROM generate_series(1, 25) n";
    world.database.execute(insert).await;
    assert_eq!(tick(&world.worker().await).await.swept, 25);
    let crash = "its lease ran out: it was killed or hung";
    let found = errors(&world.database).await;
    assert!(found.starts_with(&format!("crash h0 10: {crash}; crash h1 10: {crash}")), "{found}");
    let said = "SELECT count(*) FROM errors WHERE kind = 'crash' AND message LIKE 'attempt _ was killed or hung%'
                   AND execution_id IN (SELECT id FROM executions WHERE handler = culprit)";
    assert_eq!(world.database.count(said).await, 2);
}

/// From the failure to courier's queue.
#[tokio::test]
async fn a_new_error_is_put_on_the_queue_for_the_tracker_once() {
    let world = World::new().await;
    let worker = world.worker_with(&world.database.app_url(), tracked).await;
    world.due(3, "fail").await;
    tick(&worker).await;
    tick(&worker).await;
    let messages = world.queues.outbound().await;
    let effects: Vec<Value> = messages
        .iter()
        .map(|message| serde_json::to_value(outbox::decode(&message.body).unwrap().effect).unwrap())
        .filter(|effect| effect["kind"] == "error")
        .collect();
    let [effect] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(
        (&effect["secret"], &effect["error"], &effect["count"]),
        (&"SENTRY_DSN".into(), &"handler".into(), &3.into())
    );
    assert_eq!((&effect["culprit"], &effect["message"]), (&"scripted".into(), &"this can never work".into()));
    let fingerprint = world.database.text("SELECT fingerprint FROM errors").await;
    assert_eq!(effect["fingerprint"], fingerprint);
}

#[tokio::test]
async fn without_a_tracker_errors_stay_in_the_database() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(1, "fail").await;
    tick(&worker).await;
    assert_eq!(errors(&world.database).await, "handler scripted 1: this can never work");
    assert_eq!(world.database.count("SELECT count(*) FROM outbox WHERE destination = 'tracker'").await, 0);
}

/// A broken tracker is a broken channel: told of once, and its message waits for a person.
#[tokio::test]
async fn a_report_that_does_not_arrive_is_an_alert_like_a_channel_s() {
    let world = World::new().await;
    let worker = world.worker_with(&world.database.app_url(), tracked).await;
    world.due(1, "fail").await;
    tick(&worker).await;
    let given_up = "UPDATE outbox SET relays = 5, relay_at = now() - interval '1 second' WHERE destination = 'tracker'";
    world.database.execute(given_up).await;
    tick(&worker).await;
    let alert = "SELECT severity || ' ' || key FROM alerts WHERE key LIKE 'channel_dead:%'";
    assert_eq!(world.database.text(alert).await, "warning channel_dead:tracker");
}

/// Data that the code of today refuses, in an event of yesterday.
#[tokio::test]
async fn a_retry_whose_data_does_not_fit_any_more_quotes_none_of_it() {
    let world = World::new().await;
    world.due(1, "ok").await;
    world
        .database
        .execute("UPDATE executions SET event_type = 'invoice.paid', payload = '{\"data\": {\"object\": {\"amount_paid\": \"s3cret\"}}}'")
        .await;
    tick(&world.worker().await).await;
    let found = errors(&world.database).await;
    assert!(found.starts_with("invalid_data stripe invoice.paid 1: the data does not fit its type: /"), "{found}");
    assert!(!world.database.text("SELECT errors::text FROM errors").await.contains("s3cret"));
    // People's channels get it.
    let alert = world.database.text("SELECT message FROM alerts WHERE key LIKE 'dead_letter:%'").await;
    assert!(alert.contains("the data does not fit its type: /") && !alert.contains("s3cret"), "{alert}");
    assert!(world.database.text("SELECT last_error FROM executions").await.contains("s3cret"), "the test tests");
}
