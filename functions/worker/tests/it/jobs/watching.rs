//! The watch over jobs that say nothing.

use std::time::Duration;

use shared::{
    clock,
    jobs::{self, Call, Job, Progress},
};
use testkit::TestDatabase;
use tokio::time::sleep;

use super::{NAP, age, fail, later, open, records, runs, succeed, watch};
use crate::support::{World, tick};

#[tokio::test]
async fn a_job_without_a_success_for_too_long_is_late_until_it_is_back() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    assert_eq!(watch(&database).await, (0, 0), "watched from now on");
    age(&kept, "25 hours 59 minutes").await;
    assert_eq!(watch(&database).await, (0, 0));
    age(&kept, "2 minutes").await;
    assert_eq!(watch(&database).await, (0, 1));
    assert!(
        kept.text("SELECT message FROM alerts").await.starts_with("the job nap has not succeeded once in 26 hours")
    );
    succeed(&database).await.unwrap();
    assert_eq!((watch(&database).await, open(&kept).await), ((0, 0), String::new()));

    age(&kept, "25 hours 59 minutes").await;
    assert_eq!(watch(&database).await, (0, 0));
    age(&kept, "2 days").await;
    fail(&database).await;
    assert_eq!(watch(&database).await, (0, 1), "a failure is no success");
    let late = "SELECT message FROM alerts WHERE key = 'job_late:nap' AND resolved_at IS NULL";
    assert!(
        kept.text(late).await.starts_with("the job nap last succeeded 3 days ago, at 20"),
        "{}",
        kept.text(late).await
    );
}

/// Every minute would be noise.
#[tokio::test]
async fn a_late_job_is_told_of_again_after_an_hour() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    watch(&database).await;
    age(&kept, "27 hours").await;
    assert_eq!((watch(&database).await, watch(&database).await), ((0, 1), (0, 0)));
    assert_eq!(open(&kept).await, "critical job_late:nap 1", "it stays open meanwhile");
    kept.execute("UPDATE alerts SET last_raised_at = now() - interval '59 minutes'").await;
    assert_eq!(watch(&database).await, (0, 0));
    kept.execute("UPDATE alerts SET last_raised_at = now() - interval '61 minutes'").await;
    assert_eq!(watch(&database).await, (0, 1));
    assert_eq!(open(&kept).await, "critical job_late:nap 2");
}

/// As in a database that was restored from an old backup: nothing of before counts.
#[tokio::test]
async fn a_job_is_late_only_when_it_was_watched_for_so_long() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    watch(&database).await;
    succeed(&database).await.unwrap();
    age(&kept, "90 days").await;
    kept.execute("UPDATE jobs SET watched_since = now()").await;
    assert_eq!(watch(&database).await, (0, 0));
    age(&kept, "27 hours").await;
    assert_eq!(watch(&database).await, (0, 1));
    let message = kept.text("SELECT message FROM alerts").await;
    assert!(message.starts_with("the job nap has not succeeded once in 27 hours"), "{message}");
}

/// After an outage it is back by looking; the alarm `TickLate` tells of one that is not.
#[tokio::test]
async fn the_tick_is_never_late_to_itself() {
    let world = World::new().await;
    let worker = world.worker().await;
    tick(&worker).await;
    world.database.execute("UPDATE jobs SET last_success_at = now() - interval '9 hours', watched_since = now() - interval '10 hours' WHERE name = 'tick'").await;
    assert_eq!(tick(&worker).await.alerts, 0);
    assert_eq!(open(&world.database).await, "");
}

/// No success of its will end them.
#[tokio::test]
async fn alerts_of_a_job_that_is_gone_end() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    fail(&database).await;
    kept.execute(
        "INSERT INTO alerts (key, severity, message)
         SELECT key, 'warning', 'm' FROM unnest('{job_failed:gone,job_stuck:gone,job_late:gone,job_other:gone}'::text[]) key;
         INSERT INTO job_runs (id, job, started_at, stuck_at) VALUES (gen_random_uuid(), 'gone', now() - interval '17 min', now() - interval '1 min')",
    )
    .await;
    assert_eq!(watch(&database).await, (1, 0));
    assert_eq!(open(&kept).await, "critical job_failed:nap 1, warning job_other:gone 1");
    assert_eq!(kept.count("SELECT count(*) FROM job_runs WHERE finished_at IS NULL").await, 0);
}

/// Its alert must not stay because the code has changed.
#[tokio::test]
async fn a_job_whose_time_was_made_longer_or_that_is_gone_is_late_no_more() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    watch(&database).await;
    age(&kept, "27 hours").await;
    assert_eq!(watch(&database).await, (0, 1));
    let patient = Job { grace: Duration::from_hours(4), ..Job { name: "nap", ..copy(&NAP) } };
    let mut session = database.session().await.unwrap();
    jobs::watch(&mut session, &[patient], clock::now()).await.unwrap();
    drop(session);
    assert_eq!(open(&kept).await, "");
    assert_eq!(watch(&database).await, (0, 1));
    let mut session = database.session().await.unwrap();
    let none = jobs::watch(&mut session, &[], clock::now()).await.unwrap();
    assert_eq!((none.late, open(&kept).await.as_str()), (0, ""));
}

fn copy(job: &Job) -> Job {
    Job { name: job.name, function: job.function, severity: job.severity, ..*job }
}

#[tokio::test]
async fn a_run_that_never_ends_is_told_of_once() {
    let kept = TestDatabase::new().await;
    let database = records(kept.app_url());
    watch(&database).await;
    // Killed in the middle of its work.
    let killed = tokio::time::timeout(
        Duration::from_millis(500),
        jobs::run(&database, &NAP, Call::default(), later(), async |_: &Progress<'_>| {
            sleep(Duration::from_mins(1)).await;
            Ok::<_, String>(())
        }),
    );
    assert!(killed.await.is_err());
    assert_eq!((watch(&database).await, runs(&kept).await.as_str()), ((0, 0), "running"));
    age(&kept, "15 minutes 30 seconds").await;
    assert_eq!(watch(&database).await, (0, 0));
    age(&kept, "31 seconds").await;
    assert_eq!(watch(&database).await, (1, 0));
    assert_eq!(watch(&database).await, (0, 0));
    assert_eq!(open(&kept).await, "critical job_stuck:nap 1");
    assert_eq!(runs(&kept).await, "stuck: it began, and never said how it ended");
}

#[tokio::test]
async fn watchers_side_by_side_raise_nothing_twice() {
    let kept = TestDatabase::new().await;
    let (one, two, three) = (records(kept.app_url()), records(kept.app_url()), records(kept.app_url()));
    tokio::join!(watch(&one), watch(&two), watch(&three));
    kept.execute("INSERT INTO job_runs (id, job, started_at, stuck_at) VALUES (gen_random_uuid(), 'nap', now() - interval '17 min', now() - interval '1 min')").await;
    let (one, two, three) = tokio::join!(watch(&one), watch(&two), watch(&three));
    assert_eq!(one.0 + two.0 + three.0, 1);
    assert_eq!(open(&kept).await, "critical job_stuck:nap 1");
}
