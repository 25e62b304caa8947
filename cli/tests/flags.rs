//! `solo flags` on a clone of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::{Value, json};

/// A clone with the flags of this one.
fn clone() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("app")).unwrap();
    for (name, text) in
        [("solo.toml", ""), ("Cargo.toml", ""), ("app/flags.json", include_str!("../../app/flags.json"))]
    {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

struct Said {
    fine: bool,
    out: String,
    err: String,
}

fn solo(clone: &tempfile::TempDir, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_solo"));
    let output = command.arg("flags").args(arguments).current_dir(clone.path()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { fine: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
}

fn json(clone: &tempfile::TempDir, arguments: &[&str]) -> Value {
    let said = solo(clone, &[arguments, &["--json"]].concat());
    assert!(said.fine, "{}", said.err);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn the_list_has_every_flag_in_a_line() {
    let said = solo(&clone(), &["list"]);
    let lines: Vec<Vec<&str>> = said
        .out
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(lines[0], ["FLAG", "STATE", "PERCENTAGE", "REQUIRES AUTH", "DESCRIPTION"]);
    assert_eq!(lines[1][..4], ["ai-assistant", "enabled", "25 %", "yes"]);
    assert_eq!(lines[2][..4], ["export-csv", "enabled", "100 %", "no"]);
    assert_eq!(lines[3], ["v2-dashboard", "disabled", "0 %", "no", "The new dashboard."]);
    assert_eq!(lines.len(), 4);
}

#[test]
fn the_list_for_programs_has_all_that_is_known() {
    let list = json(&clone(), &["list"]);
    let expected = json!({
        "key": "v2-dashboard", "enabled": false, "percentage": 0.0, "requires_auth": false,
        "description": "The new dashboard.", "permanent": false,
    });
    assert_eq!(list[2], expected);
}

#[test]
fn an_answer_is_a_word() {
    let clone = clone();
    for (arguments, expected) in [
        (&["ai-assistant", "--user", "u_2"][..], "on\n"),
        (&["ai-assistant", "--user", "u_42"], "off\n"),
        (&["ai-assistant", "--visitor", "u_2"], "off\n"),
        (&["ai-assistant"], "off\n"),
        (&["export-csv"], "on\n"),
        (&["v2-dashboard", "--user", "u_2"], "off\n"),
    ] {
        let said = solo(&clone, &[&["eval"], arguments].concat());
        assert_eq!((said.fine, said.out.as_str(), said.err.as_str()), (true, expected, ""), "{arguments:?}");
    }
}

#[test]
fn an_unknown_flag_is_off_with_a_warning() {
    let clone = clone();
    let said = solo(&clone, &["eval", "ai-asistant", "--user", "u_2"]);
    assert_eq!((said.fine, said.out.as_str()), (true, "off\n"));
    assert!(said.err.contains("there is no such flag in app/flags.json"), "{}", said.err);
    assert_eq!(json(&clone, &["eval", "ai-asistant"])["reason"], "unknown");
}

/// As of a variable that is not set.
#[test]
fn a_blank_id_is_an_anonymous_user_and_that_is_said() {
    let clone = clone();
    for blank in [&["--user", ""][..], &["--user", " "], &["--visitor", ""]] {
        let said = solo(&clone, &[&["explain", "export-csv"], blank].concat());
        assert!(said.fine && said.out.lines().any(|line| line == "user            anonymous"), "{}", said.out);
        assert!(said.err.contains("the id is blank"), "{}", said.err);
        let said = solo(&clone, &[&["eval", "export-csv"], blank].concat());
        assert!(said.out == "on\n" && said.err.contains("the id is blank"), "{}", said.err);
        let answer = json(&clone, &[&["explain", "export-csv"], blank].concat());
        assert_eq!((&answer["user"], &answer["visitor"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn an_explanation_has_the_bucket() {
    let clone = clone();
    let said = solo(&clone, &["explain", "ai-assistant", "--user", "u_42"]);
    for line in ["flag            ai-assistant", "user            u_42, signed in", "is              off"] {
        assert!(said.out.lines().any(|it| it == line), "{line} in {}", said.out);
    }
    assert!(said.out.contains("bucket 66.43 of 100, and the flag is on below 25"), "{}", said.out);
    let expected = json!({
        "flag": "ai-assistant", "user": "u_42", "visitor": null, "on": false, "reason": "split", "bucket": 66.43,
        "percentage": 25.0, "because": "bucket 66.43 of 100, and the flag is on below 25",
    });
    assert_eq!(json(&clone, &["explain", "ai-assistant", "--user", "u_42"]), expected);
    let why = |arguments: &[&str]| json(&clone, &[&["explain"], arguments].concat())["because"].to_string();
    assert!(why(&["ai-assistant", "--visitor", "u_2"]).contains("has not signed in"));
    assert!(why(&["v2-dashboard", "--user", "u_2"]).contains("disabled"));
    assert!(why(&["export-csv"]).contains("everybody"));
}

#[test]
fn it_is_the_file_of_the_clone_that_counts() {
    let clone = clone();
    let path = clone.path().join("app/flags.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(r#"["on", 25], ["off", 75]"#, r#"["on", 70], ["off", 30]"#)).unwrap();
    assert_eq!(solo(&clone, &["eval", "ai-assistant", "--user", "u_42"]).out, "on\n");

    std::fs::write(&path, text.replace("ENABLED", "ON").replace("[\"on\", 0]", "[\"on\", 1]")).unwrap();
    let said = solo(&clone, &["list"]);
    assert!(!said.fine && said.err.contains("app/flags.json cannot be read: flags.ai-assistant.state"), "{}", said.err);
    std::fs::remove_file(&path).unwrap();
    let said = solo(&clone, &["list"]);
    assert!(!said.fine && said.err.contains("app/flags.json cannot be read"), "{}", said.err);
}

#[test]
fn help_says_what_is_asked() {
    let said = solo(&clone(), &["eval", "--help"]);
    assert!(said.out.contains("nothing is asked over the network"), "{}", said.out);
    let said = solo(&clone(), &["eval", "ai-assistant", "--user", "a", "--visitor", "b"]);
    assert!(!said.fine && said.err.contains("cannot be used with"), "{}", said.err);
}
