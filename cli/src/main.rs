//! `solo`: everything a founder does by hand, in one command.
// It panics when nobody reads any more (`| head`). `ui::print` is for what was asked for, `anstream::println` for what is told
// beside the work.
#![warn(clippy::print_stdout)]

mod alerts;
mod aliases;
mod audit;
mod backup;
mod changes;
mod chaos;
mod dead;
mod demo;
mod deploy;
mod destroy;
#[allow(clippy::print_stdout, reason = "it tells how far it is")]
mod dev;
mod env;
mod errors;
mod executions;
mod flags;
mod guard;
mod jobs;
mod logs;
mod outbox;
mod program;
mod project;
mod replay;
mod review;
mod rollback;
mod samconfig;
mod schemas;
mod secrets;
mod send;
mod stack;
mod stage;
mod status;
mod template;
mod test_stack;
mod ui;
mod unlock;
mod watch;
mod when;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Run, watch and repair a Solo OS backend.
#[derive(Parser)]
#[command(name = "solo", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything locally, with hot reload, until Ctrl-C.
    Dev(dev::Arguments),
    /// Start everything, send real events, check what became of them, stop everything.
    Demo(demo::Arguments),
    /// How a stage does, on one screen, and what needs you.
    Status(status::Arguments),
    /// The same, live, with the executions that are the newest or were just replayed, until Ctrl-C.
    Watch(watch::Arguments),
    /// What the functions logged; of one execution, everything that is known of it.
    Logs(logs::Arguments),
    /// Send an event, signed as its provider signs it.
    Send(send::Arguments),
    /// List and show executions: what came in, and what became of it.
    #[command(subcommand)]
    Executions(executions::Command),
    /// Write the JSON Schemas of the first-party event types to docs/events, and the database's schema to shared/schema.txt.
    Schemas,
    /// Dead letters: events that wait for a person.
    #[command(subcommand)]
    Dead(dead::Command),
    /// Handle events once more: by their ids, or all that fit a filter.
    Replay(replay::Arguments),
    /// Take an execution from a runner that is stuck.
    Unlock(unlock::Arguments),
    /// The outbox: what leaves the system, and what could not.
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// Backups: make, list, verify, fetch, restore, prove.
    Backup(backup::Arguments),
    /// Alerts: list, silence, resolve, test.
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// Errors: what fails, how often, since when; and that one is mended.
    #[command(subcommand)]
    Errors(errors::Command),
    /// Deploy this commit: check, build, show the change, deploy, verify; take it back when it does not work.
    Deploy(deploy::Arguments),
    /// Bring every function back to the release before, within seconds.
    Rollback(rollback::Arguments),
    /// Feature flags: what they are in this clone, and why.
    #[command(subcommand)]
    Flags(flags::Command),
    /// Jobs: what runs by the clock, how it does, and running one by hand.
    Jobs(jobs::Arguments),
    /// The monthly review: what to rotate, prune and mend.
    Review(review::Arguments),
    /// Who changed what by hand, and why.
    Audit(audit::Arguments),
    /// The secrets of a stage: their names, setting, removing.
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Delete a stage. Asks twice; the data stay.
    Destroy(destroy::Arguments),
    /// Check the environment.
    #[command(subcommand)]
    Env(env::Command),
    /// Kill, restart and cut everything under load, and check that nothing is lost or done twice.
    Chaos(chaos::Arguments),
    /// Run a command with a throw-away database and cloud emulator beside it (the tests run like this).
    TestStack(test_stack::Arguments),
    /// Run a program and stop it when standard input closes. Used by the other commands.
    #[command(hide = true)]
    Guard(guard::Arguments),
}

fn main() -> ExitCode {
    program::remember();
    let cli = Cli::parse();
    // The guard outlives its parent's death and must not depend on a runtime.
    if let Command::Guard(arguments) = cli.command {
        return guard::run(&arguments);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ui::fail(&anyhow::Error::new(error).context("the async runtime could not be started")),
    };
    let code = runtime.block_on(run(cli.command)).unwrap_or_else(|error| ui::fail(&error));
    // A question at the terminal that nobody answers any more is not waited for.
    runtime.shutdown_background();
    code
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Demo(arguments) => demo::run(&arguments).await,
        Command::Status(arguments) => status::run(arguments).await,
        Command::Watch(arguments) => watch::run(arguments).await,
        Command::Logs(arguments) => logs::run(arguments).await,
        Command::Send(arguments) => send::run(arguments).await,
        Command::Executions(command) => executions::run(command).await,
        Command::Schemas => schemas::run().await,
        Command::Dead(command) => dead::run(command).await,
        Command::Replay(arguments) => replay::run(arguments).await,
        Command::Unlock(arguments) => unlock::run(arguments).await,
        Command::Outbox(command) => outbox::run(command).await,
        Command::Backup(arguments) => backup::run(arguments).await,
        Command::Alerts(command) => alerts::run(command).await,
        Command::Errors(command) => errors::run(command).await,
        Command::Deploy(arguments) => deploy::run(arguments).await,
        Command::Rollback(arguments) => rollback::run(arguments).await,
        Command::Flags(command) => flags::run(&command),
        Command::Jobs(arguments) => jobs::run(arguments).await,
        Command::Review(arguments) => review::run(arguments).await,
        Command::Audit(arguments) => audit::run(arguments).await,
        Command::Secrets(command) => secrets::run(command).await,
        Command::Destroy(arguments) => destroy::run(arguments).await,
        Command::Env(command) => env::run(command).await,
        Command::Chaos(arguments) => chaos::run(arguments).await,
        Command::TestStack(arguments) => test_stack::run(arguments).await,
        Command::Guard(arguments) => Ok(guard::run(&arguments)),
    }
}
