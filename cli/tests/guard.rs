//! `solo guard`: whatever happens to us, what we started ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::time::Instant;

/// A guarded shell script, and the process id that it printed.
fn guard(script: &str) -> (Child, Pid) {
    let mut guard = Command::new(env!("CARGO_BIN_EXE_solo"))
        .args(["guard", "--grace", "1", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(guard.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (guard, Pid::from_raw(line.trim().parse().unwrap()))
}

fn is_gone_within(pid: Pid, limit: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < limit {
        if kill(pid, None).is_err() {
            return true;
        }
        sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_closed_pipe_ends_the_program_and_its_children() {
    let (mut guard, grandchild) = guard("sleep 1000 & echo $!; wait");
    assert!(kill(grandchild, None).is_ok(), "it runs");
    drop(guard.stdin.take());
    assert!(is_gone_within(grandchild, Duration::from_secs(5)));
    guard.wait().unwrap();
}

#[test]
fn a_program_that_will_not_stop_is_killed() {
    let (mut guard, program) = guard("trap '' TERM; echo $$; while :; do sleep 0.1; done");
    drop(guard.stdin.take());
    assert!(!is_gone_within(program, Duration::from_millis(500)), "it has a second");
    assert!(is_gone_within(program, Duration::from_secs(5)));
    guard.wait().unwrap();
}

/// As in the stack: the parent is killed without a chance to say anything, the guard is in a group of its own.
#[test]
fn a_killed_parent_ends_it_too() {
    let pipe = "exec 3>&1; sleep 1000 | exec setsid \"$0\" guard -- sh -c 'echo $$ >&3; exec sleep 1000'";
    let mut parent = Command::new("sh")
        .args(["-c", pipe, env!("CARGO_BIN_EXE_solo")])
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let program = Pid::from_raw(line.trim().parse().unwrap());
    killpg(Pid::from_raw(i32::try_from(parent.id()).unwrap()), Signal::SIGKILL).unwrap();
    parent.wait().unwrap();
    assert!(is_gone_within(program, Duration::from_secs(5)));
}

#[test]
fn the_programs_exit_code_is_passed_on() {
    let (mut guard, _) = guard("echo $$; exit 7");
    // `wait` would close the pipe, and the guard could stop the program before it exits by itself.
    let _lifeline = guard.stdin.take();
    assert_eq!(guard.wait().unwrap().code(), Some(7));
}
