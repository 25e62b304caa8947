//! Listing and showing executions.

use ops::{ExecutionFilter, Operation, Outcome, Page, PageToken, perform};
use serde_json::json;
use uuid::Uuid;

use crate::support::{World, by, replay};

async fn world(count: u32) -> World {
    let world = World::new().await;
    world
        .kept
        .execute(&format!(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence,
                                     payload, fingerprint, correlation_id, received_at, finished_at, last_error)
             SELECT gen_random_uuid(), CASE n % 2 WHEN 0 THEN 'stripe' ELSE 'events' END, n::text, 'invoice.paid', 1,
                    CASE n % 3 WHEN 0 THEN 'dead' ELSE 'completed' END, 1, 1, jsonb_build_object('n', n), sha256('x'),
                    'c', now() - (n / 4) * interval '1 minute', now(), CASE n % 3 WHEN 0 THEN 'broken' END
               FROM generate_series(1, {count}) n"
        ))
        .await;
    world
}

async fn list(world: &World, filter: ExecutionFilter, limit: u16, after: Option<PageToken>) -> Page {
    match world.ask(Operation::ListExecutions { filter, limit, after }).await {
        Outcome::Executions(page) => page,
        other => panic!("{other:?}"),
    }
}

/// Several of them came at the same moment: none is skipped, none comes twice.
#[tokio::test]
async fn pages_have_everything_once_newest_first() {
    let world = world(23).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = list(&world, ExecutionFilter::default(), 5, after).await;
        seen.extend(page.executions);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 23);
    assert!(seen.windows(2).all(|pair| (pair[0].received_at, pair[0].id) > (pair[1].received_at, pair[1].id)));
}

#[tokio::test]
async fn filters_and_bounds() {
    let world = world(23).await;
    let dead = ExecutionFilter { status: Some("dead".into()), source: Some("stripe".into()), event_type: None };
    let page = list(&world, dead, 200, None).await;
    assert_eq!(page.executions.len(), 3);
    assert!(page.executions.iter().all(|execution| execution.status == "dead" && execution.source == "stripe"));
    assert_eq!(list(&world, ExecutionFilter::default(), 0, None).await.executions.len(), 1);
    let none =
        ExecutionFilter { event_type: Some("'; DROP TABLE executions; --".into()), ..ExecutionFilter::default() };
    assert!(list(&world, none, 5, None).await.executions.is_empty());
}

/// Over generations, with what it left in the outbox and what people did to it.
#[tokio::test]
async fn one_with_all_that_belongs_to_it() {
    let world = World::new().await;
    let id = world.dead("evt_1").await;
    let effect = format!(
        "INSERT INTO outbox (id, execution_id, idempotency_key, effect, destination, correlation_id)
         VALUES (gen_random_uuid(), '{id}', 'k', '{{\"kind\": \"http\"}}', 'api.example.com', 'c')"
    );
    world.kept.execute(&effect).await;
    assert_eq!(world.change(Operation::Replay(replay(&[id]))).await.changed.len(), 1);
    world.completed("evt_1").await;
    let Outcome::Execution(detail) = world.ask(Operation::ShowExecution { id }).await else { panic!("it is there") };
    assert_eq!(detail.payload["n"], "evt_1");
    assert_eq!((detail.summary.generation, detail.summary.resolved_at), (2, None));
    let attempts: Vec<_> = detail.attempts.iter().map(|it| (it.generation, it.attempt, it.outcome.as_str())).collect();
    assert_eq!(attempts, [(1, 1, "dead"), (2, 1, "completed")]);
    assert_eq!(detail.attempts[0].error.as_deref(), Some("no luck"));
    assert_eq!((detail.effects.len(), detail.effects[0].destination.as_str()), (1, "api.example.com"));
    assert_eq!((detail.audit.len(), detail.audit[0].reason.as_str()), (1, by().reason.as_str()));
    let missing = world.ask(Operation::ShowExecution { id: Uuid::nil() }).await;
    assert!(matches!(missing, Outcome::NotFound { .. }));
}

#[tokio::test]
async fn another_version_is_refused_whatever_else_it_says() {
    let world = World::new().await;
    for request in [json!({"version": 99, "operation": "of_the_future"}), json!({}), json!(null), json!({"version": 1})]
    {
        let answer = perform(&world.ops, request.clone()).await;
        assert!(matches!(answer.outcome, Outcome::Refused { .. }), "{request}: {answer:?}");
    }
}
