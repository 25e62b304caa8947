//! The live schema against the one that the migrations make. Which objects are seen how is in `shared/tests/schema.rs`.

use serde_json::json;
use shared::migrations;

use crate::support::World;

#[tokio::test]
async fn drift_is_told_in_lines_and_resolved_when_it_is_gone() {
    let world = World::new().await;
    let clean = world.run("drift").await;
    let newest = migrations::ALL.last().unwrap().version;
    let expected = json!({"schema_version": newest, "known_version": newest, "compared": true, "note": null, "differences": [], "more": 0});
    assert_eq!(clean, expected);
    assert_eq!(world.alerts().await, [""; 0]);

    world
        .database
        .execute("ALTER TABLE payments ADD note text; DROP INDEX executions_fingerprint; ALTER TABLE payments ALTER metadata DROP DEFAULT")
        .await;
    let result = world.run("drift").await;
    let lines: Vec<_> = result["differences"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(lines.len(), 3, "{result:#}");
    assert_eq!(lines[0], "~ column payments.metadata: jsonb not null; expected: jsonb not null default '{}'::jsonb");
    assert_eq!(lines[1], "+ column payments.note: text");
    assert!(lines[2].starts_with("- index executions.executions_fingerprint: CREATE INDEX"), "{}", lines[2]);
    let alerts = world.alerts().await;
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].starts_with("warning schema_drift: ") && alerts[0].contains("in 3 places"), "{alerts:?}");
    assert!(alerts[0].contains("+ column payments.note: text"), "{alerts:?}");
    let id = world.database.text("SELECT id::text FROM job_runs WHERE result ->> 'differences' LIKE '%note%'").await;
    assert!(alerts[0].ends_with(&format!("All: solo jobs show {id} --stage <stage>")), "{alerts:?}");

    world
        .database
        .execute(
            "ALTER TABLE payments DROP note; ALTER TABLE payments ALTER metadata SET DEFAULT '{}';
             CREATE INDEX executions_fingerprint ON executions (source, fingerprint)
                 WHERE source NOT IN ('events', 'slack', 'standard', 'stripe')",
        )
        .await;
    assert_eq!(world.run("drift").await, expected);
    assert_eq!(world.alerts().await, [""; 0]);
}

#[tokio::test]
async fn much_drift_is_one_short_alert_and_a_bounded_result() {
    let world = World::new().await;
    world
        .database
        .execute("DO $$ BEGIN FOR n IN 1..600 LOOP EXECUTE format('CREATE TABLE t%s (x int)', n); END LOOP; END $$")
        .await;
    let result = world.run("drift").await;
    assert_eq!((result["differences"].as_array().unwrap().len(), &result["more"]), (500, &json!(100)));
    let alert = &world.alerts().await[0];
    assert!(alert.contains("in 600 places") && alert.chars().count() < 1_500, "{alert}");
}

#[tokio::test]
async fn a_database_with_other_migrations_than_the_release_is_said_to_be_one() {
    let world = World::new().await;
    let newest = migrations::ALL.last().unwrap();
    world.database.execute("ALTER TABLE payments ADD note text").await;
    world.run("drift").await;
    let open = world.alerts().await;

    // A deploy was rolled back: what the newer migration made cannot be told from drift, so nothing begins and nothing ends.
    world.database.execute("INSERT INTO schema_migrations (version, name) VALUES (9999, 'newer')").await;
    let result = world.run("drift").await;
    assert_eq!((&result["compared"], &result["schema_version"]), (&json!(false), &json!(9_999)));
    assert!(result["note"].as_str().unwrap().contains("rolled back"), "{result}");
    assert_eq!(world.alerts().await, open);

    world.database.execute(&format!("DELETE FROM schema_migrations WHERE version >= {}", newest.version)).await;
    let result = world.run("drift").await;
    let lacks = format!("the database lacks 1 of this release's migrations: {:04}_{}", newest.version, newest.name);
    assert_eq!((&result["compared"], &result["note"]), (&json!(false), &json!(lacks)));
    assert!(
        world.alerts().await[0].starts_with(&format!("warning schema_drift: {lacks}")),
        "{:?}",
        world.alerts().await
    );

    world.database.execute("DROP TABLE schema_migrations").await;
    assert_eq!(world.run("drift").await["schema_version"], json!(0));
}
