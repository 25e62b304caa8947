//! Pruning, as the function: in a bucket of its own, with backups that have no data.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

use backup::{
    Backup, Settings,
    prune::{Done, prune},
    store::{archive_key, manifest_key},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::{clock, config::Env};
use testkit::{TestBackups, TestDatabase, TestQueues, TestSecrets};

/// One with that age, in days and the hours that a run of tonight is old.
async fn backup_of(backups: &TestBackups, now: Timestamp, days: i64) -> String {
    let at = now - SignedDuration::from_hours(24 * days + 2);
    let id = at.strftime("%Y%m%dT%H%M%SZ-00000000").to_string();
    let (manifest, stored) = support::pack(&id, b"PGDMP");
    support::put(backups, &manifest, &stored).await;
    id
}

async fn function(database: &TestDatabase, queues: &TestQueues, backups: &TestBackups) -> Backup {
    let login = TestSecrets::app_login().await;
    let variables = [
        ("DATABASE_URL", database.admin_url().with_user("nobody", None).to_string() + "?sslmode=disable"),
        ("DATABASE_SECRET_ID", login.id),
        ("OUTBOUND_QUEUE_URL", queues.config.outbound_url.clone()),
        ("BACKUPS_BUCKET", backups.bucket.clone()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Backup::new(Settings::load(&Env::of(&variables)).unwrap()).await.unwrap()
}

#[tokio::test]
async fn what_is_not_kept_goes_with_its_archive_and_the_rest_stays() {
    let (backups, now) = (TestBackups::create().await, clock::now());
    let mut ids = Vec::new();
    for day in 0..12 {
        ids.push(backup_of(&backups, now, day).await);
    }
    let store = support::store(&backups).await;
    let Done { kept, removed, .. } = prune(&store, false, now).await.unwrap();
    assert!(!removed.is_empty() && kept + removed.len() == 12, "{kept} {removed:?}");
    let left = backups.objects().await;
    for id in &ids {
        let there = [manifest_key(id), archive_key(id)].map(|key| left.contains(&key));
        assert_eq!(there, [!removed.contains(id); 2], "{id}");
    }
    assert!(ids[..7].iter().all(|id| !removed.contains(id)));
    assert_eq!(prune(&store, false, now).await.unwrap().removed, Vec::<String>::new());
}

#[tokio::test]
async fn nothing_goes_while_no_new_backups_are_made() {
    let (backups, now) = (TestBackups::create().await, clock::now());
    for day in 0..12 {
        backup_of(&backups, now, day).await;
    }
    backups.put(&archive_key("20200101T000000Z-00000000"), "an orphan").await;
    let (store, before) = (support::store(&backups).await, backups.objects().await);
    let failed = prune(&store, true, now).await.unwrap();
    assert!(failed.held_back.unwrap().contains("failed"));
    let stale = prune(&store, false, now + SignedDuration::from_hours(72)).await.unwrap();
    assert!(stale.held_back.unwrap().contains("hours old"));
    assert_eq!((stale.orphans_removed, backups.objects().await), (0, before));
}

#[tokio::test]
async fn what_failed_backups_left_goes_when_none_can_still_be_at_it() {
    let (backups, now) = (TestBackups::create().await, clock::now());
    let begin = |key: &'static str| backups.s3.create_multipart_upload().bucket(&backups.bucket).key(key).send();
    begin("database/20261122T013000Z-1a2b3c4d.dump.zst").await.unwrap();
    backups.put(&archive_key("20200101T000000Z-00000000"), "an orphan").await;
    backups.put("database/notes.txt", "not ours").await;
    let store = support::store(&backups).await;
    // In the emulator, every upload began at 20:48 on this day.
    let young = prune(&store, false, "2010-11-11T20:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!((young.orphans_removed, young.uploads_aborted), (0, 0));
    let older = prune(&store, false, "2010-11-11T21:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!((older.orphans_removed, older.uploads_aborted), (0, 1));
    let later = now + SignedDuration::from_hours(47);
    backup_of(&backups, later, 0).await;
    assert_eq!(prune(&store, false, later).await.unwrap().orphans_removed, 0);
    let later = now + SignedDuration::from_hours(49);
    backup_of(&backups, later, 0).await;
    let oldest = prune(&store, false, later).await.unwrap();
    assert_eq!((oldest.orphans_removed, oldest.uploads_aborted), (1, 0));
    assert!(backups.uploads().await.is_empty());
    assert!(backups.objects().await.contains(&"database/notes.txt".to_owned()));
}

#[tokio::test]
async fn what_is_broken_is_told_and_left_alone_and_counts_for_nothing() {
    let (backups, now) = (TestBackups::create().await, clock::now());
    let mut broken = Vec::new();
    for (day, problem) in
        ["cannot be read", "the version 9", "is that of", "is not there", "bytes instead of"].iter().enumerate()
    {
        let id = backup_of(&backups, now, i64::try_from(day).unwrap()).await;
        let key = manifest_key(&id);
        match *problem {
            "cannot be read" => backups.put(&key, "{").await,
            "the version 9" => backups.put(&key, r#"{"version": 9}"#).await,
            "is that of" => {
                let (other, _) = support::pack(support::AT, b"PGDMP");
                backups.put(&key, serde_json::to_vec(&other).unwrap()).await;
            }
            "is not there" => backups.delete(&archive_key(&id)).await,
            _ => backups.put(&archive_key(&id), "short").await,
        }
        broken.push((id, *problem));
    }
    let store = support::store(&backups).await;
    let before = backups.objects().await;
    let done = prune(&store, false, now + SignedDuration::from_hours(100)).await.unwrap();
    assert_eq!(done.held_back.as_deref(), Some("there is no backup"));
    assert_eq!(done.broken.len(), broken.len());
    for (id, problem) in broken {
        let found = done.broken.iter().find(|found| found.id == id).unwrap();
        assert!(found.problem.contains(problem), "{problem}: {}", found.problem);
    }
    assert_eq!(backups.objects().await, before);
}

/// The whole function, which knows from the records how the last backup went.
#[tokio::test]
async fn the_function_asks_the_records_how_the_last_backup_went() {
    let (database, backups, queues) =
        (TestDatabase::new().await, TestBackups::create().await, TestQueues::create().await);
    let now = clock::now();
    for day in 0..12 {
        backup_of(&backups, now, day).await;
    }
    let function = function(&database, &queues, &backups).await;
    let run = async || function.invoke(json!({"job": "prune"}), 0).await.unwrap()["result"].clone();
    database
        .execute(
            "INSERT INTO job_runs (id, job, stuck_at, finished_at, outcome, error)
             VALUES (gen_random_uuid(), 'backup', now() + interval '1 hour', now(), 'failed', 'x')",
        )
        .await;
    let held: Value = run().await;
    assert!(held["held_back"].as_str().unwrap().contains("failed") && held["removed"] == json!([]), "{held}");
    database.execute("UPDATE job_runs SET outcome = 'succeeded', error = NULL WHERE job = 'backup'").await;
    let done = run().await;
    assert!(done["held_back"].is_null() && !done["removed"].as_array().unwrap().is_empty(), "{done}");
    assert_eq!(
        database.text("SELECT string_agg(outcome, ' ') FROM job_runs WHERE job = 'prune'").await,
        "succeeded succeeded"
    );
    // One that began, and never ended.
    database
        .execute(
            "INSERT INTO job_runs (id, job, started_at, stuck_at)
             VALUES (gen_random_uuid(), 'backup', now() + interval '1 second', now() + interval '1 hour')",
        )
        .await;
    assert!(run().await["held_back"].is_null(), "it may still end");
    database
        .execute(
            "UPDATE job_runs SET started_at = now() - interval '2 hours' WHERE job = 'backup' AND finished_at IS NOT NULL;
             UPDATE job_runs SET started_at = now() - interval '1 hour', stuck_at = now() - interval '1 second'
              WHERE job = 'backup' AND finished_at IS NULL",
        )
        .await;
    assert!(run().await["held_back"].as_str().unwrap().contains("failed"));
    database.execute("DELETE FROM job_runs WHERE job = 'backup' AND finished_at IS NULL").await;
    // What is broken is told of, when the rest is done.
    let broken = "20200101T013000Z-00000000";
    // Two of them at least are of one month.
    let old =
        [backup_of(&backups, now, 300).await, backup_of(&backups, now, 299).await, backup_of(&backups, now, 298).await];
    backups.put(&manifest_key(broken), "{").await;
    let error = function.invoke(json!({"job": "prune"}), 0).await.unwrap_err().to_string();
    assert!(error.contains("are no backups") && error.contains(broken), "{error}");
    let left = backups.objects().await;
    let went = old.iter().filter(|id| !left.contains(&manifest_key(id))).count();
    assert!(went >= 1 && left.contains(&manifest_key(broken)), "{left:?}");
    let alert = database.text("SELECT message FROM alerts WHERE key = 'job_failed:prune'").await;
    assert!(alert.contains(broken), "{alert}");
    // What needs a login that this function does not have says so.
    let error = function.invoke(json!({"job": "drill"}), 0).await.unwrap_err().to_string();
    assert!(error.contains("RESTORER_LOGIN_SECRET_ID"), "{error}");
}

#[tokio::test]
async fn a_run_that_cannot_be_recorded_is_told_around_the_database() {
    let (database, queues, backups) =
        (TestDatabase::new().await, TestQueues::create().await, TestBackups::create().await);
    database.execute("REVOKE ALL ON job_runs FROM solo_app").await;
    let function = function(&database, &queues, &backups).await;
    function.invoke(json!({"job": "prune"}), 0).await.unwrap_err();
    let sent = queues.outbound().await;
    assert!(sent.iter().any(|message| message.body.contains("database_failed")), "{sent:?}");
}
