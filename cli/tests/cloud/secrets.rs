//! `solo secrets`, against moto's Secrets Manager.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::world::World;

const OLD: &str = "whsec_older_value_0123456789abcdef012345";
const NEW: &str = "whsec_newer_value_0123456789abcdef012345";

/// What is kept.
async fn held(world: &World) -> Value {
    let client = aws_sdk_secretsmanager::Client::new(&shared::aws::sdk_config().await);
    let read = client.get_secret_value().secret_id(&world.secret.id).send().await.unwrap();
    serde_json::from_str(read.secret_string().unwrap()).unwrap()
}

async fn set(world: &World, arguments: &[&str], value: &str) -> (i32, String) {
    let mut command = world.command(&[&["secrets", "set", "--stage", "staging"], arguments].concat());
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(value.as_bytes()).await.unwrap();
    let output = running.wait_with_output().await.unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test]
async fn a_secret_is_rotated_and_never_shown() {
    let world = World::new(&["r1"]).await;
    world.secret.put(&json!({"EVENTS_TOKEN": "a_token_that_is_long_enough_for_this_0"})).await;
    let name = "STRIPE_WEBHOOK_SECRET";
    let (code, text) = set(&world, &[name], &format!("{OLD}\n")).await;
    assert!(code == 0 && text.starts_with("STRIPE_WEBHOOK_SECRET is set."), "{text}");
    let (code, text) = set(&world, &[name], NEW).await;
    assert!(code == 0 && text.contains("beside 1 older one"), "{text}");
    assert_eq!(held(&world).await[name], json!([NEW, OLD]));
    assert_eq!(held(&world).await["EVENTS_TOKEN"], "a_token_that_is_long_enough_for_this_0");

    let (code, text) = world.solo(&["secrets", "list", "--stage", "staging"]).await;
    assert!(code == 0 && text.contains("STRIPE_WEBHOOK_SECRET  2") && text.contains("Changed 20"), "{text}");
    assert!(!text.contains("whsec") && !text.contains("a_token"), "{text}");

    let (code, _) = set(&world, &[name, "--replace"], NEW).await;
    assert!(code == 0 && held(&world).await[name] == NEW);
    let (code, _) = world.solo(&["secrets", "unset", name, "--stage", "staging"]).await;
    let (again, text) = world.solo(&["secrets", "unset", name, "--stage", "staging"]).await;
    assert!(code == 0 && again == 1 && text.contains("staging has no STRIPE"), "{text}");
    assert_eq!(held(&world).await.as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_functions_would_refuse_is_refused() {
    let world = World::new(&["r1"]).await;
    let before = held(&world).await;
    for (name, value, expected) in [
        ("STRIPE_WEBHOOK_SECRET", "short", "needs at least 32"),
        ("STRIPE_WEBHOOK_SECRET", "", "no value was given"),
        ("EVENTS_TOKEN", " a_token_that_is_long_enough_for_this_0", "white space"),
        ("events_token", "a_token_that_is_long_enough_for_this_0", "capitals"),
    ] {
        let (code, text) = set(&world, &[name], value).await;
        assert!(code != 0 && text.contains(expected), "{text}");
        assert!(!text.contains("long_enough"), "{text}");
    }
    assert_eq!(held(&world).await, before);
}
