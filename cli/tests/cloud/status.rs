//! The overview of a stage in the cloud.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    front::Ops,
    world::{FUNCTIONS, World, said},
};

const STATUS: [&str; 3] = ["status", "--stage", "staging"];

#[tokio::test]
async fn a_stage_that_does_well_says_so_with_its_release() {
    let world = World::new(&["r1", "r2"]).await;
    let (code, text) = world.solo(&STATUS).await;
    assert!(code == 0 && text.contains("All is well."), "{text}");
    assert!(
        text.contains("healthy, in ") && text.contains(&format!("r2 on {0} of {0} functions", FUNCTIONS.len())),
        "{text}"
    );
    assert!(text.contains("✓ Alarms      none ring"), "{text}");

    world.point("worker", "1").await;
    let (code, text) = world.solo(&STATUS).await;
    assert!(
        code == 0 && text.contains("worker is at r1") && text.contains("solo rollback --list --stage staging"),
        "{text}"
    );
}

#[tokio::test]
async fn what_needs_a_person_is_in_the_exit_code() {
    let world = World::new(&["r1"]).await;
    world.kept.execute("SELECT raise_alert('k', 'critical', E'words \\x1b[2J')").await;
    let (code, text) = world.solo(&STATUS).await;
    assert!(code == 1 && text.contains("solo alerts list --stage staging") && !text.contains('\u{1b}'), "{text}");
    let (code, text) = world.solo(&[&STATUS[..], &["--json"]].concat()).await;
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, said["verdict"].as_str()), (1, Some("needs_you")));
    assert_eq!(said["report"]["status"]["alerts"]["critical"]["count"], 1);
    assert_eq!(said["matters"][0]["command"], "solo alerts list --stage staging");

    world.kept.execute("UPDATE alerts SET resolved_at = now()").await;
    *world.front.health.lock().unwrap() = (503, r#"{"status": "unhealthy"}"#);
    let (code, text) = world.solo(&STATUS).await;
    assert!(code == 1 && text.contains("is unhealthy") && text.contains("✓ Outbox"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_said_and_the_rest_is_shown() {
    let world = World::new(&["r1"]).await;
    *world.front.ops.lock().unwrap() = Ops::Fails;
    let (code, text) = world.solo(&STATUS).await;
    assert!(code == 2 && text.contains("Record      not known") && text.contains("timed out after 30"), "{text}");
    assert!(text.contains("healthy, in") && text.contains("r1 on"), "{text}");

    *world.front.ops.lock().unwrap() = Ops::Silent;
    let began = tokio::time::Instant::now();
    let (code, text) = world.solo(&STATUS).await;
    assert!(code == 2 && text.contains("no answer within 5 s") && began.elapsed().as_secs() < 10, "{text}");

    std::fs::write(world.clone.path().join("samconfig.toml"), "").unwrap();
    let (code, text) = world.solo(&STATUS).await;
    assert!(code == 2 && text.contains("has no stack_name"), "{text}");
}

/// What the stage's budget says, which nobody charges for. Not being allowed to ask is one line.
#[tokio::test]
async fn the_cost_is_what_the_budget_says() {
    let world = World::new(&["r1"]).await;
    let (code, text) = world.solo(&STATUS).await;
    assert!(
        code == 0 && text.contains("Cost        not known: AWS does not say what it costs"),
        "there is none: {text}"
    );
    let name = format!("{}-monthly", world.stack);
    let budget = json!({"BudgetName": name, "BudgetLimit": {"Amount": "40", "Unit": "USD"}, "TimeUnit": "MONTHLY", "BudgetType": "COST"});
    world
        .aws("AWSBudgetServiceGateway.CreateBudget", "budgets", &json!({"AccountId": "123456789012", "Budget": budget}))
        .await;
    let (code, text) = world.solo(&STATUS).await;
    assert!(code == 0 && text.contains("Cost        0.00 USD this month; the whole account's, of 40.00"), "{text}");

    world.front.forbidden.lock().unwrap().push("AWSBudgetServiceGateway.DescribeBudget".into());
    let (code, text) = world.solo(&STATUS).await;
    let lines: Vec<_> = text.lines().filter(|line| line.contains("Cost")).collect();
    assert!(code == 0 && lines.len() == 1 && lines[0].contains("may not do that"), "{text}");
}

/// They watch from outside of the database. Those of another stack are none of this one's.
#[tokio::test]
async fn an_alarm_that_rings_needs_a_person() {
    let world = World::new(&["r1"]).await;
    let words = "An event has waited for ten minutes. See docs/runbook.md, \"The queue grows\".";
    let own = |name: &str| format!("{}-{name}-1ABCDEFGHIJKL", world.stack);
    let (inbox, tick, other) = (own("InboxOld"), own("TickLate"), "solo-other-JobLate-1ABCDEFGHIJKL");
    for (name, words, state) in [(&*inbox, words, "ALARM"), (&*tick, "x", "OK"), (other, "x", "ALARM")] {
        let alarm = json!({"AlarmName": name, "AlarmDescription": words, "Namespace": "n", "MetricName": "m", "Statistic": "Sum",
                           "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"});
        world.aws("GraniteServiceVersion20100801.PutMetricAlarm", "monitoring", &alarm).await;
        let state = json!({"AlarmName": name, "StateValue": state, "StateReason": "a test"});
        world.aws("GraniteServiceVersion20100801.SetAlarmState", "monitoring", &state).await;
    }
    let (code, text) = world.solo(&STATUS).await;
    assert!(code == 1 && text.contains("! Alarms      1 rings") && !text.contains("Late"), "{text}");
    assert!(
        text.contains("InboxOld: An event has waited") && text.contains("docs/runbook.md, \"The queue grows\""),
        "{text}"
    );

    world.front.forbidden.lock().unwrap().push("GraniteServiceVersion20100801.DescribeAlarms".into());
    let (code, text) = world.solo(&STATUS).await;
    assert!(code == 2 && text.contains("! Alarms      not known") && text.contains("may not do that"), "{text}");
}

/// Whoever signs in may have to look at a phone: that takes longer than any part of the overview may, and is asked once.
#[tokio::test]
async fn credentials_take_their_time_and_are_asked_for_once() {
    let world = World::new(&["r1"]).await;
    let tools = tempfile::tempdir().unwrap();
    let (aws, asked) = (tools.path().join("aws"), tools.path().join("asked"));
    let answer = r#"{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s"}"#;
    let run = async |script: &str| {
        std::fs::write(&aws, format!("#!/bin/sh\necho >> {}\n{script}\n", asked.display())).unwrap();
        std::fs::set_permissions(&aws, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let _ = std::fs::remove_file(&asked);
        let mut command = world.command(&STATUS);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", tools.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", tools.path().display()));
        let (code, text) = said(command).await;
        (code, text, std::fs::read_to_string(&asked).unwrap().lines().count())
    };
    let (code, text, times) = run(&format!("sleep 7; echo '{answer}'")).await;
    assert!(code == 0 && text.contains("All is well.") && times == 1, "{times}: {text}");
    let (code, text, times) = run("echo 'the session is over' >&2; exit 1").await;
    assert!(code == 2 && text.contains("there are no AWS credentials: sign in") && times == 1, "{times}: {text}");
}

/// A pipe gets a line for each change, and what goes wrong meanwhile is one of them.
#[tokio::test]
async fn watching_goes_on_through_trouble() {
    let world = World::new(&["r1"]).await;
    let mut command = world.command(&["watch", "--stage", "staging", "--every", "1s"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = async |words: &str| {
        tokio::time::timeout(std::time::Duration::from_secs(30), async {
            loop {
                let line = lines.next_line().await.unwrap().unwrap();
                if line.contains(words) {
                    return line;
                }
            }
        })
        .await
        .unwrap()
    };
    let first = until("health healthy").await;
    assert!(first.contains("dead 0") && !first.contains('\u{1b}'), "{first}");
    *world.front.ops.lock().unwrap() = Ops::Fails;
    until("the record cannot be read").await;
    *world.front.ops.lock().unwrap() = Ops::Works;
    until("dead 0").await;
    world
        .kept
        .execute(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload, fingerprint,
                                     correlation_id, finished_at)
             VALUES (uuidv7(), 'stripe', 'k', 'invoice.paid', 1, 'completed', 1, 1, '{}', sha256('x'), 'c', now())",
        )
        .await;
    until("stripe invoice.paid").await;
    child.kill().await.unwrap();
}

/// Runs a command at a terminal of its own, presses Ctrl-C when it has drawn three times, and prints what the terminal got.
const TERMINAL: &str = r#"
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while seen.count(b"\x1b[J") < 3:
    seen += os.read(terminal, 65536)
os.write(terminal, b"\x03")
try:
    while more := os.read(terminal, 65536):
        seen += more
except OSError:
    pass
sys.stdout.buffer.write(seen + b"\nexit %d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

/// Another screen is entered, in which nothing scrolls, and left as if nothing had been.
#[tokio::test]
async fn at_a_terminal_it_is_drawn_in_place_and_leaves_nothing_behind() {
    let world = World::new(&["r1"]).await;
    world
        .kept
        .execute(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload, fingerprint,
                                     correlation_id, finished_at)
             SELECT uuidv7(), 'stripe', n::text, 'a_type.' || repeat('long', n), 1, 'completed', 1, 1, '{}', sha256('x'), 'c', now()
               FROM generate_series(1, 30) n",
        )
        .await;
    let solo = world.command(&[]).as_std().get_program().to_owned();
    let mut command = tokio::process::Command::new(testkit::variable("SOLO_TEST_PYTHON"));
    command.args(["-c", TERMINAL]).arg(solo).args(["watch", "--stage", "staging", "--every", "1s"]);
    command.current_dir(world.clone.path()).env("AWS_ENDPOINT_URL", &world.front.url).kill_on_drop(true);
    let (code, text) = crate::world::said(command).await;
    let (drawn, ended) = text.rsplit_once("\nexit ").unwrap();
    assert_eq!((code, ended), (0, "0"), "{text:?}");
    assert!(drawn.starts_with("\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[H"), "{drawn:?}");
    assert!(drawn.trim_end().ends_with("\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l"), "{drawn:?}");
    // What follows is the ^C that the terminal echoes.
    let (drawn, _) = drawn.rsplit_once("\u{1b}[J").unwrap();
    let mut terminal = avt::Terminal::new(80, 24).unwrap();
    terminal.feed(drawn);
    let lines: Vec<_> = terminal.screen().visible_lines().map(|line| line.text().trim_end().to_owned()).collect();
    assert!(lines[0].starts_with("Solo OS on staging"), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains("Solo OS on")).count(), 1, "{lines:#?}");
    assert!(!lines[22].is_empty() && lines[23].is_empty(), "it is full, and its last line is free: {lines:#?}");
}
