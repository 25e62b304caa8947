//! Every command of `solo` in the documents, in blocks and in the text, run as it stands there, against a stack that has one of
//! everything. What a document shows below a command is seen.

use std::{fs, time::Duration};

use serde_json::Value;

use super::{
    WALK,
    documents::{Block, blocks, missing, on_the_local_stack, section},
    stack::Stack,
};

const DOCUMENTS: [&str; 6] =
    ["README.md", "docs/backups.md", "docs/deploying.md", "docs/flags.md", "docs/providers.md", "docs/runbook.md"];
/// Commands for a stage in the cloud alone: `cli/tests/cloud` has a stage for them.
const CLOUD: [&str; 5] = ["deploy", "rollback", "destroy", "secrets", "env verify --target"];
/// What the text names and nobody can type as it stands there, and why.
const NAMED: [(&str, &str); 4] = [
    ("executions show", "a name of the command; it is run with an id"),
    ("replay", "a name of the command; it is run with an id"),
    ("send", "a name of the command; it is run with what it sends"),
    ("send stripe invoice.paid --file <a body of 500 KB>", "the file is the reader's"),
];
/// What is shown below a command and is not seen here, and why.
const NOT_SEEN: [(&str, &str); 1] =
    [("status", "a stage in the cloud: the local stack has no releases, and other troubles")];
/// They go on until somebody stops them.
const ENDLESS: [&str; 2] = ["watch", "--follow"];
/// How long those are looked at.
const LOOKED_AT: Duration = Duration::from_secs(5);
/// An effect that could not be delivered.
const DEAD_EFFECT: &str = "
    INSERT INTO outbox (id, destination, idempotency_key, correlation_id, effect, status, attempts, last_error, finished_at, relay_at)
    VALUES ('01a201d0-1c6e-7b0a-9f6e-2a50a7f0c5d1', 'api.example.com', 'of the runbook', 'c',
            '{\"kind\": \"http\", \"method\": \"POST\", \"url\": \"http://127.0.0.1:9/\", \"timeout_ms\": 1000}', 'dead', 5,
            '503 Service Unavailable', now(), NULL)";
const EFFECT: &str = "01a201d0-1c6e-7b0a-9f6e-2a50a7f0c5d1";
/// An alert of that effect.
const DEAD_ALERT: &str = "
    INSERT INTO alerts (key, severity, message) VALUES ('outbox_dead:api.example.com', 'warning', 'of the runbook')
    ON CONFLICT (key) WHERE resolved_at IS NULL DO NOTHING";
/// A dead letter. Whatever became of it, it is one again.
const DEAD: &str = "
    INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence, payload,
                            fingerprint, correlation_id, finished_at, last_error)
    VALUES ('01a201cc-f6c4-7391-a8d5-bc7ac2bf83ce', 'stripe', 'dead, of the runbook', 'invoice.paid', 1, 'record_payment', 'dead',
            3, 1, '{}', sha256('y'), 'c', now() - interval '3 minutes', 'the ledger refused the payment')
    ON CONFLICT (id) DO UPDATE
    SET (status, attempt, fence, finished_at, last_error, lease_until, next_attempt_at, resolved_at) =
        ('dead', 3, executions.fence + 1, EXCLUDED.finished_at, EXCLUDED.last_error, NULL, NULL, NULL)";
const DEAD_ID: &str = "01a201cc-f6c4-7391-a8d5-bc7ac2bf83ce";
/// An execution whose runner is gone.
const STUCK: &str = "
    INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence, payload,
                            fingerprint, correlation_id, lease_until)
    VALUES ('01a201cc-f6c4-7391-a8d5-bc7ac2bf83cf', 'stripe', 'of the runbook', 'invoice.paid', 1, 'record_payment', 'processing',
            1, 1, '{}', sha256('x'), 'c', now())";
/// The documents show what is printed of it, so it has a name there.
const ERROR_OF_THE_EXAMPLES: [&str; 2] = ["b6d97d234d509d6da35a1c139931ef26", "b6d97d23"];
const STUCK_ID: &str = "01a201cc-f6c4-7391-a8d5-bc7ac2bf83cf";

pub fn run_all(stack: &Stack) {
    let world = World::new(stack);
    let (mut failed, mut count, mut seen) = (Vec::new(), 0, 0);
    let all = documented(stack);
    for (what, why) in NAMED.iter().chain(&NOT_SEEN) {
        assert!(all.iter().any(|documented| documented.what() == *what), "no document has {what} any more ({why})");
    }
    for documented in &all {
        let Documented { document, command, expected } = documented;
        let Some(ready) = world.ready(documented) else { continue };
        let (code, text) = if ENDLESS.iter().any(|word| documented.what().contains(word)) {
            stack.sh_for(&format!("exec {ready}"), LOOKED_AT)
        } else {
            let (code, text) = stack.sh(&ready);
            (Some(code), text)
        };
        count += 1;
        // A status says by its code that something needs a person, and by now something does.
        let fine = matches!(code, None | Some(0)) || (code == Some(1) && command.contains("solo status"));
        if !fine {
            failed.push(format!("{document}: {command}\n  as: {ready}\n  exit code {code:?}: {text}"));
        }
        for expected in expected {
            let expected = world.filled(expected);
            seen += 1;
            if let Some(line) = missing(&expected, &text) {
                failed.push(format!("{document}: {command}\n  as: {ready}\n  expected: {line}\n  in: {text}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(count > 80 && seen > 2, "only {count} commands were found, and {seen} that show what they print");
    world.restore_what_is_gone();
}

struct Documented {
    /// The first that has it.
    document: &'static str,
    /// As it is typed for the local stack.
    command: String,
    /// What the documents show right after a block with nothing but this command. What the walk sees is not here.
    expected: Vec<String>,
}

impl Documented {
    /// Without the name of the program.
    fn what(&self) -> &str {
        self.command.split_once("target/debug/solo ").unwrap().1
    }
}

/// Each once, in the order of the documents.
fn documented(stack: &Stack) -> Vec<Documented> {
    let mut found = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(stack.root.join(document)).unwrap();
        let walked = if document == "docs/runbook.md" { section(&text, WALK) } else { Vec::new() };
        // The command that stood alone in the block before.
        let mut alone = None;
        for block in blocks(&text) {
            let is_walked = walked.contains(&block);
            let before = alone.take();
            match block {
                Block::Commands(commands) => {
                    let places: Vec<_> = commands.iter().map(|command| place(&mut found, document, command)).collect();
                    alone = if let [place] = places[..] { place } else { None };
                }
                Block::Mentioned(commands) => {
                    for command in commands {
                        place(&mut found, document, &command);
                    }
                }
                Block::Expected(expected) => {
                    if let Some(documented) = before.map(|place: usize| &mut found[place])
                        && !is_walked
                        && !NOT_SEEN.iter().any(|(what, _)| *what == documented.what())
                    {
                        documented.expected.push(expected);
                    }
                }
            }
        }
    }
    found
}

/// Where it is among those that were found. `None`: it is none of `solo`.
fn place(found: &mut Vec<Documented>, document: &'static str, command: &str) -> Option<usize> {
    if !command.contains("target/debug/solo ") {
        return None;
    }
    let command = on_the_local_stack(command);
    Some(found.iter().position(|there| there.command == command).unwrap_or_else(|| {
        found.push(Documented { document, command, expected: Vec::new() });
        found.len() - 1
    }))
}

/// What stands for the blanks.
struct World<'s> {
    stack: &'s Stack,
    error: String,
    execution: String,
    correlation: String,
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
        let execution = text(&json("executions list --limit 1")["executions"][0]["id"]);
        let world = Self {
            stack,
            error: text(&json("errors list")["errors"][0]["fingerprint"]),
            correlation: text(&json(&format!("executions show {execution}"))["correlation_id"]),
            execution,
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

    /// With its blanks filled in. `None`: it is run elsewhere, or not at all.
    fn ready(&self, documented: &Documented) -> Option<String> {
        let what = documented.what();
        let elsewhere = CLOUD.iter().any(|prefix| what.starts_with(prefix)) || what == "backup restore latest";
        if elsewhere || NAMED.iter().any(|(named, _)| *named == what) {
            return None;
        }
        self.prepare(what);
        let id = match what.split_whitespace().next()? {
            "backup" => &self.backup,
            "dead" => DEAD_ID,
            "jobs" => &self.run,
            "logs" if what.contains("--correlation") => &self.correlation,
            "outbox" => EFFECT,
            "unlock" => STUCK_ID,
            _ => &self.execution,
        };
        let mut ready = self.filled(&documented.command);
        for (blank, value) in [
            ("<id>...", id),
            ("<id>", id),
            ("<the id before>", id),
            ("<run>", &self.run),
            ("<job>", "cleanup"),
            ("<host>", "api.example.com"),
            ("<flag>", "ai-assistant"),
            ("<yourself>", "u_42"),
        ] {
            ready = ready.replace(blank, value);
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

    /// What the command is about, if the stack has it no more.
    fn prepare(&self, what: &str) {
        if what.starts_with("dead") {
            self.psql(DEAD);
        } else if what.starts_with("unlock") {
            self.psql(STUCK);
        } else if what.starts_with("alerts resolve outbox_dead:") {
            self.psql(DEAD_ALERT);
        } else if let Some((_, rest)) = what.split_once("--into-new ") {
            // Another document may have the same name.
            let name = rest.split_whitespace().next().unwrap();
            self.psql(&format!("DROP DATABASE IF EXISTS \"{name}\""));
        }
    }

    /// With the stack's own error for that of the examples, in a command and in what is printed.
    fn filled(&self, text: &str) -> String {
        ERROR_OF_THE_EXAMPLES.iter().fold(on_the_local_stack(text), |text, example| text.replace(example, &self.error))
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
