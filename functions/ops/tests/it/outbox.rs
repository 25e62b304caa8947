//! What left the system, and sending what could not once more.

use ops::{EffectFilter, Operation, Outcome, RetryEffects};
use serde_json::json;
use shared::outbox::{self, Relayed, Report, ReportResult};
use uuid::Uuid;

use crate::support::{World, by, codes, refusal};

/// Effects for a host, put on the queue and found to be undeliverable.
async fn dead(world: &World, count: usize) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = shared::clock::new_id();
        let effect = json!({"kind": "http", "method": "POST", "url": "https://api.example.com/", "timeout_ms": 1000});
        world
            .kept
            .execute(&format!(
                "INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id, status, relays)
                 VALUES ('{id}', '{id}', '{effect}', 'api.example.com', 'c', 'sent', 1)"
            ))
            .await;
        let result = ReportResult::Dead { error: "410 Gone".into(), status: Some(410) };
        let report = Report { id, attempt: 5, result };
        let mut session = world.runner.session().await.unwrap();
        assert!(outbox::record(&mut session, &report).await.unwrap());
        ids.push(id);
    }
    ids
}

fn retry(ids: &[Uuid]) -> RetryEffects {
    RetryEffects { ids: ids.to_vec(), destination: None, dry_run: false, confirmed: 0, by: by() }
}

#[tokio::test]
async fn a_dead_effect_goes_out_again_under_the_same_key() {
    let world = World::new().await;
    let id = dead(&world, 1).await[0];
    assert_eq!(world.open_alerts().await, 1);
    let changes = world.change(Operation::RetryEffects(retry(&[id, Uuid::nil()]))).await;
    assert_eq!((changes.changed.len(), codes(&changes)), (1, vec!["not_found"]));
    assert_eq!(changes.alerts_resolved, ["outbox_dead:api.example.com"]);
    assert_eq!((world.open_alerts().await, world.wakes().await, world.audited("retry_effects").await), (0, 1, 1));

    // The worker's part.
    let services = shared::aws::Services::of(&testkit::admin_config().await, &world.queues.config);
    let mut session = world.runner.session().await.unwrap();
    let relayed = outbox::relay(&mut session, &*services.outbound, 10).await.unwrap();
    assert_eq!(relayed, Relayed { sent: 1, ..Relayed::default() });
    drop(session);
    let message = outbox::decode(&world.queues.outbound().await[0].body).unwrap();
    assert_eq!((message.id, message.idempotency_key), (id, id.to_string()));

    let Outcome::Effect(shown) = world.ask(Operation::ShowEffect { id }).await else { panic!("it is there") };
    assert_eq!((shown.summary.status.as_str(), shown.summary.relays, shown.summary.attempts), ("sent", 1, 0));
    assert_eq!(shown.effect["url"], "https://api.example.com/");
    let again = world.change(Operation::RetryEffects(retry(&[id]))).await;
    assert_eq!(codes(&again), ["not_dead"]);
    assert!(matches!(world.ask(Operation::ShowEffect { id: Uuid::nil() }).await, Outcome::NotFound { .. }));
}

#[tokio::test]
async fn all_of_a_destination_after_a_confirmation() {
    let world = World::new().await;
    dead(&world, 11).await;
    let all = RetryEffects { destination: Some("api.example.com".into()), ..retry(&[]) };
    let dry = world.change(Operation::RetryEffects(RetryEffects { dry_run: true, ..all.clone() })).await;
    assert_eq!((dry.changed.len(), world.audited("retry_effects").await), (11, 0));
    assert!(refusal(world.ask(Operation::RetryEffects(all.clone())).await).contains("change 11"));
    let elsewhere = RetryEffects { destination: Some("example.org".into()), ..all.clone() };
    assert_eq!(world.change(Operation::RetryEffects(elsewhere)).await.changed.len(), 0);
    let done = world.change(Operation::RetryEffects(RetryEffects { confirmed: 11, ..all })).await;
    assert_eq!((done.changed.len(), done.alerts_resolved.len()), (11, 1));
    refusal(world.ask(Operation::RetryEffects(retry(&[]))).await);
}

#[tokio::test]
async fn the_list_is_paged_and_filtered() {
    let world = World::new().await;
    let ids = dead(&world, 3).await;
    world.change(Operation::RetryEffects(retry(&ids[..1]))).await;
    let list = async |filter: EffectFilter, limit, after| match world
        .ask(Operation::ListEffects { filter, limit, after })
        .await
    {
        Outcome::Effects(page) => page,
        other => panic!("{other:?}"),
    };
    let page = list(EffectFilter::default(), 2, None).await;
    let rest = list(EffectFilter::default(), 2, page.next).await;
    let seen: Vec<_> = page.effects.iter().chain(&rest.effects).map(|effect| effect.id).collect();
    assert_eq!((seen, rest.next), (vec![ids[2], ids[1], ids[0]], None));
    let only = |status: &str| EffectFilter { status: Some(status.into()), destination: None };
    assert_eq!(list(only("dead"), 9, None).await.effects.len(), 2);
    assert_eq!(list(only("pending"), 9, None).await.effects[0].id, ids[0]);
}

/// They are lost while a service is out, hundreds a day, and a person looks for something else.
#[tokio::test]
async fn lost_pings_are_neither_sent_again_nor_in_the_way() {
    let world = World::new().await;
    let ids = dead(&world, 3).await;
    let ping = r#"UPDATE outbox SET effect = '{"kind": "ping", "secret": "PING_URL", "path": "tick"}'"#;
    world.kept.execute(&format!("{ping} WHERE id = '{}'", ids[2])).await;
    world.kept.execute(&format!("{ping}, destination = 'ping' WHERE id = '{}'", ids[1])).await;
    let list = async |status: Option<&str>, destination: Option<&str>| {
        let filter = EffectFilter { status: status.map(Into::into), destination: destination.map(Into::into) };
        match world.ask(Operation::ListEffects { filter, limit: 9, after: None }).await {
            Outcome::Effects(page) => page.effects.iter().map(|effect| effect.id).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(list(Some("dead"), None).await, [ids[0]]);
    assert_eq!(list(Some("dead"), Some("ping")).await, [ids[1]], "who asks for them sees them");
    let report = "UPDATE outbox SET effect = effect || '{\"kind\": \"error\"}', destination = 'tracker'";
    world.kept.execute(&format!("{report} WHERE id = '{}'", ids[1])).await;
    assert_eq!(list(Some("dead"), None).await, [ids[0]], "nor do reports of errors");
    assert_eq!(list(Some("dead"), Some("tracker")).await, [ids[1]]);
    world.kept.execute(&format!("{ping}, destination = 'ping' WHERE id = '{}'", ids[1])).await;
    assert_eq!(list(None, None).await.len(), 3);
    world.kept.execute("SELECT raise_alert('channel_dead:tracker', 'warning', 'it was cleaned up')").await;
    let none_left = RetryEffects { destination: Some("tracker".into()), ..retry(&[]) };
    let changes = world.change(Operation::RetryEffects(none_left)).await;
    assert_eq!((changes.changed.len(), changes.alerts_resolved), (0, vec!["channel_dead:tracker".to_owned()]));

    let changes = world.change(Operation::RetryEffects(retry(&ids))).await;
    assert_eq!((changes.changed.len(), codes(&changes)), (1, vec!["ping", "ping"]));
    assert_eq!(changes.changed[0].subject, ids[0].to_string());
    world
        .kept
        .execute("UPDATE outbox SET status = 'dead', relay_at = NULL, finished_at = now(), last_error = 'x'")
        .await;
    let all = RetryEffects { destination: Some("api.example.com".into()), ..retry(&[]) };
    assert_eq!(world.change(Operation::RetryEffects(all)).await.changed.len(), 1);
    assert_eq!(world.kept.count("SELECT count(*) FROM outbox WHERE status = 'dead'").await, 2);
}
