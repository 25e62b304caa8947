//! Other programs that a deployment runs: on the screen, and ended with all that they started when we are.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    process::{Child, ChildStdin, Command},
    time::Instant,
};

/// Its guard kills it after 10 s.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// While it exists the program runs; dropping it stops the program and waits for that.
struct Running {
    child: Child,
    /// The guard watches the other end.
    lifeline: Option<ChildStdin>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lifeline = None;
        let deadline = Instant::now() + STOP_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Runs `program` behind `solo guard` with its output on the screen. `first` go before the search path.
pub async fn run(
    program: &Path,
    arguments: &[impl Into<OsString> + Clone],
    directory: &Path,
    first: &[PathBuf],
) -> anyhow::Result<()> {
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let solo = crate::program::path()?;
    let search = shared::config::Env::of_process().optional("PATH").unwrap_or_default();
    let search = std::env::join_paths(first.iter().cloned().chain(std::env::split_paths(&search)))
        .context("the search path has a directory with a colon in its name")?;
    let mut command = Command::new(solo);
    command
        .args(["guard", "--stop", "INT", "--"])
        .arg(program)
        .args(arguments.iter().cloned().map(Into::into))
        .current_dir(directory)
        .env("PATH", search)
        .stdin(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
    let lifeline = child.stdin.take();
    let mut running = Running { child, lifeline };
    let status = running.child.wait().await?;
    if !status.success() {
        bail!("{name} failed ({status}); its messages are above");
    }
    Ok(())
}
