//! Drills, as the function: the restorer's login, a real server, a bucket of its own; and what damage does to them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod damage;
mod service;

use std::time::Duration;

use backup::{
    Backup, Settings,
    drill::{Arguments, Drill},
    restore::Step,
    store::Store,
};
use serde_json::{Value, json};
use shared::{clock, config::Env, db::DatabaseUrl};
use support::AT;
use testkit::{TestBackups, TestDatabase, TestQueues, TestSecrets};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

/// A database with some rows in it, and its backup.
struct World {
    database: TestDatabase,
    backups: TestBackups,
    store: Store,
}

impl World {
    async fn new() -> Self {
        let (database, backups) = (TestDatabase::new().await, TestBackups::create().await);
        database.execute(ROWS).await;
        let (manifest, stored) = support::take(&database.admin_url(), AT).await;
        support::put(&backups, &manifest, &stored).await;
        let store = support::store(&backups).await;
        Self { database, backups, store }
    }

    /// Where a drill may make databases: the prefix lets the test stack find what a failed test left.
    fn server(&self) -> DatabaseUrl {
        self.database.restorer_url()
    }

    async fn drill(&self, arguments: &Arguments, within: Duration) -> Result<backup::drill::Done, String> {
        let (step, _) = watch::channel(Step::default());
        let server = self.server();
        let programs = support::programs().await;
        let drill =
            Drill { programs: &programs, store: &self.store, server: &server, deadline: Instant::now() + within };
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

const ROWS: &str = "INSERT INTO payments (id, source, event_id, amount_cents, currency, paid_at, execution_id)
                    SELECT 1 WHERE false";
const LONG: Duration = Duration::from_mins(5);
