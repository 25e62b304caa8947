//! `solo deploy`: the one way to deploy. Checks, builds, shows what would change, deploys with sam, verifies, records; and
//! goes back to the release before when what was activated does not work.
//!
//! sam, CloudFormation and CodeDeploy do the deploying. A failure before traffic is shifted (a migration, the smoke test)
//! is theirs to take back; what is verified here is what they cannot see.

mod build;
mod child;
mod outcome;
mod preview;
mod progress;
mod sam;
mod verify;

use std::{
    io::{BufRead as _, IsTerminal as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::bail;
use jiff::Timestamp;
use shared::{clock, config::Env};

use crate::{
    aliases::{self, Function},
    env,
    project::Project,
    stack,
    stage::{Cloud, CloudName},
    ui::{self, Step},
};
use progress::{Progress, Reached};

const EXAMPLES: &str = "\
Its phases: preflight (as `solo env verify --target`), build, package, preview, deploy, verify.
A change that would replace or remove what holds data stops it, without --allow-replacement.
A release that is active and does not work is taken back; what failed first is reported.

Examples:
  solo deploy                               # this commit to staging
  solo deploy --target production --dry-run # what would change; changes nothing
  solo deploy --target production";

#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stage to deploy to.
    #[arg(long, value_enum, default_value_t)]
    target: CloudName,
    /// Check, build and show what would change, and stop there.
    #[arg(long)]
    dry_run: bool,
    /// Leave a deployment that failed as it is, to look at it.
    #[arg(long)]
    no_rollback: bool,
    /// Even though something that holds data is replaced or removed.
    #[arg(long)]
    allow_replacement: bool,
    /// Do not ask before production.
    #[arg(long)]
    yes: bool,
    /// The role that CloudFormation works as, for an identity that may do little itself (a workflow's).
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// How many seconds the new release may take until /health/ready answers 200.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    ready_within: u64,
}

/// What is asked of CloudFormation.
struct Wish<'w> {
    release: &'w str,
    /// The role that it works as; the caller's own when there is none.
    role: Option<&'w str>,
    no_rollback: bool,
    dry_run: bool,
}

/// One deployment.
struct Run<'r> {
    cloud: &'r Cloud,
    arguments: &'r Arguments,
    progress: &'r Progress,
    release: String,
    began: Timestamp,
    /// What was live before; empty before the first deployment.
    before: Vec<Function>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    let progress = Progress::default();
    tokio::select! {
        result = deploy(&project, &arguments, &progress) => result,
        interrupted = stack::interrupted() => {
            interrupted?;
            ui::heading("Interrupted.");
            anstream::println!("{}", progress.advice(&project, arguments.target));
            Ok(ExitCode::from(130))
        }
    }
}

async fn deploy(project: &Project, arguments: &Arguments, progress: &Progress) -> anyhow::Result<ExitCode> {
    let target = arguments.target;
    ui::heading(&format!("Deploying to {}", target.as_str()));
    let release = preflight(project, arguments).await?;
    let cloud = Cloud::open(project, target).await?;
    let began = clock::now();
    let before = if has_aliases(&cloud).await? { aliases::read(&cloud).await? } else { Vec::new() };
    let release = name_of(&release, &before);
    let direct = before.iter().any(Function::is_astray);
    if direct {
        // CodeDeploy refuses to move an alias that is not where CloudFormation believes it to be.
        ui::note(
            "aliases were moved by a rollback: this deployment goes without CodeDeploy and its test before traffic",
        );
    }
    let run = Run { cloud: &cloud, arguments, progress, release, began, before };

    let step = Step::start("Build");
    ui::note("cargo lambda build --release");
    let template = build::run(project, &cloud.settings, direct).await?;
    step.done(&run.release);
    let step = Step::start("Package");
    let packaged = sam::package(project, target, &template).await?;
    step.done("");
    let changed = run.preview(&packaged).await?;
    if arguments.dry_run {
        anstream::println!("A dry run: nothing was changed.");
        return Ok(ExitCode::SUCCESS);
    }
    if changed {
        run.confirm().await?;
        progress.reach(Reached::Deploying);
        let step = Step::start("Deploy");
        if let Err(error) = sam::deploy(project, &cloud, &packaged, &run.wish()).await {
            return run.not_deployed(&error).await;
        }
        step.done("");
    }
    progress.reach(Reached::Activated);
    match run.verify().await {
        Ok(moved) => run.succeeded(changed, moved).await,
        Err(error) => run.take_back(&error).await,
    }
}

/// The release, when all is as it has to be.
async fn preflight(project: &Project, arguments: &Arguments) -> anyhow::Result<String> {
    let step = Step::start("Preflight");
    let checks = env::cloud::checks(project, arguments.target).await;
    // Nothing is deployed from a dry run.
    let forgiven = |check: &env::Check| arguments.dry_run && check.what == "git";
    let faults: Vec<_> = checks.iter().filter(|check| check.result.is_err()).collect();
    for check in &faults {
        env::print(check);
    }
    let count = faults.iter().filter(|check| !forgiven(check)).count();
    if count > 0 {
        bail!("{count} of {} checks failed; nothing was called or changed", checks.len());
    }
    let commit = env::cloud::commit(&project.root).map_err(|problem| anyhow::anyhow!(problem))?;
    step.done(&format!("{} checks passed", checks.len() - faults.len()));
    Ok(if faults.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// What the release of a commit is called. Versions that a failed deployment left under its name are in the way of a second
/// one: Lambda gives the old version back for the same code and configuration, and CloudFormation refuses that.
fn name_of(commit: &str, before: &[Function]) -> String {
    let names = || std::iter::once(commit.to_owned()).chain((2..).map(|attempt| format!("{commit}.{attempt}")));
    let is_held = |name: &String| before.iter().any(|function| function.held_release() == Some(name));
    let is_new = |name: &String| before.iter().all(|function| function.version_of(name).is_none());
    let known = names().take_while(|name| !is_new(name)).find(is_held);
    known.or_else(|| names().find(is_new)).unwrap_or_else(|| commit.to_owned())
}

async fn has_aliases(cloud: &Cloud) -> anyhow::Result<bool> {
    let stack = cloud.stack_if_there().await?;
    Ok(stack.is_some_and(|stack| stack.outputs.is_some_and(|outputs| !outputs.is_empty())))
}

impl Run<'_> {
    fn wish(&self) -> Wish<'_> {
        Wish {
            release: &self.release,
            role: self.arguments.role_arn.as_deref(),
            no_rollback: self.arguments.no_rollback,
            dry_run: self.arguments.dry_run,
        }
    }

    /// Whether anything would change. Stops before data are lost.
    async fn preview(&self, packaged: &std::path::Path) -> anyhow::Result<bool> {
        self.progress.reach(Reached::Previewing);
        let step = Step::start("Preview");
        let changes = preview::run(self.cloud, packaged, &self.wish()).await?;
        self.progress.reach(Reached::Nothing);
        if changes.is_empty() {
            step.done("no changes");
            return Ok(false);
        }
        step.done(&format!("{} changes", changes.len()));
        preview::print(&changes);
        let dangerous = changes.iter().filter(|change| change.is_dangerous()).count();
        if dangerous > 0 && !self.arguments.allow_replacement {
            bail!(
                "{dangerous} of these changes may replace or remove what holds data (marked DATA above); nothing was \
                 changed. If that is meant, make a backup and say --allow-replacement"
            );
        }
        Ok(true)
    }

    async fn confirm(&self) -> anyhow::Result<()> {
        if self.cloud.name != CloudName::Production || self.arguments.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            if Env::of_process().optional("CI").as_deref() == Some("true") {
                return Ok(());
            }
            bail!("production is changed only by someone who agrees: say --yes");
        }
        anstream::eprint!("Deploy {} to production? Type yes: ", self.release);
        let answer = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
        });
        let answer = answer.await??;
        if answer.trim() == "yes" { Ok(()) } else { bail!("not agreed to; nothing was changed") }
    }

    /// How many aliases had to be pointed at the release by us.
    async fn verify(&self) -> anyhow::Result<usize> {
        let step = Step::start("Verify");
        let moved = verify::activate(self.cloud, &self.release).await?;
        verify::ready(self.cloud, Duration::from_secs(self.arguments.ready_within)).await?;
        step.done("every alias is at the release, /health/ready answers 200");
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::name_of;
    use crate::aliases::tests::function;

    #[test]
    fn a_release_has_the_commits_name_unless_a_failed_one_has_it() {
        assert_eq!(name_of("b", &[]), "b");
        assert_eq!(name_of("b", &[function("f", 1, &["a"])]), "b");
        // The stack is at it, wherever the alias is: nothing changes.
        assert_eq!(name_of("b", &[function("f", 2, &["a", "b"])]), "b");
        // A deployment that was taken back left versions.
        assert_eq!(name_of("b", &[function("f", 1, &["a", "b"])]), "b.2");
        assert_eq!(name_of("b", &[function("f", 3, &["a", "b", "b.2"])]), "b.2");
        assert_eq!(name_of("b", &[function("f", 1, &["a", "b", "b.2"])]), "b.3");
    }
}
