//! The founder's hands, from the command line to the database: `solo` as a person runs it, against the operations
//! themselves behind the least of HTTP that it needs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use ops::Environment;
use serde_json::Value;
use shared::{
    aws::Services,
    db::{Credentials, Database},
};
use testkit::{TestDatabase, TestQueues};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
};

struct World {
    kept: TestDatabase,
    clone: tempfile::TempDir,
}

impl World {
    /// A stage with so many dead letters, and a clone that knows it.
    async fn new(dead: u32) -> Self {
        let kept = TestDatabase::new().await;
        kept.execute(&format!(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt,
                                     fence, payload, fingerprint, correlation_id, finished_at, last_error)
             SELECT uuidv7(), 'stripe', n::text, 'invoice.paid', 1, 'record_payment', 'dead', 3, 3, '{{}}', sha256('x'),
                    'c', now(), E'a\\x1b[2J line\\n' || repeat('long ', 100)
               FROM generate_series(1, {dead}) n"
        ))
        .await;
        let services = Services::from_env(&TestQueues::create().await.config).await;
        let database = Database::new(kept.app_url(), Credentials::Url, &[]).unwrap();
        let environment = Arc::new(Environment { database, inbox: services.inbox });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&environment)));
            }
        });
        let clone = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("solo.toml", ""),
            ("Cargo.toml", ""),
            ("template.yaml", include_str!("../../template.yaml")),
            (".dev/env", &*format!("API_URL={url}\n")),
        ] {
            std::fs::create_dir_all(clone.path().join(".dev")).unwrap();
            std::fs::write(clone.path().join(name), text).unwrap();
        }
        Self { kept, clone }
    }

    /// The exit code, and all that was printed.
    async fn solo(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_solo"));
        let output = command.args(arguments).current_dir(self.clone.path()).output().await.unwrap();
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let (code, text) = self.solo(&[arguments, &["--json"]].concat()).await;
        assert_eq!(code, 0, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn replayed(&self) -> i64 {
        self.kept.count("SELECT count(*) FROM executions WHERE status = 'failed' AND generation = 2").await
    }
}

/// Answers one request as the Lambda API does: the body is the event, the answer what the function returned.
async fn serve(stream: TcpStream, environment: Arc<Environment>) {
    let mut stream = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let answer = match serde_json::from_slice(&body) {
        Ok(request) => serde_json::to_string(&ops::perform(&environment, request).await).unwrap(),
        // GET /health
        Err(_) => r#"{"status": "healthy"}"#.into(),
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_large_replay_is_tried_agreed_to_and_done() {
    let world = World::new(12).await;
    let (code, text) = world.solo(&["dead", "replay", "--all", "--dry-run"]).await;
    assert!(code == 0 && text.starts_with("12 would be replayed:"), "{text}");
    let (code, text) = world.solo(&["dead", "replay", "--all", "--reason", "fixed"]).await;
    assert!(code == 1 && text.contains("--dry-run") && text.contains("--yes"), "{text}");
    assert_eq!(world.replayed().await, 0);

    let (code, text) = world.solo(&["dead", "replay", "--all", "--reason", "fixed", "--yes"]).await;
    assert!(code == 0 && text.starts_with("12 replayed:"), "{text}");
    assert_eq!(world.replayed().await, 12);
    let (code, text) = world.solo(&["dead", "list"]).await;
    assert_eq!((code, text.as_str()), (0, "No dead letters.\n"));
    let trail = world.json(&["audit", "--operation", "replay", "--since", "1h"]).await;
    let entries = trail["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[0]["reason"]), (12, &Value::from("fixed")));
    assert!(!entries[0]["actor"].as_str().unwrap().is_empty());
}

/// What was named and is left alone makes the command fail.
#[tokio::test]
async fn the_exit_code_tells_whether_all_was_done() {
    let world = World::new(2).await;
    let letters = world.json(&["dead", "list"]).await;
    let ids: Vec<_> = letters["letters"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    let (code, text) = world.solo(&["dead", "resolve", ids[0], "--reason", "refunded"]).await;
    assert!(code == 0 && text.starts_with("1 resolved:"), "{text}");
    let (code, text) = world.solo(&["dead", "resolve", ids[0], ids[1], "--reason", "refunded"]).await;
    assert!(code == 1 && text.contains("1 left alone:") && text.contains("it was resolved at"), "{text}");
    let (code, text) = world.solo(&["unlock", ids[0], "--reason", "why"]).await;
    assert!(code == 1 && text.contains("is dead: nobody holds it"), "{text}");
    let (code, text) = world.solo(&["dead", "replay", "--all", "--reason", "why"]).await;
    assert!(code == 0 && text.contains("Nothing was replayed") && text.contains("not chosen: 2"), "{text}");
}

/// Lists are tables with short texts; nothing in an error steers the terminal.
#[tokio::test]
async fn lists_are_for_people_and_pages_go_on() {
    let world = World::new(3).await;
    let (_, text) = world.solo(&["dead", "list", "--limit", "2"]).await;
    assert!(text.contains("DIED") && text.contains("s ago") && !text.contains('\u{1b}'), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 160), "{text}");
    let after = text.lines().last().unwrap().strip_prefix("More: --after ").unwrap();
    let rest = world.json(&["dead", "list", "--after", after]).await;
    assert_eq!(rest["letters"].as_array().unwrap().len(), 1);

    for arguments in [&["outbox", "list"][..], &["audit"], &["alerts", "list", "--state", "all"]] {
        let (code, text) = world.solo(arguments).await;
        assert!(code == 0 && text.starts_with("No "), "{text}");
    }
    let (code, text) = world.solo(&["outbox", "show", "00000000-0000-0000-0000-000000000000"]).await;
    assert!(code == 1 && text.contains("there is no effect 0000"), "{text}");
}

#[tokio::test]
async fn alerts_are_tested_silenced_and_resolved() {
    let world = World::new(0).await;
    let (code, text) = world.solo(&["alerts", "test", "--critical", "--reason", "does it ring?"]).await;
    assert!(code == 0 && text.contains("raised as critical"), "{text}");
    world.solo(&["alerts", "silence", "te*", "--for", "2h", "--reason", "noise"]).await;
    let (_, text) = world.solo(&["alerts", "list"]).await;
    assert!(text.contains("silent, ends in 2h") && text.contains("te*") && text.contains("noise"), "{text}");
    let (code, text) = world.solo(&["alerts", "resolve", "test", "never", "--reason", "it rang"]).await;
    assert!(code == 1 && text.contains("no alert with this key is open"), "{text}");
    let (code, _) = world.solo(&["alerts", "unsilence", "te*", "--reason", "done"]).await;
    let (again, text) = world.solo(&["alerts", "unsilence", "te*", "--reason", "done"]).await;
    assert!(code == 0 && again == 1 && text.contains("no silence"), "{text}");
    let (code, text) = world.solo(&["alerts", "silence", "x", "--for", "31d", "--reason", "why"]).await;
    assert!(code == 1 && text.contains("30 days"), "{text}");
}

/// What a founder types first. The exit code is for scripts.
#[tokio::test]
async fn the_status_of_the_local_stack_leads_to_what_waits() {
    let world = World::new(0).await;
    let (code, text) = world.solo(&["status"]).await;
    assert!(code == 0 && text.contains("All is well.") && text.contains("healthy, in "), "{text}");
    let world = World::new(3).await;
    let (code, text) = world.solo(&["status"]).await;
    assert!(
        code == 1 && text.lines().any(|line| line.contains("3 dead letters") && line.ends_with("solo dead list")),
        "{text}"
    );
    std::fs::remove_file(world.clone.path().join(".dev/env")).unwrap();
    let (code, text) = world.solo(&["status"]).await;
    assert!(code == 2 && text.contains("make dev"), "{text}");
}

/// The lines that `solo dev` kept, with the record between them; and those that come.
#[tokio::test]
async fn logs_of_the_local_stack_are_read_and_followed() {
    let world = World::new(1).await;
    let (code, text) = world.solo(&["logs"]).await;
    assert!(code == 1 && text.contains("functions.jsonl is not there"), "{text}");
    let log = world.clone.path().join(".dev/logs/functions.jsonl");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let line = |function: &str, correlation: &str, message: &str| {
        let now = shared::clock::now();
        format!(
            r#"{{"timestamp":"{now}","level":"INFO","function":"{function}","message":"{message}","correlation_id":"{correlation}"}}"#
        ) + "\n"
    };
    std::fs::write(&log, [line("webhooks", "c", "came in"), line("worker", "d", "other"), "noise\n".into()].concat())
        .unwrap();
    let (code, text) = world.solo(&["logs", "--function", "webhooks"]).await;
    let told: Vec<_> = text.lines().collect();
    assert!(code == 0 && told.len() == 2 && told[0].ends_with(" (UTC)"), "{text}");
    assert!(told[1].ends_with("came in correlation_id=c"), "{text}");
    std::fs::write(world.clone.path().join("many"), line("worker", "f", "again").repeat(2_000)).unwrap();
    let solo = env!("CARGO_BIN_EXE_solo");
    let piped = format!("cat many >> {}; set -o pipefail; {solo} logs --limit 5000 | head -1", log.display());
    let piped = Command::new("bash").args(["-c", &piped]).current_dir(world.clone.path()).output().await.unwrap();
    assert!(piped.status.success() && piped.stderr.is_empty(), "{piped:?}");
    let letters = world.json(&["dead", "list"]).await;
    let id = letters["letters"][0]["id"].as_str().unwrap();
    let (code, text) = world.solo(&["logs", "--execution", id]).await;
    assert!(code == 0 && text.contains("came in") && text.contains("(record)") && !text.contains("other"), "{text}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_solo"));
    command
        .args(["logs", "--follow", "--json", "--function", "webhooks", "--function", "courier"])
        .current_dir(world.clone.path())
        .kill_on_drop(true);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().unwrap();
    std::io::Write::write_all(
        &mut std::fs::File::options().append(true).open(&log).unwrap(),
        line("courier", "e", "sent").as_bytes(),
    )
    .unwrap();
    let next =
        tokio::time::timeout(std::time::Duration::from_secs(20), lines.next_line()).await.unwrap().unwrap().unwrap();
    let next: Value = serde_json::from_str(&next).unwrap();
    assert_eq!((next["function"].as_str(), next["message"].as_str()), (Some("courier"), Some("sent")));
    child.kill().await.unwrap();
}

/// What came in long ago and is replayed, and more at once than are looked at.
#[tokio::test]
async fn watching_tells_of_what_left_the_newest() {
    let world = World::new(1).await;
    let letters = world.json(&["dead", "list"]).await;
    let id = letters["letters"][0]["id"].as_str().unwrap().to_owned();
    let completed = async |from: u32, to: u32| {
        let insert = format!(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload,
                                     fingerprint, correlation_id, finished_at)
             SELECT uuidv7(), 'stripe', 'c' || n, 'invoice.paid', 1, 'completed', 1, 1, '{{}}', sha256('x'), 'c', now()
               FROM generate_series({from}, {to}) n"
        );
        world.kept.execute(&insert).await;
    };
    completed(1, 20).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_solo"));
    command.args(["watch", "--every", "1s"]).current_dir(world.clone.path()).kill_on_drop(true);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = async |words: &str| {
        let told = async { while !lines.next_line().await.unwrap().unwrap().contains(words) {} };
        tokio::time::timeout(std::time::Duration::from_secs(30), told).await.unwrap_or_else(|_| panic!("no {words}"));
    };
    until("dead 1").await;
    let (code, text) = world.solo(&["dead", "replay", &id, "--reason", "fixed"]).await;
    assert_eq!(code, 0, "{text}");
    until(&format!("{id} failed")).await;
    world.kept.execute("UPDATE executions SET status = 'completed', attempt = 1, finished_at = now(), next_attempt_at = NULL WHERE generation = 2").await;
    until(&format!("{id} completed")).await;
    completed(21, 60).await;
    until("20 or more came since the last look").await;
    child.kill().await.unwrap();
}

#[tokio::test]
async fn errors_are_listed_shown_and_resolved() {
    let world = World::new(0).await;
    let (code, text) = world.solo(&["errors", "list"]).await;
    assert_eq!((code, text.as_str()), (0, "No errors.\n"));
    let insert = "SELECT record_error('panic', 'record_payment', E'no row <n> \\x1b[2J', E'no row 7 \\x1b[2J', 'stripe', 'invoice.paid',
                                      NULL, 'c-1', 12),
                         record_error('job', 'backup', 'no luck', 'no luck', NULL, NULL, NULL, 'c-2')";
    world.kept.execute(insert).await;
    let (code, text) = world.solo(&["errors", "list", "--kind", "panic"]).await;
    assert!(code == 0 && text.contains("LAST SEEN") && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("record_payment") && text.contains(" 12 ") && !text.contains("backup"), "{text}");
    let short = text.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert_eq!(short.len(), 8);
    let (code, text) = world.solo(&["errors", "show", &short]).await;
    assert!(code == 0 && text.contains("no row 7") && text.contains("c-1") && !text.contains('\u{1b}'), "{text}");

    let (code, text) = world.solo(&["errors", "resolve", &short, "--reason", "fixed"]).await;
    assert!(code == 0 && text.starts_with("1 resolved:") && text.contains("after 12 times"), "{text}");
    let (code, text) = world.solo(&["errors", "resolve", &short, "--reason", "fixed"]).await;
    assert!(code == 1 && text.contains("it was resolved at"), "{text}");
    assert_eq!(world.json(&["errors", "list"]).await["errors"].as_array().unwrap().len(), 1);
    let shown = world.json(&["errors", "show", &short]).await;
    assert_eq!((&shown["audit"][0]["reason"], &shown["kind"]), (&"fixed".into(), &"panic".into()));
    let (code, text) = world.solo(&["errors", "show", "aaaaaa"]).await;
    assert!(code == 1 && text.contains("there is no error aaaaaa"), "{text}");
}
