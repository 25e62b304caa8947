//! Jobs: their records, their alerts, and the watch over those that say nothing.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    alerts::Severity,
    clock,
    config::Config,
    db::{Credentials, Database, DatabaseUrl},
    jobs::{self, Call, Job, JobError, Progress, Records},
};
use testkit::{Proxy, TestDatabase};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::support::{World, tick};

/// A job as the registry has them, but quick.
static NAP: Job = Job {
    name: "nap",
    function: "Bed",
    period: Duration::from_hours(24),
    grace: Duration::from_hours(2),
    longest: Duration::from_mins(16),
    severity: Severity::Critical,
};

fn records(url: DatabaseUrl) -> Database {
    Database::new(url, Credentials::Url, &[]).unwrap()
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn call(id: Uuid) -> Call {
    Call { run_id: Some(id), actor: Some("ada".into()) }
}

async fn succeed(database: &Database) -> Result<Value, JobError> {
    jobs::run(database, &NAP, Call::default(), later(), async |_: &Progress<'_>| Ok::<_, String>(json!({"n": 1}))).await
}

async fn fail(database: &Database) -> JobError {
    let work = async |_: &Progress<'_>| Err::<(), _>("no luck");
    jobs::run(database, &NAP, Call::default(), later(), work).await.unwrap_err()
}

/// `started failed: error`, the oldest first.
async fn runs(kept: &TestDatabase) -> String {
    kept.text(
        "SELECT COALESCE(string_agg(COALESCE(outcome, 'running') || COALESCE(': ' || error, ''), ', ' ORDER BY started_at), '')
           FROM job_runs WHERE job = 'nap'",
    )
    .await
}

/// The keys of what is open, with how often it was raised.
async fn open(kept: &TestDatabase) -> String {
    kept.text(
        "SELECT COALESCE(string_agg(severity || ' ' || key || ' ' || occurrences, ', ' ORDER BY key), '')
           FROM alerts WHERE resolved_at IS NULL",
    )
    .await
}

/// One look of the tick. How many are stuck, and how many late.
async fn watch(database: &Database) -> (usize, usize) {
    let mut session = database.session().await.unwrap();
    let watched = jobs::watch(&mut session, std::slice::from_ref(&NAP), clock::now()).await.unwrap();
    (watched.stuck, watched.late)
}

/// As if that much time had gone by since everything.
async fn age(kept: &TestDatabase, interval: &str) {
    kept.execute(&format!(
        "UPDATE jobs SET last_success_at = last_success_at - interval '{interval}', watched_since = watched_since - interval '{interval}';
         UPDATE job_runs SET started_at = started_at - interval '{interval}', stuck_at = stuck_at - interval '{interval}',
                             finished_at = finished_at - interval '{interval}'"
    ))
    .await;
}

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

/// What the database is asked every minute when there is nothing to do.
#[tokio::test]
async fn an_idle_tick_costs_few_round_trips() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let worker = world.worker_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    tick(&worker).await;
    proxy.reset();
    tick(&worker).await;
    assert_eq!(proxy.round_trips(), 13, "{:?}", proxy.seen());
}

#[tokio::test]
async fn a_late_job_is_told_of_in_the_tick_that_finds_it() {
    let world = World::new().await;
    let worker = world.worker().await;
    assert_eq!(tick(&worker).await.alerts, 0);
    world.database.execute("UPDATE jobs SET watched_since = now() - interval '27 hours' WHERE name = 'backup'").await;
    assert_eq!(tick(&worker).await.alerts, 1);
    let sent = world.queues.outbound().await;
    assert!(sent[0].body.contains("the job backup has not succeeded once in 27 hours"), "{}", sent[0].body);
}

#[tokio::test]
async fn a_tick_is_on_record_and_leaves_a_row_when_it_did_something() {
    let world = World::new().await;
    let worker = world.worker().await;
    tick(&worker).await;
    let (rows, last) = ("SELECT count(*) FROM job_runs", "SELECT count(last_success_at) FROM jobs WHERE name = 'tick'");
    assert_eq!((world.database.count(rows).await, world.database.count(last).await), (0, 1));
    world.due(2, "ok").await;
    tick(&worker).await;
    let row = "SELECT concat_ws(' ', job, outcome, result -> 'completed', finished_at >= started_at) FROM job_runs";
    assert_eq!(world.database.text(row).await, "tick succeeded 2 t");
}

/// Who watches must not stand in the way of what is watched.
#[tokio::test]
async fn a_watch_that_fails_does_not_stop_the_rest_of_the_tick() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.due(2, "ok").await;
    world.database.execute("REVOKE ALL ON jobs FROM solo_app").await;
    assert!(worker.tick(crate::support::soon()).await.is_err());
    assert_eq!(world.statuses().await, "completed 2");
}

/// `status effect`, in order; without the run's id.
async fn pings(kept: &TestDatabase, run: Uuid) -> Vec<String> {
    let sql = "SELECT COALESCE(string_agg(concat_ws(' ', status, effect ->> 'path', effect ->> 'run', effect ->> 'body'), '|' ORDER BY created_at, id), '') FROM outbox";
    kept.text(sql).await.replace(&run.to_string(), "rid").split('|').map(Into::into).collect()
}

#[tokio::test]
async fn a_run_is_told_of_outside_when_someone_is_to_be_told() {
    let kept = TestDatabase::new().await;
    let proxy = Proxy::before(&kept.app_url()).await;
    let database = records(proxy.url(&kept.app_url()));
    let id = Uuid::new_v4();
    let told = Records { database: &database, ping: Some("PING_URL") };
    // Its statements are prepared from then on.
    fail(&database).await;
    assert_eq!(pings(&kept, id).await, [""], "nobody is told unless it is said who");
    let good = jobs::run(told, &NAP, call(id), later(), async |_: &Progress<'_>| Ok::<_, String>(()));
    good.await.unwrap();
    assert_eq!(pings(&kept, id).await, ["delivered nap/start rid", "pending nap rid"], "the start is no news any more");
    kept.execute("DELETE FROM outbox").await;
    let id = Uuid::new_v4();
    proxy.reset();
    let bad = jobs::run(told, &NAP, call(id), later(), async |_: &Progress<'_>| Err::<(), _>("no luck\nat all"));
    bad.await.unwrap_err();
    let with = proxy.round_trips();
    assert_eq!(pings(&kept, id).await, ["delivered nap/start rid", "pending nap/fail rid no luck"]);
    assert_eq!(
        kept.text("SELECT DISTINCT effect ->> 'secret' || ' ' || destination FROM outbox").await,
        "PING_URL ping"
    );

    // One that is refused tells nothing.
    kept.execute("DELETE FROM outbox").await;
    let again = jobs::run(told, &NAP, call(id), later(), async |_: &Progress<'_>| Ok::<_, String>(()));
    assert!(matches!(again.await, Err(JobError::NotAlone)));
    proxy.reset();
    fail(&database).await;
    assert_eq!((pings(&kept, id).await, proxy.round_trips()), (vec![String::new()], with), "at no further round trip");
}

#[tokio::test]
async fn ticks_send_a_ping_every_five_minutes_and_none_that_is_lost_raises_an_alert() {
    let world = World::new().await;
    let told = |config: &mut Config| config.file.jobs.ping = Some("PING_URL".into());
    let worker = world.worker_with(&world.database.app_url(), told).await;
    for _ in 0..3 {
        tick(&worker).await;
    }
    let idle = "SELECT count(*) FROM job_runs WHERE job = 'tick'";
    assert_eq!(world.database.count(idle).await, 0, "that a ping was put on the queue is no work");
    // Unless five minutes have just begun in between.
    let count = world.database.count("SELECT count(*) FROM outbox WHERE effect ->> 'path' = 'tick'").await;
    assert!((1..=2).contains(&count), "{count}");
    world.database.execute("UPDATE outbox SET relays = 5, relay_at = now() - interval '1 second'").await;
    tick(&worker).await;
    assert_eq!(world.database.count("SELECT count(*) FROM outbox WHERE status = 'dead'").await, count);
    assert_eq!(world.database.count("SELECT count(*) FROM alerts").await, 0);
}
