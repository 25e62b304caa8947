//! What a function that was set up says of a panic. In a process of its own: the hook is the process's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{panic::catch_unwind, process::Command};

use serde_json::Value;
use shared::{
    config::Env,
    telemetry::{LogFormat, LogLevel, init},
};

const CHILD: &str = "SOLO_TEST_PANICS";
const NAME: &str = "a_panic_is_a_line_of_the_log_without_what_it_held";

#[test]
fn a_panic_is_a_line_of_the_log_without_what_it_held() {
    if Env::of_process().optional(CHILD).is_some() {
        init(LogLevel::Error, LogFormat::Json);
        let held = std::hint::black_box(Err::<(), _>("s3cret words".to_owned()));
        catch_unwind(|| held.unwrap()).unwrap_err();
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", NAME, "--nocapture"]).env(CHILD, "yes").output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && !said.contains("s3cret"), "{said}");
    let line = said.lines().find(|line| line.contains("panicked")).unwrap_or_else(|| panic!("{said}"));
    let line: Value = serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
    assert_eq!(line["error"], "called <text> on an <text> value: <text>");
    assert!(line["place"].as_str().unwrap().contains("panics.rs:"), "{line}");
}
