//! `solo review`: the monthly review, as a page to read with a coffee.

use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;
use ops::{Operation, Outcome, ReviewDetail, ReviewFinding};
use owo_colors::OwoColorize as _;
use serde_json::Value;
use shared::clock;
use uuid::Uuid;

use crate::{
    stage::{self, Stage},
    ui, when,
};

const EXAMPLES: &str = "\
Examples:
  solo review --stage production
  solo review list
  solo review show 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11 --json
  solo jobs run review        # makes one now";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    newest: How,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the reviews, newest first.
    List {
        #[command(flatten)]
        page: ui::PageArguments,
        #[command(flatten)]
        stage: stage::Arguments,
    },
    /// Show one: what to do, and the month in figures.
    Show {
        /// Its id, as `list` shows it.
        id: Uuid,
        #[command(flatten)]
        how: How,
    },
}

#[derive(clap::Args)]
#[group(skip)]
struct How {
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: stage::Arguments,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        None => show(None, arguments.newest).await,
        Some(Command::Show { id, how }) => show(Some(id), how).await,
        Some(Command::List { page, stage }) => list(page, stage).await,
    }
}

async fn list(page: ui::PageArguments, stage: stage::Arguments) -> anyhow::Result<ExitCode> {
    let operation = Operation::ListReviews { limit: page.limit, after: page.after };
    let Outcome::Reviews(found) = Stage::open(stage.stage).await?.operate(operation).await? else {
        bail!("{}", stage::UNEXPECTED)
    };
    if page.json {
        ui::print_json(&found)?;
    } else if found.reviews.is_empty() {
        ui::print("No reviews yet. `solo jobs run review` makes one.")?;
    } else {
        let now = clock::now();
        let rows = found.reviews.iter().map(|review| {
            let (findings, pressing) = (review.findings.to_string(), review.pressing.to_string());
            vec![when::distance(review.at, now), review.period.clone(), findings, pressing, review.id.to_string()]
        });
        ui::print(&ui::table(&["made", "period", "findings", "to do", "id"], rows.collect()))?;
        ui::print_next(found.next)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(id: Option<Uuid>, how: How) -> anyhow::Result<ExitCode> {
    let outcome = Stage::open(how.stage.stage).await?.operate(Operation::ShowReview { id }).await?;
    let Outcome::Review(review) = outcome else { bail!("{}", stage::UNEXPECTED) };
    if how.json {
        ui::print_json(&review)?;
    } else {
        ui::print(&page(&review, clock::now()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole page, with colours.
fn page(review: &ReviewDetail, now: Timestamp) -> String {
    let made = format!("{}, {}", when::moment(review.at), when::distance(review.at, now));
    let title = format!("Review of {}", ui::one_line(&review.period));
    let (urgent, rest): (Vec<_>, Vec<_>) = review.findings.iter().partition(|finding| finding.severity != "info");
    let mut lines = vec![String::new(), title.bold().to_string(), made.dimmed().to_string()];
    if review.findings.is_empty() {
        lines.extend([String::new(), format!("  {} Nothing to do. Enjoy the month.", "✓".green())]);
    }
    lines.extend(section("To do", &urgent));
    lines.extend(section("Good to know", &rest));
    lines.extend([String::new(), "The month".bold().to_string()]);
    lines.extend(
        figures(&review.figures).iter().map(|(name, value)| format!("  {name:<14} {}", ui::indented(value, 17))),
    );
    let tables = tables(&review.figures);
    if !tables.is_empty() {
        lines.extend([String::new(), "The largest tables".bold().to_string()]);
        lines.extend(ui::table(&["table", "size", "grown"], tables).lines().map(|line| format!("  {line}")));
    }
    lines.join("\n") + "\n"
}

fn section(heading: &str, findings: &[&ReviewFinding]) -> Vec<String> {
    if findings.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), heading.bold().to_string()];
    for finding in findings {
        let mark = match finding.severity.as_str() {
            "critical" => "✗".red().to_string(),
            "info" => "·".dimmed().to_string(),
            _ => "!".yellow().to_string(),
        };
        lines.push(format!("  {mark} {:<14} {}", ui::one_line(&finding.area), ui::indented(&finding.what, 19)));
        lines.push(format!("    {:<14} {} {}", "", "→".dimmed(), ui::indented(&finding.todo, 21).cyan()));
    }
    lines
}

/// What the figures say, those that are there: a stage may be older or newer than this program.
fn figures(figures: &Value) -> Vec<(&'static str, String)> {
    let number = |name: &str| figures.get(name).and_then(Value::as_i64);
    let time = |name: &str| {
        let time = figures.get(name).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
        time.map(|time| time.strftime("%Y-%m-%d").to_string())
    };
    let mut shown = Vec::new();
    if let Some(events) = number("events") {
        shown.push(("events", format!("{events}, {} of them dead", number("events_dead").unwrap_or(0))));
    }
    if let Some(deployments) = number("deployments") {
        let (bad, back) = (number("deployments_bad").unwrap_or(0), number("rollbacks").unwrap_or(0));
        shown.push(("deployments", format!("{deployments}, {bad} did not succeed; {back} rollbacks by hand")));
    }
    if let Some(alerts) = number("alerts") {
        let noisiest = figures.get("noisiest").and_then(Value::as_array).into_iter().flatten();
        let named = noisiest.map(|noise| format!("{} ({}x)", noise["key"].as_str().unwrap_or("?"), noise["times"]));
        let named = named.collect::<Vec<_>>().join(", ");
        shown.push(("alerts", if named.is_empty() { alerts.to_string() } else { format!("{alerts}: {named}") }));
    }
    if let Some(failures) = number("job_failures") {
        shown.push(("failed jobs", failures.to_string()));
    }
    shown.push(("last backup", time("last_backup").unwrap_or_else(|| "never".into())));
    shown.push(("last drill", time("last_drill").unwrap_or_else(|| "never".into())));
    shown.push((
        "app's secret",
        time("secret_changed").map_or_else(|| "age not known".into(), |at| format!("changed {at}")),
    ));
    if let Some(size) = number("database_bytes") {
        let grown = number("database_grown").map(|grown| format!(", {}", growth(grown))).unwrap_or_default();
        let since = time("compared_with").map(|at| format!(" since {at}")).unwrap_or_default();
        shown.push(("database", format!("{}{grown}{since}", bytes(size))));
    }
    shown
}

fn tables(figures: &Value) -> Vec<Vec<String>> {
    let tables = figures.get("tables").and_then(Value::as_array).into_iter().flatten().take(5);
    tables
        .map(|table| {
            let name = table["table"].as_str().unwrap_or("?").to_owned();
            let grown = table["grown"].as_i64().map_or_else(|| "-".to_owned(), growth);
            vec![name, bytes(table["bytes"].as_i64().unwrap_or(0)), grown]
        })
        .collect()
}

fn growth(count: i64) -> String {
    if count < 0 { bytes(count) } else { format!("+{}", bytes(count)) }
}

fn bytes(count: i64) -> String {
    let size = indicatif::DecimalBytes(count.unsigned_abs()).to_string();
    if count < 0 { format!("-{size}") } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn review(findings: Vec<ReviewFinding>, figures: Value) -> ReviewDetail {
        let (at, period) = (Timestamp::UNIX_EPOCH, "1969-12-02 to 1970-01-01".to_owned());
        ReviewDetail { id: Uuid::nil(), at, period, findings, figures }
    }

    fn shown(review: &ReviewDetail) -> String {
        anstream::adapter::strip_str(&page(review, Timestamp::UNIX_EPOCH)).to_string()
    }

    #[test]
    fn a_page_has_what_to_do_first_then_the_month() {
        let finding = |severity: &str, what: &str| ReviewFinding {
            area: "secrets".into(),
            severity: severity.into(),
            what: what.into(),
            todo: "rotate".into(),
        };
        let figures = json!({"events": 7, "events_dead": 1, "database_bytes": 8_100_000, "database_grown": -1_000_000,
                             "tables": [{"table": "executions", "bytes": 5_000_000, "grown": 2_000_000}],
                             "alerts": 3, "noisiest": [{"key": "k", "times": 12}], "last_backup": "2026-11-22T01:30:00Z"});
        let text = shown(&review(vec![finding("warning", "it is old"), finding("info", "by the way\u{1b}")], figures));
        let places = [
            "Review of",
            "To do",
            "it is old",
            "→ rotate",
            "Good to know",
            "by the way\u{fffd}",
            "The month",
            "7, 1 of them dead",
            "3: k (12x)",
            "2026-11-22",
            "never",
            "8.10 MB, -1.00 MB",
            "executions",
            "+2.00 MB",
        ]
        .map(|part| text.find(part).unwrap_or_else(|| panic!("{part} in {text}")));
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn a_page_of_an_unknown_stage_is_a_page() {
        assert!(shown(&review(Vec::new(), json!({}))).contains("Nothing to do"));
        assert!(shown(&review(Vec::new(), json!({"tables": [{}], "noisiest": 3, "alerts": "x"}))).contains("never"));
    }
}
