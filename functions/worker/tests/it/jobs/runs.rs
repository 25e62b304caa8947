//! A run, from its beginning to its end.

use std::time::Duration;

use serde_json::json;
use shared::jobs::{self, Call, JobError, Progress};
use testkit::{Proxy, TestDatabase};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::errors::errors;

use super::{NAP, age, call, fail, later, open, records, runs, succeed, watch};

#[tokio::test]
async fn a_run_is_a_row_from_its_beginning_to_its_end() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    let id = Uuid::new_v4();
    let result = jobs::run(&database, &NAP, call(id), later(), async |progress: &Progress<'_>| {
        assert_eq!(progress.run_id(), id);
        assert_eq!(runs(&kept).await, "running");
        progress.tell(&json!({"bytes": 1})).await;
        Ok::<_, String>(json!({"n": 1}))
    });
    assert_eq!(result.await.unwrap(), json!({"n": 1}));
    let row = kept
        .text(&format!("SELECT concat_ws(' ', job, actor, outcome, progress, result, error, finished_at >= started_at) FROM job_runs WHERE id = '{id}'"))
        .await;
    assert_eq!(row, r#"nap ada succeeded {"bytes": 1} {"n": 1} t"#);
}

#[tokio::test]
async fn one_run_at_a_time_and_no_id_twice() {
    let kept = TestDatabase::new().await;
    let (database, other) = (records(kept.app_url()), records(kept.app_url()));
    let id = Uuid::new_v4();
    let outer = jobs::run(&database, &NAP, call(id), later(), async |_: &Progress<'_>| {
        assert!(matches!(succeed(&other).await, Err(JobError::NotAlone)));
        Ok::<_, String>(())
    });
    outer.await.unwrap();
    let again = jobs::run(&database, &NAP, call(id), later(), async |_: &Progress<'_>| -> Result<(), String> {
        panic!("it was run before")
    });
    assert!(matches!(again.await, Err(JobError::NotAlone)));
    succeed(&database).await.unwrap();
    assert_eq!(runs(&kept).await, "succeeded, succeeded");
}

#[tokio::test]
async fn of_many_starts_at_once_one_runs() {
    let kept = TestDatabase::new().await;
    let databases: Vec<_> = (0..6).map(|_| records(kept.app_url())).collect();
    let slow = |database| {
        jobs::run(database, &NAP, Call::default(), later(), async |_: &Progress<'_>| {
            sleep(Duration::from_secs(2)).await;
            Ok::<_, String>(())
        })
    };
    let ended = futures_util::future::join_all(databases.iter().map(slow)).await;
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1, "{ended:?}");
    assert_eq!(runs(&kept).await, "succeeded");
}

/// The unique index would refuse the new row if the old one were not closed in the same statement, before it.
#[tokio::test]
async fn a_run_that_never_ended_is_closed_by_the_next_start() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    kept.execute("INSERT INTO job_runs (id, job, started_at, stuck_at) VALUES (gen_random_uuid(), 'nap', now() - interval '17 min', now() - interval '1 min')").await;
    kept.execute("INSERT INTO job_runs (id, job, started_at, stuck_at) VALUES (gen_random_uuid(), 'other', now() - interval '17 min', now() - interval '1 min')").await;
    succeed(&database).await.unwrap();
    assert_eq!(runs(&kept).await, "stuck: it began, and never said how it ended, succeeded");
    assert_eq!(kept.count("SELECT count(*) FROM job_runs WHERE job = 'other' AND finished_at IS NULL").await, 1);
}

#[tokio::test]
async fn a_failure_is_an_alert_until_the_next_success() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    watch(&database).await;
    assert_eq!(fail(&database).await.to_string(), "no luck");
    fail(&database).await;
    assert_eq!(open(&kept).await, "critical job_failed:nap 2");
    let message = kept.text("SELECT message FROM alerts").await;
    assert!(message.starts_with("the job nap failed: no luck"), "{message}");
    age(&kept, "30 hours").await;
    kept.execute("INSERT INTO job_runs (id, job, started_at, stuck_at) VALUES (gen_random_uuid(), 'nap', now() - interval '17 min', now() - interval '1 min')").await;
    assert_eq!(watch(&database).await, (1, 1));
    assert_eq!(open(&kept).await, "critical job_failed:nap 2, critical job_late:nap 1, critical job_stuck:nap 1");
    succeed(&database).await.unwrap();
    assert_eq!(open(&kept).await, "");
    assert_eq!(watch(&database).await, (0, 0));
}

/// What a program printed can be anything.
#[tokio::test]
async fn an_error_of_many_lines_is_kept_and_told_of_with_its_first() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    let error = format!("pg_dump ended with 1\n{}\0{}", "detail\n".repeat(3), "x".repeat(9_000));
    let work = async |_: &Progress<'_>| Err::<(), _>(error.clone());
    let nobody = Call { run_id: None, actor: Some(String::new()) };
    assert!(matches!(jobs::run(&database, &NAP, nobody, later(), work).await, Err(JobError::Failed(_))));
    assert_eq!(kept.count("SELECT length(error)::bigint FROM job_runs").await, 4_000);
    let message = kept.text("SELECT message FROM alerts").await;
    assert_eq!(message, "the job nap failed: pg_dump ended with 1 (docs/runbook.md, \"A job failed\")");
}

#[tokio::test]
async fn a_run_that_fails_and_one_that_never_ends_are_errors_of_their_job() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    fail(&database).await;
    let work = async |_: &Progress<'_>| Err::<(), _>("pg_dump ended with 1\ndetail \0 of it");
    jobs::run(&database, &NAP, Call::default(), later(), work).await.unwrap_err();
    let work = async |_: &Progress<'_>| Err::<(), _>("pg_dump ended with 2");
    jobs::run(&database, &NAP, Call::default(), later(), work).await.unwrap_err();
    let stuck = "INSERT INTO job_runs (id, job, started_at, stuck_at)
                 VALUES (gen_random_uuid(), 'nap', now() - interval '17 min', now() - interval '1 min')";
    for _ in 0..2 {
        kept.execute(stuck).await;
        assert_eq!(watch(&database).await.0, 1);
    }
    kept.execute(stuck).await;
    succeed(&database).await.unwrap();
    assert_eq!(
        errors(&kept).await,
        "crash nap 3: it began, and never said how it ended; job nap 1: no luck; job nap 2: pg_dump ended with <n>"
    );
    let run = "SELECT count(*) FROM errors e JOIN job_runs r ON r.id::text = e.correlation_id WHERE r.job = e.culprit";
    assert_eq!(kept.count(run).await, 3);
}

/// It was slow, not dead. What it says now contradicts the record, and whoever started it has to know.
#[tokio::test]
async fn a_run_that_ends_after_it_was_given_up_changes_nothing() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    let ended = jobs::run(&database, &NAP, Call::default(), later(), async |progress: &Progress<'_>| {
        kept.execute(
            "UPDATE job_runs SET started_at = now() - interval '1 hour', stuck_at = now() - interval '1 minute'",
        )
        .await;
        let other = records(kept.app_url());
        assert_eq!(watch(&other).await, (1, 0));
        progress.tell(&json!({"bytes": 1})).await;
        Ok::<_, String>(())
    });
    assert!(matches!(ended.await, Err(JobError::Unrecorded(_))));
    assert_eq!(runs(&kept).await, "stuck: it began, and never said how it ended");
    assert_eq!(kept.count("SELECT count(progress) FROM job_runs").await, 0);
    assert_eq!(kept.count("SELECT count(last_success_at) FROM jobs").await, 0);
}

#[tokio::test]
async fn progress_is_stored_at_most_once_a_second() {
    let kept = TestDatabase::new().await;
    let proxy = Proxy::before(&kept.app_url()).await;
    let database = records(proxy.url(&kept.app_url()));
    let run = jobs::run(&database, &NAP, Call::default(), later(), async |progress: &Progress<'_>| {
        let stored = async || kept.text("SELECT COALESCE(progress::text, '-') FROM job_runs").await;
        progress.tell(&json!(1)).await;
        proxy.reset();
        for n in 2..1_000 {
            progress.tell(&json!(n)).await;
        }
        assert_eq!((proxy.statements(), stored().await.as_str()), (0, "1"));
        sleep(Duration::from_millis(1_050)).await;
        progress.tell(&json!(1_000)).await;
        assert_eq!((proxy.statements(), stored().await.as_str()), (1, "1000"));
        Ok::<_, String>(())
    });
    run.await.unwrap();
}

#[tokio::test]
async fn work_that_does_not_end_in_time_is_dropped_and_has_failed() {
    struct Dropped<'a>(&'a std::cell::Cell<bool>);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    let dropped = std::cell::Cell::new(false);
    let deadline = Instant::now() + Duration::from_secs(1);
    let ended = jobs::run(&database, &NAP, Call::default(), deadline, async |_: &Progress<'_>| {
        let _dropped = Dropped(&dropped);
        sleep(Duration::from_mins(1)).await;
        Ok::<_, String>(())
    });
    assert!(matches!(ended.await, Err(JobError::Failed(error)) if error.contains("its function's time")));
    assert!(dropped.get());
    assert_eq!(runs(&kept).await, "failed: it did not end within its function's time");
    assert_eq!(open(&kept).await, "critical job_failed:nap 1");
}

#[tokio::test]
async fn without_a_database_nothing_is_begun() {
    let kept = TestDatabase::new().await;
    let proxy = Proxy::before(&kept.app_url()).await;
    let database = records(proxy.url(&kept.app_url()));
    proxy.set_down(true);
    let ended = jobs::run(&database, &NAP, Call::default(), later(), async |_: &Progress<'_>| -> Result<(), String> {
        panic!("it is not on record")
    });
    assert!(matches!(ended.await, Err(JobError::Database(_))));
}

/// What it did is done; that nobody knows is what is told. The next watch finds it.
#[tokio::test]
async fn an_end_that_cannot_be_recorded_is_an_error() {
    let kept = TestDatabase::new().await;
    let proxy = Proxy::before(&kept.app_url()).await;
    let database = records(proxy.url(&kept.app_url()));
    let ended = jobs::run(&database, &NAP, Call::default(), later(), async |progress: &Progress<'_>| {
        proxy.set_down(true);
        progress.tell(&json!("in the dark")).await;
        Ok::<_, String>(())
    });
    assert!(matches!(ended.await, Err(JobError::Unrecorded(_))));
    assert_eq!(runs(&kept).await, "running");
    proxy.set_down(false);
    age(&kept, "17 minutes").await;
    assert_eq!(watch(&database).await, (1, 0));
}

/// A failure of a database that comes back between the work and its end is none of the job's.
#[tokio::test]
async fn a_connection_that_broke_during_the_work_is_opened_again() {
    let kept = TestDatabase::new().await;
    let proxy = Proxy::before(&kept.app_url()).await;
    let database = records(proxy.url(&kept.app_url()));
    let ended = jobs::run(&database, &NAP, Call::default(), later(), async |_: &Progress<'_>| {
        proxy.set_down(true);
        sleep(Duration::from_millis(200)).await;
        proxy.set_down(false);
        Ok::<_, String>(())
    });
    ended.await.unwrap();
    assert_eq!(runs(&kept).await, "succeeded");
}
