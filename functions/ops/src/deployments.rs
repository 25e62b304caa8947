//! Deployments: what was released when, by whom, and what came of it; and the one thing that a deployment leaves behind, the
//! event of its smoke test.
//!
//! Deliberately absent: deploying. Who deploys tells it here when it is over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    db::{DbError, Session},
    executions::SMOKE_TEST,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    By, Changed, Changes, Cursor, Outcome, Skipped, audit,
    change::{refused, text},
    page::Paging,
};

const LONGEST_RELEASE: usize = 200;
const LONGEST_DETAIL: usize = 4_000;

const LIST: &str = "
    SELECT id, kind, release, previous, outcome, detail, actor, started_at, finished_at
      FROM deployments
     WHERE ($1::timestamptz IS NULL OR (finished_at, id) < ($1, $2))
     ORDER BY finished_at DESC, id DESC
     LIMIT $3";

/// A laptop's clock may be ahead of the database's.
const RECORD: &str = "
    INSERT INTO deployments (id, kind, release, previous, outcome, detail, actor, started_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, least($8, now()))
        ON CONFLICT (id) DO NOTHING";

const LOCK: &str = "SELECT source, event_type, idempotency_key, status FROM executions WHERE id = $1 FOR UPDATE";
/// The function's own condition is what keeps every other execution safe: see its migration.
const REMOVE: &str = "SELECT remove_smoke_test($1)";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentKind {
    Deploy,
    Rollback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentOutcome {
    Succeeded,
    /// Nothing of it is active.
    Failed,
    /// Some of it was active, and was taken back.
    RolledBack,
}

/// A deployment that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewDeployment {
    /// Made by who deploys: telling it twice is telling it once.
    pub id: Uuid,
    pub kind: DeploymentKind,
    /// What the stage was brought to; of a rollback: what it was rolled back to.
    pub release: String,
    /// What it had before, if that is known; of a rollback: what it was rolled back from.
    #[serde(default)]
    pub previous: Option<String>,
    pub outcome: DeploymentOutcome,
    /// For a person; at most 4,000 characters.
    #[serde(default)]
    pub detail: Option<String>,
    pub started_at: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeploymentPage {
    pub deployments: Vec<Deployment>,
    pub next: Option<Cursor>,
}

/// As it is kept. `kind` and `outcome` are texts, so that an old CLI can show what a newer stage tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deployment {
    pub id: Uuid,
    pub kind: String,
    pub release: String,
    pub previous: Option<String>,
    pub outcome: String,
    pub detail: Option<String>,
    pub actor: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
}

impl DeploymentKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
        }
    }
}

impl DeploymentOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
        }
    }
}

impl NewDeployment {
    fn check(&self) -> Result<(), String> {
        text("the release", &self.release, LONGEST_RELEASE)?;
        self.previous.as_deref().map_or(Ok(()), |previous| text("the previous release", previous, LONGEST_RELEASE))?;
        let Some(detail) = &self.detail else { return Ok(()) };
        let storable = detail.chars().all(|character| !character.is_control() || matches!(character, '\n' | '\t'));
        if detail.trim().is_empty() || detail.chars().count() > LONGEST_DETAIL || !storable {
            return Err(format!("the detail is not a text of 1 to {LONGEST_DETAIL} characters"));
        }
        Ok(())
    }
}

/// Newest first.
pub(crate) async fn list(
    session: &mut Session<'_>,
    limit: u16,
    after: Option<Cursor>,
) -> Result<DeploymentPage, DbError> {
    let paging = Paging::new(limit, after);
    let rows = session.query(LIST, &[&paging.after_time(), &paging.after_id(), &paging.fetch()]).await?;
    let (deployments, next) =
        paging.cut(&rows, deployment, |deployment| Cursor { at: deployment.finished_at, id: deployment.id })?;
    Ok(DeploymentPage { deployments, next })
}

/// What has this id already stays as it is.
pub(crate) async fn record(session: &mut Session<'_>, new: &NewDeployment, by: &By) -> Result<Outcome, DbError> {
    if let Err(error) = by.check().and_then(|()| new.check()) {
        return Ok(refused(error));
    }
    let NewDeployment { id, release, previous, detail, started_at, .. } = new;
    let (kind, outcome) = (new.kind.as_str(), new.outcome.as_str());
    let inserted =
        session.execute(RECORD, &[id, &kind, release, previous, &outcome, detail, &by.actor, started_at]).await?;
    let mut changes = Changes::default();
    if inserted == 0 {
        changes.skipped.push(Skipped::new(id, "recorded", "it is on record already"));
        return Ok(Outcome::Changed(changes));
    }
    let record = json!({"kind": kind, "release": release, "previous": previous, "outcome": outcome});
    audit::record(session, "record_deployment", by, vec![(id.to_string(), record)]).await?;
    changes.changed.push(Changed::new(id, format!("{kind} of {release}: {outcome}")));
    Ok(Outcome::Changed(changes))
}

/// Deletes a smoke test's execution and its attempts. It is on record like every change: nothing else deletes an execution by
/// request, and the trail then has a row for each time. The actor is the smoke test, which stands for nobody.
pub(crate) async fn remove_smoke_test(session: &mut Session<'_>, id: Uuid) -> Result<Outcome, DbError> {
    let Some(row) = session.query_opt(LOCK, &[&id]).await? else {
        return Ok(Outcome::NotFound { what: format!("execution {id}") });
    };
    let (source, event_type): (&str, &str) = (row.try_get("source")?, row.try_get("event_type")?);
    if event_type != SMOKE_TEST {
        return Ok(refused(format!("{id} is of type {event_type}, and nothing but {SMOKE_TEST} is removed")));
    }
    let removed = session.query_opt(REMOVE, &[&id]).await?.map(|row| row.try_get::<_, bool>(0)).transpose()?;
    if removed != Some(true) {
        return Err(DbError::Unexpected("a smoke test that was locked is gone"));
    }
    let (key, status): (&str, &str) = (row.try_get("idempotency_key")?, row.try_get("status")?);
    let by = By { actor: "smoke".into(), reason: "its smoke test is over".into() };
    let record = json!({"source": source, "key": key, "status": status});
    audit::record(session, "remove_smoke_test", &by, vec![(id.to_string(), record)]).await?;
    let changed = vec![Changed::new(&id, format!("{SMOKE_TEST} from {source} removed"))];
    Ok(Outcome::Changed(Changes { changed, ..Changes::default() }))
}

fn deployment(row: &Row) -> Result<Deployment, DbError> {
    Ok(Deployment {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        release: row.try_get("release")?,
        previous: row.try_get("previous")?,
        outcome: row.try_get("outcome")?,
        detail: row.try_get("detail")?,
        actor: row.try_get("actor")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
    })
}
