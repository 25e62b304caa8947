//! Versions of the data, and the founder's own types, through the door.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{World, first_party, send};

fn version_2(id: Uuid) -> Value {
    json!({"type": "invoice.paid", "version": 2, "data": {
        "id": id, "customer_id": Uuid::new_v4(), "amount": {"cents": 1250, "currency": "eur"},
        "paid_at": "2026-11-22T10:00:00Z",
    }})
}

#[tokio::test]
async fn both_versions_of_an_invoice_become_the_same_payment() {
    let world = World::new().await;
    let environment = world.environment().await;
    let old = first_party();
    let id: Uuid = old["data"]["id"].as_str().unwrap().parse().unwrap();
    send(&environment, world.event("old", &old)).await.expect(200, "ok");
    send(&environment, world.event("new", &version_2(id))).await.expect(200, "ok");
    send(&environment, world.event("another", &version_2(Uuid::new_v4()))).await.expect(200, "ok");
    let payments = "SELECT string_agg(concat_ws(' ', amount_cents, currency, metadata), '; ') FROM payments";
    assert_eq!(world.database.text(payments).await, "1250 EUR {}; 1250 EUR {}");
    let versions = "SELECT string_agg(schema_version::text, ' ' ORDER BY received_at) FROM executions";
    assert_eq!(world.database.text(versions).await, "1 2 2");
}

#[tokio::test]
async fn every_wrong_field_has_its_pointer_into_the_body() {
    let world = World::new().await;
    let environment = world.environment().await;
    let pointers = async |event: &Value| {
        let answer = send(&environment, world.event("k", event)).await;
        answer.expect(400, "invalid_payload");
        let errors = answer.body["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let mut event = version_2(Uuid::new_v4());
    event["data"]["amount"] = json!({"cents": 0, "currency": "euro"});
    event["data"]["paid_at"] = json!("yesterday");
    assert_eq!(pointers(&event).await, "/data/amount/cents /data/amount/currency /data/paid_at");
    event["data"] = json!([]);
    assert_eq!(pointers(&event).await, "/data");
    // What is not versioned is the oldest: a client that never heard of versions keeps working.
    let mut unversioned = version_2(Uuid::new_v4());
    unversioned.as_object_mut().unwrap().remove("version");
    assert_eq!(pointers(&unversioned).await, "/data/amount_cents /data/currency");
}

#[tokio::test]
async fn a_subscription_of_stripes_is_tracked() {
    let world = World::new().await;
    let environment = world.environment().await;
    for fixture in [
        include_str!("../../../../app/fixtures/stripe/subscription_updated.json"),
        include_str!("../../../../app/fixtures/stripe/subscription_updated_2024.json"),
    ] {
        let mut event: Value = serde_json::from_str(fixture).unwrap();
        event["id"] = json!(format!("evt_{}", Uuid::new_v4().simple()));
        send(&environment, world.stripe(&event)).await.expect(200, "ok");
        send(&environment, world.stripe(&event)).await.expect(200, "already_processed");
    }
    let row = "SELECT string_agg(concat_ws(' ', id, status, price, quantity), '; ') FROM subscriptions";
    assert_eq!(world.database.text(row).await, "sub_1SolTeam active price_1SolTeamMonthly 5");
}
