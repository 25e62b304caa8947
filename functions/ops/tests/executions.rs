//! Listing and showing executions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ops::{ExecutionFilter, Operation, Outcome, Page, PageToken, Request, perform};
use serde_json::json;
use shared::db::{Credentials, Database};
use testkit::TestDatabase;
use uuid::Uuid;

async fn world(count: u32) -> (TestDatabase, Database) {
    let database = TestDatabase::new().await;
    database
        .execute(&format!(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence,
                                     payload, fingerprint, correlation_id, received_at, finished_at, last_error)
             SELECT gen_random_uuid(), CASE n % 2 WHEN 0 THEN 'stripe' ELSE 'events' END, n::text, 'invoice.paid', 1,
                    CASE n % 3 WHEN 0 THEN 'dead' ELSE 'completed' END, 1, 1, jsonb_build_object('n', n), sha256('x'),
                    'c', now() - (n / 4) * interval '1 minute', now(), CASE n % 3 WHEN 0 THEN 'broken' END
               FROM generate_series(1, {count}) n"
        ))
        .await;
    let connection = Database::new(database.app_url(), Credentials::Url, &[]).unwrap();
    (database, connection)
}

async fn ask(database: &Database, operation: Operation) -> ops::Answer {
    perform(database, serde_json::to_value(Request::from(operation)).unwrap()).await
}

async fn list(database: &Database, filter: ExecutionFilter, limit: u16, after: Option<PageToken>) -> Page {
    match ask(database, Operation::ListExecutions { filter, limit, after }).await.outcome {
        Outcome::Executions(page) => page,
        other => panic!("{other:?}"),
    }
}

/// Several of them came at the same moment: none is skipped, none comes twice.
#[tokio::test]
async fn pages_have_everything_once_newest_first() {
    let (_kept, database) = world(23).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = list(&database, ExecutionFilter::default(), 5, after).await;
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
    let (_kept, database) = world(23).await;
    let dead = ExecutionFilter { status: Some("dead".into()), source: Some("stripe".into()), event_type: None };
    let page = list(&database, dead, 200, None).await;
    assert_eq!(page.executions.len(), 3);
    assert!(page.executions.iter().all(|execution| execution.status == "dead" && execution.source == "stripe"));
    assert_eq!(list(&database, ExecutionFilter::default(), 0, None).await.executions.len(), 1);
    let none =
        ExecutionFilter { event_type: Some("'; DROP TABLE executions; --".into()), ..ExecutionFilter::default() };
    assert!(list(&database, none, 5, None).await.executions.is_empty());
}

#[tokio::test]
async fn one_with_its_attempts_and_payload() {
    let (kept, database) = world(1).await;
    kept.execute(
        "INSERT INTO attempts SELECT id, 1, 1, now() - interval '1 second', now(), 'failed', 'no luck' FROM executions",
    )
    .await;
    let id: Uuid = kept.text("SELECT id::text FROM executions").await.parse().unwrap();
    match ask(&database, Operation::ShowExecution { id }).await.outcome {
        Outcome::Execution(detail) => {
            assert_eq!(detail.payload["n"], 1);
            assert_eq!(detail.attempts[0].error.as_deref(), Some("no luck"));
        }
        other => panic!("{other:?}"),
    }
    let missing = ask(&database, Operation::ShowExecution { id: Uuid::nil() }).await;
    assert!(matches!(missing.outcome, Outcome::NotFound { .. }));
}

#[tokio::test]
async fn another_version_is_refused_whatever_else_it_says() {
    let (_kept, database) = world(0).await;
    for request in [json!({"version": 99, "operation": "of_the_future"}), json!({}), json!(null), json!({"version": 1})]
    {
        let answer = perform(&database, request.clone()).await;
        assert!(matches!(answer.outcome, Outcome::Refused { .. }), "{request}: {answer:?}");
    }
}
