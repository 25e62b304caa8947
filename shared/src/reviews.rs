//! The monthly reviews of operations: what is worth an hour of the founder's time. `reconcile` composes them, `ops` shows
//! them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::{
    alerts::Severity,
    db::{DbError, Session},
};

const RECORD: &str = "INSERT INTO reviews (id, at, period, findings, figures) VALUES ($1, $2, $3, $4, $5)";
/// The newest that is old enough to compare with.
const BEFORE: &str = "SELECT at, figures FROM reviews WHERE at < $1 ORDER BY at DESC, id DESC LIMIT 1";

/// Something to look after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `secrets`, `backups`, ...: what it is about.
    pub area: String,
    pub severity: Severity,
    /// What it is, in a sentence.
    pub what: String,
    /// What to do: a command where there is one.
    pub todo: String,
}

impl Finding {
    pub fn new(area: &str, severity: Severity, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { area: area.to_owned(), severity, what: what.into(), todo: todo.into() }
    }
}

/// What was counted. Fields are added and never renamed: old ones are in the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Of the month: executions received, and those of them that are dead.
    pub events: i64,
    pub events_dead: i64,
    pub deployments: i64,
    /// Those that failed, or were taken back; and rollbacks by hand.
    pub deployments_bad: i64,
    pub rollbacks: i64,
    pub alerts: i64,
    /// The five keys that were raised most often.
    pub noisiest: Vec<Noise>,
    pub job_failures: i64,
    pub last_backup: Option<Timestamp>,
    pub last_drill: Option<Timestamp>,
    pub secret_changed: Option<Timestamp>,
    pub database_bytes: i64,
    /// The largest first.
    pub tables: Vec<TableSize>,
    /// Of the review that the sizes are compared with.
    pub compared_with: Option<Timestamp>,
    pub database_grown: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noise {
    pub key: String,
    /// How often it was raised, repetitions counted.
    pub times: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSize {
    pub table: String,
    /// With its indexes and what is stored beside it.
    pub bytes: i64,
    /// Since the review before; none when there is none, or the table was not there.
    #[serde(default)]
    pub grown: Option<i64>,
}

/// A review that is to be kept.
#[derive(Clone, Debug)]
pub struct Review {
    pub id: Uuid,
    pub at: Timestamp,
    pub period: String,
    pub findings: Vec<Finding>,
    pub figures: Figures,
}

pub async fn record(session: &mut Session<'_>, review: &Review) -> Result<(), DbError> {
    let (findings, figures) = (Json(&review.findings), Json(&review.figures));
    session.execute(RECORD, &[&review.id, &review.at, &review.period, &findings, &figures]).await.map(drop)
}

/// The figures of the newest review that is older than `at`.
pub async fn before(session: &mut Session<'_>, at: Timestamp) -> Result<Option<(Timestamp, Figures)>, DbError> {
    let Some(row) = session.query_opt(BEFORE, &[&at]).await? else { return Ok(None) };
    let Json(figures) = row.try_get("figures")?;
    Ok(Some((row.try_get("at")?, figures)))
}
