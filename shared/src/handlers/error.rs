//! Why a handler gave up.

use std::time::Duration;

use crate::db::DbError;

/// Why a handler gave up, and whether trying again makes sense. The text is kept with the attempt and logged: leave
/// personal data and secrets out of it.
#[derive(Debug)]
pub struct HandlerError {
    pub(crate) message: String,
    pub(crate) permanent: bool,
    pub(crate) retry_after: Option<Duration>,
    /// In place of the message wherever it is told, when it quotes data.
    pub(crate) told: Option<String>,
}

impl HandlerError {
    /// It may work later: tried again with growing waits until the attempts are spent.
    pub fn retry(error: impl std::fmt::Display) -> Self {
        Self { message: error.to_string(), permanent: false, retry_after: None, told: None }
    }

    /// As [`HandlerError::retry`], but not before `wait` is over (24 h at most).
    pub fn retry_after(error: impl std::fmt::Display, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::retry(error) }
    }

    /// It will never work: straight to the dead letters.
    pub fn fail(error: impl std::fmt::Display) -> Self {
        Self { permanent: true, ..Self::retry(error) }
    }
}

impl From<DbError> for HandlerError {
    /// What PostgreSQL says of data that does not fit quotes it.
    fn from(error: DbError) -> Self {
        let told = error.is_unfit_data().then(|| match error.sqlstate() {
            Some(code) => format!("the database refused the data (SQLSTATE {code})"),
            None => "the database refused the data".to_owned(),
        });
        Self { told, ..Self::retry(error) }
    }
}
