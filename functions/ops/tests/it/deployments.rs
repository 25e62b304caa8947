//! Deployments on record, and the removal of what a smoke test left.

use jiff::{Timestamp, ToSpan as _};
use ops::{Deployment, DeploymentKind, DeploymentOutcome, DeploymentPage, NewDeployment, Operation, Outcome};
use shared::{
    clock,
    errors::Kind,
    events::Envelope,
    executions::{self, Claim, Failure, SMOKE_TEST, Settled},
    retry::RetryPolicy,
};
use uuid::Uuid;

use crate::support::{TERMS, World, by, codes, event, refusal};

fn deployment(release: &str) -> NewDeployment {
    NewDeployment {
        id: Uuid::new_v4(),
        kind: DeploymentKind::Deploy,
        release: release.into(),
        previous: Some("before".into()),
        outcome: DeploymentOutcome::RolledBack,
        detail: Some("the alarm went off\n\tand that was that".into()),
        started_at: Timestamp::UNIX_EPOCH,
    }
}

fn record(deployment: &NewDeployment) -> Operation {
    Operation::RecordDeployment { deployment: deployment.clone(), by: by() }
}

async fn page(world: &World, limit: u16, after: Option<ops::Cursor>) -> DeploymentPage {
    match world.ask(Operation::ListDeployments { limit, after }).await {
        Outcome::Deployments(page) => page,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_deployment_told_twice_is_one() {
    let world = World::new().await;
    let new = deployment("abc");
    let changes = world.change(record(&new)).await;
    assert_eq!(changes.changed[0].what, "deploy of abc: rolled_back");
    let again = NewDeployment { outcome: DeploymentOutcome::Succeeded, ..new.clone() };
    let changes = world.change(record(&again)).await;
    assert!(changes.changed.is_empty());
    assert_eq!(codes(&changes), ["recorded"]);

    let listed = page(&world, 20, None).await.deployments;
    let [Deployment { id, kind, release, previous, outcome, detail, actor, started_at, finished_at }] = &listed[..]
    else {
        panic!("{listed:?}")
    };
    assert_eq!((*id, kind.as_str(), release.as_str(), outcome.as_str()), (new.id, "deploy", "abc", "rolled_back"));
    assert_eq!((previous, detail, actor.as_str()), (&new.previous, &new.detail, "ada"));
    assert_eq!(*started_at, new.started_at);
    assert!(clock::now().duration_since(*finished_at).as_secs() < 60, "{finished_at}");
    assert_eq!((world.audited("record_deployment").await, world.wakes().await), (1, 0));
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest() {
    let world = World::new().await;
    for release in ["1", "2", "3", "4", "5"] {
        world.change(record(&deployment(release))).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = page(&world, 2, after).await;
        assert!(page.deployments.len() <= 2);
        seen.extend(page.deployments.into_iter().map(|deployment| deployment.release));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["5", "4", "3", "2", "1"]);
}

#[tokio::test]
async fn a_clock_that_is_ahead_does_not_lose_the_record() {
    let world = World::new().await;
    let started_at = clock::now().checked_add(3.hours()).unwrap();
    world.change(record(&NewDeployment { started_at, ..deployment("abc") })).await;
    let listed = page(&world, 1, None).await.deployments;
    assert_eq!(listed[0].started_at, listed[0].finished_at);
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let world = World::new().await;
    let good = deployment("abc");
    for bad in [
        NewDeployment { release: String::new(), ..good.clone() },
        NewDeployment { release: "a\nb".into(), ..good.clone() },
        NewDeployment { previous: Some("x".repeat(201)), ..good.clone() },
        NewDeployment { detail: Some("\0".into()), ..good.clone() },
        NewDeployment { detail: Some("x".repeat(4_001)), ..good.clone() },
        NewDeployment { detail: Some(" ".into()), ..good.clone() },
    ] {
        refusal(world.ask(record(&bad)).await);
    }
    let nobody = ops::By { actor: String::new(), reason: "why".into() };
    refusal(world.ask(Operation::RecordDeployment { deployment: good, by: nobody }).await);
    assert!(page(&world, 20, None).await.deployments.is_empty());
    assert_eq!(world.kept.count("SELECT count(*) FROM audit").await, 0);
}

/// The tables cannot hold a row that makes no sense, whoever writes it.
#[tokio::test]
async fn impossible_deployments_are_refused() {
    let world = World::new().await;
    let admin = world.kept.admin().await;
    let insert = |values: &str| {
        format!(
            "INSERT INTO deployments (id, kind, release, outcome, detail, actor, started_at)
             VALUES (gen_random_uuid(), {values})"
        )
    };
    admin.batch_execute(&insert("'deploy', 'abc', 'failed', NULL, 'ada', now()")).await.unwrap();
    for impossible in [
        "'undeploy', 'abc', 'failed', NULL, 'ada', now()",
        "'deploy', '', 'failed', NULL, 'ada', now()",
        "'deploy', 'abc', 'fine', NULL, 'ada', now()",
        "'deploy', 'abc', 'failed', '', 'ada', now()",
        "'deploy', 'abc', 'failed', NULL, '', now()",
        "'deploy', 'abc', 'failed', NULL, 'ada', now() + interval '1 minute'",
    ] {
        let error = admin.batch_execute(&insert(impossible)).await.expect_err(impossible);
        assert_eq!(error.code().unwrap().code(), "23514", "{impossible}: {error}");
    }
}

fn smoke_test(key: &str) -> Envelope {
    Envelope { event_type: SMOKE_TEST.into(), ..event(key) }
}

async fn stored(world: &World, key: &str) -> Uuid {
    let mut session = world.runner.session().await.unwrap();
    match executions::settle(&mut session, &smoke_test(key), Settled::Unhandled).await.unwrap() {
        Claim::Owned(owned) => owned.id,
        Claim::Existing(existing) => panic!("{existing:?}"),
    }
}

#[tokio::test]
async fn a_smoke_test_goes_with_its_attempts_and_nothing_else_does() {
    let world = World::new().await;
    let (gone, stays) = (stored(&world, "1").await, stored(&world, "2").await);
    let (dead, completed) = (world.dead("3").await, world.completed("4").await);

    // One that a handler took, and that failed: it has an attempt.
    let mut session = world.runner.session().await.unwrap();
    let Claim::Owned(owned) = executions::claim(&mut session, &smoke_test("5"), "a_handler", TERMS).await.unwrap()
    else {
        panic!("it is new")
    };
    let failure =
        Failure { kind: Kind::Handler, error: "no luck".into(), told: None, permanent: true, retry_after: None };
    executions::fail(&mut session, &owned, &failure, &RetryPolicy::default(), 0.5).await.unwrap().unwrap();
    drop(session);
    let attempts = || world.kept.count("SELECT count(*) FROM attempts");
    assert_eq!(attempts().await, 3);

    for id in [gone, owned.id] {
        let changes = world.change(Operation::RemoveSmokeTest { execution_id: id }).await;
        assert_eq!(changes.changed[0].subject, id.to_string());
        assert!(matches!(world.ask(Operation::RemoveSmokeTest { execution_id: id }).await, Outcome::NotFound { .. }));
    }
    assert_eq!(attempts().await, 2);
    let mut left = [stays, dead, completed];
    left.sort_unstable();
    let kept = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM executions";
    assert_eq!(world.kept.text(kept).await, left.map(|id| id.to_string()).join(" "));
    let trail =
        "SELECT string_agg(actor || ' ' || subject, ',' ORDER BY at) FROM audit WHERE operation = 'remove_smoke_test'";
    assert_eq!(world.kept.text(trail).await, format!("smoke {gone},smoke {}", owned.id));
}

#[tokio::test]
async fn an_execution_of_another_type_is_refused_by_the_operation_and_by_the_database() {
    let world = World::new().await;
    let ids =
        [world.completed("1").await, world.unhandled("2").await, world.dead("3").await, world.processing("4").await.id];
    let app = world.kept.admin().await;
    app.batch_execute("SET ROLE solo_app").await.unwrap();
    for id in ids {
        let refused = refusal(world.ask(Operation::RemoveSmokeTest { execution_id: id }).await);
        assert!(refused.contains("invoice.paid"), "{refused}");
        assert!(!app.query_one("SELECT remove_smoke_test($1)", &[&id]).await.unwrap().get::<_, bool>(0));
    }
    assert_eq!(world.kept.count("SELECT count(*) FROM executions").await, 4);
    assert_eq!(world.kept.count("SELECT count(*) FROM audit").await, 0);

    // Nobody has a wider way, and the reader has none.
    let id = stored(&world, "5").await;
    let denied = app.execute("DELETE FROM executions WHERE id = $1", &[&id]).await.unwrap_err();
    assert_eq!(denied.code().unwrap().code(), "42501");
    app.batch_execute("RESET ROLE; SET ROLE solo_reader").await.unwrap();
    let denied = app.query_one("SELECT remove_smoke_test($1)", &[&id]).await.unwrap_err();
    assert_eq!(denied.code().unwrap().code(), "42501");
}
