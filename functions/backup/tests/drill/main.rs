//! Drills, as the function: the restorer's login, a real server, a bucket of its own; and what damage does to them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod damage;
mod others;
mod service;

use std::time::Duration;

use backup::{
    drill::{Arguments, Drill},
    restore::Step,
    store::Store,
};
use serde_json::{Value, json};
use shared::{clock, db::DatabaseUrl};
use support::AT;
use testkit::{TestBackups, TestDatabase};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

/// A database with some rows in it, and its backup.
struct World {
    database: TestDatabase,
    backups: TestBackups,
    store: Store,
    /// Instead of the restorer's.
    server: Option<DatabaseUrl>,
    storage_gb: Option<u64>,
}

impl World {
    async fn new() -> Self {
        let (database, backups) = (TestDatabase::new().await, TestBackups::create().await);
        database.execute(ROWS).await;
        let (manifest, stored) = support::take(&database.admin_url(), AT).await;
        support::put(&backups, &manifest, &stored).await;
        let store = support::store(&backups).await;
        Self { database, backups, store, server: None, storage_gb: None }
    }

    /// Where a drill may make databases: the prefix lets the test stack find what a failed test left.
    fn server(&self) -> DatabaseUrl {
        self.server.clone().unwrap_or_else(|| self.database.restorer_url())
    }

    async fn drill(&self, arguments: &Arguments, within: Duration) -> Result<backup::drill::Done, String> {
        let _alone = support::alone(&self.database).await;
        let (step, _) = watch::channel(Step::default());
        let server = self.server();
        let programs = support::programs().await;
        let (store, storage_gb, deadline) = (&self.store, self.storage_gb, Instant::now() + within);
        let drill = Drill { programs: &programs, store, server: &server, storage_gb, deadline };
        let unique = u32::from_be_bytes(Uuid::new_v4().into_bytes()[..4].try_into().unwrap());
        let done = drill.run(arguments, clock::now(), unique, &step).await.map_err(|error| error.to_string());
        assert_eq!(self.scratch(unique).await, 0, "the scratch database is gone: {done:?}");
        done
    }

    async fn scratch(&self, unique: u32) -> i64 {
        let count = format!("SELECT count(*) FROM pg_database WHERE datname LIKE 'solo\\_drill\\_%{unique:08x}'");
        self.database.count(&count).await
    }
}

/// Some executions.
const ROWS: &str = "
    INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload,
                            fingerprint, correlation_id, finished_at)
    SELECT gen_random_uuid(), 'stripe', i::text, 'invoice.paid', 1, 'completed', 1, 1,
           jsonb_build_object('n', i, 'text', repeat(md5(i::text), 10)), sha256(i::text::bytea), i::text, now()
      FROM generate_series(1, 2000) AS i";
const LONG: Duration = Duration::from_mins(5);
const ID: &str = AT;

fn arguments(value: Value) -> Arguments {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn the_newest_backup_is_restored_compared_and_dropped() {
    let world = World::new().await;
    let done = world.drill(&Arguments::default(), LONG).await.unwrap();
    assert_eq!((done.backup.as_str(), &done.database), (ID, &None));
    assert!(done.rows >= 2_000 && done.tables > 5 && done.restore_seconds > 0.0, "{done:?}");
    assert_eq!((done.left_out.len(), done.notes.len()), (0, 0), "{done:?}");
    assert_eq!(world.drill(&arguments(json!({"backup": ID})), LONG).await.unwrap().backup, ID);
}

#[tokio::test]
async fn what_is_kept_belongs_to_the_restorer_has_its_privileges_and_its_name() {
    let world = World::new().await;
    let name = TestDatabase::unused_name();
    let done = world.drill(&arguments(json!({"keep_as": name})), LONG).await.unwrap();
    assert_eq!(done.database.as_deref(), Some(name.as_str()));
    let restored = shared::db::connect_for_maintenance(
        world.database.app_url().with_database(&name),
        shared::db::Credentials::Url,
    );
    let restored = restored.await.unwrap();
    let row = restored.query_one("SELECT count(*), pg_get_userbyid(max(datdba)) FROM executions, pg_database WHERE datname = current_database()", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (2_000, "solo_restorer"));
    let refused = world.drill(&arguments(json!({"keep_as": name})), LONG).await.unwrap_err();
    assert!(refused.contains("already"), "{refused}");
    for bad in ["", "Solo", "pg\"; DROP DATABASE solo; --", "solo_drill_mine", &"a".repeat(64)] {
        let refused = world.drill(&arguments(json!({"keep_as": bad})), LONG).await.unwrap_err();
        assert!(refused.contains("no name for a database"), "{refused}");
    }
}

#[tokio::test]
async fn a_backup_that_is_not_there_is_named() {
    let world = World::new().await;
    for id in ["20261122T013000Z-00000000", "../secrets", ""] {
        let error = world.drill(&arguments(json!({"backup": id})), LONG).await.unwrap_err();
        assert!(error.contains("there is no backup") && error.contains(id), "{error}");
    }
    world.backups.delete(&backup::store::manifest_key(ID)).await;
    assert_eq!(world.drill(&Arguments::default(), LONG).await.unwrap_err(), "there is no backup yet");
}

#[tokio::test]
async fn a_drill_that_takes_too_long_is_ended_and_leaves_nothing() {
    let world = World::new().await;
    let error = world.drill(&Arguments::default(), Duration::from_millis(60_300)).await.unwrap_err();
    assert!(error.contains("in the time that there was"), "{error}");
}

#[tokio::test]
async fn what_a_killed_drill_left_is_dropped_by_the_next() {
    let world = World::new().await;
    let (old, young) =
        (clock::now() - jiff::SignedDuration::from_secs(2), clock::now() + jiff::SignedDuration::from_hours(1));
    let unique = u32::from_be_bytes(Uuid::new_v4().into_bytes()[..4].try_into().unwrap());
    let names = [old, young].map(|at| backup::restore::Scratch::name_at(at, unique));
    let alone = support::alone(&world.database).await;
    for name in &names {
        backup::restore::Scratch::create(&world.server(), name).await.unwrap();
    }
    drop(alone);
    world.drill(&Arguments::default(), LONG).await.unwrap();
    let left = format!("SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE '%{unique:08x}'");
    assert_eq!(world.database.text(&left).await, names[1]);
    backup::restore::drop_database(&world.server(), &names[1]).await.unwrap();
}
