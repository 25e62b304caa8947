//! `solo errors`: what fails, how often, and since when.

use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;
use ops::{ErrorDetail, ErrorFilter, ErrorPage, ErrorState, ErrorSummary, Operation, Outcome};
use shared::clock;

use crate::{
    audit,
    changes::{Why, Words},
    stage::{self, Stage},
    ui, when,
};

const EXAMPLES: &str = "\
Examples:
  solo errors list --stage production
  solo errors list --kind panic --state all
  solo errors show 3f1b7a6d
  solo errors resolve 3f1b7a6d --reason \"fixed in 0fe52b8\"";

/// How much of a fingerprint is shown in a list. The same is enough for `show` and `resolve`.
const SHORT: usize = 8;

#[derive(clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// List errors, the latest seen first: one line for each kind, with how often it was seen.
    List(List),
    /// Show one: its latest words, and where to look further.
    Show {
        /// Its fingerprint, or the first 6 characters of it or more.
        fingerprint: String,
        /// For programs: one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        stage: stage::Arguments,
    },
    /// Say that they are mended. One that comes again is open again, as a regression.
    Resolve {
        #[arg(required = true)]
        fingerprints: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(clap::Args)]
pub struct List {
    /// Which ones.
    #[arg(long, value_enum, default_value_t)]
    state: State,
    /// Only this kind.
    #[arg(long, value_parser = ["handler", "panic", "timeout", "crash", "invalid_data", "job"])]
    kind: Option<String>,
    /// Only of this handler or job.
    #[arg(long)]
    culprit: Option<String>,
    #[command(flatten)]
    page: ui::PageArguments,
    #[command(flatten)]
    stage: stage::Arguments,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum State {
    #[default]
    Open,
    Resolved,
    All,
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(list) => run_list(list).await,
        Command::Show { fingerprint, json, stage } => show(fingerprint, json, stage).await,
        Command::Resolve { fingerprints, why } => {
            let words = Words { done: "resolved", named: true };
            why.perform(words, |by| Operation::ResolveErrors { fingerprints, by }).await
        }
    }
}

async fn run_list(list: List) -> anyhow::Result<ExitCode> {
    let state = match list.state {
        State::Open => ErrorState::Open,
        State::Resolved => ErrorState::Resolved,
        State::All => ErrorState::All,
    };
    let filter = ErrorFilter { state, kind: list.kind, culprit: list.culprit };
    let operation = Operation::ListErrors { filter, limit: list.page.limit, after: list.page.after };
    let Outcome::Errors(page) = Stage::open(list.stage.stage).await?.operate(operation).await? else {
        bail!("{}", stage::UNEXPECTED)
    };
    if list.page.json {
        ui::print_json(&page)?;
    } else {
        print_page(&page, clock::now())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_page(ErrorPage { errors, next }: &ErrorPage, now: Timestamp) -> anyhow::Result<()> {
    if errors.is_empty() {
        return ui::print("No errors.");
    }
    let rows = errors.iter().map(|error| row(error, now)).collect();
    ui::print(&ui::table(&["error", "kind", "where", "times", "last seen", "release", "state", "title"], rows))?;
    ui::print_next(*next)
}

fn row(error: &ErrorSummary, now: Timestamp) -> Vec<String> {
    vec![
        error.fingerprint.chars().take(SHORT).collect(),
        error.kind.clone(),
        ui::shorten(&error.culprit, 30),
        error.count.to_string(),
        when::distance(error.last_seen, now),
        ui::shorten(error.last_release.as_deref().unwrap_or("-"), 12),
        state(error).into(),
        ui::shorten(&error.title, 60),
    ]
}

fn state(error: &ErrorSummary) -> &'static str {
    match (error.resolved_at, error.regressions) {
        (Some(_), _) => "resolved",
        (None, 0) => "open",
        (None, _) => "regression",
    }
}

async fn show(fingerprint: String, json: bool, stage: stage::Arguments) -> anyhow::Result<ExitCode> {
    let outcome = Stage::open(stage.stage).await?.operate(Operation::ShowError { fingerprint }).await?;
    let Outcome::Error { found } = outcome else { bail!("{}", stage::UNEXPECTED) };
    if json {
        ui::print_json(&found)?;
    } else {
        print_detail(&found)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_detail(detail: &ErrorDetail) -> anyhow::Result<()> {
    let summary = &detail.summary;
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let resolved = summary.resolved_at.map(|at| format!(" {} by {}", when::moment(at), or_none(&detail.resolved_by)));
    ui::print_fields(&[
        ("fingerprint", summary.fingerprint.clone()),
        ("kind", summary.kind.clone()),
        ("where", summary.culprit.clone()),
        ("title", summary.title.clone()),
        ("times", summary.count.to_string()),
        ("first seen", format!("{}, release {}", when::moment(summary.first_seen), or_none(&detail.first_release))),
        ("last seen", format!("{}, release {}", when::moment(summary.last_seen), or_none(&summary.last_release))),
        ("state", format!("{}{}", state(summary), resolved.unwrap_or_default())),
        ("regressions", summary.regressions.to_string()),
        ("told", when::moment_or_none(detail.told_at)),
        ("source", or_none(&detail.source)),
        ("type", or_none(&detail.event_type)),
        ("execution", detail.execution_id.map_or_else(|| "-".into(), |id| id.to_string())),
        ("correlation id", or_none(&detail.correlation_id)),
    ])?;
    if !detail.audit.is_empty() {
        ui::print(&format!("\n{}", audit::table(&detail.audit, clock::now())))?;
    }
    ui::print(&format!("\n{}", ui::plain(&detail.message)))
}
