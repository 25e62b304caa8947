//! Processes that are killed between claim and finish.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use shared::config::Env;

use crate::support::{World, invoice_paid, script, send, within};

const VICTIM: &str = "SOLO_TEST_VICTIM";

/// Not a test of its own: the process that is killed. It gets its world from its parent.
#[tokio::test]
async fn victim() {
    let Some(orders) = Env::of_process().optional(VICTIM) else { return };
    let orders: Value = serde_json::from_str(&orders).unwrap();
    let text = |name: &str| orders[name].as_str().unwrap().to_owned();
    let variables = orders["environment"].as_object().unwrap();
    let env: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let env = Env::of(&env);
    let mut config = shared::config::Config::load(&env).unwrap();
    let password = secrecy::SecretString::from(testkit::variable("SOLO_TEST_APP_PASSWORD"));
    config.database.url = config.database.url.with_user("solo_app", Some(password));
    let environment = crate::support::environment_of(config).await;
    let body = text("body");
    let key = secrecy::SecretString::from(text("key"));
    let request = crate::support::stripe_signed(body.as_bytes(), &key, shared::clock::now());
    send(&environment, within(request, Duration::from_secs(30))).await;
}

/// Delivers `event` in a process of its own and kills that while the handler runs.
fn kill_while_running(world: &World, event: &Value) {
    use secrecy::ExposeSecret as _;
    let orders = json!({
        "environment": world.variables(),
        "key": world.secret.stripe.expose_secret(),
        "body": event.to_string(),
    });
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crashes::victim", "--nocapture"])
        .env(VICTIM, orders.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let running = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("the handler runs"));
    assert!(running, "the victim ended before its handler ran");
    victim.kill().unwrap();
    victim.wait().unwrap();
}

const EXPIRE: &str = "UPDATE executions SET lease_until = now() - interval '1 second' WHERE status = 'processing'";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_nothing_and_redelivery_completes() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = script("hang loudly once");
    kill_while_running(&world, &event);
    assert_eq!(world.database.text("SELECT status FROM executions").await, "processing");
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 0);

    send(&environment, world.stripe(&event)).await.expect(202, "in_progress");
    world.database.execute(EXPIRE).await;
    // It hangs in a process that is to be killed only.
    send(&environment, world.stripe(&event)).await.expect(200, "ok");
    send(&environment, world.stripe(&event)).await.expect(200, "already_processed");
    assert_eq!(world.database.count("SELECT count(*) FROM effects").await, 1);
    let attempts = "SELECT string_agg(attempt || ' ' || outcome, ', ' ORDER BY fence) FROM attempts";
    assert_eq!(world.database.text(attempts).await, "1 crashed, 2 completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_kills_its_runner_every_time_dies_too() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = script("hang loudly");
    for _ in 0..3 {
        kill_while_running(&world, &event);
        world.database.execute(EXPIRE).await;
    }
    send(&environment, world.stripe(&event)).await.expect(202, "dead_lettered");
    send(&environment, world.stripe(&event)).await.expect(202, "dead_lettered");
    let attempts = "SELECT string_agg(attempt || ' ' || outcome, ', ' ORDER BY fence) FROM attempts";
    assert_eq!(world.database.text(attempts).await, "1 crashed, 2 crashed, 3 crashed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_must_not_be_rerun_goes_to_a_person() {
    let world = World::new().await;
    let environment = world.environment().await;
    let mut event = script("hang loudly");
    event["type"] = json!("test.once");
    kill_while_running(&world, &event);
    world.database.execute(EXPIRE).await;
    send(&environment, world.stripe(&event)).await.expect(202, "dead_lettered");
    assert_eq!(world.database.count("SELECT attempt::bigint FROM executions").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_payment_is_made_once() {
    let world = World::new().await;
    let environment = world.environment().await;
    let event = invoice_paid();
    // Claimed, and then nothing: the process is gone before its transaction.
    send(&environment, world.stripe(&event)).await.expect(200, "ok");
    world
        .database
        .execute(
            "DELETE FROM payments; DELETE FROM attempts;
             UPDATE executions SET status = 'processing', finished_at = NULL, lease_until = now() - interval '1 second'",
        )
        .await;
    send(&environment, world.stripe(&event)).await.expect(200, "ok");
    send(&environment, world.stripe(&event)).await.expect(200, "already_processed");
    assert_eq!(world.database.count("SELECT count(*) FROM payments").await, 1);
}
