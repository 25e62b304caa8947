//! A failed attempt, before it is on record.

use std::time::Duration;

use crate::{errors::Kind, events::InvalidPayload};

/// Why an attempt failed, in what words, and whether another one makes sense.
#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: Kind,
    pub error: String,
    /// In place of the error wherever it is told (log, alerts, table of errors, tracker), when the error quotes data.
    pub told: Option<String>,
    pub permanent: bool,
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// The words for everyone. The error itself stays with its execution.
    pub(crate) fn told(&self) -> &str {
        self.told.as_deref().unwrap_or(&self.error)
    }

    /// For good: no attempt will make anything else of it.
    pub(crate) fn unfit(error: String, told: Option<String>) -> Self {
        Self { kind: Kind::InvalidData, error, told, permanent: true, retry_after: None }
    }

    /// Of data that does not fit.
    pub(crate) fn of_data(invalid: &InvalidPayload) -> Self {
        Self::unfit(invalid.to_string(), Some(misfit(&invalid.fields())))
    }
}

/// What an error about data is on record as: where, and not what.
pub(super) fn misfit(fields: &str) -> String {
    format!("the data does not fit its type: {}", if fields.trim().is_empty() { "as a whole" } else { fields })
}
