//! Errors, as a person sees and resolves them.

use ops::{ErrorDetail, ErrorFilter, ErrorPage, ErrorState, Operation, Outcome};

use crate::support::{World, by, codes, refusal};

async fn list(world: &World, filter: ErrorFilter, limit: u16, after: Option<ops::Cursor>) -> ErrorPage {
    match world.ask(Operation::ListErrors { filter, limit, after }).await {
        Outcome::Errors(page) => page,
        other => panic!("{other:?}"),
    }
}

async fn titles(world: &World, filter: ErrorFilter) -> Vec<String> {
    list(world, filter, 20, None).await.errors.into_iter().map(|error| error.title).collect()
}

async fn show(world: &World, fingerprint: &str) -> ErrorDetail {
    match world.ask(Operation::ShowError { fingerprint: fingerprint.into() }).await {
        Outcome::Error { found } => *found,
        other => panic!("{other:?}"),
    }
}

fn resolve(fingerprints: &[&str]) -> Operation {
    Operation::ResolveErrors { fingerprints: fingerprints.iter().map(|it| (*it).to_owned()).collect(), by: by() }
}

/// Four, the first of them seen last.
async fn world() -> World {
    let world = World::new().await;
    let insert = "INSERT INTO errors (fingerprint, kind, culprit, title, message, last_seen)
                  SELECT rpad(start, 32, '0'), kind, culprit, start, 'words', now() - n * interval '1 minute'
                    FROM (VALUES ('aaaaaaaa1', 'handler', 'h', 1), ('aaaaaaaa2', 'panic', 'h', 2), ('bbbbbbbb', 'panic', 'g', 3),
                                 ('cccccccc', 'job', 'backup', 4)) AS v (start, kind, culprit, n)";
    world.kept.execute(insert).await;
    world
}

#[tokio::test]
async fn lists_by_kind_culprit_and_state_in_pages() {
    let world = world().await;
    assert_eq!(titles(&world, ErrorFilter::default()).await, ["aaaaaaaa1", "aaaaaaaa2", "bbbbbbbb", "cccccccc"]);
    let panics = || ErrorFilter { kind: Some("panic".into()), ..ErrorFilter::default() };
    assert_eq!(titles(&world, panics()).await, ["aaaaaaaa2", "bbbbbbbb"]);
    assert_eq!(titles(&world, ErrorFilter { culprit: Some("h".into()), ..panics() }).await, ["aaaaaaaa2"]);
    let page = list(&world, ErrorFilter::default(), 3, None).await;
    let rest = list(&world, ErrorFilter::default(), 3, page.next).await;
    assert_eq!((rest.errors.len(), rest.errors[0].title.as_str(), rest.next), (1, "cccccccc", None));
    world.change(resolve(&["bbbbbbbb"])).await;
    assert_eq!(titles(&world, ErrorFilter { state: ErrorState::Resolved, ..panics() }).await, ["bbbbbbbb"]);
    assert_eq!(titles(&world, panics()).await, ["aaaaaaaa2"]);
    assert_eq!(titles(&world, ErrorFilter { state: ErrorState::All, ..panics() }).await.len(), 2);
}

#[tokio::test]
async fn one_is_found_by_the_beginning_of_its_fingerprint() {
    let world = world().await;
    assert_eq!(show(&world, "bbbbbb").await.summary.fingerprint, format!("bbbbbbbb{}", "0".repeat(24)));
    assert!(matches!(world.ask(Operation::ShowError { fingerprint: "dddddd".into() }).await, Outcome::NotFound { .. }));
    for wrong in ["", "bbbbb", "BBBBBB", "bbbbb%", &"b".repeat(33)] {
        refusal(world.ask(Operation::ShowError { fingerprint: wrong.to_owned() }).await);
    }
    let words = refusal(world.ask(Operation::ShowError { fingerprint: "aaaaaaaa".into() }).await);
    assert!(words.contains("several"), "{words}");
}

#[tokio::test]
async fn resolving_is_on_record_and_what_is_not_clear_is_left_alone() {
    let world = world().await;
    let changes = world.change(resolve(&["cccccc", "cccccccc", "aaaaaaaa", "dddddd"])).await;
    assert_eq!((changes.changed.len(), codes(&changes)), (1, vec!["ambiguous", "not_found"]));
    assert_eq!(codes(&world.change(resolve(&["cccccc"])).await), ["resolved"]);
    assert_eq!(world.audited("resolve_errors").await, 1);
    let shown = show(&world, "cccccc").await;
    assert_eq!((shown.resolved_by.as_deref(), shown.audit.len()), (Some("ada"), 1));
    assert_eq!(shown.audit[0].reason, "the fix is out");
    refusal(world.ask(resolve(&["x"])).await);
    refusal(world.ask(resolve(&["cccccc"; 101])).await);
}

/// From the failure to its list, and back.
#[tokio::test]
async fn a_resolved_error_that_comes_again_is_open_again() {
    let world = World::new().await;
    let id = world.failed("1", false).await;
    let error = list(&world, ErrorFilter::default(), 20, None).await.errors.remove(0);
    assert_eq!(
        (error.kind.as_str(), error.culprit.as_str(), error.title.as_str()),
        ("handler", "record_payment", "no luck")
    );
    assert_eq!(show(&world, &error.fingerprint).await.execution_id, Some(id));
    world.change(resolve(&[&error.fingerprint])).await;
    world.failed("2", false).await;
    let again = show(&world, &error.fingerprint).await;
    assert_eq!((again.summary.regressions, again.summary.count, again.summary.resolved_at), (1, 2, None));
}
