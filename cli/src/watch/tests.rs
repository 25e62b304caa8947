//! What is told where there is no terminal, and what stands on one.

use anstream::adapter::strip_str;
use avt::Terminal;
use ops::{AuditEntry, ExecutionSummary};
use uuid::Uuid;

use super::{
    look::elsewhere,
    screen::{ENTER, LEAVE, content, frame},
    *,
};

fn execution(id: u128, status: &str) -> ExecutionSummary {
    ExecutionSummary {
        id: Uuid::from_u128(id),
        source: "stripe".into(),
        event_type: "invoice.paid".into(),
        key: "k".into(),
        status: status.into(),
        handler: None,
        attempt: 1,
        received_at: jiff::Timestamp::UNIX_EPOCH,
        next_attempt_at: None,
        finished_at: None,
        last_error: (status == "failed").then(|| "no\u{1b}[2J\nluck".into()),
        generation: 1,
        resolved_at: None,
    }
}

fn silent() -> Report {
    let problem = || "why".to_owned();
    Report {
        stage: "dev",
        name: stage::Name::Dev,
        at: jiff::Timestamp::UNIX_EPOCH,
        status: Part::Missing { problem: problem() },
        health: Part::Missing { problem: problem() },
        alarms: None,
        releases: None,
        cost: None,
    }
}

fn seen(newest: Vec<ExecutionSummary>) -> Seen {
    Seen { newest, older: false, replayed: Vec::new(), unfollowed: false }
}

fn completed(numbers: impl DoubleEndedIterator<Item = u128>) -> Vec<ExecutionSummary> {
    numbers.rev().map(|number| execution(number, "completed")).collect()
}

fn id(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

#[test]
fn only_what_changed_is_a_line() {
    let mut lines = Lines::default();
    let mut look = |executions: &[ExecutionSummary]| lines.changes(&silent(), &Part::There(seen(executions.to_vec())));
    assert_eq!(look(&[execution(1, "completed")]).len(), 1, "the overview");
    assert!(look(&[execution(1, "completed")]).is_empty());
    let changed = look(&[execution(3, "failed"), execution(2, "processing"), execution(1, "completed")]);
    assert_eq!(
        changed,
        [
            format!("stripe invoice.paid {} processing", id(2)),
            format!("stripe invoice.paid {} failed: no\u{fffd}[2J luck", id(3))
        ],
        "the older first"
    );
    let changed = look(&[execution(3, "completed"), execution(2, "processing"), execution(1, "completed")]);
    assert_eq!(changed, [format!("stripe invoice.paid {} completed", id(3))]);
}

/// A hundred in two seconds are not twenty.
#[test]
fn that_more_came_than_are_told_is_told() {
    let mut lines = Lines::default();
    let mut look = |newest, older| lines.changes(&silent(), &Part::There(Seen { older, ..seen(newest) }));
    assert_eq!(look(completed(1..=20), true).len(), 1);
    assert_eq!(look(completed(20..=39), true).len(), 19, "one of the last look is among them");
    let told = look(completed(81..=100), true);
    assert_eq!(told.len(), 21);
    assert!(told[0].contains("20 or more came since the last look"), "{told:?}");
    assert!(told[1].contains(&id(81)) && told[20].contains(&id(100)), "{told:?}");
    assert!(look(completed(81..=100), true).is_empty());

    let mut lines = Lines::default();
    let mut look = |newest, older| lines.changes(&silent(), &Part::There(Seen { older, ..seen(newest) }));
    assert_eq!(look(Vec::new(), false).len(), 1);
    assert_eq!(look(completed(1..=3), false).len(), 3, "those are all that there are");
}

#[test]
fn an_older_one_that_was_replayed_is_told() {
    let mut lines = Lines::default();
    let mut look = |replayed: Option<&str>, unfollowed| {
        let replayed = replayed.map(|status| ExecutionSummary { generation: 2, ..execution(1, status) });
        let replayed = replayed.into_iter().collect();
        lines.changes(&silent(), &Part::There(Seen { replayed, unfollowed, ..seen(completed(50..=69)) }))
    };
    assert_eq!(look(None, false).len(), 1);
    let told = look(Some("failed"), true);
    assert!(told.len() == 2 && told[0].contains("the last 5") && told[1].contains(&id(1)), "{told:?}");
    assert!(look(Some("failed"), true).is_empty());
    assert_eq!(look(Some("completed"), true), [format!("stripe invoice.paid {} completed", id(1))]);
    assert!(look(None, false).is_empty());
}

#[test]
fn what_is_among_the_newest_is_not_asked_for_again() {
    let replay = |subject: &str, second| AuditEntry {
        id: Uuid::nil(),
        at: jiff::Timestamp::from_second(second).unwrap(),
        actor: "a".into(),
        operation: "replay".into(),
        subject: subject.into(),
        reason: "r".into(),
        detail: serde_json::Value::Null,
    };
    let entries = [replay(&id(1), 9), replay(&id(60), 8), replay(&id(1), 7), replay("no id", 6), replay(&id(2), 5)];
    let found = elsewhere(&entries, &completed(50..=69));
    assert_eq!(
        found,
        [(1, 9), (2, 5)].map(|(id, second)| (Uuid::from_u128(id), jiff::Timestamp::from_second(second).unwrap()))
    );
}

/// What a terminal of 80 columns and 24 lines shows, as the kernel hands it over.
fn at_a_terminal(parts: &[&str]) -> Vec<String> {
    let mut terminal = Terminal::new(80, 24).unwrap();
    terminal.feed(parts.concat().replace('\n', "\r\n").as_str());
    terminal.screen().visible_lines().map(|line| line.text().trim_end().to_owned()).collect()
}

/// Types of any length, and more lines than there are.
#[test]
fn nothing_scrolls_at_a_terminal_of_80_columns() {
    let mut report = silent();
    report.health = Part::Missing { problem: "long ".repeat(100) };
    let mut newest = completed(100..=119);
    for it in &mut newest {
        it.received_at = shared::clock::now();
    }
    newest[0].event_type = "type.".repeat(30);
    newest[1].status = "dead".into();
    newest[1].resolved_at = Some(jiff::Timestamp::UNIX_EPOCH);
    let mut seen = seen(newest);
    seen.replayed = vec![ExecutionSummary { received_at: shared::clock::now(), ..execution(1, "completed") }];
    let text = strip_str(&content(&report, &Part::There(seen), 80)).to_string();
    let expected: Vec<_> =
        text.lines().take(23).map(|line| line.chars().take(79).collect::<String>().trim_end().to_owned()).collect();
    assert!(expected[0].starts_with("Solo OS on dev"), "{expected:?}");
    let drawn = frame(&text, 24);
    let lines = at_a_terminal(&[ENTER, &drawn, &drawn]);
    assert_eq!((&lines[..23], lines[23].as_str()), (&expected[..], ""));
    assert_ne!(at_a_terminal(&[&drawn, &drawn])[0], expected[0], "lines that go on in the next would scroll");
    let row = |number| lines.iter().find(|line| line.contains(&id(number))).unwrap();
    assert!(row(119).contains("type.") && row(118).contains("dead, resolved"), "{lines:?}");
    let first = lines.iter().position(|line| line.contains("RECEIVED")).unwrap();
    assert_eq!(lines[first - 1], "Just replayed: the first 1.");
    assert!(lines[first + 1].contains(&id(1)), "{lines:?}");

    let narrower = frame("short", 24);
    let lines = at_a_terminal(&[ENTER, &drawn, &narrower]);
    assert_eq!(lines.concat(), "short", "nothing of before is left");
    let lines = at_a_terminal(&["before\n", ENTER, &drawn, LEAVE, &"x".repeat(81)]);
    assert_eq!((lines[0].as_str(), lines[1].len(), lines[2].as_str()), ("before", 80, "x"), "lines go on as before");
}

#[test]
fn a_problem_is_told_once_until_it_is_another() {
    let mut lines = Lines::default();
    let mut look = |problem: &str| lines.changes(&silent(), &Part::Missing { problem: problem.into() }).len();
    assert_eq!([look("a"), look("a"), look("b"), look("b")], [2, 0, 1, 0]);
}

#[test]
fn a_look_is_taken_once_a_second_at_most() {
    assert_eq!(every("2s").unwrap().as_secs(), 2);
    assert!(every("500ms").is_err() && every("0s").is_err() && every("x").is_err());
}
