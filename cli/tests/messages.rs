//! What `solo` says to someone who gets it wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::pipe,
    process::{Command, Stdio},
};

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
    for expected in ["make setup", "PostgreSQL", "enabeld", "app/flags.json", "5 of 9 checks failed"] {
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

/// `solo` in a clone without a stack: what is wrong with the arguments is said before anything is asked of one.
fn refused(arguments: &[&str], expected: &str) {
    let (fine, text) = solo(bare_clone().path(), arguments);
    assert!(!fine && text.contains(expected), "{arguments:?}: {text}");
}

const ID: &str = "0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11";

#[test]
fn a_change_needs_a_reason() {
    for arguments in [
        &["replay", ID][..],
        &["dead", "replay", "--all"],
        &["dead", "resolve", ID],
        &["unlock", ID],
        &["outbox", "retry", ID],
        &["alerts", "resolve", "key"],
        &["alerts", "silence", "key", "--for", "2h"],
        &["alerts", "unsilence", "key"],
        &["alerts", "test"],
    ] {
        refused(arguments, "--reason");
    }
    // A try changes nothing, so it needs none: all that is missing is the stack.
    for arguments in [&["replay", ID, "--dry-run"][..], &["dead", "replay", "--all", "--dry-run"]] {
        refused(arguments, "make dev");
    }
}

#[test]
fn a_replay_says_which() {
    refused(&["replay", "--reason", "why"], "--type, --source, --since, --until or --dead");
    refused(&["dead", "replay", "--reason", "why"], "or --all");
    refused(&["replay", ID, "--since", "2h", "--reason", "why"], "cannot be used with");
    refused(&["replay", "--dead", "--completed", "--reason", "why"], "cannot be used with");
    refused(&["dead", "replay", ID, "--all", "--reason", "why"], "cannot be used with");
    refused(&["replay", ID, "--dry-run", "--yes"], "cannot be used with");
    refused(&["outbox", "retry", "--reason", "why"], "--destination");
    refused(&["dead", "resolve", "--reason", "why"], "<IDS>");
}

#[test]
fn times_and_pages_that_are_none_are_explained() {
    for text in ["yesterday", "-2h", "1mo", "2026-13-01T00:00:00Z"] {
        refused(&["dead", "list", &format!("--since={text}")], "2h or 3d");
    }
    refused(&["alerts", "silence", "x", "--for", "long", "--reason", "why"], "30m, 2h or 3d");
    refused(&["audit", "--after", "here"], "what the page before printed");
    refused(&["outbox", "list", "--limit", "201"], "201");
    refused(&["outbox", "list", "--status", "lost"], "delivered, dead");
}

/// As `| head`, which has seen enough before there was anything: no failure, no word, and the exit code is the command's own.
#[test]
fn nobody_has_to_read_it_all() {
    let clone = bare_clone();
    std::fs::create_dir(clone.path().join("app")).unwrap();
    std::fs::write(clone.path().join("app/flags.json"), include_str!("../../app/flags.json")).unwrap();
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["flags", "list"], 0),
        (&["flags", "list", "--json"], 0),
        (&["flags", "eval", "export-csv"], 0),
        (&["flags", "explain", "export-csv"], 0),
        (&["env", "verify"], 1),
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_solo"));
        command.args(arguments).current_dir(clone.path()).stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("error"), "{arguments:?}: {said}");
    }
}

#[test]
fn help_has_examples() {
    for command in ["dead", "replay", "unlock", "outbox", "alerts", "audit", "flags"] {
        let (fine, text) = solo(bare_clone().path(), &[command, "--help"]);
        assert!(fine && text.contains("Examples:") && text.contains(&format!("solo {command} ")), "{text}");
    }
}
