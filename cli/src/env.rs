//! `solo env verify`: everything that the local stack needs, checked, all faults listed at once.

use std::{path::Path, process::ExitCode};

use owo_colors::OwoColorize as _;
use shared::{
    config::{Env, SoloToml},
    db::DatabaseUrl,
};

use crate::{project::Project, ui};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Check every tool, file and variable that `make dev` needs.
    Verify,
}

struct Check {
    what: String,
    /// What was found, or what is wrong and what to do.
    result: Result<String, String>,
}

pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify => verify(),
    }
}

fn verify() -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    let checks = [
        tool("cargo", "cargo", &["--version"], "install Rust with rustup"),
        tool(
            "a C compiler",
            "cc",
            &["--version"],
            "install one (Debian: apt-get install gcc; macOS: xcode-select --install)",
        ),
        tool(
            "Python tools",
            &project.python().to_string_lossy(),
            &["-c", "import moto, flask; print('moto', moto.__version__)"],
            "run `make setup`",
        ),
        tool("cargo-lambda", &project.cargo_lambda().to_string_lossy(), &["lambda", "--version"], "run `make setup`"),
        postgres(&project),
        solo_toml(&project),
        database_url(),
        writable(&project.dev_dir()),
    ];
    ui::heading("What the local stack needs");
    for check in &checks {
        match &check.result {
            Ok(found) => anstream::println!("  {} {:<16} {}", "✓".green(), check.what, found.dimmed()),
            Err(problem) => anstream::println!("  {} {:<16} {problem}", "✗".red(), check.what),
        }
    }
    let faults = checks.iter().filter(|check| check.result.is_err()).count();
    if faults > 0 {
        println!("\n{faults} of {} checks failed.", checks.len());
        return Ok(ExitCode::FAILURE);
    }
    println!("\nAll {} checks passed.", checks.len());
    Ok(ExitCode::SUCCESS)
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

fn postgres(project: &Project) -> Check {
    match project.postgres_dir() {
        Ok(dir) => {
            tool("PostgreSQL", &dir.join("bin/postgres").to_string_lossy(), &["--version"], "run `make setup` again")
        }
        Err(error) => Check { what: "PostgreSQL".into(), result: Err(error.to_string()) },
    }
}

fn solo_toml(project: &Project) -> Check {
    let file = project.root.join("solo.toml");
    let result = std::fs::read_to_string(&file)
        .map_err(|error| format!("cannot be read: {error}"))
        .and_then(|text| SoloToml::parse(&text).map_err(|fault| fault.to_string()))
        .map(|file| format!("{} provider(s)", file.providers.len()));
    Check { what: "solo.toml".into(), result }
}

fn database_url() -> Check {
    let result = match Env::of_process().optional("DATABASE_URL") {
        None => Ok("not set: the embedded server is used".into()),
        Some(text) => DatabaseUrl::parse(&text).map(|url| url.to_string()).map_err(|fault| format!("it {fault}")),
    };
    Check { what: "DATABASE_URL".into(), result }
}

fn writable(dir: &Path) -> Check {
    let probe = dir.join("probe");
    let result = std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&probe, ""))
        .and_then(|()| std::fs::remove_file(&probe))
        .map(|()| "can be written".into())
        .map_err(|error| format!("{} cannot be written ({error}): check its owner", dir.display()));
    Check { what: ".dev".into(), result }
}
