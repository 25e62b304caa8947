//! `solo status`: how a stage does, on one screen, and what needs a person.

mod alarms;
mod cost;
mod gather;
mod health;
mod judge;
mod show;

pub use gather::{Asked, Part, Report, gather};
pub use judge::{Verdict, judge};
pub use show::{screen, words_of};

use std::process::ExitCode;

use crate::{
    stage::{self, Stage},
    ui,
};

const HELP: &str = "\
Exit code: 0 when all is well, 1 when something needs a person, 2 when the stage, or its alarms, could not be asked.

Of a stage in the cloud, it also has the alarms that ring, the release of each function, and what the account has cost
this month, as the stage's budget has it. Nobody charges for the question.

Examples:
  solo status
  solo status --stage production
  solo status --stage production --json";

/// The stage could not be asked.
const UNKNOWN: u8 = 2;

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

pub async fn run(Arguments { json, stage }: Arguments) -> anyhow::Result<ExitCode> {
    let name = stage.stage;
    let opened = match Stage::open(name).await {
        Ok(opened) => opened,
        Err(error) => {
            ui::fail(&error);
            return Ok(ExitCode::from(UNKNOWN));
        }
    };
    let report = gather(&opened, Asked { name, alarms: true, account: true }).await;
    let judged = judge(&report);
    if json {
        ui::print_json(&serde_json::json!({"verdict": judged.verdict, "matters": judged.matters, "report": report}))?;
    } else {
        anstream::print!("{}", screen(&report, &judged, ui::size().0));
    }
    Ok(match judged.verdict {
        Verdict::Well => ExitCode::SUCCESS,
        Verdict::NeedsYou => ExitCode::FAILURE,
        Verdict::Unknown => ExitCode::from(UNKNOWN),
    })
}
