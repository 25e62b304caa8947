//! Every command of `solo` in the documents, run as it stands there, against a stack that has one of everything.

use std::fs;

use serde_json::Value;

use super::{
    documents::{Block, blocks},
    stack::Stack,
};

const DOCUMENTS: [&str; 6] =
    ["README.md", "docs/backups.md", "docs/deploying.md", "docs/flags.md", "docs/providers.md", "docs/runbook.md"];
/// Commands for a stage in the cloud alone: `cli/tests/cloud` has a stage for them.
const CLOUD: [&str; 5] = ["deploy", "rollback", "destroy", "secrets", "env verify --target"];
/// An effect that could not be delivered, and an alert of it.
const DEAD_EFFECT: &str = "
    INSERT INTO outbox (id, destination, idempotency_key, correlation_id, effect, status, attempts, last_error, finished_at, relay_at)
    VALUES ('01a201d0-1c6e-7b0a-9f6e-2a50a7f0c5d1', 'api.example.com', 'of the runbook', 'c',
            '{\"kind\": \"http\", \"method\": \"POST\", \"url\": \"http://127.0.0.1:9/\", \"timeout_ms\": 1000}', 'dead', 5,
            '503 Service Unavailable', now(), NULL)";
const EFFECT: &str = "01a201d0-1c6e-7b0a-9f6e-2a50a7f0c5d1";
/// An execution whose runner is gone.
const STUCK: &str = "
    INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence, payload,
                            fingerprint, correlation_id, lease_until)
    VALUES ('01a201cc-f6c4-7391-a8d5-bc7ac2bf83cf', 'stripe', 'of the runbook', 'invoice.paid', 1, 'record_payment', 'processing',
            1, 1, '{}', sha256('x'), 'c', now())";
/// The documents show what is printed of it, so it has a name there.
const ERROR_OF_THE_EXAMPLES: &str = "b6d97d23";
const STUCK_ID: &str = "01a201cc-f6c4-7391-a8d5-bc7ac2bf83cf";

pub fn run_all(stack: &Stack) {
    let world = World::new(stack);
    let (mut failed, mut count) = (Vec::new(), 0);
    for (document, command) in documented(stack) {
        let Some(ready) = world.ready(&command) else { continue };
        let (code, text) = stack.sh(&ready);
        count += 1;
        // A status says by its code that something needs a person, and by now something does.
        if code != 0 && !(code == 1 && command.contains("solo status")) {
            failed.push(format!("{document}: {command}\n  as: {ready}\n  exit code {code}: {text}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(count > 40, "only {count} commands were found");
    world.restore_what_is_gone();
}

/// Each once, in the order of the documents.
fn documented(stack: &Stack) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for document in DOCUMENTS {
        for block in blocks(&fs::read_to_string(stack.root.join(document)).unwrap()) {
            let Block::Commands(commands) = block else { continue };
            for command in commands.into_iter().filter(|command| command.contains("target/debug/solo ")) {
                if !found.iter().any(|(_, there)| *there == command) {
                    found.push((document, command));
                }
            }
        }
    }
    found
}

/// What stands for the blanks.
struct World<'s> {
    stack: &'s Stack,
    error: String,
    execution: String,
    run: String,
    backup: String,
}

impl<'s> World<'s> {
    fn new(stack: &'s Stack) -> Self {
        let json = |command: &str| -> Value {
            let (code, text) = stack.sh(&format!("target/debug/solo {command} --json"));
            assert_eq!(code, 0, "{text}");
            serde_json::from_str(&text).unwrap()
        };
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned();
        for job in ["backup", "review", "reconcile", "drift"] {
            let (code, said) = stack.sh(&format!("target/debug/solo jobs run {job}"));
            assert_eq!(code, 0, "{job}: {said}");
        }
        let world = Self {
            stack,
            error: text(&json("errors list")["errors"][0]["fingerprint"]),
            execution: text(&json("executions list --limit 1")["executions"][0]["id"]),
            run: text(&json("jobs runs --limit 1")["runs"][0]["id"]),
            backup: text(&json("backup list")["backups"][0]["id"]),
        };
        world.psql(DEAD_EFFECT);
        world
    }

    fn psql(&self, sql: &str) -> String {
        let quoted = sql.replace('\'', r"'\''");
        let (code, text) = self.stack.sh(&format!(
            "set -a; . .dev/env; \"$PG_PROGRAMS/psql\" \"$DATABASE_URL\" -v ON_ERROR_STOP=1 -Atc '{quoted}'"
        ));
        assert_eq!(code, 0, "{text}");
        text
    }

    /// With its blanks filled in, and on the local stack. `None`: it is run elsewhere.
    fn ready(&self, command: &str) -> Option<String> {
        let (_, what) = command.split_once("target/debug/solo ")?;
        if CLOUD.iter().any(|prefix| what.starts_with(prefix)) || what == "backup restore latest" {
            return None;
        }
        if what.starts_with("unlock") {
            self.psql(STUCK);
        }
        let id = match what.split_whitespace().next()? {
            "backup" => &self.backup,
            "jobs" => &self.run,
            "outbox" => EFFECT,
            "unlock" => STUCK_ID,
            _ => &self.execution,
        };
        let mut ready = command.replace("<id>", id).replace("<the id before>", id).replace("<run>", &self.run);
        ready = ready.replace("<job>", "cleanup").replace(ERROR_OF_THE_EXAMPLES, &self.error);
        while let Some(start) = ready.find(" --stage ") {
            let after = start + " --stage ".len();
            let end = ready[after..].find(' ').map_or(ready.len(), |length| after + length);
            ready.replace_range(start..end, "");
        }
        if what.starts_with("backup restore") {
            // Nobody is there to be asked.
            ready.push_str(" --yes");
        }
        // A server of one's own: this one.
        ready = ready.replace("PGPASSWORD=... ", "set -a; . .dev/env; ");
        Some(ready.replace(
            "'postgres://me@127.0.0.1:5432/postgres?sslmode=disable'",
            "\"${DATABASE_URL%/*}/postgres?sslmode=disable\"",
        ))
    }

    /// The database is dropped, and is there again, with its rows, after what docs/backups.md says to do.
    fn restore_what_is_gone(&self) {
        let count = "SELECT count(*) FROM executions WHERE id = '01a201cc-f6c4-7391-a8d5-bc7ac2bf83cf'";
        assert_eq!(self.psql(count).trim(), "1");
        let (code, text) = self.stack.sh("target/debug/solo backup run");
        assert_eq!(code, 0, "{text}");
        let (code, text) = self.stack.sh("target/debug/solo backup restore latest --yes");
        assert!(code == 1 && text.contains("is not empty"), "{text}");
        let (code, text) = self
            .stack
            .sh("set -a; . .dev/env; \"$PG_PROGRAMS/psql\" \"${DATABASE_URL%/*}/postgres\" -v ON_ERROR_STOP=1 \
             -c \"DROP DATABASE ${DATABASE_URL##*/} WITH (FORCE)\"");
        assert_eq!(code, 0, "{text}");
        let (code, text) = self.stack.sh("target/debug/solo backup restore latest --yes");
        assert_eq!(code, 0, "{text}");
        assert_eq!(self.psql(count).trim(), "1");
    }
}
