//! The screen in every state, and with texts that want to be more than texts.

mod outside;
mod reports;

use anstream::adapter::strip_str;
use jiff::Timestamp;
use ops::{Alert, Count, Deployment, InboxDepth, JobRun, JobState, OpenAlerts, OutboxState, Proof, Status, Traffic};
use serde_json::json;
use uuid::Uuid;

use super::{super::judge::judge, *};
use crate::{
    stage::Name,
    status::{alarms::Alarm, cost::Cost, gather::Releases, health::Health},
};

use reports::{alert, count, job, missing, quiet, report, shown, time, waiting};

const HOSTILE: &str = "a\u{1b}[2Jb\nc\u{9b}d\r\u{7}";

#[test]
fn a_stage_that_does_well() {
    let text = shown(&report(quiet()));
    let expected = "\
Solo OS on dev, 2026-11-22 15:00:01Z

  ✓ Health      healthy, in 143 ms
  · Events      51 received, 50 completed in the last hour; 10,000+ and 1,198 in 24 hours
  ✓ Backlog     none processing, none to be retried, none dead
  ✓ Outbox      none on their way, none dead
  ✓ Alerts      none open
  ✓ Jobs        all 2 on time
  ✓ Backup      5h ago, 12.00 MiB; no restore was proven yet
  · Database    84.00 MiB, schema version 17

All is well.
";
    assert_eq!(text, expected);
    assert_eq!(judge(&report(quiet())).verdict, Verdict::Well);
}

fn troubled() -> Report {
    let mut status = quiet();
    status.processing = waiting(2, Some("14:59:57"));
    status.failed = waiting(4, Some("14:50:00"));
    status.next_attempt_at = Some(time("15:00:12"));
    status.overdue = count(1);
    status.inbox = Some(InboxDepth { waiting: 1_220, in_flight: 10 });
    status.dead = waiting(1, Some("13:00:00"));
    status.outbox = OutboxState { pending: waiting(3, Some("14:59:58")), dead: waiting(2, Some("14:00:00")) };
    status.alerts = OpenAlerts {
        critical: count(1),
        warning: count(2),
        info: count(0),
        silenced: count(1),
        worst: vec![
            alert(
                "critical",
                "dead_letter:stripe:invoice.paid",
                &"an event that nobody could handle ".repeat(5),
                false,
            ),
            alert("critical", "quiet", "known", true),
        ],
    };
    status.jobs = vec![
        job("tick", "on_time"),
        job("drill", "late"),
        job("backup", "failed"),
        job("review", "running"),
        job("x", "never_ran"),
    ];
    status.deployment = Some(Deployment {
        id: Uuid::nil(),
        kind: "deploy".into(),
        release: "abc1234".into(),
        previous: None,
        outcome: "rolled_back".into(),
        detail: None,
        actor: "arn:aws:sts::1:assumed-role/admin/ada".into(),
        started_at: time("12:00:00"),
        finished_at: time("12:00:00"),
    });
    let mut report = report(status);
    (report.stage, report.name) = ("staging", Name::Staging);
    report.releases = Some(Part::There(Releases {
        current: Some("abc1234".into()),
        functions: 5,
        elsewhere: vec![("s-ops".into(), "old".into())],
    }));
    report.cost =
        Some(Part::There(Cost { amount: 12.3456, budget: 40.0, forecast: Some(18.0), currency: "USD".into() }));
    report.alarms = Some(Part::There(vec![Alarm {
        name: "InboxOld".into(),
        since: Some(time("14:48:01")),
        words: "An event has waited for ten minutes.".into(),
        entry: Some("The queue grows".into()),
    }]));
    report
}

#[test]
fn a_stage_that_needs_someone() {
    let report = troubled();
    let expected = "\
Solo OS on staging, 2026-11-22 15:00:01Z

  ✓ Health      healthy, in 143 ms
  · Events      51 received, 50 completed in the last hour; 10,000+ and 1,198 in 24 hours
  ! Backlog     2 processing (oldest 3s ago), 4 to be retried (next in 12s), 1 dead (oldest 2h ago); 1 overdue; 1,230 in the inbox
  ! Outbox      3 on their way (oldest 2s ago), 2 dead (oldest 60m ago)
  ! Alerts      1 critical, 2 warning, 1 silenced
                critical  60m ago  dead_letter:stripe:invoice.paid: an event that nobody could hand…
                silenced  60m ago  quiet: known
  ! Jobs        2 on time; 1 never ran yet; running: review
                the job drill is late, due 60m ago
                the job backup failed 2h ago
  ! Backup      5h ago, 12.00 MiB; no restore was proven yet
  ! Deployment  deploy of abc1234 rolled back 3h ago, by ada
  · Database    84.00 MiB, schema version 17
  ! Alarms      1 rings
                 12m ago  InboxOld: An event has waited for ten minutes.
  ! Release     abc1234 on 4 of 5 functions
                s-ops is at old
  · Cost        12.35 USD this month, 18.00 at its end; the whole account's, of 40.00

";
    let text = shown(&report);
    let (top, bottom) = text.split_once("Needs you:\n").unwrap();
    assert_eq!(top, expected);
    let commands: Vec<_> = bottom.lines().map(|line| line.split("   ").last().unwrap().trim()).collect();
    assert_eq!(
        commands,
        [
            "solo dead list --stage staging",
            "solo jobs --stage staging",
            "solo outbox list --status dead --stage staging",
            "solo alerts list --stage staging",
            "solo jobs runs --job drill --stage staging",
            "solo jobs show 00000000-0000-0000-0000-000000000000 --stage staging",
            "docs/runbook.md, \"The queue grows\"",
            "When there is time:",
            "solo alerts list --stage staging",
            "solo rollback --list --stage staging",
            "solo rollback --list --stage staging",
        ]
    );
    assert_eq!(judge(&report).verdict, Verdict::NeedsYou);
}

#[test]
fn what_could_not_be_asked_is_a_line_and_the_rest_is_there() {
    let mut report = report(quiet());
    report.health = missing("it does not answer: connection refused");
    report.cost = Some(missing("your AWS identity may not do that"));
    let text = shown(&report);
    assert!(text.contains("! Health      not known: it does not answer: connection refused\n"), "{text}");
    assert!(text.contains("· Cost        not known: your AWS identity"), "{text}");
    assert!(
        text.contains("✓ Outbox") && text.contains("the API does not answer   solo logs --function health"),
        "{text}"
    );
    assert_eq!(judge(&report).verdict, Verdict::NeedsYou, "the record is there, so the network is, too");

    report.status = missing("no answer within 5 s");
    let text = shown(&report);
    assert!(text.contains("! Record      not known: no answer within 5 s\n") && !text.contains("Outbox"), "{text}");
    assert!(text.contains("Not everything could be asked"), "{text}");
    assert_eq!(judge(&report).verdict, Verdict::Unknown);

    report.health = Part::There(Health { status: "unhealthy".into(), code: 503, took_ms: 1, url: "u".into() });
    assert_eq!(judge(&report).verdict, Verdict::NeedsYou, "it says so itself");
}

#[test]
fn a_warning_alone_is_for_later() {
    let mut status = quiet();
    status.alerts.warning = count(1);
    let report = report(status);
    assert!(
        shown(&report).ends_with("All is well. To look at when there is time:\n  1 warning   solo alerts list\n"),
        "{}",
        shown(&report)
    );
    assert_eq!(judge(&report).verdict, Verdict::Well);
}

#[test]
fn nothing_steers_the_terminal() {
    let mut report = troubled();
    if let Part::There(status) = &mut report.status {
        for alert in &mut status.alerts.worst {
            (alert.key, alert.message) = (HOSTILE.into(), HOSTILE.repeat(500));
        }
        status.alerts.worst[0].severity = HOSTILE.into();
        status.jobs.push(job(HOSTILE, "failed"));
        status.jobs.push(job(HOSTILE, "running"));
        if let Some(last) = &mut status.deployment {
            (last.kind, last.release, last.outcome, last.actor) =
                (HOSTILE.into(), HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
        }
    }
    let health = Health { status: HOSTILE.into(), code: 500, took_ms: 1, url: HOSTILE.into() };
    report.health = Part::There(health);
    report.releases = Some(Part::There(Releases {
        current: Some(HOSTILE.into()),
        functions: 1,
        elsewhere: vec![(HOSTILE.into(), HOSTILE.into())],
    }));
    report.cost = Some(missing(HOSTILE));
    let (name, words) = (HOSTILE.into(), HOSTILE.repeat(500));
    report.alarms = Some(Part::There(vec![Alarm { name, since: None, words, entry: Some(HOSTILE.into()) }]));
    let text = shown(&report);
    // What the colours do not explain.
    let painted = screen(&report, &judge(&report), 100);
    assert!(!painted.contains("\u{1b}[2J") && !painted.contains('\u{9b}'), "{painted:?}");
    assert!(!text.chars().any(|character| character.is_control() && character != '\n'), "{text:?}");
    assert!(!words_of(&report).chars().any(char::is_control));
}

#[test]
fn programs_get_the_same() {
    let mut report = report(quiet());
    report.health = missing("why");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["health"], json!({"problem": "why"}));
    assert_eq!((json["stage"].as_str(), json["status"]["schema_version"].as_i64()), (Some("dev"), Some(17)));
    assert!(json.get("cost").is_none());
}
