//! Batches of the inbox.

use serde_json::json;
use shared::{
    aws::Services,
    inbox::{Inbox, Message, decode, encode},
};
use testkit::{Proxy, TestSecrets, admin_config};

use crate::support::{World, batch, event, queued, received, soon};

#[tokio::test]
async fn queued_events_are_run_once_however_often_they_come() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = queued("evt_1", "ok");
    for _ in 0..3 {
        assert_eq!(worker.drain(received(&message, 1), soon()).await.failed.len(), 0);
    }
    assert_eq!(world.statuses().await, "completed 1");
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 1);
    assert_eq!(world.database.text("SELECT correlation_id FROM executions").await, "c-evt_1");
}

/// As in the cloud, where no URL has a password.
#[tokio::test]
async fn the_login_to_the_database_comes_from_its_secret() {
    let (world, login) = (World::new().await, TestSecrets::app_login().await);
    let nobody = world.database.app_url().with_user("nobody", None);
    let worker = world.worker_with(&nobody, |config| config.database.secret_id = Some(login.id.clone())).await;
    assert_eq!(worker.drain(received(&queued("evt_1", "ok"), 1), soon()).await.failed.len(), 0);
    assert_eq!(world.statuses().await, "completed 1");
}

#[tokio::test]
async fn a_failed_event_is_the_database_s_from_then_on() {
    let world = World::new().await;
    let worker = world.worker().await;
    let done = worker.drain(received(&queued("evt_1", "retry"), 1), soon()).await;
    assert_eq!(done.failed.len(), 0, "acknowledged: the tick tries it again");
    assert_eq!(world.statuses().await, "failed 1");
}

#[tokio::test]
async fn a_database_that_is_out_leaves_messages_on_the_queue_whatever_their_count() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let worker = world.worker_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    proxy.set_down(true);
    let message = queued("evt_1", "ok");
    assert_eq!(worker.drain(received(&message, 400), soon()).await.failed.len(), 1);
    assert_eq!(world.queues.inbox_dead().await.len(), 0);
    proxy.set_down(false);
    assert_eq!(worker.drain(received(&message, 401), soon()).await.failed.len(), 0);
    assert_eq!(world.statuses().await, "completed 1");
}

#[tokio::test]
async fn poison_goes_to_the_dead_letter_queue_at_its_fifth_time_and_a_person_hears_of_it() {
    let world = World::new().await;
    let worker = world.worker().await;
    let unknown_version = encode(&Message::Wake).unwrap().replace("\"version\":1", "\"version\":2");
    let bodies = [
        "not json",
        "{}",
        &unknown_version,
        r#"{"version":1,"kind":"spooled","key":"spool/gone"}"#,
        r#"{"version":1,"kind":"spooled","key":"backups/secret"}"#,
    ];
    for body in bodies {
        assert_eq!(worker.drain(received(body, 4), soon()).await.failed.len(), 1, "{body}");
        assert_eq!(worker.drain(received(body, 5), soon()).await.failed.len(), 0, "{body}");
    }
    assert_eq!(world.queues.inbox_dead().await.len(), bodies.len());
    let alert = "SELECT severity || ' ' || key || ' ' || occurrences FROM alerts";
    assert_eq!(world.database.text(alert).await, "critical inbox_poison 5");
}

#[tokio::test]
async fn one_bad_message_does_not_hold_up_its_batch() {
    let world = World::new().await;
    let worker = world.worker().await;
    let mut messages: Vec<_> = (0..8).map(|n| queued(&format!("evt_{n}"), "ok")).collect();
    messages.insert(3, "garbage".into());
    let messages: Vec<_> = messages
        .into_iter()
        .enumerate()
        .map(|(n, body)| testkit::Received { id: format!("m{n}"), receipt: String::new(), body, receive_count: 1 })
        .collect();
    assert_eq!(worker.drain(batch(&messages), soon()).await.failed, ["m3"]);
    assert_eq!(world.statuses().await, "completed 8");
}

#[tokio::test]
async fn a_spooled_event_is_read_from_the_bucket_however_often_its_message_comes() {
    let world = World::new().await;
    let worker = world.worker().await;
    let services = Services::of(&admin_config().await, &world.queues.config);
    let inbox: &Inbox = &services.inbox;
    let large = json!({"data": {"todo": "ok", "more": "x".repeat(400_000)}});
    inbox.put(&Message::Event(event("evt_large", "test.script", &large))).await.unwrap();
    assert_eq!(world.queues.objects().await.len(), 1);
    let messages = world.queues.inbox().await;
    for _ in 0..2 {
        assert_eq!(worker.drain(batch(&messages), soon()).await.failed.len(), 0);
    }
    assert_eq!(world.statuses().await, "completed 1");
    assert_eq!(
        world.database.count("SELECT length(payload -> 'data' ->> 'more')::bigint FROM executions").await,
        400_000
    );
}

/// A restored snapshot, a grant that is missing: nothing that the message could help, whatever its count.
#[tokio::test]
async fn a_server_that_refuses_for_its_own_reasons_keeps_messages_on_the_queue() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = queued("evt_1", "ok");
    world.database.execute("REVOKE INSERT ON executions FROM solo_app").await;
    assert_eq!(worker.drain(received(&message, 400), soon()).await.failed.len(), 1);
    assert_eq!(world.queues.inbox_dead().await.len(), 0);
    world.database.execute("GRANT INSERT ON executions TO solo_app").await;
    assert_eq!(worker.drain(received(&message, 401), soon()).await.failed.len(), 0);
    assert_eq!(world.statuses().await, "completed 1");
}

/// SQS refuses U+FFFE and U+FFFF.
#[tokio::test]
async fn an_event_with_characters_that_the_queue_refuses_goes_through_it_unchanged() {
    let world = World::new().await;
    let worker = world.worker().await;
    let services = Services::of(&admin_config().await, &world.queues.config);
    let body = json!({"data": {"todo": "ok", "name": "a\u{ffff}b\u{fffe}"}});
    services.inbox.put(&Message::Event(event("evt_odd", "test.script", &body))).await.unwrap();
    let messages = world.queues.inbox().await;
    assert!(!messages[0].body.contains(['\u{fffe}', '\u{ffff}']), "{messages:?}");
    assert_eq!(worker.drain(batch(&messages), soon()).await.failed.len(), 0);
    let stored = "SELECT payload -> 'data' ->> 'name' FROM executions";
    assert_eq!(world.database.text(stored).await, "a\u{ffff}b\u{fffe}");
}

/// Time is what a handler gets whole, or not at all.
#[tokio::test]
async fn without_time_for_a_handler_nothing_begins() {
    let world = World::new().await;
    let worker = world.worker().await;
    let soon = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    assert_eq!(worker.drain(received(&queued("evt_1", "ok"), 1), soon).await.failed.len(), 1);
    assert_eq!(world.statuses().await, "");
}

#[tokio::test]
async fn a_wake_up_does_what_the_tick_would() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(1, "send").await;
    assert_eq!(worker.drain(received(&encode(&Message::Wake).unwrap(), 1), soon()).await.failed.len(), 0);
    assert_eq!(world.statuses().await, "completed 1");
    assert_eq!(world.queues.outbound().await.len(), 1);
}

#[test]
fn a_message_reads_as_it_was_written() {
    let body = json!({"data": {"n": 1}});
    let message = Message::Event(event("k", "t", &body));
    let Message::Event(read) = decode(&encode(&message).unwrap()).unwrap() else { panic!("an event was expected") };
    assert_eq!(read.envelope().unwrap().data, body["data"]);
}
