//! Effects, alerts, silences, runs of jobs; and what cleanup has nothing to do with.

use crate::support::World;

/// Names what is left, by its `correlation_id`, `key`, `reason` or `actor`.
async fn left(world: &World, table: &str, name: &str) -> String {
    world.kept.text(&format!("SELECT COALESCE(string_agg({name}, ', ' ORDER BY {name}), '') FROM {table}")).await
}

/// `key`: of the handler's own, or none.
pub async fn effect(world: &World, name: &str, status: &str, age: &str, key: &str, execution: Option<uuid::Uuid>) {
    let execution = execution.map_or_else(|| "NULL".to_owned(), |id| format!("'{id}'"));
    let sql = format!(
        "INSERT INTO outbox (id, execution_id, idempotency_key, effect, destination, correlation_id, status, created_at, relay_at,
                             finished_at, last_error)
         SELECT id, {execution}, COALESCE(NULLIF('{key}', ''), id::text), '{{}}', 'example.com', '{name}', '{status}',
                now() - interval '{age}',
                CASE WHEN '{status}' NOT IN ('delivered', 'dead') THEN now() END,
                CASE WHEN '{status}' IN ('delivered', 'dead') THEN now() - interval '{age}' END, 'words'
           FROM (SELECT gen_random_uuid() AS id)"
    );
    world.kept.execute(&sql).await;
}

#[tokio::test]
async fn a_delivered_effect_goes_after_thirty_days_and_no_other() {
    let world = World::new().await;
    effect(&world, "29", "delivered", "29 days", "", None).await;
    effect(&world, "31", "delivered", "31 days", "", None).await;
    for status in ["pending", "sent", "failed", "dead"] {
        effect(&world, status, status, "4000 days", "", None).await;
    }
    assert_eq!(world.clean().await.effects_deleted, 1);
    assert_eq!(left(&world, "outbox", "correlation_id").await, "29, dead, failed, pending, sent");
}

/// The key is what keeps it from being sent twice.
#[tokio::test]
async fn the_key_of_an_effect_lives_as_long_as_keys_and_as_its_execution_can_be_replayed() {
    let world = World::new().await;
    effect(&world, "119", "delivered", "119 days", "receipt:1", None).await;
    effect(&world, "121", "delivered", "121 days", "receipt:2", None).await;
    let dead = world.execution("dead", "200 days").await;
    effect(&world, "of a dead letter", "delivered", "200 days", "receipt:3", Some(dead)).await;
    let cleared = world.execution_of("completed", "200 days", "40 days").await;
    effect(&world, "of a cleared one", "delivered", "200 days", "receipt:4", Some(cleared)).await;
    assert_eq!(world.clean().await.effects_deleted, 2);
    assert_eq!(left(&world, "outbox", "correlation_id").await, "119, of a dead letter");
}

/// The second one's handler found the key, and nothing was sent for it. Replayed, it has to find it again.
#[tokio::test]
async fn a_key_that_two_executions_share_outlives_the_payloads_of_both() {
    let world = World::new().await;
    let first = world.execution("completed", "100 days").await;
    let second = world.execution("completed", "29 days").await;
    effect(&world, "theirs", "delivered", "100 days", "receipt:1", Some(first)).await;
    assert_eq!(world.clean().await.effects_deleted, 0);
    assert_eq!((world.left(first).await.as_str(), world.left(second).await.as_str()), ("gone", "payload"));
    // Both events became as old as an event can be whose key is still there.
    let older = "finished_at = finished_at - interval '21 days'";
    world.kept.execute(&format!("UPDATE outbox SET created_at = created_at - interval '21 days', {older}")).await;
    world.kept.execute(&format!("UPDATE executions SET received_at = received_at - interval '21 days', {older}")).await;
    let cleaned = world.clean().await;
    assert_eq!((cleaned.effects_deleted, world.left(second).await.as_str()), (1, "cleared"));
}

/// `name`, as in [`effect`], becomes a ping of the platform's own.
async fn ping(world: &World, name: &str, status: &str, age: &str, key: &str) {
    effect(world, name, status, age, key, None).await;
    let sql = format!("UPDATE outbox SET effect = '{{\"kind\": \"ping\"}}' WHERE correlation_id = '{name}'");
    world.kept.execute(&sql).await;
}

#[tokio::test]
async fn a_ping_goes_after_thirty_days_also_one_that_was_lost_and_its_key_holds_nothing_up() {
    let world = World::new().await;
    for (age, days) in [("29", "29 days"), ("31", "31 days")] {
        for status in ["delivered", "dead"] {
            ping(&world, &format!("{status} {age}"), status, days, "").await;
            ping(&world, &format!("{status} tick {age}"), status, days, &format!("ping:tick:{status}{age}")).await;
        }
        ping(&world, &format!("sent {age}"), "sent", days, "").await;
    }
    assert_eq!(world.clean().await.effects_deleted, 4);
    assert_eq!(
        left(&world, "outbox", "correlation_id").await,
        "dead 29, dead tick 29, delivered 29, delivered tick 29, sent 29, sent 31"
    );
}

/// Effects of all ages and kinds: what goes is found along the index that has nothing else.
#[tokio::test]
async fn what_waits_for_a_person_is_not_even_looked_at() {
    let world = World::new().await;
    world
        .kept
        .execute(
            "INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id, status, finished_at, relay_at, last_error)
             SELECT id, id::text, jsonb_build_object('kind', CASE n % 100 WHEN 0 THEN CASE n % 200 WHEN 0 THEN 'ping' ELSE 'error' END ELSE 'http' END), 'x', 'c', 'dead',
                    now(), NULL, 'no luck'
               FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, 3000) n);
             UPDATE outbox SET created_at = now() - interval '40 days', finished_at = now() - interval '40 days';
             DELETE FROM pg_statistic WHERE starelid = 'outbox'::regclass",
        )
        .await;
    let cleaned = world.clean().await;
    assert_eq!((cleaned.effects_deleted, cleaned.batches), (30, 1));
    let mut session = world.app.session().await.unwrap();
    session.query("SELECT pg_stat_force_next_flush()", &[]).await.unwrap();
    drop(session);
    let scans = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'outbox_kept'";
    assert!(world.kept.count(scans).await > 0);
}

#[tokio::test]
async fn alerts_go_ninety_days_after_their_end_with_the_notes_of_who_was_told() {
    let world = World::new().await;
    let sql = "INSERT INTO alerts (key, severity, message, raised_at, resolved_at, pending_since) VALUES
                   ('89', 'info', 'm', now() - interval '400 days', now() - interval '89 days', NULL),
                   ('91', 'info', 'm', now() - interval '400 days', now() - interval '91 days', NULL),
                   ('91 untold', 'info', 'm', now() - interval '400 days', now() - interval '91 days', now()),
                   ('open', 'critical', 'm', now() - interval '4000 days', NULL, NULL)";
    world.kept.execute(sql).await;
    effect(&world, "told", "delivered", "20 days", "", None).await;
    world.kept.execute("INSERT INTO alert_deliveries SELECT a.id, o.id, false FROM alerts a, outbox o").await;
    assert_eq!(world.clean().await.alerts_deleted, 2);
    assert_eq!(left(&world, "alerts", "key").await, "89, open");
    assert_eq!(world.kept.count("SELECT count(*) FROM alert_deliveries").await, 2);
}

#[tokio::test]
async fn silences_go_ninety_days_after_their_end() {
    let world = World::new().await;
    let sql = "INSERT INTO alert_silences (pattern, until, reason, created_by, created_at)
               SELECT '*', now() - until::interval, name, 'ada', now() - interval '4000 days'
                 FROM (VALUES ('89 days', '89'), ('91 days', '91'), ('-1 day', 'holds')) AS v (until, name)";
    world.kept.execute(sql).await;
    assert_eq!(world.clean().await.silences_deleted, 1);
    assert_eq!(left(&world, "alert_silences", "reason").await, "89, holds");
}

#[tokio::test]
async fn errors_go_ninety_days_after_they_were_last_seen_resolved_or_not() {
    let world = World::new().await;
    let sql = "INSERT INTO errors (fingerprint, kind, culprit, title, message, first_seen, last_seen, resolved_at, resolved_by)
               SELECT md5(title), 'handler', 'h', title, 'm', now() - first::interval, now() - last::interval, now() - resolved::interval,
                      CASE WHEN resolved IS NOT NULL THEN 'ada' END
                 FROM (VALUES ('89', '400 days', '89 days', NULL), ('91', '400 days', '91 days', NULL),
                              ('91, resolved 89', '400 days', '91 days', '89 days'),
                              ('91, resolved 91', '400 days', '91 days', '91 days'),
                              ('made old', '1 day', '400 days', NULL)) AS v (title, first, last, resolved)";
    world.kept.execute(sql).await;
    assert_eq!(world.clean().await.errors_deleted, 2);
    assert_eq!(left(&world, "errors", "title").await, "89, 91, resolved 89, made old");
}

#[tokio::test]
async fn runs_of_jobs_go_but_each_jobs_latest_and_latest_success() {
    let world = World::new().await;
    let sql = "INSERT INTO job_runs (id, job, actor, started_at, stuck_at, finished_at, outcome, error)
               SELECT gen_random_uuid(), job, name, now() - age::interval, now() - age::interval + interval '1 minute',
                      CASE WHEN outcome <> '' THEN now() - age::interval END, NULLIF(outcome, ''),
                      CASE WHEN outcome NOT IN ('', 'succeeded') THEN 'words' END
                 FROM (VALUES ('tick', '8 days', 'succeeded', 'tick 8'), ('tick', '6 days', 'succeeded', 'tick 6'),
                              ('tick', '1 day', 'succeeded', 'tick 1'),
                              ('backup', '92 days', 'succeeded', 'backup 92'), ('backup', '91 days', 'failed', 'backup 91'),
                              ('backup', '89 days', 'failed', 'backup 89'), ('backup', '88 days', 'succeeded', 'backup 88'),
                              ('drill', '300 days', 'succeeded', 'drill: an older success'),
                              ('drill', '200 days', 'succeeded', 'drill: its latest success'),
                              ('drill', '150 days', 'stuck', 'drill: stuck'), ('drill', '140 days', 'failed', 'drill: its latest'),
                              ('prune', '300 days', '', 'prune: runs')) AS v (job, age, outcome, name)";
    world.kept.execute(sql).await;
    assert_eq!(world.clean().await.runs_deleted, 5);
    assert_eq!(
        left(&world, "job_runs", "actor").await,
        "backup 88, backup 89, drill: its latest, drill: its latest success, prune: runs, tick 1, tick 6"
    );
}

#[tokio::test]
async fn the_audit_trail_the_deployments_and_the_tables_of_handlers_stay() {
    let world = World::new().await;
    let old = "now() - interval '4000 days'";
    let tables = ["audit", "deployments", "payments", "subscriptions", "pushes"];
    world
        .kept
        .execute(&format!(
            "INSERT INTO audit (at, actor, operation, subject, reason) VALUES ({old}, 'ada', 'replay', 'x', 'why');
             INSERT INTO deployments (id, kind, release, outcome, actor, started_at, finished_at)
                  VALUES (gen_random_uuid(), 'deploy', '1', 'succeeded', 'ada', {old}, {old});
             INSERT INTO payments (invoice_id, customer_id, amount_cents, currency, paid_at, execution_id, recorded_at)
                  VALUES (gen_random_uuid(), gen_random_uuid(), 1, 'USD', {old}, gen_random_uuid(), {old});
             INSERT INTO subscriptions (id, customer, status, cancel_at_period_end, changed_at, change, execution_id, recorded_at)
                  VALUES ('sub_1', 'cus_1', 'active', false, {old}, 0, gen_random_uuid(), {old});
             INSERT INTO pushes VALUES ('a/b', 'main', repeat('a', 40), 1, 'ada', {old}, gen_random_uuid(), {old})"
        ))
        .await;
    let cleaned = world.clean().await;
    assert_eq!((cleaned.batches, cleaned.more), (0, false), "{cleaned:?}");
    for table in tables {
        assert_eq!(world.kept.count(&format!("SELECT count(*) FROM {table}")).await, 1, "{table}");
    }
}
