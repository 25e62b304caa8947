//! The function as CloudFormation invokes it: a real database, and a response URL that is served here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bucket;

use std::{sync::Arc, time::Duration};

use bucket::Bucket;
use migrate::Resource;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use shared::{
    clock,
    config::Env,
    db::{Credentials, DatabaseUrl, connect_for_maintenance},
    migrations,
    secrets::{Fetching, SecretSource, SecretsManager},
};
use testkit::{Kind, TestDatabase, TestSecrets};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use uuid::Uuid;

async fn resource(variables: &[(&str, &str)]) -> Resource {
    let all = [variables, &[("MIGRATE_ALLOW_LOOPBACK", "true")]].concat();
    Resource::new(&Env::of(&all), Arc::new(SecretsManager::from_env().await)).unwrap()
}

/// The master user's login is in a secret, as in the cloud.
struct World {
    database: TestDatabase,
    master: TestSecrets,
}

impl World {
    async fn of(database: TestDatabase) -> Self {
        let url = database.admin_url();
        let password = url.password.as_ref().map(|password| password.expose_secret().to_owned());
        let login = json!({"username": url.user, "password": password});
        let master = TestSecrets::of(Kind::MasterLogin, &login).await;
        Self { database, master }
    }

    async fn resource(&self) -> Resource {
        self.resource_with(&[]).await
    }

    async fn resource_with(&self, more: &[(&str, &str)]) -> Resource {
        let url = self.database.admin_url().with_user("nobody", None).to_string() + "?sslmode=disable";
        resource(&[&[("MASTER_DATABASE_URL", url.as_str()), ("MASTER_SECRET_ID", &self.master.id)], more].concat())
            .await
    }
}

fn newest() -> i32 {
    migrations::ALL.last().unwrap().version
}

#[tokio::test]
async fn create_migrates_and_update_finds_it_done() {
    let world = World::of(TestDatabase::empty().await).await;
    let resource = world.resource().await;
    let bucket = Bucket::start(&[]).await;
    resource.handle(bucket.request("Create", &json!({})), 0).await.unwrap();
    let created = bucket.answer();
    assert_eq!(created["Status"], "SUCCESS", "{created}");
    assert_eq!(created["StackId"], "arn:aws:cloudformation:x:stack/solo/1");
    assert_eq!((&created["RequestId"], &created["LogicalResourceId"]), (&json!("r-1"), &json!("Schema")));
    assert_eq!(created["Data"]["schema_version"], newest().to_string());
    let applied = created["Data"]["applied"].as_str().unwrap();
    assert!(applied.starts_with("0001_create_executions, 0002_"), "{applied}");
    assert_eq!(world.database.count("SELECT count(*) FROM executions").await, 0);

    let bucket = Bucket::start(&[]).await;
    let given = json!({"PhysicalResourceId": created["PhysicalResourceId"]});
    resource.handle(bucket.request("Update", &given), 0).await.unwrap();
    let updated = bucket.answer();
    assert_eq!(updated["Status"], "SUCCESS", "{updated}");
    assert_eq!(updated["PhysicalResourceId"], created["PhysicalResourceId"]);
    assert_eq!(updated["Data"], json!({"schema_version": newest().to_string(), "applied": ""}));
}

#[tokio::test]
async fn delete_touches_nothing_and_needs_no_database() {
    let bucket = Bucket::start(&[]).await;
    // Without any configuration: a stack whose creation failed must go all the same.
    let resource = resource(&[]).await;
    let given = json!({"PhysicalResourceId": "as it was"});
    resource.handle(bucket.request("Delete", &given), 0).await.unwrap();
    let answer = bucket.answer();
    assert_eq!((&answer["Status"], &answer["PhysicalResourceId"]), (&json!("SUCCESS"), &json!("as it was")));
}

#[tokio::test]
async fn without_a_request_type_the_caller_is_answered() {
    let world = World::of(TestDatabase::new().await).await;
    let done = world.resource().await.handle(json!({}), 0).await.unwrap();
    assert_eq!(done, json!({"applied": [], "schema_version": newest()}));
    let error = resource(&[]).await.handle(json!({}), 0).await.unwrap_err();
    assert!(error.to_string().contains("MASTER_DATABASE_URL"), "{error}");
}

#[tokio::test]
async fn a_migration_that_fails_says_which_and_why() {
    let world = World::of(TestDatabase::empty().await).await;
    world.database.execute("CREATE TABLE subscriptions (id int)").await;
    let bucket = Bucket::start(&[]).await;
    world.resource().await.handle(bucket.request("Create", &json!({})), 0).await.unwrap();
    let answer = bucket.answer();
    assert_eq!(answer["Status"], "FAILED");
    let reason = answer["Reason"].as_str().unwrap();
    for words in ["create_subscriptions", "\"subscriptions\" already exists", "42P07", "rolled back"] {
        assert!(reason.contains(words), "{reason}");
    }
    assert!(!answer["PhysicalResourceId"].as_str().unwrap().is_empty());
    // Those before it stay.
    assert_eq!(world.database.count("SELECT count(*) FROM schema_migrations").await, 3);
}

#[tokio::test]
async fn what_keeps_it_from_migrating_is_answered_without_a_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("postgres://me:s3cret@{}/solo?sslmode=disable", listener.local_addr().unwrap());
    drop(listener);
    let not_json = TestSecrets::of(Kind::AppLogin, &json!("s3cret, but not as it should be")).await;
    let other = json!({"username": "solo_owner", "password": "s3cret"});
    let other = TestSecrets::of(Kind::ReaderLogin, &other).await;
    let missing = Kind::AppLogin.name("none/such");
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], "MASTER_DATABASE_URL is not set"),
        (&[("MASTER_DATABASE_URL", "s3cret")], "MASTER_DATABASE_URL"),
        (&[("MASTER_DATABASE_URL", &closed)], "refused the connection"),
        (&[("MASTER_DATABASE_URL", &closed), ("APP_LOGIN_SECRET_ID", &missing)], "none/such"),
        (&[("MASTER_DATABASE_URL", &closed), ("APP_LOGIN_SECRET_ID", &not_json.id)], "username and a password"),
        (&[("MASTER_DATABASE_URL", &closed), ("READER_LOGIN_SECRET_ID", &other.id)], "another user than solo_reader"),
    ];
    for (variables, words) in cases {
        let bucket = Bucket::start(&[]).await;
        resource(variables).await.handle(bucket.request("Create", &json!({})), 0).await.unwrap();
        let answer = bucket.answer();
        assert_eq!(answer["Status"], "FAILED", "{words}");
        let reason = answer["Reason"].as_str().unwrap();
        assert!(reason.contains(words), "{words}: {reason}");
        assert!(!reason.contains("s3cret"), "{reason}");
    }
}

/// A source of secrets with a bug.
struct Broken;

impl SecretSource for Broken {
    fn fetch<'a>(&'a self, _id: &'a str) -> Fetching<'a> {
        Box::pin(async { panic!("s3cret") })
    }
}

#[tokio::test]
async fn a_panic_is_answered() {
    let bucket = Bucket::start(&[]).await;
    let variables = [
        ("MASTER_DATABASE_URL", "postgres://me@127.0.0.1/solo"),
        ("APP_LOGIN_SECRET_ID", "any"),
        ("MIGRATE_ALLOW_LOOPBACK", "true"),
    ];
    let resource = Resource::new(&Env::of(&variables), Arc::new(Broken)).unwrap();
    resource.handle(bucket.request("Update", &json!({})), 0).await.unwrap();
    let answer = bucket.answer();
    assert_eq!(answer["Status"], "FAILED");
    assert!(answer["Reason"].as_str().unwrap().contains("panicked"), "{answer}");
    assert!(!answer["Reason"].as_str().unwrap().contains("s3cret"), "{answer}");
}

#[tokio::test]
async fn an_answer_comes_before_the_deadline_and_leaves_nothing_running() {
    let world = World::of(TestDatabase::new().await).await;
    let other = world.database.admin().await;
    other.batch_execute("SELECT pg_advisory_lock(7314826401)").await.unwrap();
    let bucket = Bucket::start(&[]).await;
    let started = Instant::now();
    let deadline = u64::try_from(clock::now().as_millisecond()).unwrap() + 11_500;
    world.resource().await.handle(bucket.request("Update", &json!({})), deadline).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    let answer = bucket.answer();
    assert_eq!(answer["Status"], "FAILED");
    assert!(answer["Reason"].as_str().unwrap().contains("10 s before"), "{answer}");
    // The server notices that its client is gone, so that the next migration does not wait behind this one.
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let patience = Instant::now() + Duration::from_secs(10);
    while world.database.count(waiting).await > 0 {
        assert!(Instant::now() < patience, "it waits for the lock still");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_response_url_that_is_not_amazons_is_called_by_nobody() {
    let bucket = Bucket::start(&[]).await;
    let resource = Resource::new(&Env::of(&[]), Arc::new(SecretsManager::from_env().await)).unwrap();
    let error = resource.handle(bucket.request("Delete", &json!({})), 0).await.unwrap_err();
    assert!(error.to_string().contains("response URL is refused"), "{error}");
    assert!(!error.to_string().contains("Signature"), "{error}");
    assert!(bucket.bodies().is_empty());
    // One that misses what an answer needs fails as loudly.
    assert!(resource.handle(json!({"RequestType": "Create"}), 0).await.is_err());
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_is_sent_again_and_then_fails_loudly() {
    let resource = resource(&[]).await;
    let bucket = Bucket::start(&[500, 503]).await;
    resource.handle(bucket.request("Delete", &json!({})), 0).await.unwrap();
    let bodies = bucket.bodies();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| body == &bodies[0]));

    let bucket = Bucket::start(&[500; 10]).await;
    let error = resource.handle(bucket.request("Delete", &json!({})), 0).await.unwrap_err();
    assert!(error.to_string().contains("500"), "{error}");
    assert_eq!(bucket.bodies().len(), 4);

    // The URL ran out, or was made for something else: it stays so.
    let bucket = Bucket::start(&[403]).await;
    let error = resource.handle(bucket.request("Delete", &json!({})), 0).await.unwrap_err();
    assert!(error.to_string().contains("403") && !error.to_string().contains("Signature"), "{error}");
    assert_eq!(bucket.bodies().len(), 1);
}

#[tokio::test]
async fn an_answer_has_at_most_4096_bytes() {
    let long = Kind::AppLogin.name(&format!("\"žluťoučký kůň\"{}", "\"ž\\\n".repeat(3_000)));
    for id in [String::new(), "x".repeat(2_000)] {
        let bucket = Bucket::start(&[]).await;
        let variables =
            [("MASTER_DATABASE_URL", "postgres://me@127.0.0.1:1/solo"), ("APP_LOGIN_SECRET_ID", long.as_str())];
        let given = json!({"PhysicalResourceId": id});
        resource(&variables).await.handle(bucket.request("Create", &given), 0).await.unwrap();
        let body = &bucket.bodies()[0];
        assert!(body.len() <= 4_096 && body.len() > 4_000, "{}", body.len());
        let answer = bucket.answer();
        assert!(answer["Reason"].as_str().unwrap().ends_with('…'), "{answer}");
    }
    let bucket = Bucket::start(&[]).await;
    let given = json!({"PhysicalResourceId": "x".repeat(5_000)});
    assert!(resource(&[]).await.handle(bucket.request("Delete", &given), 0).await.is_err());
}

/// Of the reader: no other test of this crate logs in as it. A role belongs to the whole server, so it gets its own
/// password back for the crates that are tested next.
#[tokio::test]
async fn a_login_that_was_rotated_takes_effect_by_migrating_again() {
    let world = World::of(TestDatabase::new().await).await;
    let login = |password: &str| json!({"username": "solo_reader", "password": password});
    let (old, new) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let secret = TestSecrets::of(Kind::ReaderLogin, &login(&old)).await;
    let restorer = TestSecrets::restorer_login().await;
    let logins = [("READER_LOGIN_SECRET_ID", secret.id.as_str()), ("RESTORER_LOGIN_SECRET_ID", restorer.id.as_str())];
    let resource = world.resource_with(&logins).await;
    let enters = async |password: &str| {
        let url: DatabaseUrl = world.database.admin_url().with_user("solo_reader", Some(SecretString::from(password)));
        connect_for_maintenance(url, Credentials::Url).await.is_ok()
    };
    let mut entered = Vec::new();
    for password in [&old, &new, &testkit::variable("SOLO_TEST_READER_PASSWORD")] {
        secret.put(&login(password)).await;
        resource.handle(json!({}), 0).await.unwrap();
        entered.push((enters(&old).await, enters(&new).await));
    }
    assert_eq!(entered, [(true, false), (false, true), (false, false)]);
    connect_for_maintenance(world.database.restorer_url(), Credentials::Url).await.unwrap();
}
