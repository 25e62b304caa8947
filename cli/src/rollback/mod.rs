//! `solo rollback`: every alias back to the release before, within seconds.
//!
//! It needs Lambda and CloudFormation's list of resources, nothing of ours: a release that took the database with it can
//! be left, too. Deliberately absent: going back in the database. Migrations are expand/contract, so the release before
//! runs on the schema of this one.

mod choice;

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use ops::{By, DeploymentKind, DeploymentOutcome, NewDeployment, Operation, Outcome};
use owo_colors::OwoColorize as _;
use shared::clock;
use tokio::time::{Instant, timeout};

use crate::{
    aliases::{self, Function, Moved},
    project::Project,
    stage::{Cloud, CloudName},
    ui,
};

use choice::Choice;
pub use choice::current;

/// How long `ops` may take to say what is on record: when its database is out, going back is what matters.
const RECORDS_WITHIN: Duration = Duration::from_secs(5);
const RECORDING_WITHIN: Duration = Duration::from_secs(15);

const EXAMPLES: &str = "\
Without --to it is the newest release before the current one that every function has, and that
neither failed nor was left by a rollback. The database stays as it is: migrations only add what
the release before does not know. The next `solo deploy` goes forward again.

Examples:
  solo rollback --stage production --reason \"orders are refused since 14:05\"
  solo rollback --stage production --list
  solo rollback --stage staging --to 3f9c2ab";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stage to roll back.
    #[arg(long, value_enum)]
    stage: CloudName,
    /// The release to go to, or the start of its name.
    #[arg(long)]
    to: Option<String>,
    /// Show the releases that there are, and change nothing.
    #[arg(long, conflicts_with = "to")]
    list: bool,
    /// Why; it is kept in the audit trail.
    #[arg(long, default_value = "rolled back by hand")]
    reason: String,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let cloud = Cloud::open(&Project::find()?, arguments.stage).await?;
    let (functions, records, stack) = tokio::join!(aliases::read(&cloud), records(&cloud), cloud.stack_if_there());
    let functions = functions?;
    if arguments.list {
        list(&functions, records.as_ref().ok());
        return Ok(ExitCode::SUCCESS);
    }
    let choice = match (&arguments.to, records) {
        (Some(wanted), _) => choice::named(&functions, wanted)?,
        (None, Ok(bad)) => choice::previous(&functions, &bad)?,
        (None, Err(problem)) => {
            ui::note(&format!("What was deployed before is not to be had ({problem}); the versions' order decides."));
            choice::previous(&functions, &BTreeSet::new())?
        }
    };
    let status = stack.ok().flatten().and_then(|stack| stack.stack_status);
    if let Some(status) = status.filter(|status| status.as_str().ends_with("_IN_PROGRESS")) {
        ui::note(&format!(
            "A deployment is under way ({}): when it ends, look where the aliases are.",
            status.as_str()
        ));
    }
    ui::heading(&format!("Rolling {} back from {} to {}", arguments.stage.as_str(), choice.current, choice.target));
    let began = clock::now();
    let moved = go(&cloud, &functions, &choice).await;
    tell(&functions, &moved, &choice);
    if moved.is_empty() {
        anstream::println!("Every alias is at {} already: nothing was changed.", choice.target);
        return Ok(ExitCode::SUCCESS);
    }
    let failed = moved.iter().filter(|moved| moved.result.is_err()).count();
    let took = started.elapsed().as_secs_f64();
    anstream::println!("{} of {} aliases changed in {took:.1} s.", moved.len() - failed, moved.len());

    let deployment = NewDeployment {
        id: clock::new_id(),
        kind: DeploymentKind::Rollback,
        release: choice.target.clone(),
        previous: Some(choice.current.clone()),
        outcome: if failed == 0 { DeploymentOutcome::Succeeded } else { DeploymentOutcome::Failed },
        detail: faults(&moved),
        started_at: began,
    };
    if let Err(problem) = record(&cloud, deployment, &arguments.reason).await {
        anstream::println!("It could not be recorded: {problem}. The rollback itself is not touched by that.");
    }
    if failed > 0 {
        anstream::println!("Run the same with `--to {}` again: it changes what is left.", choice.target);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Points every alias at its version of the target, those apart that stay.
async fn go(cloud: &Cloud, functions: &[Function], choice: &Choice) -> Vec<Moved> {
    let staying = |function: &&Function| !choice.left.contains(&function.name);
    let versions = functions.iter().filter(staying).filter_map(|it| Some((it, it.version_of(&choice.target)?)));
    aliases::make(cloud, versions.filter_map(|(function, version)| function.to(version)).collect()).await
}

/// What failed, in a text of at most 4,000 characters; `None` when nothing did.
pub fn faults(moved: &[Moved]) -> Option<String> {
    let faults = moved.iter().filter_map(|moved| Some(format!("{}: {}", moved.step, moved.result.as_ref().err()?)));
    let text = faults.collect::<Vec<_>>().join("; ");
    (!text.is_empty()).then(|| ui::shorten(&text, 3_900))
}

/// Tells `ops` what was done. The reason why it could not be told, in one line.
pub async fn record(cloud: &Cloud, deployment: NewDeployment, reason: &str) -> Result<(), String> {
    let telling = async {
        let by = By { actor: cloud.identity().await?.arn, reason: reason.to_owned() };
        cloud.operate(Operation::RecordDeployment { deployment, by }).await
    };
    match timeout(RECORDING_WITHIN, telling).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err(format!("the ops function did not answer within {} s", RECORDING_WITHIN.as_secs())),
    }
}

/// The releases that are known to be bad.
async fn records(cloud: &Cloud) -> Result<BTreeSet<String>, String> {
    let asked = timeout(RECORDS_WITHIN, cloud.operate(Operation::ListDeployments { limit: 200, after: None })).await;
    match asked {
        Ok(Ok(Outcome::Deployments(page))) => Ok(choice::bad(&page.deployments)),
        Ok(Ok(_)) => Err(crate::stage::UNEXPECTED.into()),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err(format!("the ops function did not answer within {} s", RECORDS_WITHIN.as_secs())),
    }
}

fn list(functions: &[Function], bad: Option<&BTreeSet<String>>) {
    let releases = choice::timeline(functions);
    if releases.is_empty() {
        anstream::println!("No version says which release it is; `solo deploy` makes them say so.");
        return;
    }
    let current = current(functions);
    let row = |&(release, count): &(&str, usize)| {
        let live = functions.iter().filter(|function| function.release() == Some(release)).count();
        let mut notes = Vec::new();
        if live > 0 {
            notes.push(if live == functions.len() { "live".into() } else { format!("live in {live}") });
        } else if current == Some(release) {
            notes.push("current".into());
        }
        notes.extend((count < functions.len()).then(|| "not complete".to_owned()));
        notes.extend(bad.is_some_and(|bad| bad.contains(release)).then(|| "failed, or rolled back".to_owned()));
        vec![release.to_owned(), format!("{count} of {}", functions.len()), notes.join(", ")]
    };
    anstream::println!("{}", ui::table(&["release", "functions", ""], releases.iter().map(row).collect()));
}

fn tell(functions: &[Function], moved: &[Moved], choice: &Choice) {
    let row = |function: &Function| {
        let step = moved.iter().find(|moved| moved.step.function == function.name);
        let (to, what) = match step.map(|moved| (moved.step.to, &moved.result)) {
            Some((to, Ok(()))) => (to, "changed".to_owned()),
            Some((to, Err(problem))) => (to, format!("FAILED: {}", ui::shorten(problem, 200))),
            None if choice.left.contains(&function.name) => {
                (function.current, format!("left as it is: it is newer than {}", choice.target))
            }
            None => (function.current, "is there already".to_owned()),
        };
        vec![function.name.clone(), function.current.to_string(), to.to_string(), what]
    };
    anstream::println!("{}", ui::table(&["function", "from", "to", ""], functions.iter().map(row).collect()));
    let count = moved.iter().filter(|moved| moved.result.is_err()).count();
    if count > 0 {
        anstream::eprintln!("{} {count} could not be changed", "error:".red().bold());
    }
}
