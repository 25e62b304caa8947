//! Servers and roles that are not as ours: a small disk, extensions of a superuser, odd names; and a newest backup that is broken.

use secrecy::SecretString;
use serde_json::json;
use testkit::TestDatabase;

use super::{Arguments, ID, LONG, World, arguments, support};

#[tokio::test]
async fn a_drill_that_does_not_fit_on_the_disk_is_refused_with_the_numbers() {
    let mut world = World::new().await;
    world.storage_gb = Some(4);
    let error = world.drill(&Arguments::default(), LONG).await.unwrap_err();
    assert!(error.contains("does not fit on the server's disk: the databases have "), "{error}");
    assert!(error.contains("of 4 GB 4.0 GB are to stay free"), "{error}");
    world.storage_gb = Some(500);
    world.drill(&Arguments::default(), LONG).await.unwrap();
    // After a loss, the backup is larger than what is there.
    let mut manifest = world.store.manifest(ID).await.unwrap();
    manifest.archive.plain_bytes = 500 << 30;
    let manifest = serde_json::to_vec(&manifest).unwrap();
    world.backups.put(&backup::store::manifest_key(ID), manifest).await;
    let error = world.drill(&Arguments::default(), LONG).await.unwrap_err();
    assert!(error.contains("takes up to 650.0 GB"), "{error}");
}

#[tokio::test]
async fn an_extension_that_takes_a_superuser_is_left_out_and_named() {
    let mut world = World::new().await;
    world.database.execute("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pg_trgm").await;
    let (manifest, stored) = support::take(&world.database.admin_url(), ID).await;
    support::put(&world.backups, &manifest, &stored).await;
    let done = world.drill(&Arguments::default(), LONG).await.unwrap();
    let left_out: Vec<_> = done.left_out.iter().map(|what| what.trim_end()).collect();
    assert!(left_out.contains(&"EXTENSION - pg_stat_statements"), "{left_out:?}");
    assert!(left_out.contains(&"COMMENT - EXTENSION pg_stat_statements"), "{left_out:?}");
    assert!(!left_out.contains(&"EXTENSION - pg_trgm"), "{left_out:?}");
    world.server = Some(world.database.admin_url());
    assert!(world.drill(&Arguments::default(), LONG).await.unwrap().left_out.is_empty(), "a superuser makes it");
}

#[tokio::test]
async fn a_role_whose_name_needs_quotes_may_drill() {
    let mut world = World::new().await;
    let role = format!("{}.Doe", TestDatabase::unused_name());
    world.database.execute("ALTER TABLE executions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY").await;
    let (manifest, stored) = support::take(&world.database.admin_url(), ID).await;
    support::put(&world.backups, &manifest, &stored).await;
    let create = format!(r#"CREATE ROLE "{role}" LOGIN CREATEDB PASSWORD 'a-password-for-the-test'"#);
    world.database.execute(&create).await;
    let password = SecretString::from("a-password-for-the-test");
    world.server = Some(world.database.admin_url().with_user(&role, Some(password)));
    let done = world.drill(&Arguments::default(), LONG).await;
    world.database.execute(&format!(r#"DROP ROLE "{role}""#)).await;
    assert!(done.unwrap().rows >= 2_000);
}

#[tokio::test]
async fn a_copy_that_differs_is_kept_when_it_was_asked_for_and_the_run_fails() {
    let world = World::new().await;
    let mut manifest = world.store.manifest(ID).await.unwrap();
    manifest.inventory.tables.get_mut("public.executions").unwrap().rows += 1;
    let manifest = serde_json::to_vec(&manifest).unwrap();
    world.backups.put(&backup::store::manifest_key(ID), manifest).await;
    let name = TestDatabase::unused_name();
    let error = world.drill(&arguments(json!({"keep_as": name})), LONG).await.unwrap_err();
    assert!(error.contains("public.executions has 2000 rows instead of 2001"), "{error}");
    assert!(error.contains(&format!("kept as the database {name}")), "{error}");
    let url = world.database.app_url().with_database(&name);
    let kept = shared::db::connect_for_maintenance(url, shared::db::Credentials::Url).await.unwrap();
    let row = kept.query_one("SELECT count(*) FROM executions", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 2_000);
    let error = world.drill(&Arguments::default(), LONG).await.unwrap_err();
    assert!(error.contains("instead of 2001") && !error.contains("kept"), "{error}");
}

#[tokio::test]
async fn a_drill_of_the_newest_fails_when_something_newer_is_broken() {
    let world = World::new().await;
    let newer = "20261123T013000Z-1a2b3c4d";
    world.backups.put(&backup::store::manifest_key("20261121T013000Z-1a2b3c4d"), "{").await;
    world.drill(&Arguments::default(), LONG).await.unwrap();
    world.backups.put(&backup::store::manifest_key(newer), "{").await;
    let error = world.drill(&Arguments::default(), LONG).await.unwrap_err();
    assert!(error.contains(&format!("newer than {ID} is no backup: {newer}: its manifest cannot be read")), "{error}");
    world.drill(&arguments(json!({"backup": ID})), LONG).await.unwrap();
    world.backups.delete(&backup::store::manifest_key(ID)).await;
    let error = world.drill(&Arguments::default(), LONG).await.unwrap_err();
    assert!(error.contains("newer than nothing is no backup"), "{error}");
}
