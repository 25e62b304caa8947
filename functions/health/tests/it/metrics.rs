//! `/metrics`: who may see it, its form, and its figures against rows that are really there.

use std::collections::BTreeMap;

use axum::http::Method;
use secrecy::ExposeSecret as _;
use shared::{clock, jobs};
use testkit::Way;

use crate::{
    parser::{Samples, parse},
    support::{World, ask, get},
};

async fn scrape(world: &World) -> Samples {
    let answer = get(&world.health().await, "/metrics", Some(world.token())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    parse(&answer.text)
}

#[tokio::test]
async fn without_the_token_there_is_nothing_to_see() {
    let world = World::new().await;
    let health = world.health().await;
    for token in [None, Some(""), Some("wrong"), Some(world.secret.events_token.expose_secret())] {
        let answer = get(&health, "/metrics", token).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_token")), "{token:?}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert!(!answer.text.contains("solo_"), "{}", answer.text);
    }
    assert_eq!(ask(&health, Method::HEAD, "/metrics", None).await.text, "");
    assert_eq!(ask(&health, Method::POST, "/metrics", Some(world.token())).await.status, 405);
    world.to_secrets.set(Way::Cut);
    let answer = get(&world.health().await, "/metrics", Some(world.token())).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "nobody can say whether the token is right");
}

#[tokio::test]
async fn the_headers_are_those_of_the_format() {
    let world = World::new().await;
    let health = world.health_with(|settings| settings.release = Some("a\"b\\c".into())).await;
    let answer = get(&health, "/metrics", Some(world.token())).await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "private, max-age=2");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let build = format!("solo_build_info{{version=\"{}\",release=\"a\\\"b\\\\c\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(parse(&answer.text).get(&build), Some(&1.0), "{}", answer.text);
    let head = ask(&health, Method::HEAD, "/metrics", Some(world.token())).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

/// Every series of a list is there from the start, with 0, so that an alert on it need not ask whether it is.
#[tokio::test]
async fn an_empty_stage_has_every_series_but_those_of_what_never_was() {
    let world = World::new().await;
    let samples = scrape(&world).await;
    let newest = shared::migrations::ALL.last().unwrap().version;
    let mut expected = BTreeMap::from([
        ("solo_database_up".to_owned(), 1.0),
        ("solo_scrape_success".into(), 1.0),
        ("solo_schema_version".into(), f64::from(newest)),
    ]);
    let mut zero = |series: String| expected.insert(series, 0.0);
    for (family, label, values) in [
        ("executions", "status", ["dead", "failed", "processing"].as_slice()),
        ("outbox", "status", &["dead", "failed", "pending", "sent"]),
        ("alerts_open", "severity", &["critical", "info", "warning"]),
        ("alerts_pending", "severity", &["critical", "info", "warning"]),
    ] {
        for value in values {
            zero(format!("solo_{family}{{{label}=\"{value}\"}}"));
            if label == "status" {
                zero(format!("solo_{family}_oldest_seconds{{{label}=\"{value}\"}}"));
            }
        }
    }
    zero("solo_executions_due".into());
    zero("solo_executions_expired".into());
    for job in jobs::ALL {
        for state in ["late", "failed", "stuck"] {
            zero(format!("solo_job_{state}{{job=\"{}\"}}", job.name));
        }
    }
    let build = samples.keys().find(|series| series.starts_with("solo_build_info{")).unwrap().clone();
    expected.insert(build, 1.0);
    assert_eq!(samples, expected);
}

/// One of everything that is counted, and as much beside it that is not.
const ROWS: &str = "
    INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload, fingerprint,
                            correlation_id, received_at, started_at, lease_until, next_attempt_at, finished_at, resolved_at, last_error)
    SELECT gen_random_uuid(), 'stripe', gen_random_uuid(), 'a', 1, status, 1, 1, '{}', sha256('x'), 'c', now() - age,
           CASE WHEN begun THEN now() END, lease, next, finished, resolved, CASE WHEN status IN ('failed', 'dead') THEN 'why' END
      FROM (VALUES ('failed', interval '100 s', true, NULL::timestamptz, now() - interval '1 s', NULL::timestamptz, NULL::timestamptz),
                   ('failed', '50 s', true, NULL, now() + interval '1 h', NULL, NULL),
                   ('processing', '20 s', true, now() + interval '1 min', NULL, NULL, NULL),
                   ('processing', '30 s', false, now() + interval '1 min', NULL, NULL, NULL),
                   ('processing', '10 s', true, now() - interval '1 min', NULL, NULL, NULL),
                   ('dead', '9 days', true, NULL, NULL, now() - interval '2 days', NULL),
                   ('dead', '9 days', true, NULL, NULL, now() - interval '8 days', now()),
                   ('completed', '9 days', true, NULL, NULL, now() - interval '9 days', NULL))
        AS v (status, age, begun, lease, next, finished, resolved);
    INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id, status, created_at, relay_at, finished_at, last_error)
    SELECT gen_random_uuid(), gen_random_uuid(), jsonb_build_object('kind', kind), 'api.example.com', 'c', status, now() - age,
           CASE WHEN finished IS NULL THEN now() END, finished, 'why'
      FROM (VALUES ('pending', 'http', interval '60 s', NULL::timestamptz), ('pending', 'http', '10 s', NULL),
                   ('sent', 'http', '70 s', NULL), ('failed', 'http', '80 s', NULL),
                   ('dead', 'http', '1 day', now() - interval '90 s'), ('dead', 'ping', '1 day', now() - interval '1 h'),
                   ('dead', 'error', '1 day', now() - interval '1 h'),
                   ('delivered', 'http', '1 day', now()))
        AS v (status, kind, age, finished);
    INSERT INTO alerts (key, severity, message, pending_since, resolved_at)
    VALUES ('a', 'critical', 'm', now(), NULL), ('b', 'critical', 'm', NULL, NULL), ('c', 'warning', 'm', now(), now()),
           ('d', 'info', 'm', NULL, now());
    INSERT INTO jobs (name, period, grace, watched_since, last_success_at)
    VALUES ('tick', '1 min', '5 min', now() - interval '1 day', now() - interval '7 min'),
           ('backup', '1 day', '2 h', now() - interval '9 days', to_timestamp(1763800000)),
           ('drift', '7 days', '1 day', now(), NULL),
           ('no_job_of_ours', '1 day', '1 day', now() - interval '9 days', now());
    INSERT INTO job_runs (id, job, started_at, stuck_at, finished_at, outcome, error, result)
    VALUES (gen_random_uuid(), 'backup', to_timestamp(1763799000), to_timestamp(1763800000), to_timestamp(1763799999.5), 'succeeded',
            NULL, '{\"backup\": \"x\", \"bytes\": 12345}'),
           (gen_random_uuid(), 'backup', to_timestamp(1763800000), to_timestamp(1763900000), to_timestamp(1763800001), 'failed', 'e', NULL),
           (gen_random_uuid(), 'drill', to_timestamp(1763799500), to_timestamp(1763900000), to_timestamp(1763799600), 'succeeded', NULL,
            '{\"backup\": \"w\"}'),
           (gen_random_uuid(), 'prune', now() - interval '1 h', now() - interval '1 min', NULL, NULL, NULL, NULL),
           (gen_random_uuid(), 'cleanup', now() - interval '1 h', now() - interval '1 min', now(), 'stuck', 'e', NULL)";

#[tokio::test]
async fn the_figures_are_those_of_the_rows() {
    let world = World::new().await;
    world.database.execute(ROWS).await;
    let samples = scrape(&world).await;
    for (series, value) in [
        ("executions{status=\"failed\"}", 2.0),
        ("executions{status=\"processing\"}", 3.0),
        ("executions{status=\"dead\"}", 1.0),
        ("executions_due", 2.0),
        ("executions_expired", 1.0),
        ("outbox{status=\"pending\"}", 2.0),
        ("outbox{status=\"sent\"}", 1.0),
        ("outbox{status=\"failed\"}", 1.0),
        ("outbox{status=\"dead\"}", 1.0),
        ("alerts_open{severity=\"critical\"}", 2.0),
        ("alerts_open{severity=\"warning\"}", 0.0),
        ("alerts_pending{severity=\"critical\"}", 1.0),
        ("alerts_pending{severity=\"warning\"}", 1.0),
        ("alerts_pending{severity=\"info\"}", 0.0),
        ("job_last_success_timestamp_seconds{job=\"backup\"}", 1_763_800_000.0),
        ("job_late{job=\"tick\"}", 1.0),
        ("job_late{job=\"backup\"}", 1.0),
        ("job_late{job=\"drift\"}", 0.0),
        ("job_failed{job=\"backup\"}", 1.0),
        ("job_failed{job=\"drill\"}", 0.0),
        ("job_stuck{job=\"prune\"}", 1.0),
        ("job_stuck{job=\"cleanup\"}", 1.0),
        ("job_stuck{job=\"backup\"}", 0.0),
        ("backup_last_timestamp_seconds", 1_763_799_999.5),
        ("backup_last_bytes", 12_345.0),
        ("backup_last_verified", 0.0),
    ] {
        assert_eq!(samples.get(&format!("solo_{series}")), Some(&value), "{series} in {samples:#?}");
    }
    for (series, seconds) in [
        ("executions_oldest_seconds{status=\"failed\"}", 100.0),
        ("executions_oldest_seconds{status=\"processing\"}", 30.0),
        ("executions_oldest_seconds{status=\"dead\"}", 172_800.0),
        ("outbox_oldest_seconds{status=\"pending\"}", 60.0),
        ("outbox_oldest_seconds{status=\"sent\"}", 70.0),
        ("outbox_oldest_seconds{status=\"failed\"}", 80.0),
        ("outbox_oldest_seconds{status=\"dead\"}", 90.0),
    ] {
        let found = samples[&format!("solo_{series}")];
        assert!((seconds..seconds + 30.0).contains(&found), "{series} is {found}");
    }
    assert!(!samples.keys().any(|series| series.contains("no_job_of_ours")), "jobs that left the code are no series");
    let ticked = samples["solo_job_last_success_timestamp_seconds{job=\"tick\"}"];
    #[allow(clippy::cast_precision_loss, reason = "seconds")]
    let now = clock::now().as_second() as f64;
    assert!((300.0..600.0).contains(&(now - ticked)), "{ticked}");
}

#[tokio::test]
async fn a_backup_is_verified_by_a_drill_of_it_and_of_no_other() {
    let world = World::new().await;
    world.database.execute(ROWS).await;
    world
        .database
        .execute(
            "INSERT INTO job_runs (id, job, started_at, stuck_at, finished_at, outcome, result)
             VALUES (gen_random_uuid(), 'drill', to_timestamp(1763800500), now(), now(), 'succeeded', '{\"backup\": \"x\"}')",
        )
        .await;
    assert_eq!(scrape(&world).await["solo_backup_last_verified"], 1.0);
    // What a newer version may write there does not break the page.
    world
        .database
        .execute("UPDATE job_runs SET result = '{\"bytes\": \"many\"}' WHERE job = 'backup' AND outcome = 'succeeded'")
        .await;
    let samples = scrape(&world).await;
    assert_eq!((samples.get("solo_backup_last_bytes"), samples["solo_backup_last_verified"]), (None, 0.0));
}

/// Counting ends where it gets expensive, and says so by one more.
#[tokio::test]
async fn counts_end_at_ten_thousand_and_one() {
    let world = World::new().await;
    world
        .database
        .execute(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload,
                                     fingerprint, correlation_id, finished_at, last_error)
             SELECT gen_random_uuid(), 's', n, 'a', 1, 'dead', 1, 1, '{}', sha256('x'), 'c', now() - n * interval '1 s', 'e'
               FROM generate_series(1, 10100) n",
        )
        .await;
    let samples = scrape(&world).await;
    assert_eq!(samples["solo_executions{status=\"dead\"}"], 10_001.0);
    assert!(
        samples["solo_executions_oldest_seconds{status=\"dead\"}"] >= 10_100.0,
        "the oldest is among them: {samples:?}"
    );
}

#[tokio::test]
async fn without_the_database_the_page_says_so_and_nothing_else() {
    let world = World::new().await;
    let health = world.health().await;
    for way in [Way::Cut, Way::Silent] {
        world.to_database.set(way);
        let answer = get(&health, "/metrics", Some(world.token())).await;
        let samples = parse(&answer.text);
        let said = (answer.status, samples["solo_database_up"], samples["solo_scrape_success"], samples.len());
        assert_eq!(said, (200, 0.0, 0.0, 3), "{way:?}: {samples:?}");
        world.to_database.set(Way::Open);
        let answer = get(&health, "/metrics", Some(world.token())).await;
        assert_eq!(parse(&answer.text)["solo_database_up"], 1.0, "after {way:?}");
    }
}

/// Somebody holds a table that is counted, or it may not be read: the figures cannot be had, and the database is well.
#[tokio::test]
async fn a_statement_that_fails_is_not_a_database_that_is_out() {
    let world = World::new().await;
    let health = world.health().await;
    world.database.execute("REVOKE SELECT ON alerts FROM solo_app").await;
    let samples = parse(&get(&health, "/metrics", Some(world.token())).await.text);
    assert_eq!(
        (samples["solo_database_up"], samples["solo_scrape_success"], samples.len()),
        (1.0, 0.0, 3),
        "{samples:?}"
    );
    world.database.execute("GRANT SELECT ON alerts TO solo_app").await;
    let mut holder = world.database.admin().await;
    let held = holder.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE alerts").await.unwrap();
    let samples = parse(&get(&health, "/metrics", Some(world.token())).await.text);
    assert_eq!(
        (samples["solo_database_up"], samples["solo_scrape_success"], samples.len()),
        (1.0, 0.0, 3),
        "{samples:?}"
    );
    held.rollback().await.unwrap();
    let samples = parse(&get(&health, "/metrics", Some(world.token())).await.text);
    assert_eq!((samples["solo_scrape_success"], samples["solo_alerts_open{severity=\"info\"}"]), (1.0, 0.0));
}
