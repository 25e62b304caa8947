//! What is not in the database: alarms, the inbox, the budget.

use super::*;

/// Who may not ask is not told that all is well.
#[test]
fn alarms_that_are_not_known_are_no_good_sign() {
    let mut report = report(quiet());
    report.alarms = Some(Part::There(Vec::new()));
    assert!(shown(&report).contains("✓ Alarms      none ring\n"), "{}", shown(&report));
    assert_eq!(judge(&report).verdict, Verdict::Well);
    report.alarms = Some(missing("your AWS identity may not do that"));
    assert!(shown(&report).contains("! Alarms      not known: your AWS identity"), "{}", shown(&report));
    assert_eq!(judge(&report).verdict, Verdict::Unknown);
}

#[test]
fn an_inbox_that_is_not_known_is_said() {
    let mut status = quiet();
    status.inbox = None;
    assert!(shown(&report(status)).contains("none dead; the inbox is not known\n"));
}

#[test]
fn what_does_not_end_with_its_mending_is_for_later() {
    let mut report = report(quiet());
    report.cost = Some(Part::There(Cost { amount: 40.01, budget: 40.0, forecast: None, currency: "USD".into() }));
    let text = shown(&report);
    assert!(text.contains("! Cost        40.01 USD this month; the whole account's, of 40.00\n"), "{text}");
    assert!(text.contains("To look at when there is time") && text.contains("It costs more than it should"), "{text}");
    let of_job = |entry: &str| Alarm {
        name: "BackupErrors".into(),
        since: None,
        words: "A run failed.".into(),
        entry: Some(entry.into()),
    };
    report.alarms = Some(Part::There(vec![of_job("A job failed")]));
    assert!(shown(&report).contains("! Alarms      1 rings"), "{}", shown(&report));
    assert_eq!(judge(&report).verdict, Verdict::Well, "the job itself is on time");
    report.status = missing("no answer within 5 s");
    assert_eq!(judge(&report).verdict, Verdict::NeedsYou, "nobody knows how the job is");
    assert_eq!(words_of(&report), "health healthy, the record cannot be read, ringing: BackupErrors");
    report.status = Part::There(quiet());
    report.alarms = Some(Part::There(vec![of_job("A function fails")]));
    assert_eq!(judge(&report).verdict, Verdict::NeedsYou);
}
