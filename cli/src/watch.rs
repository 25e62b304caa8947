//! `solo watch`: the overview again and again, with the executions that are the newest or were just replayed. On a terminal it is
//! redrawn in place, and cut to fit; anywhere else, each change is a line.
//!
//! Deliberately absent: keys, panes, scrolling. What is seen here is looked into with the other commands.

mod lines;
mod look;
mod screen;

use std::{
    io::{IsTerminal as _, stdout},
    process::ExitCode,
    time::Duration,
};

use jiff::SignedDuration;
use tokio::time::{Instant, sleep_until};

use crate::{
    stack,
    stage::{self, Stage},
    status::{Asked, Part, Report, gather},
    ui, when,
};
use lines::Lines;
use look::{Replays, Seen};
use screen::Screen;

const EXAMPLES: &str = "\
Examples:
  solo watch
  solo watch --stage production --every 10s
  solo watch --stage staging | tee -a watched.log";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// How often to look: 2s, 1m (at least 1s).
    #[arg(long, default_value = "2s", value_parser = every)]
    every: SignedDuration,
    #[command(flatten)]
    stage: stage::Arguments,
}

fn every(text: &str) -> Result<SignedDuration, String> {
    let every = when::parse_duration(text)?;
    if every < SignedDuration::from_secs(1) { Err("look once a second at most".into()) } else { Ok(every) }
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let name = arguments.stage.stage;
    // Said once, and not again and again, when there is nothing to watch.
    let stage = Stage::open(name).await?;
    tokio::select! {
        result = watch(stage, name, arguments.every) => ui::unless_closed(result),
        interrupted = stack::interrupted() => interrupted.map(|()| ExitCode::SUCCESS),
    }
}

/// Alarms look at a minute or more, and each question is one of a million a month that are free.
const ALARMS_EVERY: Duration = Duration::from_secs(30);

async fn watch(mut stage: Stage, name: stage::Name, every: SignedDuration) -> anyhow::Result<ExitCode> {
    let mut shown: Box<dyn Shown + Send> =
        if stdout().is_terminal() { Box::new(Screen::enter()?) } else { Box::new(Lines::default()) };
    let mut replays = Replays::new(every);
    let (mut asked_at, mut alarms) = (None, None);
    loop {
        let next = Instant::now() + every.unsigned_abs();
        let ask = asked_at.is_none_or(|at: Instant| at.elapsed() >= ALARMS_EVERY);
        let mut report = gather(&stage, Asked { name, alarms: ask, account: false }).await;
        if ask {
            (asked_at, alarms) = (Some(Instant::now()), report.alarms.clone());
        }
        report.alarms.clone_from(&alarms);
        // After it, not beside it: the function for operations takes two at a time, and one is for others.
        let seen = replays.look(&stage).await;
        let silent = seen.there().is_none();
        shown.show(&report, &seen)?;
        sleep_until(next).await;
        // The local stack may have come back elsewhere, a session may have been renewed.
        if silent && let Ok(again) = Stage::open(name).await {
            stage = again;
        }
    }
}

/// Where it is seen.
trait Shown {
    fn show(&mut self, report: &Report, seen: &Part<Seen>) -> anyhow::Result<()>;
}

#[cfg(test)]
mod tests;
