//! What holds for every provider: one suite over all of them, through the real router.

use axum::{Router, http::HeaderValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use shared::{
    clock,
    config::SoloToml,
    providers::{Delivery, data_of},
    secrets::webhook_secret,
};

use crate::{
    gateway,
    senders::{self, Sender},
    support::{Answer, World, request_of, send, try_environment_of},
};

/// What may be missing from a delivery.
const OPTIONAL: [&str; 4] =
    ["x-shopify-event-id", "x-shopify-triggered-at", "x-shopify-shop-domain", "x-shopify-api-version"];

async fn start() -> (World, SoloToml, Router) {
    let (world, file) = senders::world().await;
    let all = file.clone();
    let environment = world.environment_with(&world.database.app_url(), |config| config.file = all).await;
    (world, file, environment)
}

async fn deliver(environment: &Router, sender: &Sender<'_>, delivery: &Delivery) -> Answer {
    send(environment, request_of(sender.name(), delivery.clone())).await
}

#[track_caller]
fn refused(answer: &Answer, why: &str) {
    assert!(answer.is(401, "invalid_signature"), "{why}: {} {}", answer.status, answer.body);
}

#[tokio::test]
async fn a_good_delivery_is_taken_once() {
    let (world, file, environment) = start().await;
    for sender in senders::of(&file) {
        let delivery = sender.delivery(&world, "one");
        deliver(&environment, &sender, &delivery).await.expect(200, sender.word());
        let again = if sender.word() == "ok" { "already_processed" } else { "ignored" };
        deliver(&environment, &sender, &delivery).await.expect(200, again);
        // The same event, signed anew, as when its sender repeats it.
        let secret = &world.secret.webhooks[sender.name()];
        let later =
            sender.signed_body(delivery.body.clone(), "one", secret, clock::now() + SignedDuration::from_secs(1));
        deliver(&environment, &sender, &later).await.expect(200, again);
    }
    let rows = "SELECT string_agg(source || ' ' || event_type, ', ' ORDER BY source) FROM executions";
    assert_eq!(
        world.database.text(rows).await,
        "acme thing.made, clerk thing.made, github push, mailgun thing.made, shopify orders/create, slack message, standard contact.created, \
         stripe invoice.paid"
    );
}

/// Retries work from the stored body: it must give the same data as the delivery did.
#[tokio::test]
async fn the_stored_body_gives_the_data_back() {
    let (world, file, environment) = start().await;
    for sender in senders::of(&file) {
        let delivery = sender.delivery(&world, "one");
        let headers = delivery.headers.iter().cloned().collect();
        let event = sender.provider.parse(&headers, &delivery.body).unwrap();
        deliver(&environment, &sender, &delivery).await.expect(200, sender.word());
        let stored = format!("SELECT payload::text FROM executions WHERE source = '{}'", sender.name());
        let stored: Value = serde_json::from_str(&world.database.text(&stored).await).unwrap();
        assert_eq!(data_of(sender.name(), &stored), &event.data, "{}", sender.name());
        assert!(event.data.is_object(), "{}: {}", sender.name(), event.data);
    }
}

#[tokio::test]
async fn a_tampered_or_truncated_body() {
    let (world, file, environment) = start().await;
    for sender in senders::of(&file) {
        let good = sender.delivery(&world, "one");
        let text = String::from_utf8(good.body.clone()).unwrap();
        let mut bodies = vec![b"{}".to_vec(), Vec::new(), good.body[..good.body.len() / 2].to_vec()];
        if sender.name() == "mailgun" {
            // Signs its token only; the rest of the body is what TLS makes of it.
            bodies.push(text.replace(r#""token":"one""#, r#""token":"two""#).into_bytes());
        } else {
            bodies.push(text.replacen('e', "f", 1).into_bytes());
            bodies.push([good.body.as_slice(), b" "].concat());
            bodies.push(good.body[..good.body.len() - 1].to_vec());
        }
        for body in bodies {
            assert!(body != good.body, "{}", sender.name());
            let tampered = Delivery { body, ..good.clone() };
            refused(&deliver(&environment, &sender, &tampered).await, sender.name());
        }
    }
    assert_eq!(world.database.count("SELECT count(*) FROM executions").await, 0);
}

#[tokio::test]
async fn a_tampered_or_truncated_signature() {
    let (world, file, environment) = start().await;
    for sender in senders::of(&file) {
        let good = sender.delivery(&world, "one");
        for change in
            [flip as fn(&str) -> String, |text| text[..text.len() - 2].into(), |_| String::new(), |_| "v0=".into()]
        {
            let mut bad = good.clone();
            match sender.signature_header(&good) {
                Some(name) => {
                    let (_, value) = bad.headers.iter_mut().find(|(known, _)| *known == name).unwrap();
                    *value = HeaderValue::try_from(change(value.to_str().unwrap())).unwrap();
                }
                None => {
                    let mut body: Value = serde_json::from_slice(&bad.body).unwrap();
                    body["signature"]["signature"] = change(body["signature"]["signature"].as_str().unwrap()).into();
                    bad.body = body.to_string().into_bytes();
                }
            }
            refused(&deliver(&environment, &sender, &bad).await, &format!("{} {bad:?}", sender.name()));
        }
    }
    assert_eq!(world.database.count("SELECT count(*) FROM executions").await, 0);
}

/// Changes a character in the middle, which in all encodings changes the bytes.
fn flip(text: &str) -> String {
    let middle = text.len() * 2 / 3;
    let other = if &text[middle..=middle] == "a" { "b" } else { "a" };
    format!("{}{other}{}", &text[..middle], &text[middle + 1..])
}

#[tokio::test]
async fn a_header_is_missing() {
    let (world, file, environment) = start().await;
    for sender in senders::of(&file) {
        let good = sender.delivery(&world, "one");
        for index in 0..good.headers.len() {
            let mut bad = good.clone();
            let (name, _) = bad.headers.remove(index);
            if OPTIONAL.contains(&name.as_str()) {
                continue;
            }
            bad.headers.retain(|(name, _)| !OPTIONAL.contains(&name.as_str()));
            let answer = deliver(&environment, &sender, &bad).await;
            let says_which =
                answer.body["detail"].as_str().is_some_and(|text| text.to_lowercase().contains(name.as_str()));
            let refused = answer.is(401, "invalid_signature") || answer.is(400, "invalid_payload");
            assert!(refused && says_which, "{} without {name}: {}", sender.name(), answer.body);
        }
        let bare = Delivery { headers: Vec::new(), body: b"{}".to_vec() };
        refused(&deliver(&environment, &sender, &bare).await, sender.name());
    }
    assert_eq!(world.database.count("SELECT count(*) FROM executions").await, 0);
}

#[tokio::test]
async fn a_wrong_secret_and_each_of_two_right_ones() {
    let (world, file, environment) = start().await;
    for sender in senders::of(&file) {
        let other = sender.provider.new_secret(&[9; 24]);
        let forged = sender.signed("one", &other, clock::now());
        refused(&deliver(&environment, &sender, &forged).await, sender.name());

        let mut secrets = world.secret.json();
        let old = world.secret.webhooks[sender.name()].clone();
        secrets[webhook_secret(sender.name())] = json!([other.expose_secret(), old.expose_secret()]);
        world.secrets.put(&secrets).await;
        let all = file.clone();
        let rotating = world.environment_with(&world.database.app_url(), |config| config.file = all).await;
        for (id, secret) in [("new", &other), ("old", &old)] {
            let delivery = sender.signed(id, secret, clock::now());
            deliver(&rotating, &sender, &delivery).await.expect(200, sender.word());
        }
        let stranger = sender.signed("one", &sender.provider.new_secret(&[8; 24]), clock::now());
        refused(&deliver(&rotating, &sender, &stranger).await, sender.name());
    }
}

#[tokio::test]
async fn signed_too_long_ago_or_for_the_future() {
    let (world, file, environment) = start().await;
    for sender in senders::of(&file) {
        for (id, offset) in [("past", -302), ("future", 302)] {
            let time = clock::now() + SignedDuration::from_secs(offset);
            let delivery = sender.signed(id, &world.secret.webhooks[sender.name()], time);
            let answer = deliver(&environment, &sender, &delivery).await;
            let expected =
                if sender.provider.signs_time() { (401, "timestamp_outside_tolerance") } else { (200, sender.word()) };
            answer.expect(expected.0, expected.1);
        }
    }
    let without: Vec<_> =
        senders::of(&file).iter().filter(|s| !s.provider.signs_time()).map(|s| s.name().to_owned()).collect();
    assert_eq!(without, ["github", "shopify"], "nobody else may sign no time");
}

#[tokio::test]
async fn a_body_of_a_megabyte_and_a_body_in_base64() {
    let (world, file, environment) = start().await;
    for sender in senders::of(&file) {
        let mut body = sender.provider.sample(sender.event_type(), "one", clock::now());
        body["padding"] = Value::from("ü".repeat(500_000));
        let secret = &world.secret.webhooks[sender.name()];
        let delivery = sender.signed_body(body.to_string().into_bytes(), "one", secret, clock::now());
        assert!(delivery.body.len() > 1_000_000);
        deliver(&environment, &sender, &delivery).await.expect(200, sender.word());

        let delivery = sender.delivery(&world, "two");
        let headers = delivery.headers.iter().map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())));
        let headers = Value::Object(headers.collect::<Map<_, _>>());
        let encoded = STANDARD.encode(&delivery.body);
        let event = gateway::gateway_event(&format!("/webhooks/{}", sender.name()), &headers, &encoded, true);
        gateway::deliver(&environment, event).await.expect(200, sender.word());
        // The same bytes without the mark that they are base64: they are not what was signed.
        let event = gateway::gateway_event(&format!("/webhooks/{}", sender.name()), &headers, &encoded, false);
        refused(&gateway::deliver(&environment, event).await, sender.name());
    }
}

#[tokio::test]
async fn no_secret_is_no_permission() {
    let (world, file) = senders::world().await;
    for none in [None, Some(json!([]))] {
        let mut secrets = world.secret.json();
        for sender in senders::of(&file) {
            let all = secrets.as_object_mut().unwrap();
            all.remove(&webhook_secret(sender.name()));
            all.extend(none.clone().map(|none| (webhook_secret(sender.name()), none)));
        }
        world.secrets.put(&secrets).await;
        let all = file.clone();
        let environment = world.environment_with(&world.database.app_url(), |config| config.file = all).await;
        for sender in senders::of(&file) {
            let delivery = sender.delivery(&world, "one");
            deliver(&environment, &sender, &delivery).await.expect(503, "provider_not_configured");
        }
    }
    assert_eq!(world.database.count("SELECT count(*) FROM executions").await, 0);
}

#[tokio::test]
async fn a_blank_or_mistyped_secret_keeps_the_function_from_starting() {
    let (world, file) = senders::world().await;
    let mistyped = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2L=aLaSw";
    for sender in senders::of(&file) {
        for blank in ["", " ", &" ".repeat(64)] {
            fails_to_start(&world, &file, sender.name(), blank).await;
        }
    }
    fails_to_start(&world, &file, "standard", mistyped).await;
    fails_to_start(&world, &file, "standard", &format!("whsec_{}", STANDARD.encode([1; 20]))).await;
}

async fn fails_to_start(world: &World, file: &SoloToml, provider: &str, secret: &str) {
    let mut secrets = world.secret.json();
    secrets[webhook_secret(provider)] = json!([secret]);
    world.secrets.put(&secrets).await;
    let config = world.config(&world.database.app_url(), |config| config.file = file.clone());
    let error = try_environment_of(config).await.expect_err(provider).to_string();
    assert!(error.contains(&webhook_secret(provider)), "{error}");
    assert!(secret.trim().is_empty() || !error.contains(secret), "{error}");
}

#[tokio::test]
async fn slack_asks_whether_we_are_there() {
    let (world, file, environment) = start().await;
    let slack = senders::of(&file).into_iter().find(|sender| sender.name() == "slack").unwrap();
    let body =
        slack.provider.sample("url_verification", "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", clock::now());
    let secret = &world.secret.webhooks["slack"];
    let asked = slack.signed_body(body.to_string().into_bytes(), "", secret, clock::now());
    let answer = deliver(&environment, &slack, &asked).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"challenge": body["challenge"]}));

    let forged = slack.signed_body(asked.body.clone(), "", &slack.provider.new_secret(&[9; 24]), clock::now());
    refused(&deliver(&environment, &slack, &forged).await, "only Slack may ask");
    assert_eq!(world.database.count("SELECT count(*) FROM executions").await, 0, "it is no event");
}
