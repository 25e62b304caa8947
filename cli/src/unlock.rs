//! `solo unlock`: take an execution from a runner that is stuck.

use std::process::ExitCode;

use ops::Operation;
use uuid::Uuid;

use crate::changes::{Why, Words};

const EXAMPLES: &str = "\
Its lease ends now, and whatever its runner still does is rolled back. The worker's next tick counts
the attempt as crashed and tries again, or sends it to the dead letters: the attempts are spent, or its
handler must not be rerun after a crash.

Examples:
  solo unlock 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11 --reason \"hangs since noon\"
  solo unlock 0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11 --force --reason \"the function was deleted\"";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    id: Uuid,
    /// Even though the lease still runs: its runner may be at work.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    why: Why,
}

pub async fn run(Arguments { id, force, why }: Arguments) -> anyhow::Result<ExitCode> {
    let words = Words { done: "unlocked", named: true };
    why.perform(words, |by| Operation::Unlock { id, force, by }).await
}
