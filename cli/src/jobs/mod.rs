//! `solo jobs`: what runs by the clock, how it does, and running it by hand.

mod follow;
mod show;

pub use follow::follow;

use std::process::ExitCode;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use ops::{JobRun, Operation, Outcome};
use serde_json::Map;
use shared::{
    clock,
    jobs::{ALL, Job, find},
};
use uuid::Uuid;

use crate::{
    stage::{self, Stage},
    ui,
};

const EXAMPLES: &str = "\
Examples:
  solo jobs
  solo jobs runs --job backup --stage production
  solo jobs run drill
  solo jobs show 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11";

/// The worker's tick has no run of its own to follow, and comes every minute by itself.
const TICK: &str = "tick";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the jobs: how each does, when it last succeeded, when it is due (the same as `solo jobs`).
    List(List),
    /// List runs, newest first.
    Runs(Runs),
    /// Show one run: what it did, or why it failed.
    Show(Show),
    /// Run a job now, and follow it.
    Run(Run),
}

#[derive(clap::Args)]
struct List {
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

#[derive(clap::Args)]
struct Runs {
    /// Only of this job.
    #[arg(long)]
    job: Option<String>,
    #[command(flatten)]
    page: ui::PageArguments,
    #[command(flatten)]
    stage: stage::Arguments,
}

#[derive(clap::Args)]
struct Show {
    id: Uuid,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

#[derive(clap::Args)]
struct Run {
    /// The job's name, as `solo jobs` lists it
    #[arg(value_parser = by_hand)]
    name: &'static Job,
    /// Return when the run has begun.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

fn by_hand(name: &str) -> Result<&'static Job, String> {
    if name == TICK {
        return Err("the tick comes every minute by itself".into());
    }
    let names = || ALL.iter().map(|job| job.name).filter(|name| *name != TICK).collect::<Vec<_>>().join(", ");
    find(name).ok_or_else(|| format!("the jobs are {}", names()))
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command.unwrap_or(Command::List(arguments.list)) {
        Command::List(list) => states(list).await,
        Command::Runs(runs) => list_runs(runs).await,
        Command::Show(show) => show_run(show).await,
        Command::Run(run) => run_now(run).await,
    }
}

async fn states(List { json, stage }: List) -> anyhow::Result<ExitCode> {
    let outcome = Stage::open(stage.stage).await?.operate(Operation::ListJobs).await?;
    let Outcome::Jobs(list) = outcome else { bail!("{}", stage::UNEXPECTED) };
    if json {
        ui::print_json(&list)?;
    } else {
        ui::print(&show::states(&list.jobs, clock::now()))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list_runs(Runs { job, page, stage }: Runs) -> anyhow::Result<ExitCode> {
    let operation = Operation::ListJobRuns { job, limit: page.limit, after: page.after };
    let Outcome::JobRuns(found) = Stage::open(stage.stage).await?.operate(operation).await? else {
        bail!("{}", stage::UNEXPECTED)
    };
    if page.json {
        ui::print_json(&found)?;
    } else if found.runs.is_empty() {
        ui::print("No runs.")?;
    } else {
        ui::print(&show::runs(&found.runs, clock::now()))?;
        ui::print_next(found.next)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show_run(Show { id, json, stage }: Show) -> anyhow::Result<ExitCode> {
    let outcome = Stage::open(stage.stage).await?.operate(Operation::ShowJobRun { id }).await?;
    let Outcome::JobRun { run } = outcome else { bail!("{}", stage::UNEXPECTED) };
    if json {
        ui::print_json(&run)?;
    } else {
        ui::print(&show::run(&run, clock::now()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A run that failed is a failure of the command. Whoever stops following does not stop the run.
async fn run_now(Run { name: job, no_wait, stage }: Run) -> anyhow::Result<ExitCode> {
    let stage = Stage::open(stage.stage).await?;
    ui::note(&format!("asking for a run of {}", job.name));
    let started = follow::start(&stage, job, Map::new()).await?;
    let id = started.run.id;
    if no_wait {
        ui::print(&format!("{id} has begun; `solo jobs show {id}` shows it."))?;
        return Ok(ExitCode::SUCCESS);
    }
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("  {spinner} {elapsed:>4} {msg}")?);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let following = started.follow(&stage, |run: &JobRun| bar.set_message(show::how_far(run)));
    let ended = tokio::select! {
        ended = following => ended,
        interrupted = tokio::signal::ctrl_c() => {
            bar.finish_and_clear();
            interrupted?;
            ui::print(&format!("Not followed any more; the run goes on. `solo jobs show {id}` shows it."))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    bar.finish_and_clear();
    let run = ended?;
    ui::print(&show::run(&run, clock::now()))?;
    Ok(if run.outcome.as_deref() == Some("succeeded") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_followed_is_run_by_hand() {
        assert_eq!(by_hand("drill").unwrap().function, "Drill");
        assert!(by_hand("tick").unwrap_err().contains("by itself"));
        let unknown = by_hand("nap").unwrap_err();
        assert!(unknown.contains("backup, prune") && !unknown.contains("tick"), "{unknown}");
    }
}
