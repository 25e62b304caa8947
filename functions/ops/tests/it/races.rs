//! Changes while others change the same rows.

use std::time::Duration;

use ops::Operation;
use shared::{db::DbError, executions};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::support::{World, ask, by, changes, codes, replay};

/// A runner holds the lease: the replay leaves it alone, and the runner completes as if nothing had been.
#[tokio::test]
async fn a_replay_does_not_disturb_a_runner() {
    let world = World::new().await;
    let owned = world.processing("1").await;
    let left = world.change(Operation::Replay(replay(&[owned.id]))).await;
    assert_eq!((left.changed.len(), codes(&left)), (0, vec!["in_flight"]));
    let mut session = world.runner.session().await.unwrap();
    session.begin().await.unwrap();
    executions::finish(&mut session, &owned).await.unwrap();
    assert_eq!(world.state(owned.id).await, "completed 1 1");
}

/// A sender's repetition claims the new generation; a runner of the old one, frozen since, wakes up with its old fence.
#[tokio::test]
async fn a_runner_of_an_earlier_generation_changes_nothing() {
    let world = World::new().await;
    let old = world.processing("1").await;
    world.change(Operation::Unlock { id: old.id, force: true, by: by() }).await;
    world
        .kept
        .execute("UPDATE executions SET status = 'dead', lease_until = NULL, finished_at = now(), last_error = 'x'")
        .await;
    world.change(Operation::Replay(replay(&[old.id]))).await;
    let new = world.processing("1").await;
    let mut session = world.runner.session().await.unwrap();
    session.begin().await.unwrap();
    assert!(matches!(executions::finish(&mut session, &old).await, Err(DbError::NotOwned)));
    drop(session);
    let mut session = world.runner.session().await.unwrap();
    session.begin().await.unwrap();
    executions::finish(&mut session, &new).await.unwrap();
    assert_eq!(world.state(old.id).await, "completed 2 1");
}

#[tokio::test]
async fn of_two_replays_at_once_one_does_it_and_the_other_says_so() {
    let world = World::new().await;
    let other = world.other_ops().await;
    for round in 0..10 {
        let mut ids: Vec<Uuid> = Vec::new();
        for n in 0..5 {
            ids.push(world.dead(&format!("{round}-{n}")).await);
        }
        let backwards: Vec<Uuid> = ids.iter().rev().copied().collect();
        let (one, two) = tokio::join!(
            ask(&world.ops, Operation::Replay(replay(&ids))),
            ask(&other, Operation::Replay(replay(&backwards))),
        );
        let (one, two) = (changes(one), changes(two));
        let (winner, loser) = if one.changed.is_empty() { (two, one) } else { (one, two) };
        assert_eq!((winner.changed.len(), winner.skipped.len()), (5, 0), "{winner:?}");
        assert_eq!((loser.changed.len(), codes(&loser)), (0, vec!["waiting"; 5]), "{loser:?}");
        for id in ids {
            assert_eq!(world.state(id).await, "failed 2 0");
        }
    }
    assert_eq!(world.audited("replay").await, 50);
}

/// The runner is about to commit when the replay comes: the replay waits, and sees what became of it.
#[tokio::test]
async fn a_replay_waits_for_a_commit_under_way() {
    let world = World::new().await;
    let owned = world.processing("1").await;
    let runner = world.kept.admin().await;
    runner
        .batch_execute("BEGIN; UPDATE executions SET status = 'completed', lease_until = NULL, finished_at = now()")
        .await
        .unwrap();
    let asked = world.change(Operation::Replay(replay(&[owned.id])));
    tokio::pin!(asked);
    assert!(timeout(Duration::from_millis(300), &mut asked).await.is_err(), "it waits");
    runner.batch_execute("COMMIT").await.unwrap();
    assert_eq!(asked.await.changed.len(), 1);
    assert_eq!(world.state(owned.id).await, "failed 2 0");
}

/// Another execution of the same type dies while the last dead letter is resolved: its alert stays.
#[tokio::test]
async fn an_alert_that_is_being_raised_again_is_not_resolved() {
    let world = World::new().await;
    let (first, second) = (world.dead("1").await, world.processing("2").await);
    let runner = world.kept.admin().await;
    let dies = format!(
        "BEGIN;
         UPDATE executions SET status = 'dead', lease_until = NULL, finished_at = now(), last_error = 'x' WHERE id = '{}';
         SELECT raise_alert('dead_letter:stripe:invoice.paid', 'critical', 'again')",
        second.id
    );
    runner.batch_execute(&dies).await.unwrap();
    let asked = world.change(Operation::ResolveDeadLetters { ids: vec![first], by: by() });
    let commit = async {
        sleep(Duration::from_millis(300)).await;
        runner.batch_execute("COMMIT").await.unwrap();
    };
    let (resolved, ()) = tokio::join!(asked, commit);
    assert_eq!((resolved.changed.len(), resolved.alerts_resolved.len()), (1, 0));
    assert_eq!(world.open_alerts().await, 1);
}
