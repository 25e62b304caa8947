//! `solo guard`: runs a program in a process group of its own and stops the whole group when standard input closes.
//!
//! The parent holds the other end of that pipe. However it ends (Ctrl-C, a crash, `kill -9`), the kernel closes the
//! pipe, and nothing is left running. Works the same on Linux and macOS.

use std::{
    ffi::OsString,
    io::Read as _,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

#[derive(clap::Args)]
pub struct Arguments {
    /// The signal that asks the program to stop: INT, TERM, or KILL, which does not ask.
    #[arg(long, default_value = "TERM")]
    stop: StopSignal,
    /// Seconds until it is killed.
    #[arg(long, default_value_t = 10)]
    grace: u64,
    /// Run it as this user and group.
    #[arg(long, requires = "gid")]
    uid: Option<u32>,
    #[arg(long, requires = "uid")]
    gid: Option<u32>,
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum StopSignal {
    #[value(name = "INT")]
    Int,
    #[value(name = "TERM")]
    Term,
    #[value(name = "KILL")]
    Kill,
}

impl StopSignal {
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Term => "TERM",
            Self::Kill => "KILL",
        }
    }

    fn signal(self) -> Signal {
        match self {
            Self::Int => Signal::SIGINT,
            Self::Term => Signal::SIGTERM,
            Self::Kill => Signal::SIGKILL,
        }
    }
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let Some((program, rest)) = arguments.command.split_first() else { return ExitCode::from(2) };
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).process_group(0);
    if let (Some(uid), Some(gid)) = (arguments.uid, arguments.gid) {
        command.uid(uid).gid(gid);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{} cannot be run: {error}", program.display());
            return ExitCode::from(127);
        }
    };
    let Ok(group) = i32::try_from(child.id()).map(Pid::from_raw) else { return ExitCode::FAILURE };
    let (stop, grace) = (arguments.stop.signal(), Duration::from_secs(arguments.grace));
    thread::spawn(move || {
        wait_for_end_of_input();
        // ESRCH: it ended by itself in the meantime.
        let _ = killpg(group, stop);
        thread::sleep(grace);
        let _ = killpg(group, Signal::SIGKILL);
    });
    let status = child.wait();
    // What the program itself left in its group.
    let _ = killpg(group, Signal::SIGKILL);
    match status {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or_else(
            || {
                ExitCode::from(
                    128_u8.saturating_add(status.signal().and_then(|signal| u8::try_from(signal).ok()).unwrap_or(0)),
                )
            },
            ExitCode::from,
        ),
        Err(_) => ExitCode::FAILURE,
    }
}

fn wait_for_end_of_input() {
    let mut buffer = [0; 64];
    while !matches!(std::io::stdin().read(&mut buffer), Ok(0) | Err(_)) {}
}
