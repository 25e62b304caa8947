//! The founder's hands: typed operations on what the platform stores, invoked through the Lambda API. IAM is the door;
//! there is no route to this function, and no laptop holds the database's password.
//!
//! Each request is an [`Operation`], each answer an [`Answer`]; both carry a version, so that an old CLI and a new
//! function tell each other apart. Answers are paged and bounded: Lambda's limit for one is 6 MB. A change, and the row
//! that says who made it and why, are one transaction.

mod alerts;
mod audit;
mod change;
mod conditions;
mod dead;
mod deployments;
mod errors;
mod executions;
mod jobs;
mod operation;
mod outbox;
mod page;
mod replay;
mod reviews;
mod status;
mod unlock;

pub use alerts::{Alert, AlertState, Alerts, Silence};
pub use audit::{AuditEntry, AuditFilter, AuditPage};
pub use change::{By, Changed, Changes, MOST, NEEDS_NO_CONFIRMATION, Others, Skipped};
pub use dead::{DeadFilter, DeadLetters};
pub use deployments::{Deployment, DeploymentKind, DeploymentOutcome, DeploymentPage, NewDeployment};
pub use errors::{ErrorDetail, ErrorFilter, ErrorPage, ErrorState, ErrorSummary};
pub use executions::{Attempt, ExecutionDetail, ExecutionFilter, ExecutionSummary, Page, PageToken};
pub use jobs::{JobList, JobRun, JobRunPage, JobState};
pub use operation::{Answer, Cursor, Operation, Outcome, Request, VERSION};
pub use outbox::{EffectDetail, EffectFilter, EffectPage, EffectSummary, RetryEffects};
pub use replay::{Replay, ReplayFilter};
pub use reviews::{ReviewDetail, ReviewFinding, ReviewPage, ReviewSummary};
pub use status::{Count, InboxDepth, OpenAlerts, OutboxState, Proof, Status, Traffic, Waiting};

use shared::{
    db::{Database, DbError, Session},
    inbox::Inbox,
};

/// What the operations work on.
pub struct Environment {
    pub database: Database,
    /// The worker is woken through it after a change that it should see at once.
    pub inbox: Inbox,
}

/// Carries out one request. Its version is looked at before anything else in it.
pub async fn perform(environment: &Environment, request: serde_json::Value) -> Answer {
    let outcome = match read(request) {
        Err(error) => Outcome::Refused { error },
        Ok(request) => run(environment, request.operation).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the operation failed");
            Outcome::Failed { error: error.to_string() }
        }),
    };
    Answer { version: VERSION, outcome }
}

fn read(request: serde_json::Value) -> Result<Request, String> {
    let version = request.get("version").and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(VERSION)) {
        let theirs = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
        return Err(format!("this stage speaks version {VERSION} of the operations, the request version {theirs}"));
    }
    serde_json::from_value(request).map_err(|error| format!("the request is not understood: {error}"))
}

async fn run(environment: &Environment, operation: Operation) -> Result<Outcome, DbError> {
    let mut session = environment.database.session().await?;
    let session = &mut session;
    match operation {
        Operation::ListExecutions { filter, limit, after } => {
            executions::list(session, &filter, limit, after).await.map(Outcome::Executions)
        }
        Operation::ShowExecution { id } => executions::show(session, id).await,
        Operation::ListDeadLetters { filter, limit, after } => {
            dead::list(session, &filter, limit, after).await.map(Outcome::DeadLetters)
        }
        Operation::ListEffects { filter, limit, after } => {
            outbox::list(session, &filter, limit, after).await.map(Outcome::Effects)
        }
        Operation::ShowEffect { id } => outbox::show(session, id).await,
        Operation::ListAlerts { state, limit, after } => {
            alerts::list(session, state, limit, after).await.map(Outcome::Alerts)
        }
        Operation::ListAudit { filter, limit, after } => {
            audit::list(session, &filter, limit, after).await.map(Outcome::Audit)
        }
        Operation::ListDeployments { limit, after } => {
            deployments::list(session, limit, after).await.map(Outcome::Deployments)
        }
        Operation::ListJobs => jobs::list(session).await.map(Outcome::Jobs),
        Operation::ListJobRuns { job, limit, after } => {
            jobs::runs(session, job.as_deref(), limit, after).await.map(Outcome::JobRuns)
        }
        Operation::ShowJobRun { id } => jobs::show(session, id).await,
        Operation::ListErrors { filter, limit, after } => {
            errors::list(session, &filter, limit, after).await.map(Outcome::Errors)
        }
        Operation::ShowError { fingerprint } => errors::show(session, &fingerprint).await,
        Operation::ListReviews { limit, after } => reviews::list(session, limit, after).await.map(Outcome::Reviews),
        Operation::ShowReview { id } => reviews::show(session, id).await,
        Operation::ShowStatus => {
            status::show(session, &environment.inbox).await.map(|status| Outcome::Status(Box::new(status)))
        }
        operation => change_and_wake(environment, session, operation).await,
    }
}

/// A person waits, and a filter may look at every row: longer than an event's statement may take, shorter than Lambda waits.
const PATIENCE: &str = "SELECT set_config('statement_timeout', '20s', true)";

async fn change_and_wake(
    environment: &Environment,
    session: &mut Session<'_>,
    operation: Operation,
) -> Result<Outcome, DbError> {
    let wakes = matches!(
        operation,
        Operation::Replay(_) | Operation::Unlock { .. } | Operation::RetryEffects(_) | Operation::TestAlert { .. }
    );
    session.begin().await?;
    session.query(PATIENCE, &[]).await?;
    let outcome = change(session, operation).await?;
    match &outcome {
        Outcome::Changed(changes) if !changes.dry_run => {
            if let Err(error) = session.commit().await {
                tracing::error!(%error, "the commit failed");
                let error = format!("whether it happened is not known; the audit trail says so ({error})");
                return Ok(Outcome::Failed { error });
            }
            if wakes && !changes.changed.is_empty() {
                environment.inbox.wake().await;
            }
        }
        _ => session.rollback().await?,
    }
    Ok(outcome)
}

/// In an open transaction, which ends as the outcome says.
async fn change(session: &mut Session<'_>, operation: Operation) -> Result<Outcome, DbError> {
    match operation {
        Operation::ResolveDeadLetters { ids, by } => dead::resolve(session, &ids, &by).await,
        Operation::Replay(request) => replay::replay(session, &request).await,
        Operation::Unlock { id, force, by } => unlock::unlock(session, id, force, &by).await,
        Operation::RetryEffects(request) => outbox::retry(session, &request).await,
        Operation::ResolveAlerts { keys, by } => alerts::resolve(session, &keys, &by).await,
        Operation::SilenceAlerts { pattern, seconds, by } => alerts::silence(session, &pattern, seconds, &by).await,
        Operation::UnsilenceAlerts { pattern, by } => alerts::unsilence(session, &pattern, &by).await,
        Operation::TestAlert { critical, by } => alerts::test(session, critical, &by).await,
        Operation::ResolveErrors { fingerprints, by } => errors::resolve(session, &fingerprints, &by).await,
        Operation::RecordDeployment { deployment, by } => deployments::record(session, &deployment, &by).await,
        Operation::RemoveSmokeTest { execution_id } => deployments::remove_smoke_test(session, execution_id).await,
        // Reads, which `run` has answered.
        Operation::ListExecutions { .. }
        | Operation::ShowExecution { .. }
        | Operation::ListDeadLetters { .. }
        | Operation::ListEffects { .. }
        | Operation::ShowEffect { .. }
        | Operation::ListAlerts { .. }
        | Operation::ListAudit { .. }
        | Operation::ListDeployments { .. }
        | Operation::ListJobs
        | Operation::ListJobRuns { .. }
        | Operation::ShowJobRun { .. }
        | Operation::ListErrors { .. }
        | Operation::ShowError { .. }
        | Operation::ListReviews { .. }
        | Operation::ShowReview { .. }
        | Operation::ShowStatus => Err(DbError::Unexpected("a read was taken for a change")),
    }
}
