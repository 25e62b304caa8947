//! The monthly review: each finding there when it should be, and not otherwise.

use serde_json::{Value, json};

use crate::support::World;

/// Makes a review; what it found: `secrets: warning: the words`.
async fn found(world: &World) -> Vec<String> {
    let id = world.run("review").await["review"].as_str().unwrap().to_owned();
    let findings = world.database.text(&format!("SELECT findings::text FROM reviews WHERE id = '{id}'")).await;
    let findings: Vec<Value> = serde_json::from_str(&findings).unwrap();
    let line = |finding: &Value| {
        let all = ["area", "severity", "what", "todo"].map(|field| finding[field].as_str().unwrap());
        assert!(all.iter().all(|text| !text.is_empty()), "{finding}");
        all[..3].join(": ")
    };
    findings.iter().map(line).collect()
}

async fn found_in(world: &World, area: &str) -> Vec<String> {
    let mut found = found(world).await;
    found.retain(|line| line.starts_with(&format!("{area}: ")));
    found
}

async fn figures(world: &World) -> Value {
    let text = world.database.text("SELECT figures::text FROM reviews ORDER BY at DESC LIMIT 1").await;
    serde_json::from_str(&text).unwrap()
}

fn success(job: &str, ago: &str) -> String {
    format!(
        "INSERT INTO jobs (name, period, grace, last_success_at) VALUES ('{job}', '1 day', '1 hour', now() - interval '{ago}')
             ON CONFLICT (name) DO UPDATE SET last_success_at = excluded.last_success_at"
    )
}

fn execution(source: &str, event_type: &str, version: u16, rest: &str) -> String {
    let rest = if rest.is_empty() { "'completed', NULL, now()" } else { rest };
    format!(
        "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, attempt, fence, payload, fingerprint,
                                 correlation_id, status, last_error, finished_at)
         VALUES (gen_random_uuid(), '{source}', gen_random_uuid()::text, '{event_type}', {version}, 1, 1, '{{}}', sha256('x'), 'c',
                 {rest})"
    )
}

/// What brings a finding about, its area, its words, and what ends it.
struct Case(&'static str, String, &'static str, String);

#[tokio::test]
async fn each_finding_is_there_when_it_should_be_and_not_otherwise() {
    let world = World::new().await;
    for sql in [success("backup", "1 hour"), success("drill", "30 days"), execution("stripe", "x", 1, "")] {
        world.database.execute(&sql).await;
    }
    let old = "INSERT INTO jobs (name, period, grace, watched_since) VALUES ('tick', '1 minute', '5 minutes', now() - interval '31 days')";
    world.database.execute(old).await;
    let effect = "INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id, status, finished_at, relay_at, last_error)
                  VALUES (gen_random_uuid(), 'k', '{}', 'example.com', 'c', 'dead', now() - interval '3 days', NULL, 'no luck')";
    let run = "INSERT INTO job_runs (id, job, started_at, stuck_at, finished_at, outcome, error)
               SELECT gen_random_uuid(), 'prune', now() - interval '2 days', now(), now(), 'failed', 'no luck' FROM generate_series(1, 2)";
    let deployment = |kind: &str, outcome: &str| {
        format!(
            "INSERT INTO deployments (id, kind, release, outcome, actor, started_at)
             VALUES (gen_random_uuid(), '{kind}', 'abc', '{outcome}', 'ada', now())"
        )
    };
    let cases = [
        Case("backups", success("backup", "3 days"), "warning: the last backup is of ", success("backup", "25 hours")),
        Case("backups", "DELETE FROM jobs WHERE name = 'backup'".into(), "warning: there has never been a backup", success("backup", "1 hour")),
        Case("drills", success("drill", "100 days"), "100 days ago", success("drill", "90 days")),
        Case("drills", "DELETE FROM jobs WHERE name = 'drill'".into(), "warning: no backup was ever restored", success("drill", "1 day")),
        Case("dead_letters", execution("events", "x", 1, "'dead', 'no luck', now() - interval '50 days'"), "warning: 1 dead letter waits, the oldest since ", "UPDATE executions SET resolved_at = now() WHERE status = 'dead'".into()),
        Case("effects", effect.into(), "warning: 1 effect could not be delivered, the oldest since", "DELETE FROM outbox WHERE status = 'dead'".into()),
        Case("alerts", "INSERT INTO alerts (key, severity, message, raised_at) VALUES ('k', 'info', 'm', now() - interval '2 days')".into(), "warning: 1 alert is open for more than a day", "UPDATE alerts SET resolved_at = now() WHERE key = 'k'".into()),
        Case("alerts", "INSERT INTO alert_silences (pattern, until, reason, created_by) VALUES ('*', now() + interval '1 day', 'r', 'ada')".into(), "info: 1 silence holds alerts back, the longest until ", "DELETE FROM alert_silences".into()),
        Case("alerts", "INSERT INTO alerts (key, severity, message, occurrences) VALUES ('loud', 'info', 'm', 12)".into(), "info: raised again and again: loud (12 times)", "DELETE FROM alerts WHERE key = 'loud'".into()),
        Case("jobs", run.into(), "warning: the job prune failed 2 times, the last time on ", "UPDATE job_runs SET started_at = now() - interval '40 days' WHERE job = 'prune'".into()),
        Case("providers", "UPDATE executions SET received_at = now() - interval '31 days' WHERE source = 'stripe'".into(), "info: stripe is switched on and sent nothing for 30 days", execution("stripe", "x", 1, "")),
        Case("providers", execution("github", "push", 1, ""), "info: github is switched off, and 1 of its events came", "DELETE FROM executions WHERE source = 'github'".into()),
        Case("deployments", deployment("deploy", "rolled_back"), "info: 1 of 1 deployments did not succeed", "DELETE FROM deployments".into()),
        Case("deployments", deployment("rollback", "succeeded"), "info: 1 rollback by hand, and 0 deployments", "DELETE FROM deployments".into()),
        Case("errors", "SELECT record_error('panic', 'h', 'no row <n>', 'no row 7', NULL, NULL, NULL, NULL, 3), record_error('job', 'nap', 'x', 'x', NULL, NULL, NULL, NULL)".into(), "warning: 2 errors are open, the most frequent in h: no row <n> (3 times)", "UPDATE errors SET resolved_at = now(), resolved_by = 'ada'".into()),
    ];
    // Of those of one thing, one at a time.
    for round in [cases.iter().step_by(2).collect::<Vec<_>>(), cases.iter().skip(1).step_by(2).collect()] {
        let before = found(&world).await;
        for Case(area, sql, words, _) in &round {
            assert!(!before.iter().any(|line| line.starts_with(&format!("{area}: "))), "{words}: {before:#?}");
            world.database.execute(sql).await;
        }
        let there = found(&world).await;
        for Case(area, _, words, undo) in &round {
            let is_it = |line: &&String| line.starts_with(&format!("{area}: ")) && line.contains(words);
            assert_eq!(there.iter().filter(is_it).count(), 1, "{words}: {there:#?}");
            world.database.execute(undo).await;
        }
        assert_eq!(there.len(), before.len() + round.len(), "{there:#?}");
        assert_eq!(found(&world).await, before);
    }
}

#[tokio::test]
async fn a_stage_that_is_young_has_no_silent_providers() {
    let world = World::new().await;
    assert_eq!(found_in(&world, "providers").await, [""; 0], "nobody knows how old it is");
    world.database.execute(&success("backup", "1 hour")).await;
    let of_age = async |days: u32| {
        world.database.execute(&format!("UPDATE jobs SET watched_since = now() - interval '{days} days 1 hour'")).await;
        found_in(&world, "providers").await.len()
    };
    assert_eq!((of_age(29).await, of_age(31).await), (0, 1));
}

/// An alert of a late job is raised every hour by itself.
#[tokio::test]
async fn a_late_job_is_noise_when_it_was_late_again_and_again() {
    let world = World::new().await;
    let late = |count: u32, occurrences: u32| {
        format!(
            "INSERT INTO alerts (key, severity, message, occurrences, resolved_at)
             SELECT 'job_late:backup', 'critical', 'm', {occurrences}, now() FROM generate_series(1, {count})"
        )
    };
    world.database.execute(&late(9, 30)).await;
    assert_eq!(found_in(&world, "alerts").await, [""; 0]);
    world.database.execute(&late(1, 1)).await;
    assert_eq!(found_in(&world, "alerts").await, ["alerts: info: raised again and again: job_late:backup (10 times)"]);
}

#[tokio::test]
async fn versions_and_secrets_are_looked_at() {
    let world = World::new().await;
    assert_eq!(found_in(&world, "secrets").await, [""; 0]);
    world.app_secret.delete().await;
    assert!(
        found_in(&world, "secrets").await[0].starts_with("secrets: info: how old the app's secret is, is not known: ")
    );

    world.database.execute(&execution("events", "invoice.paid", 1, "")).await;
    assert!(
        found_in(&world, "events").await[0]
            .contains("invoice.paid version 1 is going away on 2027-11-22 and came once")
    );
}

#[tokio::test]
async fn a_review_is_kept_told_once_and_compared_with_the_one_before() {
    let world = World::new().await;
    for sql in [
        execution("stripe", "x", 1, ""),
        execution("stripe", "solo.smoke_test", 1, ""),
        execution("stripe", "y", 1, "'dead', 'x', now()"),
    ] {
        world.database.execute(&sql).await;
    }
    world
        .database
        .execute(
            r#"INSERT INTO reviews (id, at, period, findings, figures)
               VALUES (gen_random_uuid(), now() - interval '30 days', 'before', '[]',
                       '{"database_bytes": 1000, "tables": [{"table": "executions", "bytes": 1000}], "of_another_release": 1}'),
                      (gen_random_uuid(), now() - interval '1 day', 'by hand', '[]', '{}')"#,
        )
        .await;
    let first = world.run("review").await;
    let figures = figures(&world).await;
    assert_eq!((&figures["events"], &figures["events_dead"]), (&json!(2), &json!(1)), "{figures}");
    let tables = figures["tables"].as_array().unwrap();
    let executions = tables.iter().find(|table| table["table"] == "executions").unwrap();
    assert_eq!(executions["grown"].as_i64().unwrap(), executions["bytes"].as_i64().unwrap() - 1_000);
    assert_eq!(figures["database_grown"].as_i64().unwrap(), figures["database_bytes"].as_i64().unwrap() - 1_000);
    assert!(tables.iter().any(|table| table["table"] == "reviews" && table["grown"].is_null()), "{figures}");

    let alerts = world.alerts().await;
    let id = first["review"].as_str().unwrap();
    assert!(alerts.len() == 1 && alerts[0].starts_with("info operations_review: Review of "), "{alerts:?}");
    assert!(alerts[0].ends_with(&format!("All of it: solo review show {id} --stage <stage>")), "{alerts:?}");

    // It was told. The next month's is news all the same, and the old one ends without another word.
    world.database.execute("UPDATE alerts SET pending_since = NULL, sent_at = now()").await;
    let second = world.run("review").await;
    assert!(world.alerts().await[0].contains(second["review"].as_str().unwrap()));
    let pending = "SELECT count(*) FROM alerts WHERE pending_since IS NOT NULL AND resolved_at IS NULL";
    assert_eq!(world.database.count(pending).await, 1);
    assert_eq!(world.database.count("SELECT count(*) FROM alerts WHERE pending_since IS NOT NULL").await, 1);
    assert_eq!(world.database.count("SELECT count(*) FROM alerts").await, 2);
}

/// However much there is to say, the message fits, and the alert has all of it.
#[tokio::test]
async fn a_long_review_is_a_message_that_fits() {
    let world = World::new().await;
    world
        .database
        .execute(
            "INSERT INTO job_runs (id, job, stuck_at, finished_at, outcome, error)
             SELECT gen_random_uuid(), 'job_' || n, now() + interval '1 hour', now(), 'failed', 'x' FROM generate_series(1, 100) n",
        )
        .await;
    assert!(world.run("review").await["findings"].as_i64().unwrap() > 100);
    let message = world.database.text("SELECT message FROM alerts WHERE key = 'operations_review'").await;
    assert!(message.chars().count() <= 2_000 && message.contains(" more. The month: "), "{message}");
    assert!(message.contains("All of it: solo review show "), "{message}");
}
