//! `solo demo`: the main job on real events, checked. Starts everything, leaves nothing running.

mod checks;
mod recovery;
mod scenario;
mod trouble;

use std::{process::ExitCode, sync::Arc, time::Duration};

use axum::http::StatusCode;
use owo_colors::OwoColorize as _;
use secrecy::ExposeSecret as _;
use shared::{
    config::SoloToml,
    db::{Credentials, connect_for_maintenance},
};

use crate::{
    project::Project,
    stack::{
        self, Backing, DatabasePlan, Durability, Emulator, Functions, Keys, Pace, Pump, Receiver, RunDirectory, Start,
        Watch,
    },
    stage::Stage,
    ui,
};

/// A faster clock than the cloud's, so that nobody has to wait for it.
const TICK: Duration = Duration::from_secs(1);
const VISIBILITY: Duration = Duration::from_secs(5);
const FASTER: &[(&str, &str)] = &[("RETRY_BASE_DELAY_MS", "1000")];

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
    let mut backing = Backing::start(
        project,
        logs.clone(),
        Keys::random(&project.solo_toml()?)?,
        plan,
        Receiver::start(|_| StatusCode::NO_CONTENT).await?,
    )
    .await?;
    stack::set_visibility(&backing, VISIBILITY).await?;
    let port = stack::choose_port(arguments.port, 0)?;
    let start =
        Start { port, watch: Watch::Ignore, output: stack::Output::File(logs.join("functions.log")), more: FASTER };
    let functions = Functions::start(project, &backing, start).await?;
    let pump =
        Pump::start(&backing, &Arc::new(Emulator::new(&functions.url)?), Pace { every: Some(TICK), batches: 1 })?;

    let file = project.solo_toml()?;
    let stage = Stage::of(stage_values(&backing, &functions))?;
    let faults = acts(&stage, &file, &mut backing).await.map_err(|error| {
        let log = functions.log_tail();
        error.context(format!("the demo could not be played to its end{log}"))
    })?;
    let log = functions.log_tail();
    drop((pump, functions));
    stack::drop_databases(&backing.database.with_database("postgres"), &name).await?;
    if faults.is_empty() {
        anstream::println!("\n{} everything had the answer and the effect that it should have.", "✓".green());
        return Ok(ExitCode::SUCCESS);
    }
    for fault in &faults {
        anstream::println!("{} {fault}", "✗".red());
    }
    anyhow::bail!("{} of the demo's checks failed{log}", faults.len())
}

/// Plays and shows everything. What is not as it should be, in words.
async fn acts(stage: &Stage, file: &SoloToml, backing: &mut Backing) -> anyhow::Result<Vec<String>> {
    let database = connect_for_maintenance(backing.database.clone(), Credentials::Url).await?;
    ui::heading("Sending events");
    let door = stage.door().await?;
    let results = scenario::play(&door, &database, file).await?;
    anstream::println!("{}", checks::table_of_events(&results));
    let payments = checks::payments(&database).await?;
    ui::heading("The payments table");
    anstream::println!("{}", checks::table_of_payments(&payments));
    let mut faults = checks::faults(&results, &payments);

    ui::heading("When things go wrong (with a faster clock: some 20 s)");
    let shown = trouble::Scene { stage, door: &door, file, backing }.play(&database).await?;
    anstream::println!("{}", trouble::table(&shown));
    faults.extend(shown.iter().filter_map(trouble::Shown::fault));
    if backing.postgres().is_none() {
        ui::note("not shown: a database lost and restored (DATABASE_URL names a server of your own)");
        return Ok(faults);
    }
    ui::heading("When everything is lost");
    drop(database);
    let shown = recovery::Recovery { stage, door: &door, file, backing }.play().await?;
    anstream::println!("{}", trouble::table(&shown));
    faults.extend(shown.iter().filter_map(trouble::Shown::fault));
    Ok(faults)
}

fn stage_values(backing: &Backing, functions: &Functions) -> std::collections::BTreeMap<String, String> {
    let keys = &backing.keys;
    let tokens = [("API_URL", functions.url.clone()), ("EVENTS_TOKEN", keys.events_token.expose_secret().to_owned())];
    let tokens = tokens.into_iter().map(|(name, value)| (name.to_owned(), value));
    tokens.chain(keys.webhook_secrets().map(|(name, secret)| (name, secret.to_owned()))).collect()
}
