//! What is told where there is no terminal.

use super::*;

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
        releases: None,
        cost: None,
    }
}

#[test]
fn only_what_changed_is_a_line() {
    let mut lines = Lines::default();
    let mut look = |executions: &[ExecutionSummary]| lines.changes(&silent(), &Part::There(executions.to_vec()));
    assert_eq!(look(&[execution(1, "completed")]).len(), 1, "the overview");
    assert!(look(&[execution(1, "completed")]).is_empty());
    let id = |number: u128| Uuid::from_u128(number).to_string();
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
