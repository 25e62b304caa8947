//! The table of errors: what makes two the same, what is news, and that nothing can fill it or hold anyone up.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use shared::{
    db::{Credentials, Database},
    errors::{flush, title},
};
use testkit::TestDatabase;
use tokio::time::Instant;

struct World {
    kept: TestDatabase,
    /// As the functions connect, of a release.
    app: Database,
}

impl World {
    async fn new() -> Self {
        let kept = TestDatabase::new().await;
        let app = Database::new(kept.app_url(), Credentials::Url, &[]).unwrap();
        Self { kept, app: app.of_release(Some("abc123".parse().unwrap())) }
    }

    /// As a statement of the platform's counts one. Its fingerprint.
    async fn record(&self, kind: &str, culprit: &str, message: &str) -> Option<String> {
        const RECORD: &str = "SELECT record_error($1, $2, $3, $4, 'stripe', 'invoice.paid', NULL, 'c')";
        let mut session = self.app.session().await.unwrap();
        let row = session.query_opt(RECORD, &[&kind, &culprit, &title(message), &message]).await.unwrap();
        row.unwrap().get(0)
    }

    async fn rows(&self) -> i64 {
        self.kept.count("SELECT count(*) FROM errors").await
    }

    /// How many messages a tick puts into the outbox.
    async fn flush(&self) -> usize {
        flush(&mut self.app.session().await.unwrap(), Some("SENTRY_DSN")).await.unwrap()
    }

    /// `count regressions resolved pending` of the only error.
    async fn state(&self) -> String {
        let sql =
            "SELECT concat_ws(' ', count, regressions, resolved_at IS NOT NULL, tell_since IS NOT NULL) FROM errors";
        self.kept.text(sql).await
    }
}

/// Pinned: what is open must be found again by the next release.
#[tokio::test]
async fn fingerprints_stay_as_they_are() {
    let world = World::new().await;
    for (kind, culprit, message, fingerprint) in [
        ("handler", "record_payment", "the other side is busy", "b6d97d23"),
        ("handler", "record_payment", "no invoice in_1Nabc after 3 tries", "3e4f819a"),
        ("panic", "record_payment", "the other side is busy", "373c675b"),
        ("handler", "record_push", "the other side is busy", "c6a00a2d"),
        ("invalid_data", "stripe invoice.paid", "the data does not fit its type: /amount", "e194c53c"),
        ("job", "backup", "pg_dump ended with 1", "b99511bd"),
    ] {
        let actual = world.record(kind, culprit, message).await.unwrap();
        assert_eq!(actual.len(), 32);
        assert_eq!(&actual[..8], fingerprint, "{kind} {culprit} {message}");
    }
    assert_eq!(world.rows().await, 6);
}

#[tokio::test]
async fn ids_and_numbers_do_not_split_a_group_and_other_errors_do_not_join_it() {
    let world = World::new().await;
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..50 {
        let id = uuid::Uuid::new_v4();
        let message = format!("no row {id} for \"customer {n}\" (evt_{}) within {n}.5 s", id.simple());
        seen.insert(world.record("handler", "h", &message).await.unwrap());
    }
    assert_eq!(seen.len(), 1);
    assert_eq!(world.state().await, "50 0 f t");
    seen.insert(world.record("handler", "h", "no row for anybody").await.unwrap());
    seen.insert(world.record("timeout", "h", "no row for anybody").await.unwrap());
    seen.insert(world.record("handler", "g", "no row for anybody").await.unwrap());
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn a_row_has_the_latest_words_and_both_releases() {
    let world = World::new().await;
    world.record("handler", "h", "attempt 1").await;
    let next = Database::new(world.kept.app_url(), Credentials::Url, &[]).unwrap();
    let next = World { app: next.of_release(Some("def456".parse().unwrap())), ..world };
    next.record("handler", "h", "attempt 2").await;
    let row = "SELECT concat_ws(' ', title, '-', message, count, first_release, last_release, source, event_type, correlation_id) FROM errors";
    assert_eq!(next.kept.text(row).await, "attempt <n> - attempt 2 2 abc123 def456 stripe invoice.paid c");
}

#[tokio::test]
async fn a_resolved_one_that_comes_again_is_a_regression() {
    let world = World::new().await;
    world.record("handler", "h", "no luck").await;
    assert_eq!((world.flush().await, world.state().await), (1, "1 0 f f".into()));
    world.record("handler", "h", "no luck").await;
    assert_eq!((world.flush().await, world.state().await), (0, "2 0 f f".into()), "it is no news");
    world.kept.execute("UPDATE errors SET resolved_at = now(), resolved_by = 'ada'").await;
    world.record("handler", "h", "no luck").await;
    assert_eq!((world.state().await, world.flush().await), ("3 1 f t".into(), 1));
    world.record("handler", "h", "no luck").await;
    assert_eq!(world.state().await, "4 1 f f");
}

/// 1, 10, 100, ...: a storm is told of four times, and not a thousand times.
#[tokio::test]
async fn a_storm_is_told_of_with_each_digit_of_its_count() {
    let world = World::new().await;
    let mut told = Vec::new();
    for n in 1..=120 {
        world.record("handler", "h", "no luck").await;
        if world.flush().await > 0 {
            told.push(n);
        }
    }
    assert_eq!(told, [1, 10, 100]);
    let counts = "SELECT string_agg(effect ->> 'count', ' ' ORDER BY id) FROM outbox WHERE destination = 'tracker'";
    assert_eq!(world.kept.text(counts).await, "1 10 100");
}

#[tokio::test]
async fn several_at_once_count_as_several() {
    let world = World::new().await;
    let sweep = "SELECT record_error('crash', 'h', 't', 'm', NULL, NULL, NULL, NULL, 95)";
    world.kept.execute(sweep).await;
    world.flush().await;
    assert_eq!(world.state().await, "95 0 f f");
    world.kept.execute(sweep).await;
    assert_eq!(world.state().await, "190 0 f t");
}

/// Words that a stranger chose.
#[tokio::test]
async fn many_distinct_errors_of_any_length_stay_few_short_rows() {
    let world = World::new().await;
    let words = ["lost", "gone", "busy", "late", "odd", "sad", "cold", "old", "new", "red", "dim"];
    for a in words {
        for b in words {
            let message = format!("{a} {b} {}", "\u{1b}[2J \"' \r\n é".repeat(2_000)).replace('\0', "");
            world.record("invalid_data", &format!("{a} {}", "x".repeat(5_000)), &message).await.unwrap();
        }
    }
    assert_eq!(world.rows().await, 100 + 1);
    let several = "SELECT count FROM errors WHERE culprit = 'several'";
    assert_eq!(world.kept.count(several).await, 121 - 100);
    // Another kind has room of its own, and one that is known is still counted.
    let known = world.record("handler", "h", "no luck").await.unwrap();
    assert_eq!(world.record("handler", "h", "no luck").await.unwrap(), known);
    let long = "SELECT max(length(message) + length(culprit) + length(title))::bigint FROM errors";
    assert!(world.kept.count(long).await <= 2_400);
    // The next day there is room again, until the kind has a thousand.
    world.kept.execute("UPDATE errors SET first_seen = first_seen - interval '2 days'").await;
    world.record("invalid_data", "tomorrow", "no luck").await;
    assert_eq!(world.rows().await, 103);
    let insert = "INSERT INTO errors (fingerprint, kind, culprit, title, message, first_seen)
                  SELECT md5(n::text), 'invalid_data', 'x', 'x', 'x', now() - interval '3 days' FROM generate_series(1, 1000) n";
    world.kept.execute(insert).await;
    world.record("invalid_data", "the day after", "no luck").await;
    assert_eq!(world.kept.count(several).await, 121 - 100 + 1);
}

/// A name in the words makes every failure of this handler another one.
#[tokio::test]
async fn one_noisy_handler_hides_no_other() {
    let world = World::new().await;
    for word in "abcdefghijklmnopqrstuvwxyzABCD".chars() {
        world
            .record("handler", "noisy", &format!("customer {} has no plan", word.to_string().repeat(3)))
            .await
            .unwrap();
    }
    let rows = "SELECT count(*) || ' ' || sum(count) FROM errors WHERE culprit = 'noisy'";
    assert_eq!(world.kept.text(rows).await, "21 30");
    let rest = "SELECT count FROM errors WHERE culprit = 'noisy' AND title = 'more errors than are kept apart'";
    assert_eq!(world.kept.count(rest).await, 10);
    world.record("handler", "quiet", "a bug").await.unwrap();
    assert_eq!(world.kept.count("SELECT count FROM errors WHERE culprit = 'quiet' AND title = 'a bug'").await, 1);
}

#[tokio::test]
async fn a_flood_of_new_errors_is_told_of_in_portions() {
    let world = World::new().await;
    let insert = "INSERT INTO errors (fingerprint, kind, culprit, title, message)
                  SELECT md5(n::text), 'handler', 'x', 'x', 'x' FROM generate_series(1, 130) n";
    world.kept.execute(insert).await;
    let mut told = Vec::new();
    for _ in 0..7 {
        told.push(world.flush().await);
    }
    assert_eq!(told, [20, 20, 20, 20, 20, 0, 0]);
    world.kept.execute("UPDATE errors SET told_at = told_at - interval '25 hours'").await;
    assert_eq!(world.flush().await, 20);
    assert_eq!(flush(&mut world.app.session().await.unwrap(), None).await.unwrap(), 0, "nobody is to be told");
}

/// Whatever goes wrong with it, the statement that records the failure goes on.
#[tokio::test]
async fn what_cannot_be_counted_fails_nothing() {
    let world = World::new().await;
    for breakage in [
        "ALTER TABLE errors ADD CHECK (culprit <> 'h')",
        "ALTER TABLE errors RENAME COLUMN count TO times",
        "REVOKE ALL ON errors FROM solo_app",
        "DROP TABLE errors",
    ] {
        world.kept.execute(breakage).await;
        assert_eq!(world.record("handler", "h", "no luck").await, None, "{breakage}");
    }
}

/// Someone holds the row: its count is worth half a second, and no more.
#[tokio::test]
async fn a_row_that_is_held_is_not_waited_for() {
    let world = World::new().await;
    world.record("handler", "h", "no luck").await;
    let holder = world.kept.admin().await;
    holder.batch_execute("BEGIN; UPDATE errors SET message = 'held'").await.unwrap();
    let began = Instant::now();
    assert_eq!(world.record("handler", "h", "no luck").await, None);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    holder.batch_execute("COMMIT").await.unwrap();
    assert!(world.record("handler", "h", "no luck").await.is_some());
}

/// What everyone counts at the same time is counted, and nobody fails.
#[tokio::test]
async fn side_by_side_nothing_is_lost() {
    let world = World::new().await;
    let apps: Vec<_> = (0..6).map(|_| Database::new(world.kept.app_url(), Credentials::Url, &[]).unwrap()).collect();
    let count = async |app: &Database| {
        let mut session = app.session().await.unwrap();
        for _ in 0..30 {
            let sql = "SELECT record_error('handler', 'h', 't', 'm', NULL, NULL, NULL, NULL)";
            session.query(sql, &[]).await.unwrap();
        }
    };
    futures_util::future::join_all(apps.iter().map(count)).await;
    assert_eq!(world.state().await, "180 0 f t");
}

/// Workers side by side tell of each error once.
#[tokio::test(flavor = "multi_thread")]
async fn two_who_flush_at_once_tell_of_everything_once() {
    let world = World::new().await;
    for n in 0..30 {
        world.record("handler", &format!("h{n}"), "the other side is busy").await.unwrap();
    }
    let others: Vec<_> =
        (0..4).map(|_| Database::new(world.kept.app_url(), Credentials::Url, &[]).unwrap().of_release(None)).collect();
    let told =
        futures_util::future::join_all(others.iter().map(|database| async {
            flush(&mut database.session().await.unwrap(), Some("SENTRY_DSN")).await.unwrap()
        }));
    let told: usize = told.await.into_iter().sum::<usize>() + world.flush().await;
    let effects = "SELECT count(DISTINCT effect ->> 'fingerprint') FROM outbox WHERE destination = 'tracker'";
    let messages = world.kept.count("SELECT count(*) FROM outbox").await;
    assert_eq!((told, messages, world.kept.count(effects).await), (30, 30, 30));
}

/// Strangers can make many kinds of unfit data: they take no turn of a handler's.
#[tokio::test]
async fn a_flood_of_unfit_data_leaves_room_for_what_is_ours() {
    let world = World::new().await;
    for n in 0..80 {
        world.record("invalid_data", &format!("stripe type.{n}"), "the data does not fit its type: /a").await.unwrap();
    }
    world.record("panic", "record_payment", "a bug").await.unwrap();
    world.flush().await;
    let told = |kind: &str| format!("SELECT count(*) FROM errors WHERE kind = '{kind}' AND told_at IS NOT NULL");
    assert_eq!(world.kept.count(&told("panic")).await, 1, "it came last, and goes first");
    for _ in 0..10 {
        world.flush().await;
    }
    assert_eq!(world.kept.count(&told("invalid_data")).await, 50, "half of a day's 100");
    world.record("handler", "record_payment", "another bug").await.unwrap();
    assert_eq!(world.flush().await, 1, "the other half is not theirs");
}
