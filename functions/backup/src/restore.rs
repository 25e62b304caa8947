//! From an archive to a database, and the proof that it is the same: `pg_restore`, ANALYZE, and a comparison of every table with the
//! manifest. The CLI and the drill share it.
//!
//! Nobody has to be a superuser. What is restored belongs to whoever restores (`--no-owner`); privileges are granted as they were.
//! What only a superuser can make (comments on extensions, event triggers, extensions that are not trusted) and what would reach
//! out of the copy (subscriptions) is left out, and told.

mod list;
mod program;
mod target;

use std::{path::Path, time::Duration};

use serde::Serialize;
use shared::{
    db::{ConnectError, Credentials, DatabaseUrl, connect_for_maintenance},
    errors::chain,
};
use tokio::{sync::watch, time::Instant};
use tokio_postgres::Client;

use crate::{
    bridge::{Bridge, BridgeError},
    compare::{Comparison, compare},
    inventory::{InventoryError, take_inventory},
    manifest::Manifest,
    programs::Programs,
    store::{Store, StoreError},
};

pub(crate) use list::count as count_entries;
pub(crate) use program::read_list;
pub(crate) use target::drop_left_behind;
pub use target::{Scratch, check_empty, check_name, drop_database, is_name};

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error("{doing}: {reason}")]
    Database { doing: String, reason: String },
    #[error("the database {name} is not empty: it has {found}. Restore into a new one, or into an empty one")]
    NotEmpty { name: String, found: String },
    #[error("there is a database {0} already")]
    Exists(String),
    #[error(
        "{0:?} is no name for a database: it takes a to z, 0 to 9 and _, begins with a letter, has 63 \
         characters at most, and does not begin with solo_drill_"
    )]
    BadName(String),
    #[error(
        "a copy does not fit on the server's disk: the databases have {used}, a copy takes up to {need}, and of {storage_gb} GB \
         {kept_free} are to stay free. Give the server more storage, and say so (DatabaseStorageGb)"
    )]
    NoRoom { used: String, need: String, storage_gb: u64, kept_free: String },
    #[error("pg_restore failed: {0}")]
    Program(String),
    #[error("a temporary file could not be written: {0}")]
    Temporary(#[from] std::io::Error),
}

/// Where the archive comes from.
pub enum Source<'a> {
    /// Streamed, one table after the other. Damage may show at its end only.
    Store(&'a Store),
    /// A plain archive on disk that was proven to be whole; `jobs` tables at a time.
    File { path: &'a Path, jobs: u16 },
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `restore`, `analyze`, `compare`.
    pub phase: &'static str,
    /// Of the archive, or in the database, whichever is known.
    pub bytes: u64,
    pub expected_bytes: u64,
}

/// What is restored, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Restored {
    pub tables: usize,
    pub rows: u64,
    /// Until the database can be used: `pg_restore` and ANALYZE.
    pub restore_seconds: f64,
    pub compare_seconds: f64,
    /// What of the archive was not restored.
    pub left_out: Vec<String>,
    pub comparison: Comparison,
}

/// Restores into the database of `url`, which must be there and empty, and compares. `url` has the login.
///
/// When this fails, what it made so far is still there: whoever made the database knows whether to drop it ([`Scratch`]).
pub async fn restore(
    programs: &Programs,
    manifest: &Manifest,
    source: Source<'_>,
    url: &DatabaseUrl,
    step: &watch::Sender<Step>,
) -> Result<Restored, RestoreError> {
    let client = connect_for_maintenance(url.clone(), Credentials::Url).await?;
    target::check_empty(&client, &url.database).await?;
    let can = if target::is_superuser(&client).await? {
        list::Can::Everything
    } else {
        list::Can::AllBut(target::untrusted_extensions(&client).await?)
    };
    let bridge = Bridge::to(url.clone()).await?;
    let began = Instant::now();
    let expected_bytes = manifest.archive.plain_bytes;
    step.send_replace(Step { phase: "restore", bytes: 0, expected_bytes });
    let work = program::Work { programs, bridge: &bridge, url, can, step };
    let left_out = match source {
        Source::Store(store) => work.stream(store, manifest).await?,
        Source::File { path, jobs } => work.file(path, jobs, &client, expected_bytes).await?,
    };
    step.send_replace(Step { phase: "analyze", bytes: expected_bytes, expected_bytes });
    analyze(&client).await?;
    let restore_seconds = began.elapsed().as_secs_f64();
    step.send_replace(Step { phase: "compare", bytes: 0, expected_bytes });
    let began = Instant::now();
    let comparison = compare_with(&client, manifest).await?;
    Ok(Restored {
        tables: manifest.inventory.tables.len(),
        rows: manifest.inventory.tables.values().map(|table| table.rows).sum(),
        restore_seconds,
        compare_seconds: began.elapsed().as_secs_f64(),
        left_out,
        comparison,
    })
}

/// Counts the database, and compares it with the manifest.
///
/// Tables may force row security upon their owner, too. In a transaction that is rolled back they do not.
pub async fn compare_with(client: &Client, manifest: &Manifest) -> Result<Comparison, RestoreError> {
    const FORCED: &str = "SELECT format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', oid::regclass) FROM pg_class
                           WHERE relforcerowsecurity
                             AND relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)";
    let failed = |source: tokio_postgres::Error| database_error("comparing", &source);
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.map_err(failed)?;
    for row in client.query(FORCED, &[]).await.map_err(failed)? {
        client.batch_execute(row.get(0)).await.map_err(failed)?;
    }
    let found = take_inventory(client).await;
    client.batch_execute("ROLLBACK").await.map_err(failed)?;
    Ok(compare(&manifest.inventory, &found?))
}

/// Without statistics the first queries after a restore would be planned blindly.
async fn analyze(client: &Client) -> Result<(), RestoreError> {
    client.batch_execute("ANALYZE").await.map_err(|source| database_error("ANALYZE", &source))
}

/// The server's own words, without the detail: it quotes values.
pub(crate) fn database_error(doing: &str, source: &tokio_postgres::Error) -> RestoreError {
    let reason = match source.as_db_error() {
        Some(db) if db.code().code() == "53100" => format!("the server's disk is full ({})", db.message()),
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => chain(source),
    };
    RestoreError::Database { doing: doing.to_owned(), reason }
}

/// Between two looks at how large the database is by now.
const LOOK_EVERY: Duration = Duration::from_secs(1);
