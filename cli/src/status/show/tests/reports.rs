//! Stages to show.

use super::*;

pub(super) fn time(text: &str) -> Timestamp {
    format!("2026-11-22T{text}Z").parse().unwrap()
}

pub(super) fn count(count: i64) -> Count {
    Count { count, more: false }
}

pub(super) fn waiting(number: i64, oldest: Option<&str>) -> Waiting {
    Waiting { count: count(number), oldest: oldest.map(time) }
}

pub(super) fn job(name: &str, state: &str) -> JobState {
    let run = |outcome: &str| JobRun {
        id: Uuid::nil(),
        job: name.into(),
        actor: None,
        started_at: time("13:00:00"),
        finished_at: None,
        outcome: Some(outcome.into()),
        progress: None,
        result: None,
        error: None,
    };
    JobState {
        name: name.into(),
        function: "F".into(),
        period_seconds: 60,
        grace_seconds: 60,
        state: state.into(),
        late: state == "late",
        last_run: matches!(state, "failed" | "stuck").then(|| run(state)),
        last_success_at: Some(time("12:00:00")),
        due_at: Some(time("14:00:00")),
    }
}

pub(super) fn alert(severity: &str, key: &str, message: &str, silenced: bool) -> Alert {
    Alert {
        id: Uuid::nil(),
        key: key.into(),
        severity: severity.into(),
        message: message.into(),
        occurrences: 1,
        raised_at: time("14:00:00"),
        last_raised_at: time("14:00:00"),
        resolved_at: None,
        pending_since: None,
        sent_at: None,
        silenced_until: silenced.then(|| time("16:00:00")),
    }
}

pub(super) fn quiet() -> Status {
    Status {
        at: time("15:00:00"),
        processing: waiting(0, None),
        failed: waiting(0, None),
        next_attempt_at: None,
        overdue: count(0),
        dead: waiting(0, None),
        inbox: Some(InboxDepth::default()),
        hour: Traffic { received: count(51), completed: count(50) },
        day: Traffic { received: Count { count: 10_000, more: true }, completed: count(1_198) },
        outbox: OutboxState::default(),
        alerts: OpenAlerts::default(),
        jobs: vec![job("tick", "on_time"), job("backup", "on_time")],
        backup: Some(Proof { run: Uuid::nil(), at: time("10:00:00"), backup: Some("b".into()), bytes: Some(12 << 20) }),
        drill: None,
        deployment: None,
        database_bytes: 84 << 20,
        schema_version: 17,
    }
}

pub(super) fn report(status: Status) -> Report {
    let health = Health { status: "healthy".into(), code: 200, took_ms: 143, url: "http://x/health".into() };
    Report {
        stage: "dev",
        name: Name::Dev,
        at: time("15:00:01"),
        status: Part::There(status),
        health: Part::There(health),
        alarms: None,
        releases: None,
        cost: None,
    }
}

pub(super) fn shown(report: &Report) -> String {
    strip_str(&screen(report, &judge(report), 100)).to_string()
}

pub(super) fn missing<T>(problem: &str) -> Part<T> {
    Part::Missing { problem: problem.into() }
}
