//! `solo dead`: what waits for a person.

use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;
use ops::{DeadFilter, DeadLetters, ExecutionSummary, Operation, Outcome};
use shared::clock;
use uuid::Uuid;

use crate::{
    changes::{How, Why, Words},
    executions, replay,
    stage::{self, Stage},
    ui, when,
};

const EXAMPLES: &str = "\
Examples:
  solo dead list
  solo dead show 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11
  solo dead replay --type invoice.paid --reason \"the fix is out\"
  solo dead resolve 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11 --reason \"refunded by hand\"";

#[derive(clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// List dead letters that nobody has dealt with, the latest first.
    List(List),
    /// Show one with its attempts and its payload.
    Show(executions::Show),
    /// Handle them once more; as `solo replay --dead`.
    Replay {
        #[command(flatten)]
        which: replay::Which,
        /// All of them.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        how: How,
    },
    /// Take them off the list: they were dealt with otherwise. They are never run again, unless they are replayed by id.
    Resolve {
        #[arg(required = true)]
        ids: Vec<Uuid>,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(clap::Args)]
pub struct List {
    /// Only from this source: a provider's name, or `events`.
    #[arg(long)]
    source: Option<String>,
    /// Only this type of event.
    #[arg(long = "type")]
    event_type: Option<String>,
    /// Only what died since: how long ago (2h, 3d), or an RFC 3339 time.
    #[arg(long, value_parser = when::parse)]
    since: Option<Timestamp>,
    /// Only what died before.
    #[arg(long, value_parser = when::parse)]
    until: Option<Timestamp>,
    /// Also those that were resolved.
    #[arg(long)]
    resolved: bool,
    #[command(flatten)]
    page: ui::PageArguments,
    #[command(flatten)]
    stage: stage::Arguments,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(list) => run_list(list).await,
        Command::Show(show) => executions::show(show).await,
        Command::Replay { which, all, how } => replay::run_dead(which, all, how).await,
        Command::Resolve { ids, why } => {
            let words = Words { done: "resolved", named: true };
            why.perform(words, |by| Operation::ResolveDeadLetters { ids, by }).await
        }
    }
}

async fn run_list(list: List) -> anyhow::Result<ExitCode> {
    let List { source, event_type, since, until, resolved, page, stage } = list;
    let filter = DeadFilter { source, event_type, since, until, resolved };
    let operation = Operation::ListDeadLetters { filter, limit: page.limit, after: page.after };
    let Outcome::DeadLetters(letters) = Stage::open(stage.stage).await?.operate(operation).await? else {
        bail!("{}", stage::UNEXPECTED)
    };
    if page.json {
        ui::print_json(&letters)?;
    } else {
        print(&letters, clock::now())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(DeadLetters { letters, next }: &DeadLetters, now: Timestamp) -> anyhow::Result<()> {
    if letters.is_empty() {
        return ui::print("No dead letters.");
    }
    let rows = letters.iter().map(|letter| row(letter, now)).collect();
    ui::print(&ui::table(&["died", "id", "source", "type", "attempts", "error"], rows))?;
    ui::print_next(*next)
}

fn row(letter: &ExecutionSummary, now: Timestamp) -> Vec<String> {
    let resolved = if letter.resolved_at.is_some() { "(resolved) " } else { "" };
    vec![
        letter.finished_at.map_or_else(|| "-".into(), |at| when::distance(at, now)),
        letter.id.to_string(),
        letter.source.clone(),
        ui::shorten(&letter.event_type, 40),
        letter.attempt.to_string(),
        format!("{resolved}{}", ui::shorten(letter.last_error.as_deref().unwrap_or("-"), 60)),
    ]
}
