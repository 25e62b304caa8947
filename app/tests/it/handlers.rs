//! The handlers on a real database, through the runner that the functions use.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    db::{Credentials, Database},
    events::Envelope,
    executions,
    handlers::Resolution,
    providers,
    retry::RetryPolicy,
    runner::{Runner, State},
};
use testkit::TestDatabase;
use tokio::time::Instant;
use uuid::Uuid;

struct World {
    test: TestDatabase,
    database: Database,
}

impl World {
    async fn new() -> Self {
        let test = TestDatabase::new().await;
        let database = Database::new(test.app_url(), Credentials::Url, executions::WARM).unwrap();
        Self { test, database }
    }

    async fn deliver(&self, envelope: Envelope) -> State {
        deliver(&self.database, envelope).await
    }

    async fn rows(&self, sql: &str) -> String {
        self.test.text(&format!("SELECT coalesce(string_agg(row, '; ' ORDER BY row), '') FROM ({sql}) _ (row)")).await
    }
}

async fn deliver(database: &Database, envelope: Envelope) -> State {
    let retry = RetryPolicy { max_attempts: 3, base_delay: Duration::from_secs(2) };
    let runner = Runner { database, retry, deadline: Instant::now() + Duration::from_secs(20) };
    runner.deliver(&envelope, app::handlers().resolve(&envelope)).await.unwrap().state
}

/// As GitHub delivers it: the whole body is the data, and every delivery has an id of its own.
fn push(body: &Value) -> Envelope {
    let id = Uuid::new_v4().to_string();
    Envelope::new("github", &id, "push", 1, body.clone(), body.to_string().as_bytes()).unwrap()
}

fn push_body() -> Value {
    serde_json::from_str(include_str!("../../fixtures/github/push.json")).unwrap()
}

const PUSHES: &str =
    "SELECT concat_ws(' ', branch, left(head_commit, 4), commits, extract(epoch FROM pushed_at)::bigint) FROM pushes";

#[tokio::test]
async fn a_push_is_recorded_once_and_a_force_push_back_is_another_one() {
    let world = World::new().await;
    let body = push_body();
    assert_eq!(world.deliver(push(&body)).await, State::Completed);
    assert_eq!(world.deliver(push(&body)).await, State::Completed, "another delivery of it");
    assert_eq!(world.rows(PUSHES).await, "main b82e 2 1795186000");

    let mut back = body.clone();
    back["repository"]["pushed_at"] = json!(1_795_186_060);
    back["forced"] = json!(true);
    assert_eq!(world.deliver(push(&back)).await, State::Completed);
    let mut branch = body.clone();
    branch["ref"] = json!("refs/heads/ünïcödé/branch");
    branch["commits"] = json!([]);
    assert_eq!(world.deliver(push(&branch)).await, State::Completed);
    let mut tag = body;
    tag["ref"] = json!("refs/tags/v1");
    assert_eq!(world.deliver(push(&tag)).await, State::Ignored);
    let expected = "main b82e 2 1795186000; main b82e 2 1795186060; ünïcödé/branch b82e 0 1795186000";
    assert_eq!(world.rows(PUSHES).await, expected);
}

#[tokio::test]
async fn the_longest_names_can_be_stored() {
    let world = World::new().await;
    let mut body = push_body();
    // Random, as the index compresses what repeats.
    let long = || (0..32).map(|_| Uuid::new_v4().simple().to_string()).collect::<String>()[..1_000].to_owned();
    body["repository"]["full_name"] = json!(long());
    body["ref"] = json!(format!("refs/heads/{}", long()));
    body["after"] = json!("a".repeat(64));
    assert_eq!(world.deliver(push(&body)).await, State::Completed);
}

/// As Stripe sends it, read by the same parser.
fn change(kind: &str, created: i64, status: &str) -> Envelope {
    let mut event: Value =
        serde_json::from_str(include_str!("../../fixtures/stripe/subscription_updated.json")).unwrap();
    event["id"] = json!(format!("evt_{}", Uuid::new_v4().simple()));
    event["type"] = json!(format!("customer.subscription.{kind}"));
    event["created"] = json!(1_795_176_000 + created);
    event["data"]["object"]["status"] = json!(status);
    let body = event.to_string();
    providers::find("stripe").unwrap().parse(&http::HeaderMap::new(), body.as_bytes()).unwrap()
}

const SUBSCRIPTIONS: &str = "SELECT concat_ws(' ', id, status, quantity, extract(epoch FROM changed_at)::bigint - 1795176000) FROM subscriptions";

#[tokio::test]
async fn events_of_a_subscription_in_any_order_leave_the_newest_state() {
    let events = [("created", 0, "incomplete"), ("updated", 60, "active"), ("deleted", 120, "canceled")];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let world = World::new().await;
        for index in order {
            let (kind, created, status) = events[index];
            assert_eq!(world.deliver(change(kind, created, status)).await, State::Completed);
        }
        assert_eq!(world.rows(SUBSCRIPTIONS).await, "sub_1SolTeam canceled 5 120", "{order:?}");
    }
}

#[tokio::test]
async fn of_events_in_one_second_deleted_beats_updated_beats_created() {
    let world = World::new().await;
    let state = async |kind, status| {
        assert_eq!(world.deliver(change(kind, 0, status)).await, State::Completed);
        world.rows("SELECT status FROM subscriptions").await
    };
    assert_eq!(state("updated", "active").await, "active");
    assert_eq!(state("created", "incomplete").await, "active");
    assert_eq!(state("updated", "past_due").await, "past_due", "of two updates, the one that came later");
    assert_eq!(state("deleted", "canceled").await, "canceled");
    assert_eq!(state("updated", "active").await, "canceled");
}

#[tokio::test]
async fn two_at_once_leave_the_newer_state() {
    let world = World::new().await;
    let other = Database::new(world.test.app_url(), Credentials::Url, executions::WARM).unwrap();
    for round in 0..20 {
        let (old, new) = (change("updated", round * 10, "past_due"), change("updated", round * 10 + 1, "active"));
        tokio::join!(world.deliver(new), deliver(&other, old));
        let expected = format!("sub_1SolTeam active 5 {}", round * 10 + 1);
        assert_eq!(world.rows(SUBSCRIPTIONS).await, expected);
    }
}

#[tokio::test]
async fn what_has_no_time_or_no_shape_waits_for_a_person() {
    let world = World::new().await;
    let mut timeless = change("updated", 0, "active");
    timeless.occurred_at = None;
    assert_eq!(world.deliver(timeless).await, State::Dead);
    assert_eq!(world.deliver(push(&json!({"ref": "refs/heads/main"}))).await, State::Dead);
    assert_eq!(world.rows(SUBSCRIPTIONS).await + &world.rows(PUSHES).await, "");
}

/// What `solo send` sends when it is given no file.
#[test]
fn the_samples_of_all_providers_fit_their_handlers() {
    let handlers = app::handlers();
    let mut tried = 0;
    for (source, event_type) in handlers.routes() {
        let Some(provider) = providers::find(source) else { continue };
        let body = provider.sample(event_type, "1", shared::clock::now()).to_string();
        let envelope = shared::inbox::restore(source, "1", event_type, 1, &body).unwrap();
        let envelope = envelope.at(Some(shared::clock::now()));
        assert!(matches!(handlers.resolve(&envelope), Resolution::Ready(_)), "{source} {event_type}: {body}");
        tried += 1;
    }
    assert!(tried >= 5, "only {tried} were tried");
}
