//! Replays: what they choose, what they leave, what they refuse.

use std::time::Duration;

use ops::{Operation, Replay, ReplayFilter};
use shared::executions;
use uuid::Uuid;

use crate::support::{World, codes, refusal, replay, replay_of};

fn dead_only() -> ReplayFilter {
    ReplayFilter { dead: true, ..ReplayFilter::default() }
}

#[tokio::test]
async fn a_replay_is_a_new_generation_that_is_due_at_once() {
    let world = World::new().await;
    let id = world.dead("1").await;
    let changes = world.change(Operation::Replay(replay(&[id]))).await;
    assert_eq!(changes.changed[0].what, "invoice.paid from stripe, generation 2");
    assert_eq!(changes.alerts_resolved, ["dead_letter:stripe:invoice.paid"]);
    assert_eq!(world.state(id).await, "failed 2 0");
    assert_eq!(world.kept.count("SELECT fence FROM executions").await, 2, "an earlier owner changes nothing any more");
    assert_eq!((world.audited("replay").await, world.wakes().await), (1, 1));
    assert_eq!(world.kept.count("SELECT count(*) FROM attempts WHERE generation = 1").await, 1);

    let mut session = world.runner.session().await.unwrap();
    let due = executions::due(&mut session, 5, Duration::from_mins(1)).await.unwrap();
    assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [id]);
    drop(session);

    let again = world.change(Operation::Replay(replay(&[id]))).await;
    assert_eq!((again.changed.len(), codes(&again)), (0, vec!["in_flight"]));
    assert_eq!(world.wakes().await, 0, "nothing was changed");
}

#[tokio::test]
async fn each_that_is_left_says_why() {
    let world = World::new().await;
    let running = world.processing("running").await.id;
    let (waiting, unhandled) = (world.failed("waiting", false).await, world.unhandled("unhandled").await);
    let completed = world.completed("completed").await;
    let all = [running, waiting, unhandled, completed, Uuid::nil()];
    let changes = world.change(Operation::Replay(replay(&all))).await;
    assert_eq!(codes(&changes), ["in_flight", "not_found", "unhandled", "waiting"]);
    let why = &changes.skipped.iter().find(|skipped| skipped.code == "in_flight").unwrap().why;
    assert!(why.starts_with("a runner has it for another 60 s") || why.starts_with("a runner has it for another 59 s"));
    assert_eq!(changes.changed.len(), 1);
    assert_eq!(world.state(completed).await, "failed 2 0");
    assert_eq!(world.state(waiting).await, "failed 1 1");

    world.kept.execute("UPDATE executions SET lease_until = now() WHERE status = 'processing'").await;
    let changes = world.change(Operation::Replay(replay(&[running]))).await;
    assert!(changes.skipped[0].why.contains("sweeps it"), "{changes:?}");
    let asked = Replay { unhandled: true, ..replay(&[unhandled]) };
    assert_eq!(world.change(Operation::Replay(asked)).await.changed.len(), 1);
}

#[tokio::test]
async fn a_filter_chooses_dead_letters_and_counts_the_others() {
    let world = World::new().await;
    let (old, dead, resolved) = (world.dead("1").await, world.dead("2").await, world.dead("3").await);
    world.completed("4").await;
    world.unhandled("5").await;
    world.failed("6", false).await;
    world
        .kept
        .execute(&format!(
            "UPDATE executions SET resolved_at = now() WHERE id = '{resolved}';
             UPDATE executions SET finished_at = now() - interval '3 hours' WHERE id = '{old}'"
        ))
        .await;
    let since = shared::clock::now() - jiff::SignedDuration::from_hours(2);
    let recent = ReplayFilter {
        event_type: Some("invoice.paid".into()),
        source: Some("stripe".into()),
        since: Some(since),
        ..ReplayFilter::default()
    };
    let dry = |what: ReplayFilter| Replay { dry_run: true, ..replay_of(what) };
    let changes = world.change(Operation::Replay(dry(recent.clone()))).await;
    assert!(changes.dry_run && changes.changed.len() == 1 && changes.changed[0].subject == dead.to_string());
    let others: Vec<_> = changes.others.iter().map(|others| (others.code.as_str(), others.count)).collect();
    assert_eq!(others, [("completed", 1), ("failed", 1), ("resolved", 1), ("unhandled", 1)]);
    assert_eq!((world.state(dead).await.as_str(), world.audited("replay").await), ("dead 1 1", 0));

    let changes = world.change(Operation::Replay(dry(dead_only()))).await;
    assert_eq!((changes.changed.len(), changes.others.len()), (2, 1), "only the resolved dead letter besides");
    let both = Replay { completed: true, unhandled: true, ..dry(recent.clone()) };
    assert_eq!(world.change(Operation::Replay(both)).await.changed.len(), 3);
    let none = ReplayFilter { until: Some(since), ..recent };
    assert_eq!(world.change(Operation::Replay(dry(none))).await.changed.len(), 0);

    let changes = world.change(Operation::Replay(replay_of(dead_only()))).await;
    assert_eq!(changes.changed.len(), 2);
    assert_eq!(world.state(resolved).await, "dead 1 1");
    assert_eq!(world.change(Operation::Replay(replay(&[resolved]))).await.changed.len(), 1, "it is named");
    assert_eq!(world.kept.count("SELECT count(resolved_at) FROM executions").await, 0);
}

/// 1,001 dead letters: the size must be agreed to, and one request takes the 1,000 oldest.
#[tokio::test]
async fn large_replays_are_confirmed_and_bounded() {
    let world = World::new().await;
    let many = |from: u16, to: u16| {
        format!(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence,
                                     payload, fingerprint, correlation_id, received_at, finished_at, last_error)
             SELECT gen_random_uuid(), 'stripe', n::text, 'invoice.paid', 1, 'dead', 3, 3, '{{}}', sha256('x'), 'c',
                    now(), now() + n * interval '1 microsecond', 'broken'
               FROM generate_series({from}, {to}) n"
        )
    };
    world.kept.execute(&many(1, 11)).await;
    let ask = |confirmed: u32| Operation::Replay(Replay { confirmed, ..replay_of(dead_only()) });
    for (confirmed, expected) in [(0, "change 11,"), (10, "there are more now")] {
        let refused = refusal(world.ask(ask(confirmed)).await);
        assert!(refused.contains(expected), "{refused}");
    }
    let tried = world.change(Operation::Replay(Replay { dry_run: true, ..replay_of(dead_only()) })).await;
    assert_eq!((tried.changed.len(), world.wakes().await), (11, 0));
    assert_eq!(world.kept.count("SELECT count(*) FROM executions WHERE status <> 'dead'").await, 0);

    world.kept.execute(&many(12, 1_001)).await;
    let changes = world.change(ask(1_000)).await;
    assert!(changes.more && changes.changed.len() == 1_000);
    assert_eq!(changes.alerts_resolved.len(), 0);
    assert_eq!(world.kept.text("SELECT idempotency_key FROM executions WHERE status = 'dead'").await, "1001");
    assert_eq!(world.audited("replay").await, 1_000);
    let changes = world.change(ask(0)).await;
    assert!(!changes.more && changes.changed.len() == 1);
}

#[tokio::test]
async fn what_is_not_said_clearly_is_refused() {
    let world = World::new().await;
    let too_many: Vec<Uuid> = (0..1_001).map(|_| Uuid::new_v4()).collect();
    let both = ReplayFilter { ids: vec![Uuid::nil()], source: Some("stripe".into()), ..ReplayFilter::default() };
    for (request, expected) in [
        (replay(&[]), "neither"),
        (replay(&too_many), "1001 ids"),
        (replay_of(both), "one of them"),
        (Replay { by: ops::By { actor: "ada".into(), reason: " ".into() }, ..replay(&[Uuid::nil()]) }, "reason"),
    ] {
        let refused = refusal(world.ask(Operation::Replay(request)).await);
        assert!(refused.contains(expected), "{refused}");
    }
}

/// Its payload is gone (functions/cleanup): named or not, there is nothing to run.
#[tokio::test]
async fn a_replay_of_a_cleared_payload_is_refused_in_words() {
    let world = World::new().await;
    let (cleared, resolved) = (world.completed("1").await, world.dead("2").await);
    let (unhandled, whole) = (world.unhandled("3").await, world.completed("4").await);
    world
        .kept
        .execute(&format!(
            "UPDATE executions SET resolved_at = now() WHERE status = 'dead';
             UPDATE executions SET payload = NULL WHERE id <> '{whole}'"
        ))
        .await;
    let changes = world.change(Operation::Replay(replay(&[cleared, resolved, unhandled]))).await;
    assert_eq!((changes.changed.len(), codes(&changes)), (0, vec!["cleared", "cleared", "cleared"]));
    assert!(changes.skipped[0].why.starts_with("its payload is gone"), "{changes:?}");
    assert_eq!(world.state(cleared).await, "completed 1 1");

    let what = ReplayFilter { source: Some("stripe".into()), ..ReplayFilter::default() };
    let all = Replay { completed: true, unhandled: true, ..replay_of(what) };
    let changes = world.change(Operation::Replay(all)).await;
    assert_eq!((changes.changed.len(), changes.changed[0].subject == whole.to_string()), (1, true));
    assert_eq!((changes.others[0].code.as_str(), changes.others[0].count), ("cleared", 3), "{changes:?}");

    let ops::Outcome::Execution(detail) = world.ask(Operation::ShowExecution { id: cleared }).await else { panic!() };
    assert!(detail.payload.is_null() && detail.attempts.len() == 1);
}
