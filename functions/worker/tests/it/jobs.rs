//! Jobs: their records, their alerts, and the watch over those that say nothing.

mod runs;
mod ticks;
mod watching;

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    alerts::Severity,
    clock,
    db::{Credentials, Database, DatabaseUrl},
    jobs::{self, Call, Job, JobError, Progress},
};
use testkit::TestDatabase;
use tokio::time::Instant;
use uuid::Uuid;

/// A job as the registry has them, but quick.
static NAP: Job = Job {
    name: "nap",
    function: "Bed",
    period: Duration::from_hours(24),
    grace: Duration::from_hours(2),
    longest: Duration::from_mins(16),
    severity: Severity::Critical,
};

fn records(url: DatabaseUrl) -> Database {
    Database::new(url, Credentials::Url, &[]).unwrap()
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn call(id: Uuid) -> Call {
    Call { run_id: Some(id), actor: Some("ada".into()) }
}

async fn succeed(database: &Database) -> Result<Value, JobError> {
    jobs::run(database, &NAP, Call::default(), later(), async |_: &Progress<'_>| Ok::<_, String>(json!({"n": 1}))).await
}

async fn fail(database: &Database) -> JobError {
    let work = async |_: &Progress<'_>| Err::<(), _>("no luck");
    jobs::run(database, &NAP, Call::default(), later(), work).await.unwrap_err()
}

/// `started failed: error`, the oldest first.
async fn runs(kept: &TestDatabase) -> String {
    kept.text(
        "SELECT COALESCE(string_agg(COALESCE(outcome, 'running') || COALESCE(': ' || error, ''), ', ' ORDER BY started_at), '')
           FROM job_runs WHERE job = 'nap'",
    )
    .await
}

/// The keys of what is open, with how often it was raised.
async fn open(kept: &TestDatabase) -> String {
    kept.text(
        "SELECT COALESCE(string_agg(severity || ' ' || key || ' ' || occurrences, ', ' ORDER BY key), '')
           FROM alerts WHERE resolved_at IS NULL",
    )
    .await
}

/// One look of the tick. How many are stuck, and how many late.
async fn watch(database: &Database) -> (usize, usize) {
    let mut session = database.session().await.unwrap();
    let watched = jobs::watch(&mut session, std::slice::from_ref(&NAP), clock::now()).await.unwrap();
    (watched.stuck, watched.late)
}

/// As if that much time had gone by since everything.
async fn age(kept: &TestDatabase, interval: &str) {
    kept.execute(&format!(
        "UPDATE jobs SET last_success_at = last_success_at - interval '{interval}', watched_since = watched_since - interval '{interval}';
         UPDATE job_runs SET started_at = started_at - interval '{interval}', stuck_at = stuck_at - interval '{interval}',
                             finished_at = finished_at - interval '{interval}'"
    ))
    .await;
}
