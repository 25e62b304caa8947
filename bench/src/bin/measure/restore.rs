//! A restore against what `pg_restore` does by itself, from the same file, with the same number of jobs, in turn. Ours goes through the
//! bridge; ANALYZE and the comparison of every table, which ours does and `pg_restore` does not, are timed apart.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use ::backup::{
    inventory::take_inventory,
    manifest::{Archive, Manifest, VERSION},
    programs::Programs,
    restore::{self, Scratch, Source, Step},
};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use shared::db::DatabaseUrl;
use testkit::{TestDatabase, variable};
use tokio::{sync::watch, time::Instant};

use crate::median;

const JOBS: u16 = 2;
const ROUNDS: usize = 3;

/// Restores the archive in `file`, of this database, again and again.
pub async fn report(database: &TestDatabase, file: &Path) -> String {
    let url = database.admin_url();
    let manifest = manifest(database, file).await;
    let programs = Programs::find(Some(variable("PG_PROGRAMS").as_ref())).await.unwrap();
    let server = url.with_database("postgres");
    let (mut ours, mut own, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let scratch = Scratch::create(&server, "bench_restore").await.unwrap();
        let began = Instant::now();
        let status = Command::new(PathBuf::from(variable("PG_PROGRAMS")).join("pg_restore"))
            .args(["--no-owner", "--exit-on-error", "-j", &JOBS.to_string(), "-d", "bench_restore"])
            .arg(file)
            .envs(login(&url))
            .status();
        assert!(status.unwrap().success());
        own.push(began.elapsed().as_secs_f64());
        scratch.drop_it().await.unwrap();

        let scratch = Scratch::create(&server, "bench_restore").await.unwrap();
        let (step, steps) = watch::channel(Step::default());
        let began = Instant::now();
        let source = Source::File { path: file, jobs: JOBS };
        let to = scratch.url();
        let restoring = restore::restore(&programs, &manifest, source, &to, &step);
        let (restored, program) = tokio::join!(restoring, until_analyze(steps, began));
        assert_eq!(restored.unwrap().comparison.differences, Vec::<String>::new());
        ours.push(program);
        after.push(began.elapsed().as_secs_f64() - program);
        scratch.drop_it().await.unwrap();
    }
    let ratios: Vec<f64> = ours.iter().zip(&own).map(|(ours, own)| ours / own).collect();
    format!(
        "restore of {:.0} MB from a local file with {JOBS} jobs, medians of {ROUNDS} rounds in turn: ours {:.1} s, pg_restore {:.1} s; ratio \
         {}; ANALYZE and the comparison of every table {:.1} s more",
        manifest.archive.plain_bytes as f64 / 1e6,
        median(&ours),
        median(&own),
        crate::backup::words(&ratios),
        median(&after),
    )
}

/// Seconds until `pg_restore` was done.
async fn until_analyze(mut steps: watch::Receiver<Step>, began: Instant) -> f64 {
    tokio::time::timeout(Duration::from_mins(30), steps.wait_for(|step| step.phase == "analyze"))
        .await
        .unwrap()
        .unwrap();
    began.elapsed().as_secs_f64()
}

async fn manifest(database: &TestDatabase, file: &Path) -> Manifest {
    let client = database.admin().await;
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.unwrap();
    let bytes = std::fs::metadata(file).unwrap().len();
    Manifest {
        version: VERSION,
        id: "20261122T013000Z-00000000".into(),
        database: "bench".into(),
        started_at: Timestamp::UNIX_EPOCH,
        finished_at: Timestamp::UNIX_EPOCH,
        server_version: "18".into(),
        pg_dump_version: "18".into(),
        schema_version: None,
        release: None,
        archive: Archive { key: String::new(), bytes, sha256: String::new(), plain_bytes: bytes, plain_sha256: None },
        inventory: take_inventory(&client).await.unwrap(),
        made_by: "pg_dump -Fc -Z0".into(),
    }
}

/// The way to the server, for a program of PostgreSQL's.
pub fn login(url: &DatabaseUrl) -> [(&'static str, String); 4] {
    [
        ("PGHOST", url.host.clone()),
        ("PGPORT", url.port.to_string()),
        ("PGUSER", url.user.clone().unwrap()),
        ("PGPASSWORD", url.password.as_ref().unwrap().expose_secret().to_owned()),
    ]
}
