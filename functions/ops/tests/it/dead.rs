//! Dead letters: the list, and taking them off it.

use ops::{DeadFilter, DeadLetters, Operation, Outcome};
use uuid::Uuid;

use crate::support::{World, by, codes, refusal};

async fn list(world: &World, filter: DeadFilter, limit: u16) -> DeadLetters {
    match world.ask(Operation::ListDeadLetters { filter, limit, after: None }).await {
        Outcome::DeadLetters(letters) => letters,
        other => panic!("{other:?}"),
    }
}

fn ids(letters: &DeadLetters) -> Vec<Uuid> {
    letters.letters.iter().map(|letter| letter.id).collect()
}

#[tokio::test]
async fn the_list_has_what_waits_for_a_person() {
    let world = World::new().await;
    let (first, second) = (world.dead("1").await, world.dead("2").await);
    world.completed("3").await;
    world.failed("4", false).await;
    assert_eq!(ids(&list(&world, DeadFilter::default(), 20).await), [second, first]);

    let page = list(&world, DeadFilter::default(), 1).await;
    let rest = Operation::ListDeadLetters { filter: DeadFilter::default(), limit: 1, after: page.next };
    let Outcome::DeadLetters(rest) = world.ask(rest).await else { panic!("a page") };
    assert_eq!((ids(&page), ids(&rest), rest.next), (vec![second], vec![first], None));

    let died = page.letters[0].finished_at;
    assert_eq!(ids(&list(&world, DeadFilter { since: died, ..DeadFilter::default() }, 20).await), [second]);
    assert_eq!(ids(&list(&world, DeadFilter { until: died, ..DeadFilter::default() }, 20).await), [first]);
    let github = DeadFilter { source: Some("github".into()), ..DeadFilter::default() };
    assert!(list(&world, github, 20).await.letters.is_empty());
}

#[tokio::test]
async fn resolving_takes_them_off_and_ends_the_alert_with_the_last() {
    let world = World::new().await;
    let (first, second, other) = (world.dead("1").await, world.dead("2").await, world.completed("3").await);
    let resolve = |ids: Vec<Uuid>| Operation::ResolveDeadLetters { ids, by: by() };
    assert_eq!(world.open_alerts().await, 1);

    let changes = world.change(resolve(vec![first, first, other, Uuid::nil()])).await;
    assert_eq!((changes.changed.len(), changes.alerts_resolved.len()), (1, 0));
    assert_eq!(codes(&changes), ["not_dead", "not_found"]);
    assert_eq!((world.open_alerts().await, world.audited("resolve_dead_letters").await), (1, 1));

    let changes = world.change(resolve(vec![first, second])).await;
    assert_eq!((changes.changed.len(), codes(&changes)), (1, vec!["resolved"]));
    assert_eq!(changes.alerts_resolved, ["dead_letter:stripe:invoice.paid"]);
    assert_eq!(world.open_alerts().await, 0);

    assert!(list(&world, DeadFilter::default(), 20).await.letters.is_empty());
    assert_eq!(list(&world, DeadFilter { resolved: true, ..DeadFilter::default() }, 20).await.letters.len(), 2);
}

#[tokio::test]
async fn nobody_and_no_reason_are_refused_and_change_nothing() {
    let world = World::new().await;
    let id = world.dead("1").await;
    for (actor, reason) in [("", "why"), ("ada", ""), ("ada", "a\u{0}b")] {
        let by = ops::By { actor: actor.into(), reason: reason.into() };
        refusal(world.ask(Operation::ResolveDeadLetters { ids: vec![id], by: by.clone() }).await);
        refusal(world.ask(Operation::Unlock { id, force: true, by }).await);
    }
    assert_eq!(world.kept.count("SELECT count(*) FROM audit").await, 0);
    assert_eq!(world.kept.count("SELECT count(resolved_at) FROM executions").await, 0);
}
