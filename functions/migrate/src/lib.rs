//! Brings a database to this version's schema, and makes the roles that use it.
//!
//! | role | may |
//! |---|---|
//! | `solo_owner` | owns every table; nobody logs in as it, migrations run as it |
//! | `solo_app` | what each migration grants it on its own tables; the functions connect as it |
//! | `solo_reader` | read; backups, and a person with `psql` |
//! | `solo_restorer` | make databases, and own what it restores into them; it sees nothing of the others |
//!
//! It runs as the server's master user (a superuser, or RDS's master, which is not one). Running it twice changes
//! nothing; two at once wait for each other.

mod resource;
mod responder;
mod roles;
mod settings;

pub use resource::Resource;
pub use responder::{Reach, Responder, ResponseError};
pub use settings::Settings;

use postgres_protocol::password::scram_sha_256;
use refinery::{Migration, Runner};
use roles::Verifiers;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use shared::{
    db::{self, ConnectError, Credentials, DatabaseUrl},
    errors, migrations,
    secrets::SecretsError,
};
use tokio::task::AbortHandle;
use tokio_postgres::Client;

/// One lock for everything that changes the schema. Waited for 60 s at most. A statement ends when its client is gone: who
/// ran out of time leaves nothing running that holds the lock.
const LOCK: &str = "SET client_connection_check_interval = '1s'; SET lock_timeout = '60s'; SELECT pg_advisory_lock($1); SET lock_timeout = '10s'";
const UNLOCK: &str = "SELECT pg_advisory_unlock($1)";
const HISTORY_TABLE: &str = "schema_migrations";

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Secret(#[from] SecretsError),
    #[error("{doing}: {}", reason(.source))]
    Database { doing: &'static str, source: tokio_postgres::Error },
    #[error("a migration failed and was rolled back; those before it stay: {}", describe(.0))]
    Migration(#[from] refinery::Error),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Applied just now, in order; empty when the schema was current.
    pub applied: Vec<String>,
    /// The newest migration that the database has.
    pub schema_version: i32,
}

/// The passwords that the login roles get. `None` leaves a role's password as it is.
#[derive(Clone, Debug, Default)]
pub struct Passwords {
    pub app: Option<SecretString>,
    pub reader: Option<SecretString>,
    pub restorer: Option<SecretString>,
}

/// Connects as the master user and migrates.
pub async fn migrate(master: DatabaseUrl, login: Credentials, passwords: &Passwords) -> Result<Done, MigrateError> {
    let (mut client, hangup) = db::connect_with_hangup(master, login).await?;
    let _hangup = Hangup(hangup);
    step(&client, "waiting for another migration or a dump to end", &of(LOCK)).await?;
    // The lock is the session's: it ends with the connection, however this ends.
    let done = migrate_locked(&mut client, passwords).await?;
    step(&client, "releasing the migration lock", &of(UNLOCK)).await?;
    Ok(done)
}

/// A statement about the lock.
fn of(lock: &str) -> String {
    lock.replace("$1", &migrations::LOCK.to_string())
}

/// However a migration ends, and also when nobody waits for it any more, its connection ends with it. An open transaction
/// would keep its locks for as long as Lambda keeps a frozen environment.
struct Hangup(AbortHandle);

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn migrate_locked(client: &mut Client, passwords: &Passwords) -> Result<Done, MigrateError> {
    roles::ensure(client, &verifiers(passwords)).await?;
    step(client, "becoming solo_owner", "SET ROLE solo_owner").await?;
    let newest = migrations::ALL.last().map_or(0, |migration| migration.version);
    let there = newest_applied(client).await?;
    // A deploy that was rolled back leaves a newer schema behind. Older code runs on it (expand before contract).
    let applied = if there > newest { Vec::new() } else { apply(client).await? };
    step(client, "granting the schema's history", "GRANT SELECT ON schema_migrations TO solo_app").await?;
    roles::let_the_reader_read(client).await?;
    step(client, "becoming the master user again", "RESET ROLE").await?;
    let done = Done { applied, schema_version: newest.max(there) };
    tracing::info!(applied = done.applied.len(), schema_version = done.schema_version, "migrated");
    Ok(done)
}

/// The newest migration that the database has; 0 when it has none.
async fn newest_applied(client: &Client) -> Result<i32, MigrateError> {
    const NEWEST: &str = "SELECT COALESCE(max(version), 0) FROM schema_migrations";
    let unreadable = |source| MigrateError::Database { doing: "reading the schema's history", source };
    let there =
        client.query_one("SELECT to_regclass('schema_migrations') IS NOT NULL", &[]).await.map_err(unreadable)?;
    if !there.get::<_, bool>(0) {
        return Ok(0);
    }
    client.query_one(NEWEST, &[]).await.map(|row| row.get(0)).map_err(unreadable)
}

/// Their names, in the order in which they were applied.
async fn apply(client: &mut Client) -> Result<Vec<String>, refinery::Error> {
    let all = migrations::ALL
        .iter()
        .map(|migration| Migration::unapplied(&format!("V{}__{}", migration.version, migration.name), migration.sql))
        .collect::<Result<Vec<_>, _>>()?;
    let mut runner = Runner::new(&all);
    runner.set_migration_table_name(HISTORY_TABLE);
    let report = runner.run_async(client).await?;
    let name = |migration: &Migration| format!("{:04}_{}", migration.version(), migration.name());
    Ok(report.applied_migrations().iter().map(name).collect())
}

/// What the server stores instead of passwords. Made here, so that no statement, and no log of one, has a password.
fn verifiers(passwords: &Passwords) -> Verifiers {
    let verifier = |password: &Option<SecretString>| {
        password.as_ref().map(|password| scram_sha_256(password.expose_secret().as_bytes()))
    };
    let Passwords { app, reader, restorer } = passwords;
    Verifiers { app: verifier(app), reader: verifier(reader), restorer: verifier(restorer) }
}

async fn step(client: &Client, doing: &'static str, sql: &str) -> Result<(), MigrateError> {
    client.batch_execute(sql).await.map_err(|source| MigrateError::Database { doing, source })
}

/// Which migration, and the server's own words.
fn describe(error: &refinery::Error) -> String {
    if let refinery::error::Kind::Connection(what, cause) = error.kind()
        && let Some(cause) = cause.downcast_ref::<tokio_postgres::Error>()
    {
        return format!("{what}: {}", reason(cause));
    }
    errors::chain(error)
}

/// Without the detail: it quotes values.
fn reason(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |db| format!("{} (SQLSTATE {})", db.message(), db.code().code()))
}
