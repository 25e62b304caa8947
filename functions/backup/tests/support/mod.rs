//! Backups for tests: as the function takes them, and made by hand in the same format where a test needs to choose what is in them.
#![allow(dead_code, reason = "each target uses its part")]

use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use backup::{
    dump::{self, Dump},
    inventory::take_inventory,
    manifest::{Archive, Manifest, VERSION},
    programs::Programs,
    store::{Store, archive_key, manifest_key},
    upload::{Bucket, Patience},
};
use secrecy::ExposeSecret as _;
use shared::db::{Credentials, DatabaseUrl, connect_for_maintenance};
use testkit::{TestBackups, TestDatabase, variable};
use tokio::{
    process::Command,
    time::{Duration, Instant},
};
use tokio_postgres::Client;

pub fn programs_dir() -> PathBuf {
    PathBuf::from(variable("PG_PROGRAMS"))
}

pub async fn programs() -> Programs {
    Programs::find(Some(&programs_dir())).await.unwrap()
}

/// A drill drops what older ones left: in a stage they run one at a time, and so they do here, until this is dropped.
pub async fn alone(database: &TestDatabase) -> Client {
    let url = database.admin_url().with_database("postgres");
    let client = connect_for_maintenance(url, Credentials::Url).await.unwrap();
    client
        .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock(7214)")
        .await
        .unwrap();
    client
}

/// One of PostgreSQL's programs, connected.
pub fn program(name: &str, url: &DatabaseUrl) -> Command {
    let mut command = Command::new(programs_dir().join(name));
    let password = url.password.as_ref().map(|password| password.expose_secret().to_owned());
    command
        .env("PGHOST", &url.host)
        .env("PGPORT", url.port.to_string())
        .env("PGDATABASE", &url.database)
        .env("PGUSER", url.user.clone().unwrap())
        .env("PGPASSWORD", password.unwrap_or_default())
        .env("PGTZ", "UTC");
    command
}

pub async fn output(mut command: Command) -> Vec<u8> {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub const AT: &str = "20261122T013000Z-1a2b3c4d";

/// A backup of a database that nobody changes meanwhile, and its stored archive.
pub async fn take(url: &DatabaseUrl, id: &str) -> (Manifest, Vec<u8>) {
    let client = connect_for_maintenance(url.clone(), Credentials::Url).await.unwrap();
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.unwrap();
    let inventory = take_inventory(&client).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    let mut dump = program("pg_dump", url);
    dump.args(["-Fc", "-Z0"]);
    let plain = output(dump).await;
    let (manifest, stored) = pack(id, &plain);
    (Manifest { inventory, database: url.database.clone(), ..manifest }, stored)
}

/// A backup as the function takes it, and its archive as `pg_restore` reads it.
pub async fn take_into(backups: &TestBackups, url: &DatabaseUrl) -> (Manifest, Vec<u8>) {
    let programs = programs().await;
    let bucket = Bucket::new(&testkit::admin_config().await, backups.bucket.clone(), Patience::default());
    let deadline = Instant::now() + Duration::from_mins(5);
    let dump = Dump { url: url.clone(), programs: &programs, bucket: &bucket, release: None, pace: None, deadline };
    let taken = dump::take(&dump, async |_| ()).await.unwrap();
    let manifest = serde_json::from_slice(&backups.get(&manifest_key(&taken.backup)).await).unwrap();
    (manifest, zstd::decode_all(&backups.get(&archive_key(&taken.backup)).await[..]).unwrap())
}

/// A manifest without tables, and the stored archive.
pub fn pack(id: &str, plain: &[u8]) -> (Manifest, Vec<u8>) {
    let stored = zstd::encode_all(plain, 3).unwrap();
    let started_at: jiff::Timestamp = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &id[..16])
        .unwrap()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap()
        .timestamp();
    let manifest = Manifest {
        version: VERSION,
        id: id.into(),
        database: "solo".into(),
        started_at,
        finished_at: started_at,
        server_version: "18".into(),
        pg_dump_version: "18".into(),
        schema_version: None,
        release: None,
        archive: Archive {
            key: archive_key(id),
            bytes: stored.len() as u64,
            sha256: hex::encode(digest::digest(&digest::SHA256, &stored).as_ref()),
            plain_bytes: plain.len() as u64,
            plain_sha256: Some(hex::encode(digest::digest(&digest::SHA256, plain).as_ref())),
        },
        inventory: backup::manifest::Inventory::default(),
        made_by: "pg_dump -Fc -Z0".into(),
    };
    (manifest, stored)
}

pub async fn put(backups: &TestBackups, manifest: &Manifest, stored: &[u8]) {
    backups.put(&archive_key(&manifest.id), stored).await;
    backups.put(&manifest_key(&manifest.id), serde_json::to_vec(manifest).unwrap()).await;
}

/// As the function that is tested sees the bucket.
pub async fn store(backups: &TestBackups) -> Store {
    Store::new(&shared::aws::sdk_config().await, &backups.bucket)
}

/// As SQL in text, under names that do not differ between two databases.
pub async fn sql_dump(url: &DatabaseUrl, into: &Path) -> Vec<u8> {
    let mut dump = program("pg_dump", url);
    dump.args(["--restrict-key=same", "--no-owner", "--file"]).arg(into);
    output(dump).await;
    std::fs::read(into).unwrap()
}
