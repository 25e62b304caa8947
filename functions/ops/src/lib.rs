//! The founder's hands: typed operations on what the platform stores, invoked through the Lambda API. IAM is the door;
//! there is no route to this function, and no laptop holds the database's password.
//!
//! Each request is an [`Operation`], each answer an [`Answer`]; both carry a version, so that an old CLI and a new
//! function tell each other apart. Answers are paged and bounded: Lambda's limit for one is 6 MB.

mod executions;
mod operation;

pub use operation::{
    Answer, Attempt, ExecutionDetail, ExecutionFilter, ExecutionSummary, Operation, Outcome, Page, PageToken, Request,
    VERSION,
};

use shared::db::{Database, DbError};

/// Carries out one request. Its version is looked at before anything else in it.
pub async fn perform(database: &Database, request: serde_json::Value) -> Answer {
    let outcome = match read(request) {
        Err(error) => Outcome::Refused { error },
        Ok(request) => run(database, request.operation).await.unwrap_or_else(|error| {
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

async fn run(database: &Database, operation: Operation) -> Result<Outcome, DbError> {
    let mut session = database.session().await?;
    match operation {
        Operation::ListExecutions { filter, limit, after } => {
            executions::list(&mut session, &filter, limit, after).await.map(Outcome::Executions)
        }
        Operation::ShowExecution { id } => Ok(match executions::show(&mut session, id).await? {
            Some(detail) => Outcome::Execution(Box::new(detail)),
            None => Outcome::NotFound { what: format!("execution {id}") },
        }),
    }
}
