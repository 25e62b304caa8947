//! What can go wrong with the database, by what a caller does about it.

use tokio_postgres::error::SqlState;

use super::ConnectError;

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection could be opened, the open one broke, or the server cannot work now (it shuts down, is overloaded or
    /// read-only, has no disk left, took too long). What was under way may or may not have happened.
    #[error("the database cannot be reached: {0}")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server refused a statement; the connection is fine.
    #[error("{}", describe(.0))]
    Statement(#[source] tokio_postgres::Error),
    /// The execution belongs to another runner now; nothing was changed.
    #[error("the lease was lost to another runner")]
    NotOwned,
    #[error("{0}")]
    Unexpected(&'static str),
}

impl DbError {
    /// The server took what was sent, and did not answer within the caller's time.
    pub fn silent() -> Self {
        Self::Unreachable("it did not answer in time".into())
    }

    pub(crate) fn is_division_by_zero(&self) -> bool {
        matches!(self, Self::Statement(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO))
    }

    /// The server was asked to store something that it has no form for (SQLSTATE class 22): a number out of its range.
    pub fn is_unfit_data(&self) -> bool {
        matches!(self, Self::Statement(error) if error.code().is_some_and(|code| code.code().starts_with("22")))
    }

    /// The server's code for it, when it was the server that refused.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Statement(error) => error.code().map(tokio_postgres::error::SqlState::code),
            _ => None,
        }
    }

    /// Whether the data itself is at fault (SQLSTATE classes 22 and 23), so that trying again would end the same way.
    pub fn is_the_data(&self) -> bool {
        self.is_unfit_data()
            || matches!(self, Self::Statement(error) if error.code().is_some_and(|code| code.code().starts_with("23")))
    }

    /// Whether the connection should not be used again. A prepared statement stops fitting (0A000, 26000) when a
    /// migration changes its table.
    pub(crate) fn spoils_connection(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Statement(error) => error.code().is_some_and(|code| matches!(code.code(), "0A000" | "26000")),
            Self::NotOwned | Self::Unexpected(_) => false,
        }
    }

    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        if error.code().is_some_and(is_unable) || (error.as_db_error().is_none() && is_transport(&error)) {
            Self::Unreachable(error.into())
        } else {
            Self::Statement(error)
        }
    }
}

impl From<ConnectError> for DbError {
    fn from(error: ConnectError) -> Self {
        Self::Unreachable(error.into())
    }
}

/// Connection, resources, operator, system (classes 08, 53, 57, 58); read-only, idle too long, lock not to be had
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn is_unable(code: &SqlState) -> bool {
    matches!(&code.code()[..2], "08" | "53" | "57" | "58") || matches!(code.code(), "25006" | "25P03" | "55P03")
}

/// Whether the error speaks of the connection rather than of a value that could not be converted.
fn is_transport(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.is_closed() || error.source().is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>)
}

/// The server's own words: its `Display` says only "db error". The detail is left out: it quotes values.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => {
            use std::error::Error as _;
            error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
        }
    }
}
