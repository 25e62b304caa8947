//! A backup that goes well, and what refuses to begin.

use serde_json::json;
use tokio::time::Duration;

use crate::world::{World, deadline, run, settings, table};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_an_archive_and_a_manifest_that_describes_it() {
    let world = World::new().await;
    world.database.execute(&table(1)).await;
    world.database.execute("CREATE SEQUENCE s; SELECT setval('s', 42); GRANT SELECT ON s TO solo_reader").await;
    let answer = run(&world.backup().await).await.unwrap();

    let backups = world.good_backups().await;
    let [(manifest, plain)] = &backups[..] else { panic!("{} backups", backups.len()) };
    assert!(plain.starts_with(b"PGDMP"));
    assert_eq!(answer["outcome"], "succeeded");
    assert_eq!(answer["result"]["backup"], json!(manifest.id));
    assert_eq!(answer["result"]["bytes"], json!(manifest.archive.bytes));
    assert_eq!(answer["result"]["tables"], json!(manifest.inventory.tables.len()));
    assert_eq!(manifest.inventory.tables["public.noise"].rows, 256);
    assert_eq!(world.rows_in(plain, "noise").await, 256);
    assert_eq!(manifest.inventory.sequences["public.s"].before, (42, true));
    assert_eq!(manifest.inventory.sequences["public.s"].after, (42, true));
    assert_eq!(manifest.schema_version, shared::migrations::ALL.last().map(|newest| newest.version));
    assert_eq!(manifest.release.as_deref(), Some("abc1234"));
    assert!(manifest.finished_at >= manifest.started_at);
    assert!(manifest.made_by.contains("-Fc -Z0 | zstd"), "{}", manifest.made_by);
    assert_eq!(world.keys().await, [manifest.archive.key.clone(), format!("database/{}.json", manifest.id)]);
    assert_eq!(manifest.archive.key, format!("database/{}.dump.zst", manifest.id));
    assert_eq!(world.alert().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_many_parts_is_whole() {
    let world = World::new().await;
    world.database.execute(&table(30)).await;
    run(&world.backup().await).await.unwrap();
    let (manifest, _) = world.good_backups().await.remove(0);
    assert!(manifest.archive.bytes > 3 * backup::upload::PART as u64, "{}", manifest.archive.bytes);
    assert_eq!(world.uploads().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_has_outgrown_its_function_is_refused_with_an_estimate() {
    let world = World::new().await;
    // The last one needed a thousand seconds for a kilobyte.
    let past = json!({"database_bytes": 1000, "seconds": 1000.0});
    world
        .database
        .execute(&format!(
            "INSERT INTO job_runs (id, job, stuck_at, finished_at, outcome, result)
             VALUES (gen_random_uuid(), 'backup', now() + interval '1 h', now(), 'succeeded', '{past}')"
        ))
        .await;
    let error = run(&world.backup().await).await.unwrap_err();
    assert!(error.contains("outgrown") && error.contains("there are"), "{error}");
    world.none_and_an_alert("outgrown its function").await;
    assert_eq!(world.keys().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named() {
    let world = World::new().await;
    let url = world.database.app_url();
    for (left_out, words) in [("READER_LOGIN_SECRET_ID", "READER_LOGIN_SECRET_ID"), ("PG_PROGRAMS", "make programs")] {
        let variables: Vec<_> = world.variables(&url).into_iter().filter(|(name, _)| *name != left_out).collect();
        let backup = backup::Backup::new(settings(&variables)).await.unwrap();
        let error = run(&backup).await.err();
        // A build with embedded programs needs no PG_PROGRAMS.
        assert!(error.as_ref().is_none_or(|error| error.contains(words)), "{error:?}");
        assert!(error.is_some() || left_out == "PG_PROGRAMS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_not_done_in_time_ends_before_its_function_does() {
    let world = World::new().await;
    world.database.execute(&table(1)).await;
    // Someone changes the table, and takes their time.
    let someone = world.database.admin().await;
    someone.batch_execute("BEGIN; ALTER TABLE noise ADD more int").await.unwrap();
    let backup = world.backup().await;
    // 20 s are the platform's, 18 s for cleaning up.
    let answer = backup.invoke(json!({"job": "backup"}), deadline(Duration::from_secs(42))).await;
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("not done in time"), "{error}");
    world.none_and_an_alert("not done in time").await;
}
