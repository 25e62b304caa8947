//! What an event costs the database: counted, not timed.

use testkit::Proxy;

use crate::{
    senders,
    support::{World, first_party, invoice_paid, request_of, script, send, stripe_signed},
};

#[tokio::test]
async fn round_trips_and_statements_of_each_kind_of_delivery() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let environment = world.environment_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    // The handler's own statement is prepared with the first event of an environment.
    send(&environment, world.stripe(&invoice_paid())).await.expect(200, "ok");

    let event = invoice_paid();
    proxy.reset();
    send(&environment, world.stripe(&event)).await.expect(200, "ok");
    // Claim and BEGIN are 2, the handler's INSERT 1, the finish and COMMIT travel together.
    assert_eq!(proxy.round_trips(), 2 + 1 + 1, "{:?}", proxy.seen());
    assert_eq!(proxy.statements(), 5, "{:?}", proxy.seen());

    proxy.reset();
    send(&environment, world.stripe(&event)).await.expect(200, "already_processed");
    assert_eq!((proxy.round_trips(), proxy.statements()), (1, 1), "{:?}", proxy.seen());

    let event = first_party();
    proxy.reset();
    send(&environment, world.event("k", &event)).await.expect(200, "ok");
    assert_eq!(proxy.round_trips(), 4, "{:?}", proxy.seen());
    proxy.reset();
    send(&environment, world.event("k", &event)).await.expect(200, "duplicate");
    assert_eq!(proxy.round_trips(), 1, "{:?}", proxy.seen());

    proxy.reset();
    let forged = secrecy::SecretString::from("whsec_of_a_stranger_who_does_not_know_it");
    let body = invoice_paid().to_string();
    send(&environment, stripe_signed(body.as_bytes(), &forged, shared::clock::now()))
        .await
        .expect(401, "invalid_signature");
    assert_eq!(proxy.statements(), 0, "a stranger costs the database nothing: {:?}", proxy.seen());
}

/// Looking for a replay costs those a query whose sender does not sign ids, once an event. Nobody else pays for it.
#[tokio::test]
async fn a_look_for_a_replay_is_one_round_trip_and_only_for_unsigned_ids() {
    let (world, file) = senders::world().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let environment =
        world.environment_with(&proxy.url(&world.database.app_url()), |config| config.file = file.clone()).await;
    for sender in senders::of(&file) {
        let first = sender.delivery(&world, "warm");
        send(&environment, request_of(sender.name(), first)).await.expect(200, sender.word());
        let delivery = sender.delivery(&world, "counted");
        let handled = sender.word() == "ok";
        // Claim, BEGIN, INSERT, the finish with COMMIT; or the one statement that stores what nobody handles.
        let usual = if handled { 4 } else { 1 };
        let looks = usize::from(!sender.provider.signs_id());
        proxy.reset();
        send(&environment, request_of(sender.name(), delivery.clone())).await.expect(200, sender.word());
        assert_eq!(proxy.round_trips(), usual + looks, "{}: {:?}", sender.name(), proxy.seen());
        proxy.reset();
        let again = if handled { "already_processed" } else { "ignored" };
        send(&environment, request_of(sender.name(), delivery)).await.expect(200, again);
        assert_eq!(proxy.round_trips(), 1, "a duplicate of {}: {:?}", sender.name(), proxy.seen());
    }
}

/// A duplicate of a settled event must not write: no row lock, no WAL, nothing for the next one to wait for.
#[tokio::test]
async fn a_completed_duplicate_leaves_the_row_untouched() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = invoice_paid();
    send(&environment, world.stripe(&event)).await.expect(200, "ok");
    let version = "SELECT xmin || ' ' || xmax || ' ' || ctid FROM executions";
    let before = world.database.text(version).await;
    send(&environment, world.stripe(&event)).await.expect(200, "already_processed");
    assert_eq!(world.database.text(version).await, before);
}

/// Counting an error is part of the statement that records the failure.
#[tokio::test]
async fn a_failure_costs_one_statement_beyond_the_handler_and_its_rollback() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.app_url()).await;
    let environment = world.environment_with(&proxy.url(&world.database.app_url()), |_| {}).await;
    for todo in ["retry", "fail"] {
        send(&environment, world.stripe(&script(todo))).await;
        proxy.reset();
        send(&environment, world.stripe(&script(todo))).await;
        // Claim, BEGIN, the handler's INSERT, ROLLBACK, and the failure with its error.
        assert_eq!((proxy.round_trips(), proxy.statements()), (5, 5), "{todo}: {:?}", proxy.seen());
    }
    assert_eq!(world.database.count("SELECT sum(count)::bigint FROM errors").await, 4);
}
