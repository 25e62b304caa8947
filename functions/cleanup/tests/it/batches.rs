//! How much one statement changes, and stopping in the middle.

use std::time::Duration;

use cleanup::clean;
use shared::config::Retention;
use tokio::time::{Instant, timeout};

use crate::support::World;

/// Notes how many rows each transaction deletes or clears.
const COUNTING: &str = "
    CREATE TABLE counted (txid xid8, rows bigint);
    CREATE FUNCTION count_old() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO counted SELECT pg_current_xact_id(), count(*) FROM old_rows;
        RETURN NULL;
    END $$;
    CREATE TRIGGER counted AFTER DELETE ON executions REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_old();
    CREATE TRIGGER counted AFTER DELETE ON attempts REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_old();
    CREATE TRIGGER cleared AFTER UPDATE ON executions REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_old();";
const LARGEST: &str = "SELECT COALESCE(max(n), 0)::bigint FROM (SELECT sum(rows) AS n FROM counted GROUP BY txid) AS t";

#[tokio::test]
async fn no_statement_changes_more_than_ten_thousand_rows_whatever_it_is_asked() {
    let world = World::new().await;
    world.completed(12_000, "100 days").await;
    world.completed(12_000, "40 days").await;
    world.kept.execute(COUNTING).await;
    let admin = world.kept.admin().await;
    let start = "'-infinity', '00000000-0000-0000-0000-000000000000'";
    let changed = async |function: &str, days: i32| {
        let sql = format!("SELECT changed FROM {function}({days}, 10000, {start})");
        admin.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!(changed("clear_payloads", 30).await, 10_000);
    assert_eq!(world.kept.count(LARGEST).await, 10_000);
    // Each with its attempt.
    assert_eq!(changed("remove_executions", 90).await, 5_000);
    assert_eq!(world.kept.count(LARGEST).await, 10_000);

    // Replayed often: few of them make a batch, and every one of them comes to its turn.
    world
        .kept
        .execute(
            "DELETE FROM attempts; DELETE FROM executions WHERE received_at > now() - interval '50 days';
         DELETE FROM executions WHERE id NOT IN (SELECT id FROM executions ORDER BY id LIMIT 30); TRUNCATE counted;
         INSERT INTO attempts (execution_id, fence, attempt, started_at, finished_at, outcome)
         SELECT id, n, 1, now(), now(), 'completed' FROM executions, generate_series(1, 1500) n",
        )
        .await;
    assert_eq!(changed("remove_executions", 90).await, 6);
    let cleaned = world.clean().await;
    assert_eq!((cleaned.executions_deleted, world.kept.count("SELECT count(*) FROM attempts").await), (24, 0));
    assert!(world.kept.count(LARGEST).await <= 10_000);
}

#[tokio::test]
async fn a_run_that_is_stopped_in_the_middle_is_gone_on_with_by_the_next() {
    let world = World::new().await;
    world.completed(20_000, "100 days").await;
    world.completed(20_000, "40 days").await;
    // Older than all of them, and passed by in every run.
    for _ in 0..50 {
        world.execution("dead", "200 days").await;
    }
    let first = world.clean_some(3).await;
    assert!(first.more && (1..=3).contains(&first.batches), "{first:?}");
    assert!((1..20_000).contains(&first.executions_deleted), "{first:?}");
    assert_eq!(first.payloads_cleared, 0);
    let rest = world.clean().await;
    assert!(!rest.more, "{rest:?}");
    assert_eq!(first.executions_deleted + rest.executions_deleted, 20_000);
    assert_eq!(rest.payloads_cleared, 20_000);
    assert_eq!(world.kept.count("SELECT count(*) FROM executions WHERE payload IS NOT NULL").await, 50);
    assert_eq!(world.kept.count("SELECT count(*) FROM attempts").await, 20_050);
}

/// Whatever a batch did is there; whatever it did not do is found again.
#[tokio::test]
async fn a_run_that_is_killed_in_the_middle_leaves_nothing_half_done() {
    let world = World::new().await;
    world.completed(5_000, "100 days").await;
    let (deadline, retention) = (Instant::now() + Duration::from_mins(1), Retention::default());
    let running = clean(&world.app, &retention, deadline, async |so_far| {
        if so_far.batches == 2 {
            std::future::pending::<()>().await;
        }
    });
    timeout(Duration::from_secs(5), running).await.unwrap_err();
    let left = world.kept.count("SELECT count(*) FROM executions").await;
    assert!((1..5_000).contains(&left), "{left} are left");
    assert_eq!(world.kept.count("SELECT count(*) FROM attempts").await, left);
    assert_eq!(u64::try_from(left), Ok(world.clean().await.executions_deleted));
}

/// Oldest first: what has waited longest has gone when the time is up.
#[tokio::test]
async fn the_oldest_goes_first() {
    let world = World::new().await;
    world.completed(20_000, "100 days").await;
    world.completed(50, "300 days").await;
    let first = world.clean_some(1).await;
    assert!(first.more && first.batches == 1 && first.executions_deleted >= 50, "{first:?}");
    assert_eq!(
        world.kept.count("SELECT count(*) FROM executions WHERE received_at < now() - interval '200 days'").await,
        0
    );
}

/// Whatever the statistics say: a batch walks along an index, and finds nothing by reading a table.
#[tokio::test]
async fn no_batch_reads_a_whole_table() {
    let world = World::new().await;
    world.completed(3_000, "10 days").await;
    world.completed(3_000, "100 days").await;
    world.kept.execute("DELETE FROM pg_statistic WHERE starelid = 'executions'::regclass").await;
    let scans = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'executions'";
    world.kept.execute("SELECT pg_stat_force_next_flush()").await;
    let before = world.kept.count(scans).await;
    let cleaned = world.clean().await;
    assert_eq!(cleaned.executions_deleted, 3_000);
    let mut session = world.app.session().await.unwrap();
    session.query("SELECT pg_stat_force_next_flush()", &[]).await.unwrap();
    drop(session);
    assert_eq!(world.kept.count(scans).await, before);
}
