//! The overview, and what it costs.

use ops::{Count, InboxDepth, Operation, Outcome, Status};
use shared::inbox::Message;
use uuid::Uuid;

use crate::support::World;

async fn status(world: &World) -> Status {
    match world.ask(Operation::ShowStatus).await {
        Outcome::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}

fn exactly(count: i64) -> Count {
    Count { count, more: false }
}

#[tokio::test]
async fn an_empty_stage_has_nothing_to_tell() {
    let world = World::new().await;
    let status = status(&world).await;
    assert_eq!((status.processing.count, status.failed.count, status.dead.count), (exactly(0), exactly(0), exactly(0)));
    assert!(status.processing.oldest.is_none() && status.next_attempt_at.is_none() && status.overdue.is_zero());
    assert_eq!((status.day.received, status.day.completed, status.hour.received), (exactly(0), exactly(0), exactly(0)));
    assert_eq!((status.outbox.pending.count, status.outbox.dead.count), (exactly(0), exactly(0)));
    assert!(status.alerts.worst.is_empty() && status.alerts.critical.is_zero());
    assert!(status.backup.is_none() && status.drill.is_none() && status.deployment.is_none());
    assert!(status.jobs.iter().all(|job| job.state == "never_ran") && status.jobs.len() == shared::jobs::ALL.len());
    let newest = shared::migrations::ALL.last().unwrap().version;
    assert!(status.schema_version == newest && status.database_bytes > 1_000_000, "{status:?}");
}

/// What is on the queue is in no row.
#[tokio::test]
async fn the_inbox_counts_and_a_queue_that_is_out_is_said() {
    let world = World::new().await;
    let before = status(&world).await.inbox;
    assert_eq!(before, Some(InboxDepth::default()));
    for _ in 0..3 {
        world.ops.inbox.put(&Message::Wake).await.unwrap();
    }
    assert_eq!(status(&world).await.inbox.map(|inbox| inbox.waiting), Some(3));
    world.queues.delete_inbox().await;
    let without = status(&world).await;
    assert!(without.inbox.is_none() && without.schema_version > 0, "the rest is there: {without:?}");
}

#[tokio::test]
async fn what_waits_is_counted_with_its_age() {
    let world = World::new().await;
    let processing = world.processing("p").await;
    let failed = world.failed("f", false).await;
    for key in ["d1", "d2"] {
        world.dead(key).await;
    }
    let resolved = world.dead("d3").await;
    let old = world.completed("c1").await;
    world.completed("c2").await;
    for change in [
        format!("UPDATE executions SET resolved_at = now() WHERE id = '{resolved}'"),
        format!("UPDATE executions SET received_at = now() - interval '2 hours' WHERE id = '{failed}'"),
        format!(
            "UPDATE executions SET finished_at = now() - interval '3 hours', received_at = now() - interval '3 hours' WHERE id = '{old}'"
        ),
    ] {
        world.kept.execute(&change).await;
    }
    let now = status(&world).await;
    assert_eq!((now.processing.count, now.failed.count, now.dead.count), (exactly(1), exactly(1), exactly(2)));
    assert_eq!(now.at.duration_since(now.failed.oldest.unwrap()).as_secs() / 60, 120);
    assert!(now.next_attempt_at.unwrap() > now.at && now.dead.oldest.is_some(), "{now:?}");
    assert_eq!((now.day.received, now.hour.received), (exactly(7), exactly(5)));
    assert_eq!((now.day.completed, now.hour.completed), (exactly(2), exactly(1)));
    assert!(now.overdue.is_zero());

    // Nobody takes them.
    for change in [
        format!("UPDATE executions SET lease_until = now() - interval '6 minutes' WHERE id = '{}'", processing.id),
        format!("UPDATE executions SET next_attempt_at = now() - interval '6 minutes' WHERE id = '{failed}'"),
    ] {
        world.kept.execute(&change).await;
    }
    assert_eq!(status(&world).await.overdue, exactly(2));
}

#[tokio::test]
async fn effects_alerts_and_proofs_are_there() {
    let world = World::new().await;
    for (key, kind, state, finished, error) in [
        ("1", "http", "pending", "NULL", "NULL"),
        ("2", "http", "failed", "NULL", "'no'"),
        ("3", "http", "dead", "now()", "'no'"),
        ("4", "ping", "dead", "now()", "'no'"),
        ("5", "http", "delivered", "now()", "NULL"),
    ] {
        world
            .kept
            .execute(&format!(
                "INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id, status, finished_at, relay_at, last_error)
                 SELECT uuidv7(), '{key}', '{{\"kind\": \"{kind}\"}}', 'x', 'c', '{state}', {finished}, CASE WHEN {finished} IS NULL THEN now() END, {error}"
            ))
            .await;
    }
    for (key, severity) in
        [("old", "warning"), ("quiet:a", "critical"), ("loud", "critical"), ("new", "warning"), ("by the way", "info")]
    {
        world.kept.execute(&format!("SELECT raise_alert('{key}', '{severity}', 'words')")).await;
    }
    world.kept.execute("INSERT INTO alert_silences (pattern, until, reason, created_by) VALUES ('quiet:*', now() + interval '1 hour', 'x', 'x')").await;
    let run = Uuid::new_v4();
    world
        .kept
        .execute(&format!(
            "INSERT INTO job_runs (id, job, started_at, stuck_at, finished_at, outcome, result, error) VALUES
             ('{run}', 'backup', now() - interval '2 hours', now(), now() - interval '1 hour', 'succeeded', '{{\"backup\": \"b1\", \"bytes\": 7}}', NULL),
             (uuidv7(), 'backup', now(), now() + interval '1 hour', now(), 'failed', NULL, 'no luck'),
             (uuidv7(), 'drill', now(), now() + interval '1 hour', now(), 'succeeded', '[]', NULL)"
        ))
        .await;

    let now = status(&world).await;
    assert_eq!((now.outbox.pending.count, now.outbox.dead.count), (exactly(2), exactly(1)));
    let alerts = &now.alerts;
    assert_eq!(
        (alerts.critical, alerts.warning, alerts.info, alerts.silenced),
        (exactly(1), exactly(2), exactly(1), exactly(1))
    );
    let named: Vec<_> = alerts.worst.iter().map(|alert| alert.key.as_str()).collect();
    assert_eq!(named, ["loud", "new", "old", "by the way", "quiet:a"]);
    let backup = now.backup.unwrap();
    assert_eq!((backup.run, backup.backup.as_deref(), backup.bytes), (run, Some("b1"), Some(7)));
    assert_eq!(now.drill.unwrap().backup, None);
}

/// With so many completed events that a look at all of them would be felt: every statement goes by an index, and reads no
/// more than it counts.
#[tokio::test]
async fn it_costs_the_same_with_many_completed_events() {
    let world = World::new().await;
    let many = 40_000;
    world
        .kept
        .execute(&format!(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence, payload,
                                     fingerprint, correlation_id, received_at, finished_at, last_error, next_attempt_at, lease_until)
             SELECT uuidv7(), 's', n::text, 't', 1, 'h', state, 1, 1, '{{}}', sha256('x'), 'c', at,
                    CASE WHEN state IN ('completed', 'dead') THEN at END, CASE WHEN state IN ('failed', 'dead') THEN 'no' END,
                    CASE state WHEN 'failed' THEN now() END, CASE state WHEN 'processing' THEN now() END
               FROM (SELECT n, now() - n * interval '2 seconds' AS at,
                            CASE n % 10000 WHEN 1 THEN 'failed' WHEN 2 THEN 'dead' WHEN 3 THEN 'processing' ELSE 'completed' END AS state
                       FROM generate_series(1, {many}) AS n) AS made"
        ))
        .await;
    world
        .kept
        .execute(&format!(
            "INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id, status, finished_at, relay_at, last_error)
             SELECT uuidv7(), n::text, '{{\"kind\": \"http\"}}', 'x', 'c', CASE n % 10000 WHEN 1 THEN 'dead' ELSE 'delivered' END, now(), NULL, 'x'
               FROM generate_series(1, {many}) AS n"
        ))
        .await;
    let now = status(&world).await;
    assert_eq!((now.failed.count, now.dead.count, now.processing.count), (exactly(4), exactly(4), exactly(4)));
    assert_eq!(
        (now.day.received, now.day.completed),
        (Count { count: 10_000, more: true }, Count { count: 10_000, more: true })
    );
    assert!(now.hour.received.count.abs_diff(1_800) < 5 && !now.hour.received.more, "{:?}", now.hour);
    assert_eq!(now.outbox.dead.count, exactly(4));

    // The silences are few, and without an index.
    let scanned_whole = ["Seq Scan on executions", "Seq Scan on outbox", "Seq Scan on alerts "];
    for analyzed in [false, true] {
        if analyzed {
            world.kept.execute("ANALYZE").await;
        }
        for (name, sql, most) in [
            ("backlog", include_str!("../../src/status/backlog.sql"), 500),
            ("traffic", include_str!("../../src/status/traffic.sql"), 25_000),
            ("outbox", include_str!("../../src/status/outbox.sql"), 500),
            ("alerts", include_str!("../../src/status/alerts.sql"), 500),
        ] {
            let sql = sql.replace("$1", "10001").replace("$2", "5");
            let plan = plan(&world, &sql).await;
            assert!(
                scanned_whole.iter().all(|table| !plan.contains(table)) && plan.contains("Index"),
                "{name}, analyzed {analyzed}: {plan}"
            );
            let blocks = buffers(&plan);
            assert!(blocks < most, "{name}, analyzed {analyzed}: {blocks} blocks\n{plan}");
        }
    }
}

/// As the operation has it planned, and run.
async fn plan(world: &World, sql: &str) -> String {
    let client = world.kept.admin().await;
    client.batch_execute("SET enable_seqscan = off").await.unwrap();
    let rows = client.query(&format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {sql}"), &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

/// `shared hit=3 read=1` of the plan's first line with buffers: that of the whole.
fn buffers(plan: &str) -> u64 {
    let line = plan.lines().find(|line| line.contains("Buffers: shared")).unwrap_or_default();
    let numbers = line.split_whitespace().filter_map(|word| word.strip_prefix("hit=").or(word.strip_prefix("read=")));
    numbers.map(|number| number.parse::<u64>().unwrap()).sum()
}
