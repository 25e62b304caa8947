//! The session that holds the snapshot which a backup shows, for as long as the backup takes.
//!
//! Every table is locked (`ACCESS SHARE`: against changes of its structure, not of its rows) before the snapshot is taken. The
//! other way round, what `TRUNCATE` or `ALTER TABLE` does in between would be in a dump that is otherwise older.

use std::{collections::BTreeMap, time::Duration};

use shared::{
    db::{self, ConnectError, Credentials, DatabaseUrl},
    migrations,
};
use tokio::task::AbortHandle;
use tokio_postgres::Client;

use crate::inventory::{self, InventoryError};

/// How long a migration under way is waited for. It waits as long for a dump.
const MIGRATION_WITHIN: &str = "60s";
/// How long somebody's `ALTER TABLE` is waited for, while it waits for others.
pub const LOCK_WITHIN: Duration = Duration::from_secs(20);
/// How often the tables may change between being listed and being locked.
const TRIES: usize = 5;

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error("{doing}: {reason}")]
    Database {
        doing: &'static str,
        reason: String,
        /// Somebody else holds what is needed; later, they may not.
        passing: bool,
    },
    #[error("tables were made or removed again and again while they were to be locked; try again when that is over")]
    Restless,
}

impl SnapshotError {
    /// Whether it may go well a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect(_) => false,
            Self::Inventory(error) => error.is_missing(),
            Self::Database { passing, .. } => *passing,
            Self::Restless => true,
        }
    }
}

/// An open transaction with an exported snapshot. Dropped, it takes its connection with it.
pub struct Snapshot {
    pub client: Client,
    /// For `pg_dump --snapshot`.
    pub id: String,
    /// The sequences' values, read after the snapshot was taken and before anybody dumps under it.
    pub sequences: BTreeMap<String, (i64, bool)>,
    hangup: AbortHandle,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.hangup.abort();
    }
}

/// What is known of a database before it is dumped.
#[derive(Clone, Debug)]
pub struct About {
    /// `18.6`, or more words.
    pub server_version: String,
    /// Of its files, with indexes and what is dead in them.
    pub bytes: u64,
    /// The newest migration, when it is ours.
    pub schema_version: Option<i32>,
}

impl Snapshot {
    /// Waits until no migration runs, and holds them off from then on.
    pub async fn open(url: DatabaseUrl) -> Result<Self, SnapshotError> {
        let (client, hangup) = db::connect_with_hangup(url, Credentials::Url).await?;
        let mut snapshot = Self { client, id: String::new(), sequences: BTreeMap::new(), hangup };
        // A statement ends when its client is gone: who ran out of time leaves nothing behind that computes.
        let lock = format!(
            "SET client_connection_check_interval = '1s'; SET statement_timeout = 0; SET lock_timeout = '{MIGRATION_WITHIN}';
             SET idle_in_transaction_session_timeout = 0; SELECT pg_advisory_lock_shared({})",
            migrations::LOCK
        );
        snapshot.run("waiting for a migration to end", &lock).await?;
        for _ in 0..TRIES {
            if snapshot.lock_and_export().await? {
                return Ok(snapshot);
            }
            snapshot.run("beginning again", "ROLLBACK").await?;
        }
        Err(SnapshotError::Restless)
    }

    /// Whether the tables that were locked are those that the snapshot shows.
    async fn lock_and_export(&mut self) -> Result<bool, SnapshotError> {
        self.run("listing the tables", "BEGIN READ ONLY").await?;
        let listed = self.tables().await?;
        // LOCK takes no snapshot: the first SELECT does.
        let begin = format!(
            "COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = {}",
            LOCK_WITHIN.as_millis()
        );
        self.run("beginning", &begin).await?;
        if !listed.is_empty() {
            let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", listed.join(", "));
            match self.client.batch_execute(&lock).await {
                Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::UNDEFINED_TABLE) => {
                    return Ok(false);
                }
                locked => locked.map_err(|source| failed("locking the tables", &source))?,
            }
        }
        let exported = self.client.query_one("SELECT pg_export_snapshot()", &[]).await;
        self.id = exported.map_err(|source| failed("exporting the snapshot", &source))?.get(0);
        if self.tables().await? != listed {
            return Ok(false);
        }
        // Here, and not while it is dumped: pg_dump reads all sequences before it writes its first byte.
        // Their locks go at once: who waits to change a sequence while we hold it, pg_dump would wait for in turn.
        self.run("reading the sequences", "SAVEPOINT sequences").await?;
        self.sequences = inventory::read_sequences(&self.client).await?;
        self.run("reading the sequences", "ROLLBACK TO SAVEPOINT sequences; RELEASE SAVEPOINT sequences").await?;
        Ok(true)
    }

    /// Those that can be locked.
    async fn tables(&self) -> Result<Vec<String>, SnapshotError> {
        let all = inventory::list_tables(&self.client).await?;
        let mut names: Vec<String> =
            all.into_iter().filter(|table| !table.is_view).map(|table| format!("ONLY {}", table.name)).collect();
        names.sort();
        Ok(names)
    }

    pub async fn about(&self) -> Result<About, SnapshotError> {
        let failed = |source| failed("asking for the database's size and version", &source);
        let sql = "SELECT current_setting('server_version'), pg_database_size(current_database()),
                          to_regclass('public.schema_migrations') IS NOT NULL";
        let row = self.client.query_one(sql, &[]).await.map_err(failed)?;
        let schema_version = if row.get(2) {
            let newest = "SELECT max(version) FROM public.schema_migrations";
            self.client.query_one(newest, &[]).await.map_err(failed)?.get(0)
        } else {
            None
        };
        let bytes: i64 = row.get(1);
        Ok(About { server_version: row.get(0), bytes: bytes.unsigned_abs(), schema_version })
    }

    async fn run(&self, doing: &'static str, sql: &str) -> Result<(), SnapshotError> {
        self.client.batch_execute(sql).await.map_err(|source| failed(doing, &source))
    }
}

/// The server's own words, without the detail: it quotes values.
fn failed(doing: &'static str, source: &tokio_postgres::Error) -> SnapshotError {
    use tokio_postgres::error::SqlState;
    let reason = match source.as_db_error() {
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => shared::errors::chain(source),
    };
    let passing = source
        .code()
        .is_some_and(|code| *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::T_R_DEADLOCK_DETECTED);
    SnapshotError::Database { doing, reason, passing }
}
