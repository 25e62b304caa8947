//! `solo logs`: what the functions wrote, in the order of time; of one execution, together with what the database has of it.

mod execution;
mod follow;
mod groups;
mod line;
mod local;
mod place;
mod print;
mod remote;
mod timeline;
mod wanted;

pub use line::{Level, Line};

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use jiff::{SignedDuration, Timestamp};
use shared::clock;
use uuid::Uuid;

use crate::{
    stack,
    stage::{self, Stage},
    ui, when,
};
use follow::{Look, follow};
use local::Local;
use print::Printer;
use remote::{Found, Remote};
use wanted::Wanted;

const HELP: &str = "\
With --execution, the database's own record (attempts, effects, alerts, what people did) stands between the
lines, so one sees what happened even when the log is gone. In the cloud, --since decides how much has to be
read, and so how long it takes; logs are kept for 30 days.

Examples:
  solo logs --execution 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11
  solo logs --stage production --level error --since 2h
  solo logs --stage staging --function worker --follow
  solo logs --correlation 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c12 --json";

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Everything about this execution, from all functions.
    #[arg(long, conflicts_with_all = ["correlation", "follow"])]
    execution: Option<Uuid>,
    /// Only lines with this correlation id (the answer's header x-correlation-id).
    #[arg(long)]
    correlation: Option<String>,
    /// Only of this function; may be given several times.
    #[arg(long = "function")]
    functions: Vec<String>,
    /// How long ago, or since when: 10m, 2h, 2026-11-22T15:00:00Z (10m; a day with --correlation).
    #[arg(long, value_parser = when::parse)]
    since: Option<Timestamp>,
    /// And until when.
    #[arg(long, value_parser = when::parse, conflicts_with = "follow")]
    until: Option<Timestamp>,
    /// Only lines of this level and above.
    #[arg(long, value_enum, default_value_t = Level::Debug)]
    level: Level,
    /// Go on with what comes, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// The newest so many (1 to 10000).
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

pub async fn run(mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    let local = groups::local(&arguments.functions)?;
    let stage = Stage::open(arguments.stage.stage).await?;
    if let Stage::Dev(_) = stage {
        arguments.functions = local;
    }
    let told = match arguments.execution {
        Some(id) => execution::show(&stage, id, &arguments).await.map(|()| ExitCode::SUCCESS),
        None => of_all(&stage, &arguments).await,
    };
    ui::unless_closed(told)
}

/// Where lines are read from.
enum Source {
    Local(Local),
    Remote(Box<Remote>),
}

impl Source {
    fn open(stage: &Stage, wanted: &Wanted) -> anyhow::Result<Self> {
        Ok(match stage {
            Stage::Dev(_) => Self::Local(Local::open()?),
            Stage::Cloud(cloud) => Self::Remote(Box::new(Remote::open(cloud, wanted)?)),
        })
    }

    async fn all(&mut self, wanted: &Wanted, most: usize, now: Timestamp) -> anyhow::Result<Found> {
        match self {
            Self::Local(local) => Ok(Found { newest: local.all(wanted, most)?, unread: Vec::new() }),
            Self::Remote(remote) => remote.all(wanted, most, now).await,
        }
    }

    async fn more(&mut self, wanted: &Wanted, now: Timestamp) -> anyhow::Result<Look> {
        match self {
            Self::Local(local) => Ok(Look { lines: local.more(wanted)?, trouble: None }),
            Self::Remote(remote) => Ok(remote.more(wanted, now).await),
        }
    }

    /// Between two looks. A look at the cloud is a request for each function.
    fn pause(&self) -> Duration {
        match self {
            Self::Local(_) => Duration::from_millis(300),
            Self::Remote(_) => Duration::from_secs(3),
        }
    }
}

async fn of_all(stage: &Stage, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let usual =
        if arguments.correlation.is_some() { SignedDuration::from_hours(24) } else { SignedDuration::from_mins(10) };
    let now = clock::now();
    let wanted = wanted(arguments, now.checked_sub(usual).unwrap_or(now));
    let mut source = Source::open(stage, &wanted)?;
    let found = source.all(&wanted, arguments.limit.into(), now).await?;
    let known = arguments.correlation.iter().map(|id| ("correlation_id", id.clone())).collect();
    let mut printer = Printer::new(arguments.json, known);
    let printed = printer.found(found)?;
    if !arguments.follow {
        if printed == 0 {
            ui::note(&format!("no such line since {}", when::moment(wanted.since)));
        }
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        ended = follow(&mut source, &wanted, &mut printer) => ended,
        interrupted = stack::interrupted() => interrupted.map(|()| ExitCode::SUCCESS),
    }
}

fn wanted(arguments: &Arguments, since: Timestamp) -> Wanted {
    Wanted {
        functions: arguments.functions.iter().cloned().collect::<BTreeSet<_>>(),
        correlation_id: arguments.correlation.clone(),
        level: arguments.level,
        since: arguments.since.unwrap_or(since),
        until: arguments.until,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Cli, Command};

    /// Before anything is asked of the stage, which does not run here.
    #[tokio::test]
    async fn an_unknown_function_is_refused_for_every_stage() {
        let id = "0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11";
        for more in [&[][..], &["--follow"], &["--execution", id]] {
            let line = [&["solo", "logs", "--stage", "dev", "--function", "nobody"], more].concat();
            let Ok(Cli { command: Command::Logs(arguments) }) = Cli::try_parse_from(line) else { panic!("{more:?}") };
            let error = run(arguments).await.unwrap_err().to_string();
            assert!(
                error.starts_with("there is no function nobody; there are ") && error.contains("webhooks"),
                "{error}"
            );
        }
    }
}
