//! The function's process is killed, at each step of an upload. Nobody is left who could clean up or raise an alert: the next
//! prune removes what is there, and the tick says that the job is stuck.

use std::time::Duration;

use shared::jobs;
use tokio::time::{sleep, timeout};

use crate::{
    bucket_proxy::{BucketProxy, Fault},
    victim::{Victim, pg_dump},
    world::{World, run, table},
};

/// When a request arrives; and whether it still happens.
const POINTS: [(&str, usize, Fault); 10] = [
    ("begin", 1, Fault::Hang),
    ("begin", 1, Fault::Happens),
    ("part", 1, Fault::Hang),
    ("part", 2, Fault::Happens),
    ("part", 3, Fault::Hang),
    ("part", 4, Fault::Happens),
    ("complete", 1, Fault::Hang),
    ("complete", 1, Fault::Happens),
    ("put", 1, Fault::Hang),
    ("put", 1, Fault::Happens),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_function_leaves_a_good_backup_or_none() {
    for point in POINTS {
        Box::pin(killed_at(point)).await;
    }
}

async fn killed_at((kind, number, fault): (&'static str, usize, Fault)) {
    let world = World::new().await;
    world.database.execute(&table(28)).await;
    let mut proxy =
        BucketProxy::start(
            move |now, count| {
                if (now, count) == (kind, number) { fault } else { Fault::Slow(Duration::from_millis(20)) }
            },
        )
        .await;
    let victim = Victim::start(&world, &world.database.app_url(), &proxy.url);
    let reached = async {
        while let Some(arrived) = proxy.arrivals.recv().await {
            if arrived == (kind, number) {
                return;
            }
        }
    };
    timeout(Duration::from_secs(30), reached).await.unwrap_or_else(|_| panic!("{kind} {number} was not reached"));
    if matches!(fault, Fault::Happens) {
        // It happens, whatever becomes of who asked for it.
        sleep(Duration::from_millis(700)).await;
    }
    victim.kill().await;
    sleep(Duration::from_millis(300)).await;

    let happened = matches!(fault, Fault::Happens);
    let point = format!("{kind} {number} {fault:?}");
    let backups = world.good_backups().await.len();
    assert_eq!(backups, usize::from(kind == "put" && happened), "{point}");
    let uploads = world.uploads().await.len();
    let open = !matches!((kind, happened), ("begin", false) | ("complete", true) | ("put", _));
    assert_eq!(uploads, usize::from(open), "{point}");
    nothing_is_left_running(&world).await;
    it_is_said(&world).await;
    if kind == "complete" {
        run(&world.backup().await).await.unwrap();
        assert_eq!(world.good_backups().await.len(), 1);
        assert_eq!(world.database.count(STUCK).await, 0);
    }
}

async fn nothing_is_left_running(world: &World) {
    let name = world.database.app_url().database;
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'solo_reader'";
    for _ in 0..50 {
        if pg_dump(&name).is_none() && world.database.count(sessions).await == 0 {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("pg_dump, or a session of the backup, outlived its function");
}

const STUCK: &str = "SELECT count(*) FROM alerts WHERE key = 'job_stuck:backup' AND resolved_at IS NULL";

async fn it_is_said(world: &World) {
    world
        .database
        .execute("UPDATE job_runs SET started_at = now() - interval '1 h', stuck_at = now() - interval '1 s'")
        .await;
    let database = shared::db::Database::new(world.database.app_url(), shared::db::Credentials::Url, &[]).unwrap();
    let mut session = database.session().await.unwrap();
    jobs::watch(&mut session, jobs::ALL, shared::clock::now()).await.unwrap();
    assert_eq!(world.database.count(STUCK).await, 1);
}
