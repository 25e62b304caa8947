//! `solo logs`: what the functions wrote, in the order of time; of one execution, together with what the database has of it.

mod line;
mod local;
mod remote;
mod timeline;
mod wanted;

pub use line::{Level, Line};

use std::{collections::BTreeSet, io::Write as _, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use ops::{ExecutionDetail, Operation, Outcome};
use owo_colors::OwoColorize as _;
use shared::clock;
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    stack,
    stage::{self, Stage},
    ui, when,
};
use local::Local;
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

/// Before an execution was received: the request's own first line.
const BEFORE: SignedDuration = SignedDuration::from_secs(60);
/// After the last thing that is known of it: reports, alerts.
const AFTER: SignedDuration = SignedDuration::from_secs(600);

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

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let stage = Stage::open(arguments.stage.stage).await?;
    let told = match arguments.execution {
        Some(id) => of_execution(&stage, id, &arguments).await,
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

    async fn all(&mut self, wanted: &Wanted, most: usize) -> anyhow::Result<Found> {
        match self {
            Self::Local(local) => Ok(Found { newest: local.all(wanted, most)?, unread: Vec::new() }),
            Self::Remote(remote) => remote.all(wanted, most).await,
        }
    }

    async fn more(&mut self, wanted: &mut Wanted) -> anyhow::Result<Vec<Line>> {
        match self {
            Self::Local(local) => local.more(wanted),
            Self::Remote(remote) => remote.more(wanted).await,
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
    let mut wanted = wanted(arguments, now.checked_sub(usual).unwrap_or(now));
    let mut source = Source::open(stage, &wanted)?;
    let found = source.all(&wanted, arguments.limit.into()).await?;
    let known: &[&str] = if arguments.correlation.is_some() { &["correlation_id"] } else { &[] };
    let printed = print(found, arguments.json, known)?;
    if !arguments.follow {
        if printed == 0 {
            ui::note(&format!("no such line since {}", when::moment(wanted.since)));
        }
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        ended = follow(&mut source, &mut wanted, arguments.json, known) => ended,
        interrupted = stack::interrupted() => interrupted.map(|()| ExitCode::SUCCESS),
    }
}

/// What goes wrong while following is said, and tried again.
async fn follow(source: &mut Source, wanted: &mut Wanted, json: bool, known: &[&str]) -> anyhow::Result<ExitCode> {
    loop {
        sleep(source.pause()).await;
        match source.more(wanted).await {
            Ok(lines) => print_lines(&lines, json, known)?,
            Err(error) => ui::note(&format!("{error:#}; trying again")),
        }
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

/// The record first: it says which lines there can be, and when. A log that cannot be read is said, and the record is shown.
async fn of_execution(stage: &Stage, id: Uuid, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let outcome = stage.operate(Operation::ShowExecution { id }).await?;
    let Outcome::Execution(detail) = outcome else { bail!("{}", stage::UNEXPECTED) };
    let record = timeline::of(&detail, &alerts(stage, &detail).await?);
    let mut wanted = wanted(arguments, detail.summary.received_at.checked_sub(BEFORE)?);
    wanted.correlation_id = Some(detail.correlation_id.clone());
    let last = record.last().map_or(detail.summary.received_at, |line| line.at);
    wanted.until = wanted.until.or_else(|| last.checked_add(AFTER).ok());
    let found = async { Source::open(stage, &wanted)?.all(&wanted, arguments.limit.into()).await }.await;
    let mut found = match found {
        Ok(found) => found,
        Err(error) => {
            ui::note(&format!("without the functions' lines: {error:#}"));
            Found { newest: wanted::Newest::new(arguments.limit.into()), unread: Vec::new() }
        }
    };
    record.into_iter().filter(|line| line.level >= arguments.level).for_each(|line| found.newest.add(line));
    if !arguments.json {
        let summary = &detail.summary;
        let (kind, source) = (ui::shorten(&summary.event_type, 100), ui::shorten(&summary.source, 60));
        let day = summary.received_at.strftime("%Y-%m-%d");
        let mut out = anstream::stdout().lock();
        writeln!(out, "{} from {source}, {}, received on {day} (UTC)", kind.bold(), ui::plain(&summary.status))?;
        writeln!(out, "correlation id {}\n", ui::plain(&detail.correlation_id))?;
    }
    print(found, arguments.json, &["correlation_id", "execution_id"])?;
    if !arguments.json {
        let outlook = timeline::outlook(&detail, clock::now(), &arguments.stage.stage.option());
        writeln!(anstream::stdout().lock(), "\n{outlook}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Those that are, or were, open about its like: an alert knows no executions.
async fn alerts(stage: &Stage, detail: &ExecutionDetail) -> anyhow::Result<Vec<ops::Alert>> {
    let operation = Operation::ListAlerts { state: ops::AlertState::All, limit: 200, after: None };
    let Outcome::Alerts(page) = stage.operate(operation).await? else { bail!("{}", stage::UNEXPECTED) };
    Ok(page.alerts.into_iter().filter(|alert| timeline::is_about(alert, detail)).collect())
}

/// How many lines there were.
fn print(found: Found, json: bool, known: &[&str]) -> anyhow::Result<usize> {
    let Found { newest, unread } = found;
    let (lines, cut) = newest.in_order();
    if cut {
        ui::note(&format!("older lines are left out: these are the newest {} (--limit)", lines.len()));
    }
    print_lines(&lines, json, known)?;
    if !unread.is_empty() {
        ui::note(&format!(
            "not all was read of {}, the latest lines are missing: give a shorter time with --since and --until",
            unread.join(", ")
        ));
    }
    Ok(lines.len())
}

fn print_lines(lines: &[Line], json: bool, known: &[&str]) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    for line in lines {
        if json {
            writeln!(out, "{}", serde_json::to_string(line).context("a line is no JSON")?)?;
        } else {
            writeln!(out, "{}", line.words(known))?;
        }
    }
    Ok(out.flush()?)
}
