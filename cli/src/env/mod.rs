//! `solo env verify`: everything that the local stack, or a deployment, needs, checked, all faults listed at once.

pub mod cloud;
mod dev;

use std::process::ExitCode;

use owo_colors::OwoColorize as _;
use shared::config::SoloToml;

use crate::{project::Project, stage::CloudName, ui};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Check every tool, file and variable that `make dev` needs; with --target, what a deployment needs.
    Verify {
        /// Check what `solo deploy --target` needs instead: tools, credentials, the stack, its secrets.
        #[arg(long, value_enum)]
        target: Option<CloudName>,
    },
}

pub struct Check {
    pub what: String,
    /// What was found, or what is wrong and what to do.
    pub result: Result<String, String>,
}

impl Check {
    pub fn new(what: &str, result: Result<String, String>) -> Self {
        Self { what: what.into(), result }
    }
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Verify { target } = command;
    let project = Project::find()?;
    let (heading, checks) = match target {
        None => ("What the local stack needs".to_owned(), dev::checks(&project)),
        Some(target) => {
            (format!("What a deployment to {} needs", target.as_str()), cloud::checks(&project, target).await)
        }
    };
    ui::heading(&heading);
    checks.iter().for_each(print);
    let faults = checks.iter().filter(|check| check.result.is_err()).count();
    if faults > 0 {
        anstream::println!("\n{faults} of {} checks failed.", checks.len());
        return Ok(ExitCode::FAILURE);
    }
    anstream::println!("\nAll {} checks passed.", checks.len());
    Ok(ExitCode::SUCCESS)
}

pub fn print(check: &Check) {
    match &check.result {
        Ok(found) => anstream::println!("  {} {:<16} {}", "✓".green(), check.what, found.dimmed()),
        Err(problem) => anstream::println!("  {} {:<16} {problem}", "✗".red(), check.what),
    }
}

fn tool(what: &str, program: &str, arguments: &[&str], remedy: &str) -> Check {
    let result = match std::process::Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
        }
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
            Err(format!("{program} fails ({reason}): {remedy}"))
        }
        Err(error) => Err(format!("{program} cannot be run ({error}): {remedy}")),
    };
    Check { what: what.into(), result }
}

fn solo_toml(project: &Project) -> Check {
    let file = project.root.join("solo.toml");
    let result = std::fs::read_to_string(&file)
        .map_err(|error| format!("cannot be read: {error}"))
        .and_then(|text| SoloToml::parse(&text).map_err(|fault| fault.to_string()))
        .map(|file| format!("{} provider(s)", file.providers.len()));
    Check { what: "solo.toml".into(), result }
}

/// As the functions read it when they start: with a fault in it, none of them would.
fn flags(project: &Project) -> Check {
    let result = project.flags().map(|flags| format!("{} flag(s)", flags.iter().count()));
    Check::new(shared::flags::FILE, result.map_err(|error| format!("{error:#}")))
}
