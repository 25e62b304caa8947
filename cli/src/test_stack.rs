//! `solo test-stack -- <command>`: runs a command with a throw-away PostgreSQL and AWS emulator beside it.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Context as _;
use axum::http::StatusCode;
use secrecy::ExposeSecret as _;
use tokio::process::Command;

use crate::{
    project::Project,
    stack::{self, Backing, DatabasePlan, Durability, Keys, Receiver, RunDirectory},
    ui,
};

#[derive(clap::Args)]
pub struct Arguments {
    /// Make the database as careful with its data as in production (for benchmarks).
    #[arg(long)]
    durable: bool,
    /// The command, after `--`.
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    tokio::select! {
        result = run_beside(&project, &arguments) => result,
        interrupted = stack::interrupted() => {
            interrupted?;
            ui::heading("Stopping.");
            Ok(ExitCode::from(130))
        }
    }
}

async fn run_beside(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    ui::heading("Starting the test stack");
    let directory = RunDirectory::temporary(project)?;
    let prefix = format!("solo_test_{}_", uuid::Uuid::new_v4().simple());
    let template = format!("{prefix}template");
    let durability = if arguments.durable { Durability::Full } else { Durability::None };
    let plan = DatabasePlan { data: directory.path.join("postgres"), durability, name: Some(template.clone()) };
    let mut backing = Backing::start(
        project,
        directory.path.join("logs"),
        Keys::random(&project.solo_toml()?)?,
        plan,
        Receiver::start(|_| StatusCode::NO_CONTENT).await?,
    )
    .await?;

    let server = backing.database.with_database("postgres");
    let password = server.password.as_ref().map_or("", |password| password.expose_secret());
    let (program, rest) = arguments.command.split_first().context("no command")?;
    let mut child = Command::new(program)
        .args(rest)
        .env_remove("DATABASE_URL")
        .env("SOLO_TEST_SERVER", server.to_string())
        .env("SOLO_TEST_PASSWORD", password)
        .env("SOLO_TEST_APP_PASSWORD", backing.keys.app_password.expose_secret())
        .env("SOLO_TEST_READER_PASSWORD", backing.keys.reader_password.expose_secret())
        .env("SOLO_TEST_RESTORER_PASSWORD", backing.keys.restorer_password.expose_secret())
        .env("SOLO_TEST_TEMPLATE", &template)
        .env("SOLO_TEST_PREFIX", &prefix)
        .env("SOLO_TEST_POSTGRES_BIN", &backing.programs)
        .env("PG_PROGRAMS", &backing.programs)
        .env("SOLO_TEST_PYTHON", project.python())
        .envs(stack::aws_environment(&backing.aws_endpoint))
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    let status = tokio::select! {
        status = child.wait() => status?,
        error = backing.broken() => return Err(error),
    };
    // The embedded server is thrown away whole; someone else's is left as it was. (Each DROP waits for a checkpoint.)
    if backing.postgres().is_none() {
        stack::drop_databases(&server, &prefix).await?;
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
