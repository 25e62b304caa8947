//! The requests and answers, as they travel.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    alerts::{AlertState, Alerts},
    audit::{AuditFilter, AuditPage},
    change::{By, Changes},
    dead::{DeadFilter, DeadLetters},
    deployments::{DeploymentPage, NewDeployment},
    errors::{ErrorDetail, ErrorFilter, ErrorPage},
    executions::{ExecutionDetail, ExecutionFilter, Page, PageToken},
    jobs::{JobList, JobRun, JobRunPage},
    outbox::{EffectDetail, EffectFilter, EffectPage, RetryEffects},
    replay::Replay,
    reviews::{ReviewDetail, ReviewPage},
    status::Status,
};

/// The version of everything in this file. It grows when an old reader would misread a new text.
pub const VERSION: u16 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub version: u16,
    #[serde(flatten)]
    pub operation: Operation,
}

impl From<Operation> for Request {
    fn from(operation: Operation) -> Self {
        Self { version: VERSION, operation }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Operation {
    /// Newest first.
    ListExecutions {
        #[serde(default)]
        filter: ExecutionFilter,
        /// 1 to 200; a larger or smaller number is brought into that range.
        limit: u16,
        /// The `next` of the page before.
        #[serde(default)]
        after: Option<PageToken>,
    },
    ShowExecution {
        id: Uuid,
    },
    /// The latest to die first.
    ListDeadLetters {
        #[serde(default)]
        filter: DeadFilter,
        limit: u16,
        #[serde(default)]
        after: Option<Cursor>,
    },
    /// A person has dealt with them. They stay dead, and are not listed any more.
    ResolveDeadLetters {
        ids: Vec<Uuid>,
        #[serde(flatten)]
        by: By,
    },
    Replay(Replay),
    /// Ends the lease of an execution whose runner is stuck.
    Unlock {
        id: Uuid,
        /// Even though the lease still runs.
        #[serde(default)]
        force: bool,
        #[serde(flatten)]
        by: By,
    },
    /// Newest first.
    ListEffects {
        #[serde(default)]
        filter: EffectFilter,
        limit: u16,
        #[serde(default)]
        after: Option<Cursor>,
    },
    ShowEffect {
        id: Uuid,
    },
    RetryEffects(RetryEffects),
    /// Newest first, with the silences that hold.
    ListAlerts {
        #[serde(default)]
        state: AlertState,
        limit: u16,
        #[serde(default)]
        after: Option<Cursor>,
    },
    ResolveAlerts {
        keys: Vec<String>,
        #[serde(flatten)]
        by: By,
    },
    /// Alerts whose key fits the pattern wait until the silence ends.
    SilenceAlerts {
        /// `*` stands for anything.
        pattern: String,
        /// 60 to 2,592,000 (30 days).
        seconds: u32,
        #[serde(flatten)]
        by: By,
    },
    UnsilenceAlerts {
        /// As it was given.
        pattern: String,
        #[serde(flatten)]
        by: By,
    },
    /// Raises an alert under the key `test`, so that one can see it arrive.
    TestAlert {
        #[serde(default)]
        critical: bool,
        #[serde(flatten)]
        by: By,
    },
    /// Newest first.
    ListAudit {
        #[serde(default)]
        filter: AuditFilter,
        limit: u16,
        #[serde(default)]
        after: Option<Cursor>,
    },
    /// Puts a deployment that is over on record. The same id twice changes nothing.
    RecordDeployment {
        #[serde(flatten)]
        deployment: NewDeployment,
        #[serde(flatten)]
        by: By,
    },
    /// Newest first.
    ListDeployments {
        limit: u16,
        #[serde(default)]
        after: Option<Cursor>,
    },
    /// Deletes the execution that a deployment's smoke test left, and its attempts. Any other execution is refused.
    RemoveSmokeTest {
        execution_id: Uuid,
    },
    /// Every job, and how it does.
    ListJobs,
    /// Newest first.
    ListJobRuns {
        /// Only of this job.
        #[serde(default)]
        job: Option<String>,
        limit: u16,
        #[serde(default)]
        after: Option<Cursor>,
    },
    ShowJobRun {
        id: Uuid,
    },
    /// The latest seen first.
    ListErrors {
        #[serde(default)]
        filter: ErrorFilter,
        limit: u16,
        #[serde(default)]
        after: Option<Cursor>,
    },
    ShowError {
        /// Or its beginning, 6 characters at least.
        fingerprint: String,
    },
    /// They will not come again, a person says. One that does is open again, and is told of as a regression.
    ResolveErrors {
        /// Or their beginnings.
        fingerprints: Vec<String>,
        #[serde(flatten)]
        by: By,
    },
    /// Newest first.
    ListReviews {
        limit: u16,
        #[serde(default)]
        after: Option<Cursor>,
    },
    ShowReview {
        /// The newest when there is none.
        #[serde(default)]
        id: Option<Uuid>,
    },
    /// How the stage does, in few counts.
    ShowStatus,
}

/// Where a page of anything else than executions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub at: Timestamp,
    pub id: Uuid,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub version: u16,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Executions(Page),
    Execution(Box<ExecutionDetail>),
    DeadLetters(DeadLetters),
    Effects(EffectPage),
    Effect(Box<EffectDetail>),
    Alerts(Alerts),
    Audit(AuditPage),
    Deployments(DeploymentPage),
    Jobs(JobList),
    JobRuns(JobRunPage),
    /// Not flattened: a run has an `outcome` of its own.
    JobRun {
        run: Box<JobRun>,
    },
    Errors(ErrorPage),
    /// Not flattened: an answer has an `error` of its own.
    Error {
        found: Box<ErrorDetail>,
    },
    Reviews(ReviewPage),
    Review(Box<ReviewDetail>),
    Status(Box<Status>),
    /// What a change did, or in a dry run would do.
    Changed(Changes),
    NotFound {
        what: String,
    },
    /// The request makes no sense here; sending it again will not help.
    Refused {
        error: String,
    },
    /// It should have worked.
    Failed {
        error: String,
    },
}

#[cfg(test)]
mod tests;
