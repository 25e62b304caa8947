//! What the functions do: a backup, a drill, pruning.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use backup::retention::{self, Made, Plan};
use ops::{JobRun, Operation, Outcome};
use serde_json::{Map, Value, json};
use shared::{clock, jobs::find};

use super::{StageArguments, Which, progress::Bar, source};
use crate::{
    jobs::follow,
    stage::{self, Stage},
    ui,
};

#[derive(clap::Args)]
pub struct Run {
    #[command(flatten)]
    stage: StageArguments,
}

#[derive(clap::Args)]
pub struct Drill {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    stage: StageArguments,
}

#[derive(clap::Args)]
pub struct Prune {
    /// Show what would be removed, and why the others stay. Changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// For programs: one JSON object (with --dry-run).
    #[arg(long, requires = "dry_run")]
    json: bool,
    #[command(flatten)]
    stage: StageArguments,
}

pub async fn run(Run { stage }: Run) -> anyhow::Result<ExitCode> {
    let stage = Stage::open(stage.stage).await?;
    let result = finish(&stage, "backup", Map::new()).await?;
    let (id, seconds) = (text(&result, "backup"), seconds(&result, "seconds"));
    let (stored, plain) = (number(&result, "bytes"), number(&result, "plain_bytes"));
    anstream::println!(
        "Backed up {} rows of {} tables in {seconds} s: {id}, {} ({} before compression).",
        result["rows"],
        result["tables"],
        source::size(stored),
        source::size(plain)
    );
    Ok(ExitCode::SUCCESS)
}

pub async fn drill(Drill { which, stage }: Drill) -> anyhow::Result<ExitCode> {
    let stage = Stage::open(stage.stage).await?;
    let mut arguments = Map::new();
    arguments.extend(which.id().map(|id| ("backup".to_owned(), json!(id))));
    let result = finish(&stage, "drill", arguments).await?;
    anstream::println!(
        "{} is good: {} rows of {} tables are equal. Restored in {} s, proven in {} s.",
        text(&result, "backup"),
        result["rows"],
        result["tables"],
        seconds(&result, "restore_seconds"),
        seconds(&result, "seconds")
    );
    tell(&result);
    Ok(ExitCode::SUCCESS)
}

/// What the result has to say beside its numbers.
pub fn tell(result: &Value) {
    for (name, words) in [("left_out", "not restored"), ("notes", "note")] {
        for line in result[name].as_array().into_iter().flatten().filter_map(Value::as_str) {
            anstream::println!("  {words}: {}", ui::plain(line));
        }
    }
}

pub async fn prune(Prune { dry_run, json, stage }: Prune) -> anyhow::Result<ExitCode> {
    let stage = Stage::open(stage.stage).await?;
    if !dry_run {
        let result = finish(&stage, "prune", Map::new()).await?;
        let removed = result["removed"].as_array().map_or(0, Vec::len);
        anstream::println!("Removed {removed} backups; {} stay.", result["kept"]);
        if let Some(why) = result["held_back"].as_str() {
            anstream::println!("Nothing was removed: {why}.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plan = plan(&stage, &source::store(&stage).await?.list().await?.backups).await?;
    if json {
        ui::print_json(&plan)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (id, reasons) in plan.keep.iter().rev() {
        anstream::println!("stays    {id}  {}", reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    }
    for id in plan.remove.iter().rev() {
        anstream::println!("removed  {id}");
    }
    anstream::println!("{} would stay, {} would be removed. Nothing was changed.", plan.keep.len(), plan.remove.len());
    if let Some(why) = &plan.held_back {
        anstream::println!("Nothing is removed now: {why}.");
    }
    Ok(ExitCode::SUCCESS)
}

/// What pruning would do now.
pub async fn plan(stage: &Stage, backups: &[backup::manifest::Manifest]) -> anyhow::Result<Plan> {
    let runs = Operation::ListJobRuns { job: Some("backup".into()), limit: 5, after: None };
    let Outcome::JobRuns(page) = stage.operate(runs).await? else { bail!("{}", stage::UNEXPECTED) };
    let now = clock::now();
    let job = find("backup").context("there is no job backup")?;
    // One that should have ended counts as failed.
    let over =
        |run: &JobRun| run.finished_at.is_some() || now.duration_since(run.started_at).unsigned_abs() > job.longest;
    let last = page.runs.iter().find(|run| over(run));
    let failed = last.is_some_and(|run| run.outcome.as_deref() != Some("succeeded"));
    let made: Vec<_> = backups.iter().map(Made::from).collect();
    Ok(retention::plan(&made, failed, now))
}

/// Runs a job with a bar, and returns what it did. A run that failed is an error.
pub async fn finish(stage: &Stage, job: &str, arguments: Map<String, Value>) -> anyhow::Result<Value> {
    let job = find(job).with_context(|| format!("there is no job {job}"))?;
    let bar = Bar::new()?;
    let show = |run: &JobRun| {
        let Some(far) = &run.progress else { return };
        bar.at(far["phase"].as_str().unwrap_or(job.name), number(far, "bytes"), number(far, "expected_bytes"));
    };
    let ended = tokio::select! {
        ended = follow(stage, job, arguments, show) => ended?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bail!("not followed any more; the run goes on, and `solo jobs runs --job {}` shows it", job.name);
        }
    };
    bar.end();
    match ended.result {
        Some(result) if ended.outcome.as_deref() == Some("succeeded") => Ok(result),
        _ => bail!(
            "the run {} of {} came to nothing: {}. docs/runbook.md says what to do; `solo jobs show {}` shows it again",
            ended.id,
            job.name,
            ui::plain(ended.error.as_deref().unwrap_or("it says not why")),
            ended.id
        ),
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}

fn seconds(value: &Value, name: &str) -> String {
    format!("{:.1}", value[name].as_f64().unwrap_or_default())
}

fn text(value: &Value, name: &str) -> String {
    ui::plain(value[name].as_str().unwrap_or_default())
}
