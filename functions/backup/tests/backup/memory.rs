//! Memory does not grow with the database.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    victim::{Victim, peak, pg_dump},
    world::{World, table},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_takes_the_same_memory_whatever_the_database_has() {
    let world = World::new().await;
    world.database.execute(&table(300)).await;
    let name = world.database.app_url().database;
    let mut theirs = 0;
    let victim = Victim::start(&world, &world.database.app_url(), &testkit::variable("AWS_ENDPOINT_URL"));
    let watching = async {
        loop {
            let status = pg_dump(&name).and_then(|id| std::fs::read_to_string(format!("/proc/{id}/status")).ok());
            theirs = theirs.max(status.and_then(|status| peak(&status)).unwrap_or_default());
            sleep(Duration::from_millis(50)).await;
        }
    };
    let said = tokio::select! {
        said = victim.end() => said,
        () = watching => unreachable!(),
    };
    let ours = said["peak"].as_u64().unwrap();
    println!("300 MB stored: {} MB in the function, {} MB in pg_dump", ours / 1024, theirs / 1024);
    assert!(said["error"].is_null(), "{said}");
    assert!(ours < 150 * 1024, "the function took {ours} kB");
    assert!(theirs > 0 && theirs < 60 * 1024, "pg_dump took {theirs} kB");
}
