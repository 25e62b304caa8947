//! The whole function: its login, its row, its progress.

use backup::{Backup, Settings};
use serde_json::{Value, json};
use shared::config::Env;
use testkit::{TestQueues, TestSecrets};

use super::{ID, World};

async fn function(world: &World) -> Backup {
    function_with(world, &TestQueues::create().await).await
}

async fn function_with(world: &World, queues: &TestQueues) -> Backup {
    let (login, restorer) = (TestSecrets::app_login().await, TestSecrets::restorer_login().await);
    let variables = [
        ("DATABASE_URL", world.database.admin_url().with_user("nobody", None).to_string() + "?sslmode=disable"),
        ("DATABASE_SECRET_ID", login.id),
        ("RESTORER_LOGIN_SECRET_ID", restorer.id),
        ("OUTBOUND_QUEUE_URL", queues.config.outbound_url.clone()),
        ("DATABASE_STORAGE_GB", "500".into()),
        ("BACKUPS_BUCKET", world.backups.bucket.clone()),
        ("PG_PROGRAMS", super::support::programs_dir().display().to_string()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Backup::new(Settings::load(&Env::of(&variables)).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_drill_is_on_record_with_what_it_proved() {
    let world = World::new().await;
    let _alone = super::support::alone(&world.database).await;
    let answer = function(&world).await.invoke(json!({"job": "drill"}), 0).await.unwrap();
    assert_eq!(answer["outcome"], "succeeded");
    let result = &answer["result"];
    assert_eq!((&result["backup"], &result["database"]), (&json!(ID), &Value::Null));
    assert!(result["rows"].as_u64().unwrap() >= 2_000 && result["restore_seconds"].as_f64().unwrap() > 0.0, "{result}");
    let phase = "SELECT progress ->> 'phase' || outcome FROM job_runs WHERE job = 'drill'";
    let phase = world.database.text(phase).await;
    assert!(phase.ends_with("succeeded"), "{phase}");
}

#[tokio::test]
async fn a_drill_that_fails_raises_an_alert_that_says_why() {
    let world = World::new().await;
    world.backups.put(&backup::store::archive_key(ID), "damaged").await;
    let event = json!({"job": "drill", "backup": ID});
    let _alone = super::support::alone(&world.database).await;
    let error = function(&world).await.invoke(event, 0).await.unwrap_err().to_string();
    assert!(error.contains("another size"), "{error}");
    let alert = world.database.text("SELECT message FROM alerts WHERE key = 'job_failed:drill'").await;
    assert!(alert.contains("another size") && alert.contains(ID), "{alert}");
}

#[tokio::test]
async fn a_drill_that_cannot_be_recorded_is_told_around_the_database() {
    let (world, queues) = (World::new().await, TestQueues::create().await);
    world.database.execute("REVOKE ALL ON job_runs FROM solo_app").await;
    function_with(&world, &queues).await.invoke(json!({"job": "drill"}), 0).await.unwrap_err();
    let sent = queues.outbound().await;
    assert!(sent.iter().any(|message| message.body.contains("database_failed")), "{sent:?}");
}
