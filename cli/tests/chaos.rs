//! The bounded form of `make chaos`: every kind of disturbance once, under load.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

#[test]
fn nothing_is_lost_and_nothing_is_done_twice() {
    let chaos = Command::new(env!("CARGO_BIN_EXE_solo"))
        .args(["chaos", "--events", "300", "--seconds", "15"])
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&chaos.stdout), String::from_utf8_lossy(&chaos.stderr));
    assert!(chaos.status.success(), "{out}\n{err}");
    for kind in ["kill -9 of worker", "immediate restart", "answers lost", "queues: out"] {
        assert!(out.contains(kind), "{kind} did not happen: {out}");
    }
}
