//! `solo replay`: handle events once more.

use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;
use ops::{Operation, Replay, ReplayFilter};
use uuid::Uuid;

use crate::{
    changes::{How, Words},
    when,
};

const EXAMPLES: &str = "\
A replay is a new generation of the same execution: its attempts begin anew, its history stays. It is
due at once; the worker runs it. What the handler wrote before stays written: a replay of a completed
execution runs the handler again on top of that.

Examples:
  solo replay 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11 --reason \"the fix is out\"
  solo replay --type invoice.paid --since 2h --dry-run
  solo replay --dead --source stripe --since 3d --yes --reason \"the fix is out\"

It fails (exit code 1) when something that was named by its id was left alone.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Nothing but dead letters.
    #[arg(long)]
    dead: bool,
    /// Also those that completed. (One that is named by its id needs no flag.)
    #[arg(long, conflicts_with = "dead")]
    completed: bool,
    /// Also those that were stored because no handler took them.
    #[arg(long, conflicts_with = "dead")]
    unhandled: bool,
    #[command(flatten)]
    how: How,
}

/// Ids, or a filter.
#[derive(clap::Args)]
#[group(skip)]
pub struct Which {
    /// The executions.
    #[arg(conflicts_with_all = ["event_type", "source", "since", "until"])]
    ids: Vec<Uuid>,
    /// All of this type of event.
    #[arg(long = "type")]
    event_type: Option<String>,
    /// All from this source: a provider's name, or `events`.
    #[arg(long)]
    source: Option<String>,
    /// All that ended since: how long ago (2h, 3d), or an RFC 3339 time.
    #[arg(long, value_parser = when::parse)]
    since: Option<Timestamp>,
    /// All that ended before.
    #[arg(long, value_parser = when::parse)]
    until: Option<Timestamp>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { which, dead, completed, unhandled, how } = arguments;
    if !dead && which.is_everything() {
        bail!("which ones? Give ids, or --type, --source, --since, --until or --dead");
    }
    replay(which, (dead, completed, unhandled), how).await
}

/// `solo dead replay`.
pub async fn run_dead(which: Which, all: bool, how: How) -> anyhow::Result<ExitCode> {
    if !all && which.is_everything() {
        bail!("which ones? Give ids, or --type, --source, --since, --until or --all");
    }
    replay(which, (true, false, false), how).await
}

async fn replay(which: Which, (dead, completed, unhandled): (bool, bool, bool), how: How) -> anyhow::Result<ExitCode> {
    let Which { ids, event_type, source, since, until } = which;
    let words = Words { done: "replayed", named: !ids.is_empty() };
    let what = ReplayFilter { ids, dead, source, event_type, since, until };
    how.perform(words, |terms| {
        let (dry_run, confirmed, by) = (terms.dry_run, terms.confirmed, terms.by);
        Operation::Replay(Replay { what: what.clone(), completed, unhandled, dry_run, confirmed, by })
    })
    .await
}

impl Which {
    fn is_everything(&self) -> bool {
        let Self { ids, event_type, source, since, until } = self;
        ids.is_empty() && event_type.is_none() && source.is_none() && since.is_none() && until.is_none()
    }
}
