//! `solo backup`: making, looking at, fetching, restoring and proving backups.
//!
//! Reading goes to the bucket with the caller's own identity. What needs a database in the cloud is done by the functions: nobody
//! here has a way to it. Restoring into a server that can be reached is done here.

mod fetch;
mod jobs;
mod list;
mod progress;
mod restore;
mod source;

pub use source::size;

use std::process::ExitCode;

use crate::stage;

const EXAMPLES: &str = "\
Examples:
  solo backup run
  solo backup list --stage production
  solo backup verify latest
  solo backup fetch latest --output before.dump
  solo backup restore latest --into-new solo_restored
  PGPASSWORD=... solo backup restore latest --to postgres://me@db.example.com/copy --into-new copy
  solo backup drill --stage production";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a backup now, and follow it.
    Run(jobs::Run),
    /// List the backups, and why each is kept.
    List(list::List),
    /// Show one backup: what is in it, table by table.
    Show(list::Show),
    /// Read a backup from its first byte to its last, and check it against its manifest.
    Verify(list::Verify),
    /// Get the archive of a backup, verified, for the stock `pg_restore`.
    Fetch(fetch::Fetch),
    /// Restore a backup into an empty or a new database, and compare it with the manifest.
    Restore(restore::Restore),
    /// Prove a backup: restore it into a scratch database, compare, drop it.
    Drill(jobs::Drill),
    /// Remove what retention does not keep; with --dry-run, only show what that is.
    Prune(jobs::Prune),
}

/// Which backup.
#[derive(clap::Args)]
struct Which {
    /// The backup's id, or `latest`
    #[arg(default_value = "latest")]
    backup: String,
}

impl Which {
    /// `None` for the newest.
    fn id(&self) -> Option<&str> {
        (self.backup != "latest").then_some(self.backup.as_str())
    }
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Run(run) => jobs::run(run).await,
        Command::List(list) => list::list(list).await,
        Command::Show(show) => list::show(show).await,
        Command::Verify(verify) => list::verify(verify).await,
        Command::Fetch(fetch) => fetch::fetch(fetch).await,
        Command::Restore(restore) => Box::pin(restore::restore(restore)).await,
        Command::Drill(drill) => jobs::drill(drill).await,
        Command::Prune(prune) => jobs::prune(prune).await,
    }
}

/// `--stage`, for those that do not take more of it.
type StageArguments = stage::Arguments;
