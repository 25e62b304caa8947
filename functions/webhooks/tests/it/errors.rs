//! What failures at the door leave in the table of errors.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{World, invoice_paid, script, send, within};

/// `kind culprit times: title`, in order.
async fn errors(world: &World) -> String {
    let sql = "SELECT COALESCE(string_agg(concat_ws(' ', kind, culprit, count) || ': ' || title, '; ' ORDER BY kind, culprit), '')
                 FROM errors";
    world.database.text(sql).await
}

#[tokio::test]
async fn each_way_to_fail_is_an_error_of_its_handler() {
    for (todo, expected) in [
        ("retry", "handler scripted 1: the other side is busy"),
        ("fail", "handler scripted 1: this can never work"),
        ("panic", "panic scripted 1: the handler panicked: the handler has a bug"),
        ("hang", "timeout scripted 1: the handler did not finish within <n> s"),
        (
            "break at commit",
            "handler scripted 1: insert or update on table <text> violates foreign key constraint <text> (SQLSTATE <n>)",
        ),
        ("ok", ""),
    ] {
        let world = World::new().await;
        let environment = world.environment().await;
        send(&environment, within(world.stripe(&script(todo)), Duration::from_millis(8_400))).await;
        assert_eq!(errors(&world).await, expected, "{todo}");
    }
}

#[tokio::test]
async fn a_handler_that_keeps_failing_is_one_error_with_its_latest_event() {
    let world = World::new().await;
    let environment = world
        .environment_with(&world.database.app_url(), |config| config.database.release = Some("abc123".parse().unwrap()))
        .await;
    for _ in 0..3 {
        send(&environment, world.stripe(&script("retry"))).await.expect(202, "processing_failed");
    }
    assert_eq!(errors(&world).await, "handler scripted 3: the other side is busy");
    let latest = "SELECT concat_ws(' ', e.source, e.event_type, e.first_release, e.last_release, e.correlation_id = x.correlation_id)
                    FROM errors e JOIN executions x ON x.id = e.execution_id
                   WHERE x.received_at = (SELECT max(received_at) FROM executions)";
    assert_eq!(world.database.text(latest).await, "stripe test.script abc123 abc123 t");
}

/// PostgreSQL quotes what it refuses. The execution's own error has it; what goes further has not.
#[tokio::test]
async fn what_the_database_refuses_is_told_by_its_code() {
    let world = World::new().await;
    let environment = world.environment_with(&world.database.app_url(), |config| config.retry.max_attempts = 1).await;
    send(&environment, world.stripe(&script("have its data refused"))).await.expect(202, "dead_lettered");
    let row = world.database.text("SELECT message FROM errors").await;
    assert_eq!(row, "the database refused the data (SQLSTATE 22P02)");
    for table in ["errors", "alerts"] {
        let all = world.database.text(&format!("SELECT string_agg(t::text, ' ') FROM {table} t")).await;
        assert!(!all.contains("s3cret") && all.contains("refused the data"), "{table}: {all}");
    }
    assert!(world.database.text("SELECT last_error FROM executions").await.contains("s3cret"), "the test tests");
}

/// Where, and not what: the data is a stranger's.
#[tokio::test]
async fn data_that_does_not_fit_is_an_error_that_quotes_none_of_it() {
    let world = World::new().await;
    let environment = world.environment().await;
    let mut event = invoice_paid();
    event["data"]["object"]["amount_paid"] = Value::from("s3cret\u{1b}");
    for _ in 0..2 {
        event["id"] = format!("evt_{}", uuid::Uuid::new_v4().simple()).into();
        send(&environment, world.stripe(&event)).await.expect(202, "dead_lettered");
    }
    // A duplicate is no further failure.
    send(&environment, world.stripe(&event)).await.expect(202, "dead_lettered");
    let found = errors(&world).await;
    assert!(found.starts_with("invalid_data stripe invoice.paid 2: the data does not fit its type: /"), "{found}");
    let row = world.database.text("SELECT errors::text FROM errors").await;
    assert!(!row.contains("s3cret"), "{row}");
    assert!(
        world.database.text("SELECT last_error FROM executions LIMIT 1").await.contains("s3cret"),
        "the test tests"
    );
}

/// A delivery that finds a crashed attempt, which nobody is left to tell of.
#[tokio::test]
async fn a_crash_that_a_delivery_finds_is_an_error() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = script("retry");
    send(&environment, world.stripe(&event)).await.expect(202, "processing_failed");
    let crashed =
        "UPDATE executions SET status = 'processing', next_attempt_at = NULL, fence = fence + 1, started_at = now(),
                                         lease_until = now() - interval '1 second', attempt = ";
    world.database.execute(&format!("{crashed} 1")).await;
    send(&environment, world.stripe(&event)).await.expect(202, "processing_failed");
    let crash =
        "crash scripted 1: its lease ran out: it was killed or hung; handler scripted 2: the other side is busy";
    assert_eq!(errors(&world).await, crash);
    // The last attempt there is: it is buried.
    world.database.execute(&format!("{crashed} 3")).await;
    send(&environment, world.stripe(&event)).await.expect(202, "dead_lettered");
    assert_eq!(errors(&world).await, crash.replace("scripted 1", "scripted 2"));
}

/// The failure counts, whatever becomes of its error.
#[tokio::test]
async fn a_failure_is_on_record_though_its_error_cannot_be() {
    let world = World::new().await;
    world.database.execute("DROP TABLE errors").await;
    let environment = world.environment().await;
    send(&environment, world.stripe(&script("retry"))).await.expect(202, "processing_failed");
    send(&environment, world.stripe(&script("fail"))).await.expect(202, "dead_lettered");
    let mut unfit = invoice_paid();
    unfit["data"]["object"]["currency"] = json!(7);
    send(&environment, world.stripe(&unfit)).await.expect(202, "dead_lettered");
    let alerts = "SELECT count(*) FROM alerts WHERE key LIKE 'dead_letter:%'";
    assert_eq!(
        (world.database.count("SELECT count(*) FROM attempts").await, world.database.count(alerts).await),
        (2, 2)
    );
}
