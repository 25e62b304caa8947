//! `solo executions`: what came in, and what became of it.

use std::process::ExitCode;

use jiff::Timestamp;
use ops::{ExecutionDetail, ExecutionFilter, ExecutionSummary, Operation, Outcome, Page, PageToken};
use uuid::Uuid;

use crate::{
    stage::{self, Stage},
    ui,
};

#[derive(clap::Subcommand)]
pub enum Command {
    /// List executions, newest first.
    List(List),
    /// Show one execution with its attempts and its payload.
    Show {
        id: Uuid,
        /// For programs: one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        stage: stage::Arguments,
    },
}

#[derive(clap::Args)]
pub struct List {
    /// Only this status.
    #[arg(long, value_parser = ["processing", "completed", "failed", "dead"])]
    status: Option<String>,
    /// Only from this source: a provider's name, or `events`.
    #[arg(long)]
    source: Option<String>,
    /// Only this type of event.
    #[arg(long = "type")]
    event_type: Option<String>,
    /// How many at most (1 to 200).
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Go on where the page before ended: what it printed as the next page.
    #[arg(long, value_parser = parse_token)]
    after: Option<PageToken>,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(list) => {
            let filter = ExecutionFilter { status: list.status, source: list.source, event_type: list.event_type };
            let operation = Operation::ListExecutions { filter, limit: list.limit, after: list.after };
            if let Outcome::Executions(page) = Stage::open(list.stage.stage)?.operate(operation).await? {
                if list.json { print_json(&page)? } else { print_page(&page) }
            }
        }
        Command::Show { id, json, stage } => {
            let operation = Operation::ShowExecution { id };
            if let Outcome::Execution(detail) = Stage::open(stage.stage)?.operate(operation).await? {
                if json { print_json(&detail)? } else { print_detail(&detail)? }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn print_page(page: &Page) {
    if page.executions.is_empty() {
        println!("No executions.");
        return;
    }
    let rows = page.executions.iter().map(row).collect();
    println!("{}", ui::table(&["received", "id", "source", "type", "status", "attempts", "handler"], rows));
    if let Some(next) = page.next {
        println!("More: --after {}/{}", next.received_at, next.id);
    }
}

fn row(execution: &ExecutionSummary) -> Vec<String> {
    vec![
        moment(execution.received_at),
        execution.id.to_string(),
        execution.source.clone(),
        execution.event_type.clone(),
        execution.status.clone(),
        execution.attempt.to_string(),
        execution.handler.clone().unwrap_or_else(|| "-".into()),
    ]
}

fn print_detail(detail: &ExecutionDetail) -> anyhow::Result<()> {
    let summary = &detail.summary;
    let or_none = |time: Option<Timestamp>| time.map_or_else(|| "-".into(), moment);
    for (name, value) in [
        ("id", summary.id.to_string()),
        ("source", summary.source.clone()),
        ("key", summary.key.clone()),
        ("type", format!("{} (version {})", summary.event_type, detail.schema_version)),
        ("handler", summary.handler.clone().unwrap_or_else(|| "none for this type".into())),
        ("status", summary.status.clone()),
        ("occurred", or_none(detail.occurred_at)),
        ("received", moment(summary.received_at)),
        ("finished", or_none(summary.finished_at)),
        ("next attempt", or_none(summary.next_attempt_at)),
        ("correlation id", detail.correlation_id.clone()),
        ("last error", summary.last_error.clone().unwrap_or_else(|| "-".into())),
    ] {
        println!("{name:<15} {value}");
    }
    if !detail.attempts.is_empty() {
        let rows = detail.attempts.iter().map(|attempt| {
            let took = attempt.finished_at.duration_since(attempt.started_at).as_millis();
            let error = attempt.error.clone().unwrap_or_default();
            vec![
                attempt.attempt.to_string(),
                moment(attempt.started_at),
                format!("{took} ms"),
                attempt.outcome.clone(),
                error,
            ]
        });
        println!("\n{}", ui::table(&["attempt", "started", "took", "outcome", "error"], rows.collect()));
    }
    println!("\n{}", serde_json::to_string_pretty(&detail.payload)?);
    Ok(())
}

/// To the second, in UTC.
fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn parse_token(text: &str) -> Result<PageToken, String> {
    let parts = text.split_once('/').and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
    let (received_at, id) = parts.ok_or("it is what the page before printed after --after")?;
    Ok(PageToken { received_at, id })
}
