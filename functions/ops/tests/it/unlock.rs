//! Taking an execution from a runner that is stuck.

use std::time::Duration;

use ops::{Operation, Outcome};
use shared::{
    db::DbError,
    executions::{self, Swept},
    retry::RetryPolicy,
};
use uuid::Uuid;

use crate::support::{World, by, refusal};

fn unlock(id: Uuid, force: bool) -> Operation {
    Operation::Unlock { id, force, by: by() }
}

#[tokio::test]
async fn the_old_runner_changes_nothing_any_more_and_the_sweep_takes_over() {
    let world = World::new().await;
    let owned = world.processing("1").await;
    let refused = refusal(world.ask(unlock(owned.id, false)).await);
    assert!(refused.contains("another 60 s") || refused.contains("another 59 s"), "{refused}");
    assert_eq!((world.audited("unlock").await, world.wakes().await), (0, 0));

    let changes = world.change(unlock(owned.id, true)).await;
    assert!(changes.changed[0].what.contains("its lease ended"), "{changes:?}");
    assert_eq!((world.audited("unlock").await, world.wakes().await), (1, 1));

    let mut session = world.runner.session().await.unwrap();
    session.begin().await.unwrap();
    let finished = executions::finish(&mut session, &owned).await;
    assert!(matches!(finished, Err(DbError::NotOwned)), "{finished:?}");
    drop(session);
    assert_eq!(world.state(owned.id).await, "processing 1 1");

    let mut session = world.runner.session().await.unwrap();
    let failure = executions::Failure {
        kind: shared::errors::Kind::Handler,
        error: "late".into(),
        told: None,
        permanent: true,
        retry_after: None,
    };
    let policy = RetryPolicy { max_attempts: 3, base_delay: Duration::from_secs(2) };
    assert!(executions::fail(&mut session, &owned, &failure, &policy, 0.5).await.unwrap().is_none());
    let swept = executions::sweep(&mut session, 10, &policy, &[]).await.unwrap();
    assert_eq!(swept, Swept { retried: 1, ..Swept::default() });
    assert_eq!(world.state(owned.id).await, "failed 1 1");
    assert_eq!(world.kept.text("SELECT outcome FROM attempts").await, "crashed");
}

#[tokio::test]
async fn one_whose_lease_ran_out_needs_no_force() {
    let world = World::new().await;
    let owned = world.processing("1").await;
    world.kept.execute("UPDATE executions SET lease_until = now() - interval '1 hour'").await;
    let changes = world.change(unlock(owned.id, false)).await;
    assert!(changes.changed[0].what.contains("had run out"), "{changes:?}");
}

#[tokio::test]
async fn what_nobody_holds_is_refused() {
    let world = World::new().await;
    let id = world.dead("1").await;
    assert!(refusal(world.ask(unlock(id, true)).await).contains("is dead"));
    assert!(matches!(world.ask(unlock(Uuid::nil(), true)).await, Outcome::NotFound { .. }));
}
