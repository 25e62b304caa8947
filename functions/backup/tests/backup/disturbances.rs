//! What others do to the database, and to the program, while a backup is taken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backup::compare::compare;
use testkit::Proxy;
use tokio::{task::JoinHandle, time::sleep};
use tokio_postgres::Client;

use crate::{
    bucket_proxy::{BucketProxy, Fault},
    victim::{Victim, pg_dump},
    world::{World, run, table},
};

/// Runs `sql` again and again until it is told to stop; what fails is tried again. How often it went well.
fn again_and_again(client: Client, sql: &'static str) -> (Arc<AtomicBool>, JoinHandle<u32>) {
    let stop = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&stop);
    let running = tokio::spawn(async move {
        let mut times = 0;
        while !until.load(Ordering::SeqCst) {
            times += u32::from(client.batch_execute(sql).await.is_ok());
            let _ = client.batch_execute("ROLLBACK").await;
        }
        times
    });
    (stop, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_grows_is_dumped_as_the_snapshot_shows_it() {
    let world = World::new().await;
    world.database.execute(&table(20)).await;
    let client = world.database.admin().await;
    let (stop, growing) =
        again_and_again(client, "INSERT INTO noise SELECT 0, 'x' FROM generate_series(1, 10); SELECT pg_sleep(0.001)");
    let answer = run(&world.backup().await).await;
    stop.store(true, Ordering::SeqCst);
    assert!(growing.await.unwrap() > 10);
    answer.unwrap();
    let (manifest, plain) = world.good_backups().await.remove(0);
    let counted = manifest.inventory.tables["public.noise"].rows;
    assert_eq!(world.rows_in(&plain, "noise").await, counted);
    let now = world.database.count("SELECT count(*) FROM noise").await;
    assert!(u64::try_from(now).unwrap() > counted, "it grew while it was dumped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_that_counts_on_is_restored_to_a_value_between_before_and_after() {
    let world = World::new().await;
    let made = "CREATE TABLE counted (id bigserial, data text); GRANT SELECT ON counted, counted_id_seq TO solo_reader";
    world.database.execute(made).await;
    world.database.execute(&table(5)).await;
    let client = world.database.admin().await;
    let (stop, counting) =
        again_and_again(client, "INSERT INTO counted (data) SELECT 'x'; SELECT nextval('counted_id_seq')");
    let answer = run(&world.backup().await).await;
    stop.store(true, Ordering::SeqCst);
    assert!(counting.await.unwrap() > 10);
    answer.unwrap();
    let (manifest, plain) = world.good_backups().await.remove(0);
    let expected = manifest.inventory;
    let sequence = expected.sequences["public.counted_id_seq"];
    assert!(sequence.before.0 < sequence.after.0, "{sequence:?}");
    let found = world.restored(&plain).await;
    assert_eq!(compare(&expected, &found).differences, [""; 0], "{sequence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_emptied_and_filled_is_never_dumped_in_between() {
    let world = World::new().await;
    world.database.execute("CREATE TABLE five (a int); GRANT SELECT ON five TO solo_reader; INSERT INTO five VALUES (1), (2), (3), (4), (5)").await;
    for _ in 0..6 {
        let client = world.database.admin().await;
        client.batch_execute("SET lock_timeout = '1s'").await.unwrap();
        let (stop, emptying) = again_and_again(
            client,
            "BEGIN; TRUNCATE five; INSERT INTO five VALUES (1), (2), (3), (4), (5); COMMIT; SELECT pg_sleep(0.002)",
        );
        let answer = run(&world.backup().await).await;
        stop.store(true, Ordering::SeqCst);
        assert!(emptying.await.unwrap() > 0);
        answer.unwrap();
    }
    for (manifest, plain) in world.good_backups().await {
        assert_eq!(manifest.inventory.tables["public.five"].rows, 5);
        assert_eq!(world.rows_in(&plain, "five").await, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_come_and_go_and_change() {
    let world = World::new().await;
    world.database.execute(&table(10)).await;
    world.database.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO solo_reader").await;
    let client = world.database.admin().await;
    client.batch_execute("SET lock_timeout = '500ms'").await.unwrap();
    let (stop, changing) = again_and_again(
        client,
        "ALTER TABLE noise ADD more int; ALTER TABLE noise DROP more; CREATE TABLE passing (a int); SELECT pg_sleep(0.05);
         DROP TABLE passing; SELECT pg_sleep(0.05)",
    );
    let answer = run(&world.backup().await).await;
    stop.store(true, Ordering::SeqCst);
    assert!(changing.await.unwrap() > 0);
    if let Err(error) = answer {
        let allowed = ["again and again", "lock timeout", "could not obtain lock", "does not exist", "SQLSTATE 55P03"];
        assert!(allowed.iter().any(|words| error.contains(words)), "{error}");
        world.none_and_an_alert(&error[..20]).await;
    }
    // What it was disturbed by is over.
    run(&world.backup().await).await.unwrap();
    let (manifest, plain) = world.good_backups().await.pop().unwrap();
    assert_eq!(world.rows_in(&plain, "noise").await, manifest.inventory.tables["public.noise"].rows);
    assert_eq!(world.alert().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_waited_for_and_waits() {
    let world = World::new().await;
    world.database.execute(&table(1)).await;
    let migration = world.database.admin().await;
    let lock = shared::migrations::LOCK;
    migration.batch_execute(&format!("SELECT pg_advisory_lock({lock})")).await.unwrap();
    let backup = world.backup().await;
    let (answer, ()) = tokio::join!(run(&backup), async {
        sleep(Duration::from_millis(1500)).await;
        assert_eq!(world.keys().await, [""; 0], "it did not wait");
        migration.batch_execute(&format!("SELECT pg_advisory_unlock({lock})")).await.unwrap();
    });
    answer.unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    sleep(Duration::from_millis(300)).await;
    assert_eq!(world.database.count(held).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pg_dump_that_is_killed() {
    let world = World::new().await;
    world.database.execute(&table(60)).await;
    let mut proxy = BucketProxy::start(|_, _| Fault::Slow(Duration::from_millis(300))).await;
    let victim = Victim::start(&world, &world.database.app_url(), &proxy.url);
    while proxy.arrivals.recv().await != Some(("part", 1)) {}
    let id = pg_dump(&world.database.app_url().database).unwrap();
    nothing_secret_is_handed_on(id);
    assert!(std::process::Command::new("kill").args(["-9", &id.to_string()]).status().unwrap().success());
    let said = victim.end().await;
    assert!(said["error"].as_str().is_some_and(|error| error.contains("pg_dump was killed (signal 9)")), "{said}");
    world.none_and_an_alert("pg_dump was killed").await;
}

/// Everyone on a machine can read command lines; the keys to AWS are none of the program's business.
fn nothing_secret_is_handed_on(id: u32) {
    let of = |what: &str| String::from_utf8_lossy(&std::fs::read(format!("/proc/{id}/{what}")).unwrap()).into_owned();
    let password = testkit::variable("SOLO_TEST_READER_PASSWORD");
    assert!(!of("cmdline").contains(&password));
    assert!(of("environ").contains(&password) && !of("environ").contains("AWS_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_in_the_middle() {
    let world = World::new().await;
    world.database.execute(&table(60)).await;
    let database = Proxy::before(&world.database.app_url()).await;
    let mut bucket = BucketProxy::start(|_, _| Fault::Slow(Duration::from_millis(300))).await;
    let victim = Victim::start(&world, &database.url(&world.database.app_url()), &bucket.url);
    while bucket.arrivals.recv().await != Some(("part", 1)) {}
    database.set_down(true);
    sleep(Duration::from_millis(200)).await;
    database.set_down(false);
    let said = victim.end().await;
    assert!(said["error"].is_string(), "{said}");
    world.none_and_an_alert("").await;
    assert_ne!(world.alert().await, "");
}
