//! What a scrape costs the database: one statement, which walks along indexes of what is unfinished.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use testkit::{Proxy, TestDatabase};

use crate::support::{World, get};

const METRICS: &str = include_str!("../../src/sql/metrics.sql");

#[tokio::test]
async fn a_storm_of_scrapes_is_one_statement_in_one_round_trip() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let health = world
        .health_with(|settings| {
            settings.database.url = proxy.url(&settings.database.url);
            settings.kept_for = Duration::from_secs(30);
        })
        .await;
    get(&health, "/health/ready", None).await;
    proxy.reset();
    let all = join_all((0..50).map(|_| get(&health, "/metrics", Some(world.token())))).await;
    assert!(all.iter().all(|answer| answer.status == 200 && answer.text == all[0].text));
    // The first time, it is prepared in a round trip of its own.
    assert_eq!((proxy.statements(), proxy.round_trips()), (1, 2), "the look before it was kept: {:?}", proxy.seen());
}

/// Rows of the tables that grow: `done` of them finished, a few of each other kind.
async fn fill(database: &TestDatabase, done: u32) {
    let finished = format!(
        "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload, fingerprint,
                                 correlation_id, finished_at)
         SELECT gen_random_uuid(), 's', n, 'a', 1, 'completed', 1, 1, '{{}}', sha256('x'), 'c', now() FROM generate_series(1, {done}) n;
         INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload, fingerprint,
                                 correlation_id, finished_at, resolved_at, last_error)
         SELECT gen_random_uuid(), 'r', n, 'a', 1, 'dead', 1, 1, '{{}}', sha256('x'), 'c', now(), now(), 'e'
           FROM generate_series(1, {done} / 4) n;
         INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id, status, relay_at, finished_at)
         SELECT gen_random_uuid(), n, '{{}}', 'd', 'c', 'delivered', NULL, now() FROM generate_series(1, {done}) n"
    );
    database.execute(&finished).await;
    database
        .execute(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload,
                                     fingerprint, correlation_id, lease_until, next_attempt_at, finished_at, last_error)
             SELECT gen_random_uuid(), status, n, 'a', 1, status, 1, 1, '{}', sha256('x'), 'c',
                    CASE status WHEN 'processing' THEN now() END, CASE status WHEN 'failed' THEN now() END,
                    CASE status WHEN 'dead' THEN now() END, 'e'
               FROM generate_series(1, 20) n, unnest('{processing,failed,dead}'::text[]) status;
             INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id, status, relay_at, finished_at, last_error)
             SELECT gen_random_uuid(), status || n, '{}', 'd', 'c', status, CASE WHEN status <> 'dead' THEN now() END,
                    CASE status WHEN 'dead' THEN now() END, 'e'
               FROM generate_series(1, 20) n, unnest('{pending,sent,failed,dead}'::text[]) status;
             ANALYZE executions, outbox",
        )
        .await;
}

/// Every node of a plan, with what is below it.
fn nodes(plan: &Value, into: &mut Vec<Value>) {
    into.push(plan.clone());
    for child in plan["Plans"].as_array().into_iter().flatten() {
        nodes(child, into);
    }
}

async fn plan(database: &TestDatabase) -> Vec<Value> {
    let sql = format!("EXPLAIN (ANALYZE, FORMAT JSON) {METRICS}").replace("$1", "'{tick,backup}'");
    let explained: Value = database.admin().await.query_one(&sql, &[]).await.unwrap().get(0);
    let mut all = Vec::new();
    nodes(&explained[0]["Plan"], &mut all);
    all
}

/// However much is finished, and resolved: none of it is read.
#[tokio::test]
async fn no_scan_of_executions_or_the_outbox() {
    let world = World::new().await;
    fill(&world.database, 20_000).await;
    let plan = plan(&world.database).await;
    let of_table = |node: &&Value| matches!(node["Relation Name"].as_str(), Some("executions" | "outbox"));
    let looks: Vec<_> = plan.iter().filter(of_table).collect();
    assert_eq!(looks.len(), 7, "{looks:#?}");
    for look in looks {
        assert_ne!(look["Node Type"], "Seq Scan", "{look:#}");
        let rows = look["Actual Rows"].as_f64().unwrap() + look["Rows Removed by Filter"].as_f64().unwrap_or_default();
        assert!(rows <= 80.0, "{rows} rows were read where 20 count: {look:#}");
    }
    let indexes: Vec<_> = plan.iter().filter_map(|node| node["Index Name"].as_str()).collect();
    for index in ["executions_unfinished", "executions_dead", "outbox_due", "outbox_sent", "outbox_dead"] {
        assert!(indexes.contains(&index), "{index} is not among {indexes:?}");
    }
}
