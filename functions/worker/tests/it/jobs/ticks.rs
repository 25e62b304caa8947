//! What a tick does for jobs, and the pings to whoever watches from outside.

use shared::{
    config::Config,
    jobs::{self, JobError, Progress, Records},
};
use testkit::{Proxy, TestDatabase};
use uuid::Uuid;

use super::{NAP, call, fail, later, records};
use crate::support::{World, tick};

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
