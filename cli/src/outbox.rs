//! `solo outbox`: what leaves the system, and what could not.

use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;
use ops::{EffectDetail, EffectFilter, EffectPage, EffectSummary, Operation, Outcome, RetryEffects};
use shared::clock;
use uuid::Uuid;

use crate::{
    changes::{How, Words},
    stage::{self, Stage},
    ui, when,
};

const EXAMPLES: &str = "\
Examples:
  solo outbox list --status dead
  solo outbox show 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11
  solo outbox retry 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11 --reason \"their API is back\"
  solo outbox retry --destination api.example.com --yes --reason \"their API is back\"";

#[derive(clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// List effects (requests, messages), newest first.
    List(List),
    /// Show one with what is sent, and the latest answer.
    Show {
        id: Uuid,
        /// For programs: one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        stage: stage::Arguments,
    },
    /// Send dead effects once more. The other side gets the same idempotency key as before.
    Retry {
        #[arg(conflicts_with = "destination")]
        ids: Vec<Uuid>,
        /// All dead ones for this host or channel.
        #[arg(long)]
        destination: Option<String>,
        #[command(flatten)]
        how: How,
    },
}

#[derive(clap::Args)]
pub struct List {
    /// Only this status.
    #[arg(long, value_parser = ["pending", "sent", "failed", "delivered", "dead"])]
    status: Option<String>,
    /// Only for this host or channel.
    #[arg(long)]
    destination: Option<String>,
    #[command(flatten)]
    page: ui::PageArguments,
    #[command(flatten)]
    stage: stage::Arguments,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(list) => run_list(list).await,
        Command::Show { id, json, stage } => {
            let outcome = Stage::open(stage.stage).await?.operate(Operation::ShowEffect { id }).await?;
            let Outcome::Effect(detail) = outcome else { bail!("{}", stage::UNEXPECTED) };
            if json {
                ui::print_json(&detail)?;
            } else {
                ui::print(&described(&detail)?)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Retry { ids, destination, how } => {
            if ids.is_empty() && destination.is_none() {
                bail!("which ones? Give ids, or --destination");
            }
            let words = Words { done: "put back", named: !ids.is_empty() };
            how.perform(words, |terms| {
                let (ids, destination) = (ids.clone(), destination.clone());
                let (dry_run, confirmed, by) = (terms.dry_run, terms.confirmed, terms.by);
                Operation::RetryEffects(RetryEffects { ids, destination, dry_run, confirmed, by })
            })
            .await
        }
    }
}

async fn run_list(list: List) -> anyhow::Result<ExitCode> {
    let filter = EffectFilter { status: list.status, destination: list.destination };
    let operation = Operation::ListEffects { filter, limit: list.page.limit, after: list.page.after };
    let Outcome::Effects(page) = Stage::open(list.stage.stage).await?.operate(operation).await? else {
        bail!("{}", stage::UNEXPECTED)
    };
    if list.page.json {
        ui::print_json(&page)?;
    } else {
        print_page(&page)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_page(EffectPage { effects, next }: &EffectPage) -> anyhow::Result<()> {
    if effects.is_empty() {
        return ui::print("No effects.");
    }
    ui::print(&table(effects, clock::now()))?;
    ui::print_next(*next)
}

/// Effects, one a line; with an execution, too.
pub fn table(effects: &[EffectSummary], now: Timestamp) -> String {
    let rows = effects.iter().map(|effect| {
        let answer = effect.response_status.map(|status| status.to_string()).unwrap_or_default();
        vec![
            when::distance(effect.created_at, now),
            effect.id.to_string(),
            effect.kind.clone(),
            ui::shorten(&effect.destination, 40),
            effect.status.clone(),
            effect.attempts.to_string(),
            answer,
            ui::shorten(effect.last_error.as_deref().unwrap_or_default(), 50),
        ]
    });
    ui::table(&["created", "id", "kind", "for", "status", "attempts", "answer", "error"], rows.collect())
}

fn described(detail: &EffectDetail) -> anyhow::Result<String> {
    let summary = &detail.summary;
    let fields = ui::fields(&[
        ("id", summary.id.to_string()),
        ("execution", summary.execution_id.map_or_else(|| "none: the platform's own".into(), |id| id.to_string())),
        ("kind", summary.kind.clone()),
        ("for", summary.destination.clone()),
        ("status", summary.status.clone()),
        ("key", detail.key.clone()),
        ("created", when::moment(summary.created_at)),
        ("on the queue", format!("{} times; again at {}", summary.relays, when::moment_or_none(summary.relay_at))),
        ("tried", format!("{} times", summary.attempts)),
        ("finished", when::moment_or_none(summary.finished_at)),
        ("correlation id", detail.correlation_id.clone()),
        ("last error", summary.last_error.clone().unwrap_or_else(|| "-".into())),
        ("answer", summary.response_status.map_or_else(|| "-".into(), |status| status.to_string())),
        ("its body", detail.response_body.clone().unwrap_or_else(|| "-".into())),
    ]);
    Ok(format!("{fields}\n\n{}", ui::json(&detail.effect)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is sent is made of what came in, and an answer is a stranger's.
    #[test]
    fn an_effect_steers_no_terminal_and_an_answer_forges_no_field() {
        let detail = json!({
            "id": Uuid::nil(), "execution_id": null, "kind": "http", "destination": "api.example.com", "status": "dead",
            "created_at": "2026-11-20T08:00:00Z", "relay_at": null, "relays": 1, "attempts": 1, "finished_at": null,
            "response_status": 500, "last_error": null, "key": "k", "correlation_id": "c",
            "response_body": "no\nstatus          delivered\u{9b}2J", "effect": {"body": "a\u{9b}2J\u{7f}"},
        });
        let text = described(&serde_json::from_value(detail).unwrap()).unwrap();
        assert!(!text.chars().any(|character| character != '\n' && character.is_control()), "{text:?}");
        assert_eq!(text.lines().filter(|line| line.starts_with("status")).count(), 1, "{text}");
        assert!(text.ends_with("{\n  \"body\": \"a\\u009b2J\\u007f\"\n}"), "{text}");
    }
}
