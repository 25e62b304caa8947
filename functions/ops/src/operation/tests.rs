//! The wire form, pinned.

use super::*;
use crate::{
    Attempt, Count, DeploymentKind, DeploymentOutcome, ErrorState, ErrorSummary, InboxDepth, JobState, OpenAlerts,
    OutboxState, Proof, ReplayFilter, Traffic, Waiting,
};

/// The wire form, pinned: a CLI and a stage may be of different age.
#[test]
fn the_wire_form_of_version_1() {
    let request =
        Request::from(Operation::ListExecutions { filter: ExecutionFilter::default(), limit: 20, after: None });
    assert_eq!(
        serde_json::to_string(&request).unwrap(),
        r#"{"version":1,"operation":"list_executions","filter":{"status":null,"source":null,"event_type":null},"limit":20,"after":null}"#
    );
    let show = r#"{"version":1,"operation":"show_execution","id":"00000000-0000-0000-0000-000000000000"}"#;
    assert!(
        matches!(serde_json::from_str::<Request>(show).unwrap().operation, Operation::ShowExecution { id } if id.is_nil())
    );
    let answer = Answer { version: 1, outcome: Outcome::NotFound { what: "x".into() } };
    assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"version":1,"outcome":"not_found","what":"x"}"#);

    // An older stage knows no generations.
    let attempt = r#"{"attempt":1,"started_at":"1970-01-01T00:00:00Z","finished_at":"1970-01-01T00:00:00Z","outcome":"failed","error":"x"}"#;
    assert_eq!(serde_json::from_str::<Attempt>(attempt).unwrap().generation, 1);
}

#[test]
fn the_wire_form_of_deployments() {
    let deployment = NewDeployment {
        id: Uuid::nil(),
        kind: DeploymentKind::Rollback,
        release: "abc".into(),
        previous: Some("def".into()),
        outcome: DeploymentOutcome::RolledBack,
        detail: None,
        started_at: Timestamp::UNIX_EPOCH,
    };
    let by = By { actor: "ada".into(), reason: "why".into() };
    for (operation, text) in [
        (
            Operation::RecordDeployment { deployment, by },
            r#"{"version":1,"operation":"record_deployment","id":"00000000-0000-0000-0000-000000000000","kind":"rollback","release":"abc","previous":"def","outcome":"rolled_back","detail":null,"started_at":"1970-01-01T00:00:00Z","actor":"ada","reason":"why"}"#,
        ),
        (
            Operation::ListDeployments { limit: 20, after: None },
            r#"{"version":1,"operation":"list_deployments","limit":20,"after":null}"#,
        ),
        (
            Operation::RemoveSmokeTest { execution_id: Uuid::nil() },
            r#"{"version":1,"operation":"remove_smoke_test","execution_id":"00000000-0000-0000-0000-000000000000"}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&Request::from(operation)).unwrap(), text);
        let read: Request = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
    let page = DeploymentPage { deployments: Vec::new(), next: None };
    let answer = Answer { version: 1, outcome: Outcome::Deployments(page) };
    let text = r#"{"version":1,"outcome":"deployments","deployments":[],"next":null}"#;
    assert_eq!(serde_json::to_string(&answer).unwrap(), text);
}

#[test]
fn the_wire_form_of_jobs() {
    let nil = "00000000-0000-0000-0000-000000000000";
    for (operation, text) in [
        (Operation::ListJobs, r#"{"version":1,"operation":"list_jobs"}"#.to_owned()),
        (
            Operation::ListJobRuns { job: Some("backup".into()), limit: 20, after: None },
            r#"{"version":1,"operation":"list_job_runs","job":"backup","limit":20,"after":null}"#.to_owned(),
        ),
        (
            Operation::ShowJobRun { id: Uuid::nil() },
            format!(r#"{{"version":1,"operation":"show_job_run","id":"{nil}"}}"#),
        ),
    ] {
        assert_eq!(serde_json::to_string(&Request::from(operation)).unwrap(), text);
        let read: Request = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
    let run = JobRun {
        id: Uuid::nil(),
        job: "backup".into(),
        actor: None,
        started_at: Timestamp::UNIX_EPOCH,
        finished_at: None,
        outcome: None,
        progress: Some(serde_json::json!({"phase": "dump"})),
        result: None,
        error: None,
    };
    let run_text = format!(
        r#""id":"{nil}","job":"backup","actor":null,"started_at":"1970-01-01T00:00:00Z","finished_at":null,"outcome":null,"progress":{{"phase":"dump"}},"result":null,"error":null"#
    );
    let state = JobState {
        name: "backup".into(),
        function: "Backup".into(),
        period_seconds: 86_400,
        grace_seconds: 7_200,
        state: "running".into(),
        late: false,
        last_run: Some(run.clone()),
        last_success_at: None,
        due_at: Some(Timestamp::UNIX_EPOCH),
    };
    for (outcome, text) in [
        (
            Outcome::Jobs(JobList { jobs: vec![state] }),
            format!(
                r#"{{"version":1,"outcome":"jobs","jobs":[{{"name":"backup","function":"Backup","period_seconds":86400,"grace_seconds":7200,"state":"running","late":false,"last_run":{{{run_text}}},"last_success_at":null,"due_at":"1970-01-01T00:00:00Z"}}]}}"#
            ),
        ),
        (
            Outcome::JobRuns(JobRunPage { runs: Vec::new(), next: None }),
            r#"{"version":1,"outcome":"job_runs","runs":[],"next":null}"#.to_owned(),
        ),
        (
            Outcome::JobRun { run: Box::new(run) },
            format!(r#"{{"version":1,"outcome":"job_run","run":{{{run_text}}}}}"#),
        ),
    ] {
        assert_eq!(serde_json::to_string(&Answer { version: 1, outcome }).unwrap(), text);
        let read: Answer = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}

#[test]
fn the_wire_form_of_changes() {
    let by = By { actor: "ada".into(), reason: "why".into() };
    let what = ReplayFilter { dead: true, ..ReplayFilter::default() };
    let replay = Replay { what, completed: false, unhandled: false, dry_run: false, confirmed: 11, by: by.clone() };
    for (operation, text) in [
        (
            Operation::Replay(replay),
            r#"{"version":1,"operation":"replay","ids":[],"dead":true,"source":null,"event_type":null,"since":null,"until":null,"completed":false,"unhandled":false,"dry_run":false,"confirmed":11,"actor":"ada","reason":"why"}"#,
        ),
        (
            Operation::SilenceAlerts { pattern: "*".into(), seconds: 60, by: by.clone() },
            r#"{"version":1,"operation":"silence_alerts","pattern":"*","seconds":60,"actor":"ada","reason":"why"}"#,
        ),
        (
            Operation::Unlock { id: Uuid::nil(), force: true, by },
            r#"{"version":1,"operation":"unlock","id":"00000000-0000-0000-0000-000000000000","force":true,"actor":"ada","reason":"why"}"#,
        ),
        (
            Operation::ListAlerts { state: AlertState::Open, limit: 20, after: None },
            r#"{"version":1,"operation":"list_alerts","state":"open","limit":20,"after":null}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&Request::from(operation)).unwrap(), text);
        let read: Request = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
    let short = r#"{"version":1,"operation":"replay","dead":true,"actor":"ada","reason":"why"}"#;
    assert!(matches!(
        serde_json::from_str::<Request>(short).unwrap().operation,
        Operation::Replay(Replay { confirmed: 0, dry_run: false, .. })
    ));
    let answer = Answer { version: 1, outcome: Outcome::Changed(Changes::default()) };
    assert_eq!(
        serde_json::to_string(&answer).unwrap(),
        r#"{"version":1,"outcome":"changed","dry_run":false,"changed":[],"skipped":[],"others":[],"more":false,"alerts_resolved":[]}"#
    );
}

#[test]
fn the_wire_form_of_the_status() {
    let request = Request::from(Operation::ShowStatus);
    assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"version":1,"operation":"show_status"}"#);
    let (epoch, count) = (Timestamp::UNIX_EPOCH, Count { count: 10_000, more: true });
    let waiting = Waiting { count, oldest: Some(epoch) };
    let traffic = Traffic { received: count, completed: Count::default() };
    let status = Status {
        at: epoch,
        processing: Waiting::default(),
        failed: waiting,
        next_attempt_at: Some(epoch),
        overdue: Count::default(),
        dead: Waiting::default(),
        inbox: Some(InboxDepth { waiting: 3, in_flight: 1 }),
        hour: traffic,
        day: traffic,
        outbox: OutboxState { pending: waiting, dead: Waiting::default() },
        alerts: OpenAlerts::default(),
        jobs: Vec::new(),
        backup: Some(Proof { run: Uuid::nil(), at: epoch, backup: Some("b".into()), bytes: Some(1) }),
        drill: None,
        deployment: None,
        database_bytes: 2,
        schema_version: 17,
    };
    let (none, some) = (r#""count":0,"more":false"#, r#""count":10000,"more":true"#);
    let time = r#""1970-01-01T00:00:00Z""#;
    let traffic = format!(r#"{{"received":{{{some}}},"completed":{{{none}}}}}"#);
    let (idle, waits) = (format!(r#"{{{none},"oldest":null}}"#), format!(r#"{{{some},"oldest":{time}}}"#));
    let text = format!(
        r#"{{"version":1,"outcome":"status","at":{time},"processing":{idle},"failed":{waits},"next_attempt_at":{time},"overdue":{{{none}}},"dead":{idle},"inbox":{{"waiting":3,"in_flight":1}},"hour":{traffic},"day":{traffic},"outbox":{{"pending":{waits},"dead":{idle}}},"alerts":{{"critical":{{{none}}},"warning":{{{none}}},"info":{{{none}}},"silenced":{{{none}}},"worst":[]}},"jobs":[],"backup":{{"run":"00000000-0000-0000-0000-000000000000","at":{time},"backup":"b","bytes":1}},"drill":null,"deployment":null,"database_bytes":2,"schema_version":17}}"#
    );
    let answer = Answer { version: 1, outcome: Outcome::Status(Box::new(status)) };
    assert_eq!(serde_json::to_string(&answer).unwrap(), text);
    let read: Answer = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    // Of a stage that is older than this CLI.
    let older = text.replace(r#""inbox":{"waiting":3,"in_flight":1},"#, "");
    let Outcome::Status(read) = serde_json::from_str::<Answer>(&older).unwrap().outcome else { panic!("{older}") };
    assert_eq!(read.inbox, None);
}

#[test]
fn the_wire_form_of_errors() {
    let by = By { actor: "ada".into(), reason: "why".into() };
    let filter = ErrorFilter { state: ErrorState::All, kind: Some("panic".into()), culprit: None };
    for (operation, text) in [
        (
            Operation::ListErrors { filter, limit: 20, after: None },
            r#"{"version":1,"operation":"list_errors","filter":{"state":"all","kind":"panic","culprit":null},"limit":20,"after":null}"#,
        ),
        (
            Operation::ShowError { fingerprint: "0123ab".into() },
            r#"{"version":1,"operation":"show_error","fingerprint":"0123ab"}"#,
        ),
        (
            Operation::ResolveErrors { fingerprints: vec!["0123ab".into()], by },
            r#"{"version":1,"operation":"resolve_errors","fingerprints":["0123ab"],"actor":"ada","reason":"why"}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&Request::from(operation)).unwrap(), text);
        let read: Request = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
    let short = r#"{"version":1,"operation":"list_errors","limit":20}"#;
    let read = serde_json::from_str::<Request>(short).unwrap().operation;
    assert!(matches!(read, Operation::ListErrors { filter, .. } if filter.state == ErrorState::Open));
    let summary = ErrorSummary {
        id: Uuid::nil(),
        fingerprint: "ab".into(),
        kind: "job".into(),
        culprit: "backup".into(),
        title: "no luck".into(),
        count: 7,
        first_seen: Timestamp::UNIX_EPOCH,
        last_seen: Timestamp::UNIX_EPOCH,
        last_release: None,
        regressions: 0,
        resolved_at: None,
    };
    let head = r#""id":"00000000-0000-0000-0000-000000000000","fingerprint":"ab","kind":"job","culprit":"backup","title":"no luck","count":7,"first_seen":"1970-01-01T00:00:00Z","last_seen":"1970-01-01T00:00:00Z","last_release":null,"regressions":0,"resolved_at":null"#;
    let detail = ErrorDetail {
        summary: summary.clone(),
        message: "no luck".into(),
        source: None,
        event_type: None,
        execution_id: None,
        correlation_id: Some("c".into()),
        first_release: None,
        resolved_by: None,
        told_at: None,
        audit: Vec::new(),
    };
    for (outcome, text) in [
        (
            Outcome::Errors(ErrorPage { errors: vec![summary], next: None }),
            format!(r#"{{"version":1,"outcome":"errors","errors":[{{{head}}}],"next":null}}"#),
        ),
        (
            Outcome::Error { found: Box::new(detail) },
            format!(
                r#"{{"version":1,"outcome":"error","found":{{{head},"message":"no luck","source":null,"event_type":null,"execution_id":null,"correlation_id":"c","first_release":null,"resolved_by":null,"told_at":null,"audit":[]}}}}"#
            ),
        ),
    ] {
        assert_eq!(serde_json::to_string(&Answer { version: 1, outcome }).unwrap(), text);
        let read: Answer = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
