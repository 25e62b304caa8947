//! `solo demo`: the main job on real events, checked. Starts everything, leaves nothing running.

mod checks;
mod scenario;

use std::process::ExitCode;

use axum::http::StatusCode;
use owo_colors::OwoColorize as _;
use secrecy::ExposeSecret as _;
use shared::db::{Credentials, connect_for_maintenance};

use crate::{
    project::Project,
    stack::{self, Backing, DatabasePlan, Durability, Functions, Keys, Receiver, RunDirectory, Watch},
    stage::Stage,
    ui,
};

#[derive(clap::Args)]
pub struct Arguments {
    /// Serve on this port (any free one unless given).
    #[arg(long)]
    port: Option<u16>,
}

pub async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    tokio::select! {
        result = play(&project, arguments) => result,
        interrupted = stack::interrupted() => {
            interrupted?;
            ui::heading("Stopping.");
            Ok(ExitCode::from(130))
        }
    }
}

async fn play(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    ui::heading("Starting the stack");
    let directory = RunDirectory::temporary(project)?;
    let name = format!("solo_demo_{}", uuid::Uuid::new_v4().simple());
    let plan =
        DatabasePlan { data: directory.path.join("postgres"), durability: Durability::Full, name: Some(name.clone()) };
    let logs = directory.path.join("logs");
    let backing = Backing::start(
        project,
        logs.clone(),
        Keys::random(&project.solo_toml()?)?,
        plan,
        Receiver::start(|_| StatusCode::NO_CONTENT).await?,
    )
    .await?;
    let port = stack::choose_port(arguments.port, 0)?;
    let functions = Functions::start(project, &backing, port, Watch::Ignore, Some(logs.join("functions.log"))).await?;

    let stage = Stage::of(stage_values(&backing, &functions))?;
    let database = connect_for_maintenance(backing.database.clone(), Credentials::Url).await?;
    ui::heading("Sending events");
    let results = scenario::play(&stage, &database, &project.solo_toml()?).await?;
    println!("{}", checks::table_of_events(&results));
    let payments = checks::payments(&database).await?;
    ui::heading("The payments table");
    println!("{}", checks::table_of_payments(&payments));

    let faults = checks::faults(&results, &payments);
    let log = functions.log_tail();
    drop(database);
    drop(functions);
    let server = backing.database.with_database("postgres");
    stack::drop_databases(&server, &name).await?;
    if faults.is_empty() {
        anstream::println!("\n{} every event had the answer and the effect that it should have.", "✓".green());
        return Ok(ExitCode::SUCCESS);
    }
    for fault in &faults {
        anstream::println!("{} {fault}", "✗".red());
    }
    anyhow::bail!("{} of the demo's checks failed{log}", faults.len())
}

fn stage_values(backing: &Backing, functions: &Functions) -> std::collections::BTreeMap<String, String> {
    let keys = &backing.keys;
    let tokens = [("API_URL", functions.url.clone()), ("EVENTS_TOKEN", keys.events_token.expose_secret().to_owned())];
    let tokens = tokens.into_iter().map(|(name, value)| (name.to_owned(), value));
    tokens.chain(keys.webhook_secrets().map(|(name, secret)| (name, secret.to_owned()))).collect()
}
