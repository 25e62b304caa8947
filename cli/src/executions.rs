//! `solo executions`: what came in, and what became of it.

use std::process::ExitCode;

use anyhow::bail;
use ops::{Attempt, Cursor, ExecutionDetail, ExecutionFilter, ExecutionSummary, Operation, Outcome, Page, PageToken};
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
                print_page(&page)?;
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
        ui::print(&described(&detail)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_page(page: &Page) -> anyhow::Result<()> {
    if page.executions.is_empty() {
        return ui::print("No executions.");
    }
    let rows = page.executions.iter().map(row).collect();
    ui::print(&ui::table(&["received", "id", "source", "type", "status", "attempts", "handler"], rows))?;
    ui::print_next(page.next.map(|PageToken { received_at, id }| Cursor { at: received_at, id }))
}

fn row(execution: &ExecutionSummary) -> Vec<String> {
    vec![
        moment(execution.received_at),
        execution.id.to_string(),
        execution.source.clone(),
        execution.event_type.clone(),
        status(execution),
        execution.attempt.to_string(),
        execution.handler.clone().unwrap_or_else(|| "-".into()),
    ]
}

/// Also whether it still waits for a person: nobody is waited for when a dead letter was resolved.
pub fn status(execution: &ExecutionSummary) -> String {
    let resolved = if execution.resolved_at.is_some() { ", resolved" } else { "" };
    format!("{}{resolved}", execution.status)
}

fn described(detail: &ExecutionDetail) -> anyhow::Result<String> {
    let mut parts = vec![fields(detail)];
    if !detail.attempts.is_empty() {
        let rows = detail.attempts.iter().map(attempt_row).collect();
        parts.push(ui::table(&["generation", "attempt", "started", "took", "outcome", "error"], rows));
    }
    if !detail.effects.is_empty() {
        parts.push(outbox::table(&detail.effects, clock::now()));
    }
    if !detail.audit.is_empty() {
        parts.push(audit::table(&detail.audit, clock::now()));
    }
    parts.push(if detail.payload.is_null() {
        "Its payload was cleared after the time that [retention] in solo.toml keeps it.".into()
    } else {
        ui::json(&detail.payload)?
    });
    Ok(parts.join("\n\n"))
}

fn fields(detail: &ExecutionDetail) -> String {
    let summary = &detail.summary;
    let resolved = summary.resolved_at.map(|at| format!(", resolved {}", moment(at))).unwrap_or_default();
    let no_handler = if summary.status == "completed" { "none for this type" } else { "-" };
    ui::fields(&[
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
    ])
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11";

    fn a_dead_one(payload: &Value) -> ExecutionDetail {
        let at = "2026-11-20T08:00:00Z";
        let attempt =
            json!({"attempt": 1, "started_at": at, "finished_at": at, "outcome": "failed", "error": "no\u{9b}2J"});
        let detail = json!({
            "id": ID, "source": "stripe", "event_type": "invoice.paid", "key": "k", "status": "dead", "handler": null,
            "attempt": 1, "received_at": at, "next_attempt_at": null, "finished_at": at,
            "last_error": "no luck\nstatus          completed\u{202e}", "correlation_id": "c", "schema_version": 1,
            "occurred_at": null, "lease_until": null, "attempts": [attempt], "payload": payload,
        });
        serde_json::from_value(detail).unwrap()
    }

    #[test]
    fn a_payload_steers_no_terminal_and_an_error_forges_no_field() {
        let payload = json!({"na\u{9b}me": "a\u{9b}2J\u{7f}\u{202e}", "n": 1});
        let text = described(&a_dead_one(&payload)).unwrap();
        let steers = |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
        assert!(!text.chars().any(steers), "{text:?}");
        assert_eq!(text.lines().filter(|line| line.starts_with("status")).count(), 1, "{text}");
        let shown = text.rsplit("\n\n").next().unwrap();
        assert_eq!(serde_json::from_str::<Value>(shown).unwrap(), payload, "it is the payload still");
        assert!(described(&a_dead_one(&Value::Null)).unwrap().ends_with("keeps it."));
    }

    #[test]
    fn a_dead_letter_that_was_resolved_says_so_in_the_list() {
        let mut letter = a_dead_one(&Value::Null).summary;
        assert_eq!(row(&letter)[4], "dead");
        letter.resolved_at = Some(letter.received_at);
        assert_eq!(row(&letter)[4], "dead, resolved");
    }
}
