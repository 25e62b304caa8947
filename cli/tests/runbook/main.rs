//! The runbook, walked: a handler fails, and with nothing but the documents' own commands one finds out why, mends it, replays
//! the event and sees it complete. Then every other command of the documents is run on the same stack; those for a stage in the
//! cloud are in `cli/tests/cloud`.
//!
//! `make walk` runs it: it compiles the workspace once more, as a change to a handler does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod documents;
mod stack;

use std::{fs, path::Path, thread::sleep, time::Duration};

use documents::{Block, missing, on_the_local_stack, section};
use stack::{Stack, edit};

const HANDLER: &str = "app/src/handlers/record_payment.rs";
const GOOD: &str = "        let execution_id = context.execution_id();\n";
/// A handler as one writes it on a Friday.
const BAD: &str = "        let execution_id = context.execution_id();
        if invoice.amount.cents.get() > 0 {
            return Err(HandlerError::fail(\"the ledger refused the payment\"));
        }
";
/// The section of the runbook that is walked.
const WALK: &str = "An event failed: from the alert to the fix";
/// The tick comes every minute.
const DONE_WITHIN: Duration = Duration::from_mins(3);
/// Until the changed handler runs: the function is compiled and linked.
const RELOADED_WITHIN: Duration = Duration::from_mins(10);

#[test]
fn the_runbook_leads_from_a_failed_event_to_its_fix_and_its_commands_work() {
    let mut stack = Stack::start(|clone| {
        edit(&clone.join(HANDLER), GOOD, BAD);
        switch_providers_on(&clone.join("solo.toml"));
    });
    let (code, text) = stack.sh("target/debug/solo send stripe invoice.paid");
    assert!(code == 0 && text.contains("dead_lettered"), "{text}");
    walk(&mut stack);
    commands::run_all(&stack);
}

/// All that the file has, and the one without code that it has as a comment.
fn switch_providers_on(file: &Path) {
    let text = fs::read_to_string(file).unwrap().replace("enabled = false", "enabled = true");
    let mut inside = false;
    let lines = text.lines().map(|line| {
        inside = line.starts_with("# [providers.acme]") || inside && line.starts_with("# ");
        if inside { line.trim_start_matches("# ") } else { line }
    });
    let switched = lines.collect::<Vec<_>>().join("\n");
    assert!(switched.contains("\n[providers.acme]\n"), "{switched}");
    fs::write(file, switched).unwrap();
}

/// The section's commands in their order; what it says will be seen is seen. `<id>` is the event that failed.
fn walk(stack: &mut Stack) {
    let runbook = fs::read_to_string(stack.root.join("docs/runbook.md")).unwrap();
    let (mut id, mut said, mut last, mut mended) = (String::new(), String::new(), String::new(), false);
    for block in section(&runbook, WALK) {
        match block {
            Block::Commands(commands) => {
                said.clear();
                for command in commands {
                    if command.contains(" replay ") && !mended {
                        mended = true;
                        mend(stack);
                    }
                    last = on_the_local_stack(&command).replace("<id>", &id);
                    said.push_str(&run(stack, &last));
                    if last.ends_with("dead list") {
                        said.split_whitespace().find(|word| word.len() == 36).unwrap().clone_into(&mut id);
                    }
                }
            }
            // What only looks may have to look again: a replay is done by the next tick.
            Block::Expected(expected) if last.contains(" show ") => {
                let expected = on_the_local_stack(&expected);
                stack.wait_until(&expected, DONE_WITHIN, |stack| {
                    missing(&expected, &run(stack, &last)).is_none().then_some(())
                });
            }
            Block::Expected(expected) => {
                let expected = on_the_local_stack(&expected);
                let missing = missing(&expected, &said);
                assert!(missing.is_none(), "the runbook expects\n{}\nin\n{said}", missing.unwrap());
            }
            // Run with those of the other sections.
            Block::Mentioned(_) => {}
        }
    }
    assert!(mended && !id.is_empty(), "the walk has no dead list, or no replay");
    let (code, text) = stack.sh("target/debug/solo status");
    assert!(code == 0, "all is well after the walk: {text}");
}

/// What it printed. Its exit code is 0; a status with something to do says so by its code.
fn run(stack: &Stack, command: &str) -> String {
    let (code, text) = stack.sh(command);
    assert!(code == 0 || (code == 1 && command.contains("solo status")), "{command}: {code}\n{text}");
    if command.contains("solo logs") {
        assert!(text.contains(" webhooks ") && text.contains("(record)"), "both the lines and the record:\n{text}");
    }
    text
}

/// The fix: another event goes through before anything is replayed, as one tries it at home.
fn mend(stack: &mut Stack) {
    edit(&stack.root.join(HANDLER), BAD, GOOD);
    stack.wait_until("the mended handler runs", RELOADED_WITHIN, |stack| {
        // Not often: what the handler before takes is one more dead letter.
        sleep(Duration::from_secs(3));
        stack.sh("target/debug/solo send stripe invoice.paid").1.starts_with("200").then_some(())
    });
}
