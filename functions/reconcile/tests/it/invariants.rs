//! The app's invariants: true of what the handlers do, broken one by one, and mended.

use serde_json::json;
use shared::runner::State;

use crate::support::{World, invoice, push, stripe_invoice, subscription};

/// What a month brings: all versions and senders, repetitions, late events, and events that ask for nothing.
async fn a_month(world: &World) {
    for envelope in [
        invoice(1),
        invoice(2),
        stripe_invoice("in_1", 4_200),
        // Heard of twice, the second time with another amount: the first counts.
        stripe_invoice("in_1", 4_300),
        push("refs/heads/main"),
        subscription("updated", 1_795_000_100),
        subscription("created", 1_795_000_000),
        subscription("updated", 1_795_000_000),
    ] {
        assert_eq!(world.deliver(envelope).await, State::Completed);
    }
    for envelope in [stripe_invoice("in_0", 0), push("refs/tags/v1")] {
        assert_eq!(world.deliver(envelope).await, State::Ignored);
    }
}

#[tokio::test]
async fn what_the_handlers_do_breaks_nothing_and_neither_does_cleaning_up() {
    let world = World::new().await;
    a_month(&world).await;
    let expected = json!({"invariants": app::invariants::ALL.len(), "violated": [], "violations": []});
    assert_eq!(world.run("reconcile").await, expected);

    // Payloads are cleared after 30 days, executions deleted after 90.
    world
        .database
        .execute(
            "ALTER TABLE executions ALTER COLUMN payload DROP NOT NULL;
             UPDATE executions SET payload = NULL WHERE status = 'completed'",
        )
        .await;
    assert_eq!(world.run("reconcile").await, expected);
    world
        .database
        .execute("DELETE FROM executions; UPDATE payments SET recorded_at = now() - interval '90 days'")
        .await;
    assert_eq!(world.run("reconcile").await, expected);
    assert_eq!(world.alerts().await, [""; 0]);
}

#[tokio::test]
async fn each_invariant_is_seen_broken_and_mended() {
    let world = World::new().await;
    a_month(&world).await;
    world
        .database
        .execute(
            "CREATE TABLE kept_payments AS SELECT * FROM payments;
             CREATE TABLE kept_pushes AS SELECT * FROM pushes;
             CREATE TABLE kept_subscriptions AS SELECT * FROM subscriptions",
        )
        .await;
    let stripes = "metadata ->> 'stripe_invoice' = 'in_1'";
    let cases = [
        ("payment_missing", format!("DELETE FROM payments WHERE {stripes}"), 2),
        ("payment_missing", format!("DELETE FROM payments WHERE NOT COALESCE({stripes}, false)"), 2),
        ("payment_amount", "UPDATE payments SET amount_cents = amount_cents + 1".to_owned(), 3),
        ("payment_amount", format!("UPDATE payments SET currency = 'JPY' WHERE {stripes}"), 1),
        (
            "payment_orphaned",
            "INSERT INTO payments SELECT gen_random_uuid(), customer_id, 1, 'EUR', now(), '{}', gen_random_uuid(),
                                         now() - interval '28 days' FROM kept_payments LIMIT 1"
                .to_owned(),
            1,
        ),
        ("push_missing", "DELETE FROM pushes".to_owned(), 1),
        ("push_missing", "UPDATE pushes SET branch = 'other'".to_owned(), 1),
        ("subscription_missing", "DELETE FROM subscriptions".to_owned(), 1),
        ("subscription_stale", "UPDATE subscriptions SET changed_at = changed_at - interval '1 second'".to_owned(), 1),
        ("subscription_stale", "UPDATE subscriptions SET change = 0".to_owned(), 1),
    ];
    for (name, broken, count) in &cases {
        world.database.execute(broken).await;
        let result = world.run("reconcile").await;
        assert_eq!(result["violated"], json!([name]), "{broken}: {result}");
        let violation = &result["violations"][0];
        assert_eq!((&violation["count"], &violation["problem"]), (&json!(count), &json!(null)), "{broken}");
        let alerts = world.alerts().await;
        let invariant = app::invariants::ALL.iter().find(|invariant| invariant.name == *name).unwrap();
        let first = violation["rows"][0].as_str().unwrap();
        let start = format!("{} reconciliation_failure:{name}: {}: ", invariant.severity, invariant.means);
        assert_eq!(alerts.len(), 1, "{broken}: {alerts:?}");
        assert!(alerts[0].starts_with(&start) && alerts[0].contains(first), "{broken}: {alerts:?}");
        assert!(alerts[0].contains(&format!("To do: {}", invariant.todo)), "{broken}: {alerts:?}");

        world
            .database
            .execute(
                "DELETE FROM payments; INSERT INTO payments SELECT * FROM kept_payments;
                 DELETE FROM pushes; INSERT INTO pushes SELECT * FROM kept_pushes;
                 DELETE FROM subscriptions; INSERT INTO subscriptions SELECT * FROM kept_subscriptions",
            )
            .await;
        assert_eq!(world.run("reconcile").await["violated"], json!([]), "{broken}");
        assert_eq!(world.alerts().await, [""; 0], "{broken}");
    }
    let broken = app::invariants::ALL.iter().filter(|invariant| cases.iter().any(|(name, ..)| *name == invariant.name));
    assert_eq!(broken.count(), app::invariants::ALL.len(), "each invariant is broken at least once");
}
