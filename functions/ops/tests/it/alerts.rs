//! Alerts and the audit trail.

use ops::{AlertState, Alerts, AuditFilter, Operation, Outcome};
use shared::alerts::{self, Severity};

use crate::support::{World, by, codes, refusal};

async fn list(world: &World, state: AlertState) -> Alerts {
    match world.ask(Operation::ListAlerts { state, limit: 20, after: None }).await {
        Outcome::Alerts(alerts) => alerts,
        other => panic!("{other:?}"),
    }
}

fn keys(alerts: &Alerts) -> Vec<&str> {
    alerts.alerts.iter().map(|alert| alert.key.as_str()).collect()
}

async fn raise(world: &World, key: &str) {
    let mut session = world.runner.session().await.unwrap();
    alerts::raise(&mut session, Severity::Warning, key, "look").await.unwrap();
}

#[tokio::test]
async fn lists_by_what_became_of_them() {
    let world = World::new().await;
    for key in ["told", "waiting", "over"] {
        raise(&world, key).await;
    }
    world.kept.execute("UPDATE alerts SET sent_at = now(), pending_since = NULL WHERE key = 'told'").await;
    let resolve =
        |keys: &[&str]| Operation::ResolveAlerts { keys: keys.iter().map(|key| (*key).into()).collect(), by: by() };
    let changes = world.change(resolve(&["over", "over", "never"])).await;
    assert_eq!((changes.changed.len(), codes(&changes)), (1, vec!["not_open"]));
    assert_eq!(keys(&list(&world, AlertState::Open).await), ["waiting", "told"]);
    assert_eq!(keys(&list(&world, AlertState::Pending).await), ["waiting"]);
    assert_eq!(keys(&list(&world, AlertState::Sent).await), ["told"]);
    assert_eq!(keys(&list(&world, AlertState::Resolved).await), ["over"]);
    assert_eq!(list(&world, AlertState::All).await.alerts.len(), 3);
    let page = Operation::ListAlerts { state: AlertState::All, limit: 2, after: None };
    let Outcome::Alerts(page) = world.ask(page).await else { panic!("a page") };
    let rest = Operation::ListAlerts { state: AlertState::All, limit: 2, after: page.next };
    let Outcome::Alerts(rest) = world.ask(rest).await else { panic!("a page") };
    assert_eq!(keys(&rest), ["told"]);
}

#[tokio::test]
async fn a_silence_holds_for_its_pattern_until_it_ends() {
    let world = World::new().await;
    for key in ["dead_letter:stripe:invoice.paid", "dead%letter", "database"] {
        raise(&world, key).await;
    }
    let silence = |pattern: &str, seconds| Operation::SilenceAlerts { pattern: pattern.into(), seconds, by: by() };
    world.change(silence("dead_*", 7_200)).await;
    let listed = list(&world, AlertState::Open).await;
    let silent: Vec<_> = listed.alerts.iter().filter(|it| it.silenced_until.is_some()).map(|it| &it.key).collect();
    assert_eq!(silent, ["dead_letter:stripe:invoice.paid"], "only `*` stands for anything");
    let held = listed.silences[0].until.duration_since(shared::clock::now()).as_secs();
    assert!((7_100..=7_200).contains(&held), "{held}");
    assert_eq!((listed.silences[0].created_by.as_str(), listed.silences[0].pattern.as_str()), ("ada", "dead_*"));

    let unsilence = || Operation::UnsilenceAlerts { pattern: "dead_*".into(), by: by() };
    assert_eq!(world.change(unsilence()).await.changed.len(), 1);
    assert_eq!(codes(&world.change(unsilence()).await), ["not_silenced"]);
    assert!(list(&world, AlertState::Open).await.silences.is_empty());
    for (pattern, seconds) in [("", 60), ("x", 59), ("x", 2_592_001), ("a\nb", 60)] {
        refusal(world.ask(silence(pattern, seconds)).await);
    }
    assert_eq!((world.audited("silence_alerts").await, world.audited("unsilence_alerts").await), (1, 1));
}

/// Each test is news, even when the one before is still open.
#[tokio::test]
async fn a_test_is_raised_anew_and_the_worker_is_woken() {
    let world = World::new().await;
    world.change(Operation::TestAlert { critical: false, by: by() }).await;
    world.kept.execute("UPDATE alerts SET sent_at = now(), pending_since = NULL").await;
    for (critical, severity) in [(false, "info"), (true, "critical")] {
        world.change(Operation::TestAlert { critical, by: by() }).await;
        let listed = list(&world, AlertState::Pending).await;
        assert_eq!((listed.alerts.len(), listed.alerts[0].severity.as_str()), (1, severity));
        assert_eq!(listed.alerts[0].occurrences, 1);
    }
    assert_eq!((world.open_alerts().await, world.wakes().await), (1, 1), "one wake-up serves all three");
}

#[tokio::test]
async fn the_trail_is_filtered_and_paged() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        raise(&world, key).await;
        world.change(Operation::ResolveAlerts { keys: vec![key.into()], by: by() }).await;
    }
    world.change(Operation::TestAlert { critical: false, by: by() }).await;
    let trail = async |filter: AuditFilter, limit, after| match world
        .ask(Operation::ListAudit { filter, limit, after })
        .await
    {
        Outcome::Audit(page) => page,
        other => panic!("{other:?}"),
    };
    let page = trail(AuditFilter::default(), 3, None).await;
    let subjects: Vec<_> = page.entries.iter().map(|entry| entry.subject.as_str()).collect();
    assert_eq!(subjects, ["test", "c", "b"]);
    assert_eq!(trail(AuditFilter::default(), 3, page.next).await.entries[0].subject, "a");
    let only =
        AuditFilter { operation: Some("test_alert".into()), actor: Some("ada".into()), ..AuditFilter::default() };
    assert_eq!(trail(only, 9, None).await.entries.len(), 1);
    let none = AuditFilter {
        since: Some(shared::clock::now() + jiff::SignedDuration::from_mins(1)),
        ..AuditFilter::default()
    };
    assert!(trail(none, 9, None).await.entries.is_empty());
}
