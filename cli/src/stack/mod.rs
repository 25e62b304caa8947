//! The local stack: PostgreSQL, an AWS emulator, and the functions behind the Lambda runtime emulator.

mod aws;
mod directory;
mod functions;
mod keys;
mod log_file;
mod ports;
mod postgres;
mod process;
mod pump;
mod receiver;
mod times;
mod wiring;

pub use aws::{
    ASSETS_BUCKET, BACKUPS_BUCKET, READER_LOGIN, RESTORER_LOGIN, environment as aws_environment, sdk_config,
    set_visibility,
};
pub use directory::RunDirectory;
pub use functions::{Functions, Start, Watch, environment as function_environment};
pub use keys::Keys;
pub use log_file::{LARGEST as LARGEST_LOG, LogFile, functions_log};
pub use ports::choose as choose_port;
pub use postgres::{Durability, Shutdown};
pub use process::{Output, Plan, Process};
pub use pump::{Emulator, Invoke, Invoking, Pace, Pump};
pub use receiver::{Received, Receiver};

use std::path::PathBuf;

use anyhow::Context as _;
use migrate::{Passwords, migrate};
use shared::{
    config::Env,
    db::{Credentials, DatabaseUrl, connect_for_maintenance},
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{project::Project, ui::Step};
pub use postgres::Postgres;
use wiring::Wiring;

/// A database that is migrated, and an AWS emulator that has what the functions expect. Dropping it stops both.
pub struct Backing {
    emulator: Process,
    /// None when the server is someone else's.
    postgres: Option<Postgres>,
    /// As the server's master user.
    pub database: DatabaseUrl,
    pub aws_endpoint: String,
    pub queues: aws::Queues,
    /// Where alerts are sent to.
    pub receiver: Receiver,
    pub keys: Keys,
    /// Where `pg_dump` and `pg_restore` are.
    pub programs: PathBuf,
    /// What `template.yaml` says.
    pub wiring: Wiring,
}

/// Where the database comes from and what it is called.
pub struct DatabasePlan {
    /// The embedded server's files; unused when the server is someone else's.
    pub data: PathBuf,
    pub durability: Durability,
    /// Created when it is not there. `None`: the one that `DATABASE_URL` names, or `solo`.
    pub name: Option<String>,
}

impl Backing {
    /// Starts what is not there already. With `DATABASE_URL` in the environment that server is used.
    pub async fn start(
        project: &Project,
        logs: PathBuf,
        keys: Keys,
        plan: DatabasePlan,
        receiver: Receiver,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&logs).with_context(|| format!("{} cannot be made", logs.display()))?;
        let wiring = Wiring::of(project)?;
        let emulator = aws::start(project, logs.join("aws.log"));
        let database = start_database(project, logs.join("postgres.log"), &keys, plan);
        let ((emulator, aws_endpoint), (postgres, database)) = tokio::try_join!(emulator, database)?;
        let queues = aws::provision(&aws_endpoint, &keys, &database, &receiver, &wiring).await?;
        let programs = project.postgres_dir()?.join("bin");
        Ok(Self { emulator, postgres, database, aws_endpoint, queues, receiver, keys, programs, wiring })
    }

    /// Waits until one of the servers ends, which it should not.
    pub async fn broken(&mut self) -> anyhow::Error {
        let postgres = async {
            match &mut self.postgres {
                Some(postgres) => postgres.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            error = self.emulator.ended() => error,
            error = postgres => error,
        }
    }

    /// The embedded server, to stop it and start it again.
    pub fn postgres(&mut self) -> Option<&mut Postgres> {
        self.postgres.as_mut()
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        // Both at once; each is waited for when it is dropped.
        self.emulator.ask_to_stop();
        self.postgres.iter_mut().for_each(Postgres::ask_to_stop);
    }
}

/// Only the database of a stack: migrated, on the embedded server or on the one that `DATABASE_URL` names.
pub async fn start_database(
    project: &Project,
    log: PathBuf,
    keys: &Keys,
    plan: DatabasePlan,
) -> anyhow::Result<(Option<Postgres>, DatabaseUrl)> {
    let (postgres, server) = match Env::of_process().optional("DATABASE_URL") {
        Some(text) => {
            let url = DatabaseUrl::parse(&text).map_err(|fault| anyhow::anyhow!("DATABASE_URL {fault}"))?;
            (None, url)
        }
        None => {
            let step = Step::start("PostgreSQL");
            let server = Postgres::start(project, &plan.data, log, &keys.postgres_password, plan.durability).await?;
            step.done(&format!("on 127.0.0.1:{}", server.url.port));
            let url = server.url.clone();
            (Some(server), url)
        }
    };
    let name = plan.name.or_else(|| postgres.is_some().then(|| "solo".to_owned()));
    let database = match name {
        None => server,
        Some(name) => {
            create_database(&server, &name).await?;
            server.with_database(&name)
        }
    };
    let step = Step::start("Migrations");
    let passwords = Passwords {
        app: Some(keys.app_password.clone()),
        reader: Some(keys.reader_password.clone()),
        restorer: Some(keys.restorer_password.clone()),
    };
    let done = migrate(database.clone(), Credentials::Url, &passwords).await?;
    step.done(&format!("{} applied, schema version {}", done.applied.len(), done.schema_version));
    Ok((postgres, database))
}

async fn create_database(server: &DatabaseUrl, name: &str) -> anyhow::Result<()> {
    let client = connect_for_maintenance(server.clone(), Credentials::Url).await?;
    let there = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await?.is_some();
    if !there {
        client.batch_execute(&format!("CREATE DATABASE {}", quote(name))).await?;
    }
    Ok(())
}

/// Drops every database whose name starts with `prefix`.
pub async fn drop_databases(server: &DatabaseUrl, prefix: &str) -> anyhow::Result<()> {
    let client = connect_for_maintenance(server.clone(), Credentials::Url).await?;
    for row in client.query("SELECT datname::text FROM pg_database WHERE starts_with(datname, $1)", &[&prefix]).await? {
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote(row.try_get(0)?))).await?;
    }
    Ok(())
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns when the person, or the system, wants us to stop.
pub async fn interrupted() -> anyhow::Result<()> {
    let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .map(signal)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    futures_util::future::select_all(signals.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    Ok(())
}
