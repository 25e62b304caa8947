//! Child processes that end with us, whatever happens.

use std::{
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep},
};

use crate::{guard::StopSignal, program};

/// How long a process may take to stop before we stop waiting for it (its guard kills it after 10 s).
const STOP_WITHIN: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);

/// What to start.
pub struct Plan {
    /// For messages: `PostgreSQL`.
    pub name: &'static str,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub directory: PathBuf,
    pub environment: Vec<(&'static str, String)>,
    pub unset: &'static [&'static str],
    pub stop: StopSignal,
    pub user: Option<(u32, u32)>,
    pub output: Output,
}

/// Where a program's output goes.
pub enum Output {
    /// Both, into this file.
    File(PathBuf),
    /// What it prints is handed on line by line; what it says of errors goes to our own.
    Lines(Box<dyn FnMut(&str) + Send>),
}

/// A running program behind `solo guard`.
pub struct Process {
    name: &'static str,
    child: Child,
    /// While it is open, the guard keeps the program running. Apart from `child`, whose `wait` would close it.
    lifeline: Option<ChildStdin>,
    log: Option<PathBuf>,
}

impl Process {
    pub fn start(plan: Plan) -> anyhow::Result<Self> {
        let solo = program::path()?;
        let mut command = Command::new(solo);
        command.args(["guard", "--stop", plan.stop.name()]);
        if let Some((uid, gid)) = plan.user {
            command.args(["--uid", &uid.to_string(), "--gid", &gid.to_string()]);
        }
        command.arg("--").arg(&plan.program).args(&plan.arguments);
        command.current_dir(&plan.directory).envs(plan.environment).stdin(Stdio::piped()).process_group(0);
        for name in plan.unset {
            command.env_remove(name);
        }
        match &plan.output {
            Output::File(log) => {
                let file = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
                command.stdout(file.try_clone()?).stderr(file);
            }
            Output::Lines(_) => drop(command.stdout(Stdio::piped())),
        }
        let mut child = command.spawn().with_context(|| format!("{} cannot be started", plan.name))?;
        let log = match plan.output {
            Output::File(log) => Some(log),
            Output::Lines(take) => {
                child.stdout.take().map(|output| tokio::spawn(hand_on(output, take)));
                None
            }
        };
        Ok(Self { name: plan.name, lifeline: child.stdin.take(), child, log })
    }

    /// Asks `ready` again and again until it says yes. Fails when the process ends first, with the end of its log, or
    /// after `limit`.
    pub async fn wait_until<F, R>(&mut self, limit: Duration, mut ready: F) -> anyhow::Result<()>
    where
        F: FnMut() -> R,
        R: Future<Output = bool>,
    {
        let deadline = Instant::now() + limit;
        loop {
            if ready().await {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it was ready ({status}){}", self.name, self.tail());
            }
            if Instant::now() > deadline {
                bail!("{} was not ready after {} s{}", self.name, limit.as_secs(), self.tail());
            }
            sleep(POLL).await;
        }
    }

    /// Waits for it to end by itself.
    pub async fn ended(&mut self) -> anyhow::Error {
        let status = self.child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
        anyhow::anyhow!("{} ended unexpectedly ({status}){}", self.name, self.tail())
    }

    /// Asks it to stop, without waiting. Dropping it waits.
    pub fn ask_to_stop(&mut self) {
        self.lifeline = None;
    }

    /// The end of its log, to go with an error; nothing when it has none.
    pub fn tail(&self) -> String {
        self.log.as_deref().map(tail).unwrap_or_default()
    }
}

impl Drop for Process {
    /// Stops it and waits until it is gone, so that nothing is left running when we return to the shell.
    fn drop(&mut self) {
        self.ask_to_stop();
        let deadline = Instant::now() + STOP_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                eprintln!("{} did not stop within {} s", self.name, STOP_WITHIN.as_secs());
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Until the program closes its output. Lines of a megabyte and more come in pieces.
async fn hand_on(output: ChildStdout, mut take: Box<dyn FnMut(&str) + Send>) {
    const LONGEST: u64 = 1 << 20;
    let (mut reader, mut bytes) = (BufReader::new(output), Vec::new());
    loop {
        bytes.clear();
        match (&mut reader).take(LONGEST).read_until(b'\n', &mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => take(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r'])),
        }
    }
}

/// The last lines of a log, for an error message.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().take(12).collect();
    let last: Vec<_> = lines.into_iter().rev().map(|line| format!("\n    {line}")).collect();
    format!("; the end of {}:{}", log.display(), last.concat())
}
