//! `solo watch`: the overview again and again, with the newest executions. On a terminal it is redrawn in place; anywhere else, each
//! change is a line.
//!
//! Deliberately absent: keys, panes, scrolling. What is seen here is looked into with the other commands.

use std::{
    collections::HashMap,
    io::{IsTerminal as _, Write as _, stdout},
    process::ExitCode,
    time::Duration,
};

use anyhow::bail;
use jiff::SignedDuration;
use ops::{ExecutionFilter, ExecutionSummary, Operation, Outcome};
use shared::clock;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use crate::{
    stack,
    stage::{self, Stage},
    status::{Asked, Part, Report, gather, judge, screen, words_of},
    ui,
    when::{self, distance},
};

const EXAMPLES: &str = "\
Examples:
  solo watch
  solo watch --stage production --every 10s
  solo watch --stage staging | tee -a watched.log";

/// How many executions are looked at, and shown if there is room for them.
const NEWEST: u16 = 20;
const WITHIN: Duration = Duration::from_secs(5);
/// Another buffer of the terminal, without a cursor; and back, as if nothing had been.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const END_OF_LINE: &str = "\x1b[K\n";
const REST_OF_SCREEN: &str = "\x1b[J";

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
    let every = arguments.every.unsigned_abs();
    tokio::select! {
        result = watch(stage, name, every) => ui::unless_closed(result),
        interrupted = stack::interrupted() => interrupted.map(|()| ExitCode::SUCCESS),
    }
}

async fn watch(mut stage: Stage, name: stage::Name, every: Duration) -> anyhow::Result<ExitCode> {
    let mut shown: Box<dyn Shown + Send> =
        if stdout().is_terminal() { Box::new(Screen::enter()?) } else { Box::new(Lines::default()) };
    loop {
        let next = Instant::now() + every;
        let report = gather(&stage, Asked { name, releases: false, cost: false }).await;
        // After it, not beside it: the function for operations takes two at a time, and one is for others.
        let newest = newest(&stage).await;
        let silent = newest.there().is_none();
        shown.show(&report, &newest)?;
        sleep_until(next).await;
        // The local stack may have come back elsewhere, a session may have been renewed.
        if silent && let Ok(again) = Stage::open(name).await {
            stage = again;
        }
    }
}

async fn newest(stage: &Stage) -> Part<Vec<ExecutionSummary>> {
    let operation = Operation::ListExecutions { filter: ExecutionFilter::default(), limit: NEWEST, after: None };
    let asked = async {
        match stage.operate(operation).await? {
            Outcome::Executions(page) => Ok(page.executions),
            _ => bail!("{}", stage::UNEXPECTED),
        }
    };
    match timeout(WITHIN, asked).await {
        Ok(Ok(executions)) => Part::There(executions),
        Ok(Err(error)) => Part::Missing { problem: format!("{error:#}") },
        Err(_) => Part::Missing { problem: format!("no answer within {} s", WITHIN.as_secs()) },
    }
}

/// Where it is seen.
trait Shown {
    fn show(&mut self, report: &Report, newest: &Part<Vec<ExecutionSummary>>) -> anyhow::Result<()>;
}

/// The terminal, as it is left when this is dropped.
struct Screen;

impl Screen {
    fn enter() -> anyhow::Result<Self> {
        control(ENTER)?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is there any more to be told.
        let _ = control(LEAVE);
    }
}

/// Past anstream, which takes everything but text out when no colours are wanted.
fn control(text: &str) -> std::io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

impl Shown for Screen {
    fn show(&mut self, report: &Report, newest: &Part<Vec<ExecutionSummary>>) -> anyhow::Result<()> {
        let (width, height) = ui::size();
        let text = screen(report, &judge(report), width) + "\n" + &executions(newest, width);
        control(HOME)?;
        // The last line of a terminal scrolls it when it ends.
        for line in text.lines().take(height.saturating_sub(1)) {
            anstream::print!("{line}");
            control(END_OF_LINE)?;
        }
        control(REST_OF_SCREEN)?;
        Ok(())
    }
}

fn executions(newest: &Part<Vec<ExecutionSummary>>, width: usize) -> String {
    let executions = match newest {
        Part::There(executions) if executions.is_empty() => return "No executions yet.".into(),
        Part::There(executions) => executions,
        Part::Missing { problem } => return format!("Executions: not known: {}", ui::shorten(problem, width)),
    };
    let now = clock::now();
    let row = |it: &ExecutionSummary| {
        vec![
            distance(it.received_at, now),
            ui::shorten(&it.source, 16),
            ui::shorten(&it.event_type, 32),
            ui::shorten(&it.status, 12),
            it.id.to_string(),
        ]
    };
    ui::table(&["received", "source", "type", "status", "id"], executions.iter().map(row).collect())
}

/// One line for each change.
#[derive(Default)]
struct Lines {
    words: String,
    problem: Option<String>,
    /// What was told of the executions that are the newest.
    told: Option<HashMap<Uuid, String>>,
}

impl Shown for Lines {
    fn show(&mut self, report: &Report, newest: &Part<Vec<ExecutionSummary>>) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        for line in self.changes(report, newest) {
            writeln!(out, "{} {line}", when::moment(report.at))?;
        }
        Ok(out.flush()?)
    }
}

impl Lines {
    /// What is there at the first look is no change, but for the overview.
    fn changes(&mut self, report: &Report, newest: &Part<Vec<ExecutionSummary>>) -> Vec<String> {
        let mut lines = Vec::new();
        let words = words_of(report);
        if words != self.words {
            self.words.clone_from(&words);
            lines.push(words);
        }
        match newest {
            Part::Missing { problem } => {
                if self.problem.as_ref() != Some(problem) {
                    lines.push(format!("executions: not known: {}", ui::shorten(problem, 300)));
                }
                self.problem = Some(problem.clone());
            }
            Part::There(executions) => {
                self.problem = None;
                let state = |it: &ExecutionSummary| {
                    format!("{} attempt {} of generation {}", it.status, it.attempt, it.generation)
                };
                let now: HashMap<_, _> = executions.iter().map(|it| (it.id, state(it))).collect();
                if let Some(told) = &self.told {
                    let changed = executions.iter().rev().filter(|it| told.get(&it.id) != now.get(&it.id));
                    lines.extend(changed.map(line));
                }
                self.told = Some(now);
            }
        }
        lines
    }
}

fn line(it: &ExecutionSummary) -> String {
    let error = it
        .last_error
        .as_deref()
        .filter(|_| it.status != "completed")
        .map(|error| format!(": {}", ui::shorten(error, 120)));
    let (source, kind, status) =
        (ui::shorten(&it.source, 40), ui::shorten(&it.event_type, 60), ui::shorten(&it.status, 20));
    format!("{source} {kind} {} {status}{}", it.id, error.unwrap_or_default())
}

#[cfg(test)]
mod tests;
