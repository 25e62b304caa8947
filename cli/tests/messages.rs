//! What `solo` says to someone who gets it wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Run in `dir`: whether it succeeded, and all that it printed.
fn solo(dir: &std::path::Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_solo")).args(arguments).current_dir(dir).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// Something that looks like a clone in which nothing was set up.
fn bare_clone() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("a clone with spaces ").tempdir().unwrap();
    std::fs::write(dir.path().join("solo.toml"), "[providers.stripe]\nenabeld = true\n").unwrap();
    std::fs::write(dir.path().join("Cargo.toml"), "").unwrap();
    dir
}

#[test]
fn without_a_stack_it_says_how_to_start_one() {
    let clone = bare_clone();
    for arguments in [&["executions", "list"][..], &["send", "stripe", "invoice.paid"]] {
        let (fine, text) = solo(clone.path(), arguments);
        assert!(!fine && text.contains("make dev"), "{text}");
    }
}

#[test]
fn outside_of_a_clone_it_says_so() {
    let elsewhere = tempfile::tempdir().unwrap();
    let (fine, text) = solo(elsewhere.path(), &["env", "verify"]);
    assert!(!fine && text.contains("not inside a clone"), "{text}");
}

#[test]
fn env_verify_lists_every_fault_at_once() {
    let clone = bare_clone();
    let (fine, text) = solo(clone.path(), &["env", "verify"]);
    assert!(!fine);
    for expected in ["make setup", "PostgreSQL", "enabeld", "4 of 8 checks failed"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn wrong_arguments_are_explained() {
    let clone = bare_clone();
    let (fine, text) = solo(clone.path(), &["executions", "list", "--status", "stuck"]);
    assert!(!fine && text.contains("processing, completed, failed, dead"), "{text}");
    let (fine, text) = solo(clone.path(), &["executions", "show", "not-an-id"]);
    assert!(!fine && text.contains("not-an-id"), "{text}");
    let (fine, text) = solo(clone.path(), &["--help"]);
    assert!(fine && text.contains("executions") && !text.contains("guard"), "{text}");
}
