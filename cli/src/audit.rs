//! `solo audit`: who changed what by hand, and why.

use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;
use ops::{AuditEntry, AuditFilter, Operation, Outcome};
use shared::clock;

use crate::{
    stage::{self, Stage},
    ui, when,
};

const EXAMPLES: &str = "\
Examples:
  solo audit --since 1d
  solo audit --subject 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11
  solo audit --operation replay --json";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Only changes of this: an execution's or effect's id, an alert's key, a pattern.
    #[arg(long)]
    subject: Option<String>,
    /// Only this operation: replay, unlock, and so on, as the list shows them
    #[arg(long)]
    operation: Option<String>,
    /// Only by this user.
    #[arg(long)]
    actor: Option<String>,
    /// Only since: how long ago (2h, 3d), or an RFC 3339 time.
    #[arg(long, value_parser = when::parse)]
    since: Option<Timestamp>,
    /// Only before.
    #[arg(long, value_parser = when::parse)]
    until: Option<Timestamp>,
    #[command(flatten)]
    page: ui::PageArguments,
    #[command(flatten)]
    stage: stage::Arguments,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { subject, operation, actor, since, until, page, stage } = arguments;
    let filter = AuditFilter { subject, operation, actor, since, until };
    let operation = Operation::ListAudit { filter, limit: page.limit, after: page.after };
    let Outcome::Audit(found) = Stage::open(stage.stage).await?.operate(operation).await? else {
        bail!("{}", stage::UNEXPECTED)
    };
    if page.json {
        ui::print_json(&found)?;
    } else if found.entries.is_empty() {
        ui::print("No changes by hand.")?;
    } else {
        ui::print(&table(&found.entries, clock::now()))?;
        ui::print_next(found.next)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes, one a line; with an execution, too.
pub fn table(entries: &[AuditEntry], now: Timestamp) -> String {
    let rows = entries.iter().map(|entry| {
        vec![
            when::distance(entry.at, now),
            entry.actor.clone(),
            entry.operation.clone(),
            ui::shorten(&entry.subject, 60),
            ui::shorten(&entry.reason, 60),
        ]
    });
    ui::table(&["when", "who", "operation", "what", "why"], rows.collect())
}
