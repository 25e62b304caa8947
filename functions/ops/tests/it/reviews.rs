//! Reviews, listed and shown.

use ops::{Operation, Outcome, ReviewPage};
use uuid::Uuid;

use crate::support::World;

async fn page(world: &World, after: Option<ops::Cursor>) -> ReviewPage {
    match world.ask(Operation::ListReviews { limit: 2, after }).await {
        Outcome::Reviews(page) => page,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reviews_are_listed_newest_first_and_the_newest_is_shown() {
    let world = World::new().await;
    assert!(matches!(world.ask(Operation::ShowReview { id: None }).await, Outcome::NotFound { .. }));
    world
        .kept
        .execute(
            r#"INSERT INTO reviews (id, at, period, findings, figures)
               SELECT gen_random_uuid(), now() - n * interval '30 days', 'n' || n,
                      '[{"area": "a", "severity": "warning", "what": "w", "todo": "t"},
                        {"area": "b", "severity": "info", "what": "w", "todo": "t"}]', '{"events": 7}'
                 FROM generate_series(1, 3) n"#,
        )
        .await;
    let first = page(&world, None).await;
    let second = page(&world, first.next).await;
    let all: Vec<_> = first.reviews.iter().chain(&second.reviews).collect();
    assert_eq!(all.iter().map(|review| review.period.as_str()).collect::<Vec<_>>(), ["n1", "n2", "n3"]);
    assert!(second.next.is_none() && all.iter().all(|review| (review.findings, review.pressing) == (2, 1)));

    for (id, period) in [(None, "n1"), (Some(all[2].id), "n3")] {
        let Outcome::Review(review) = world.ask(Operation::ShowReview { id }).await else { panic!("{id:?}") };
        assert_eq!((review.period.as_str(), review.findings.len(), &review.figures["events"]), (period, 2, &7.into()));
        assert_eq!((review.findings[0].severity.as_str(), review.findings[0].what.as_str()), ("warning", "w"));
    }
    assert!(matches!(world.ask(Operation::ShowReview { id: Some(Uuid::nil()) }).await, Outcome::NotFound { .. }));
}
