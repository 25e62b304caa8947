//! `solo executions`: what came in, and what became of it.

use std::process::ExitCode;

use anyhow::bail;
use ops::{Attempt, ExecutionDetail, ExecutionFilter, ExecutionSummary, Operation, Outcome, Page, PageToken};
use shared::clock;
use uuid::Uuid;

use crate::{
    audit, outbox,
    stage::{self, Stage},
    ui,
    when::{moment, moment_or_none},
};

#[derive(clap::Subcommand)]
pub enum Command {
    /// List executions, newest first.
    List(List),
    /// Show one execution with its attempts and its payload.
    Show(Show),
}

#[derive(clap::Args)]
pub struct Show {
    id: Uuid,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
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
            let Outcome::Executions(page) = Stage::open(list.stage.stage).await?.operate(operation).await? else {
                bail!("{}", stage::UNEXPECTED)
            };
            if list.json {
                ui::print_json(&page)?;
            } else {
                print_page(&page);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Show(arguments) => show(arguments).await,
    }
}

/// `solo dead show`, too.
pub async fn show(Show { id, json, stage }: Show) -> anyhow::Result<ExitCode> {
    let outcome = Stage::open(stage.stage).await?.operate(Operation::ShowExecution { id }).await?;
    let Outcome::Execution(detail) = outcome else { bail!("{}", stage::UNEXPECTED) };
    if json {
        ui::print_json(&detail)?;
    } else {
        print_detail(&detail)?;
    }
    Ok(ExitCode::SUCCESS)
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
    let resolved = summary.resolved_at.map(|at| format!(", resolved {}", moment(at))).unwrap_or_default();
    let no_handler = if summary.status == "completed" { "none for this type" } else { "-" };
    ui::print_fields(&[
        ("id", summary.id.to_string()),
        ("source", summary.source.clone()),
        ("key", summary.key.clone()),
        ("type", format!("{} (version {})", summary.event_type, detail.schema_version)),
        ("handler", summary.handler.clone().unwrap_or_else(|| no_handler.into())),
        ("status", format!("{}{resolved}", summary.status)),
        ("generation", summary.generation.to_string()),
        ("occurred", moment_or_none(detail.occurred_at)),
        ("received", moment(summary.received_at)),
        ("finished", moment_or_none(summary.finished_at)),
        ("lease until", moment_or_none(detail.lease_until)),
        ("next attempt", moment_or_none(summary.next_attempt_at)),
        ("correlation id", detail.correlation_id.clone()),
        ("last error", summary.last_error.clone().unwrap_or_else(|| "-".into())),
    ]);
    if !detail.attempts.is_empty() {
        let rows = detail.attempts.iter().map(attempt_row).collect();
        println!("\n{}", ui::table(&["generation", "attempt", "started", "took", "outcome", "error"], rows));
    }
    if !detail.effects.is_empty() {
        println!("\n{}", outbox::table(&detail.effects, clock::now()));
    }
    if !detail.audit.is_empty() {
        println!("\n{}", audit::table(&detail.audit, clock::now()));
    }
    if detail.payload.is_null() {
        println!("\nIts payload was cleared after the time that [retention] in solo.toml keeps it.");
    } else {
        println!("\n{}", serde_json::to_string_pretty(&detail.payload)?);
    }
    Ok(())
}

fn attempt_row(attempt: &Attempt) -> Vec<String> {
    let took = attempt.finished_at.duration_since(attempt.started_at).as_millis();
    vec![
        attempt.generation.to_string(),
        attempt.attempt.to_string(),
        moment(attempt.started_at),
        format!("{took} ms"),
        attempt.outcome.clone(),
        attempt.error.clone().unwrap_or_default(),
    ]
}

fn parse_token(text: &str) -> Result<PageToken, String> {
    ui::parse_cursor(text).map(|cursor| PageToken { received_at: cursor.at, id: cursor.id })
}
