//! How an attempt ended that did not end well.

use std::{any::Any, time::Duration};

use crate::{
    errors::{self, Kind},
    executions::Failure,
    handlers::HandlerError,
};

impl From<HandlerError> for Failure {
    fn from(error: HandlerError) -> Self {
        let HandlerError { message: error, permanent, retry_after, told } = error;
        Self { kind: Kind::Handler, error, told, permanent, retry_after }
    }
}

impl HandlerError {
    /// Of a handler that was stopped somewhere in its middle: whether it may start again is its own word.
    pub(super) fn crashed(mut self, kind: Kind, rerun: bool) -> Failure {
        self.permanent |= !rerun;
        Failure { kind, ..self.into() }
    }
}

pub(super) fn panicked(panic: &(dyn Any + Send)) -> HandlerError {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let error = HandlerError::retry(format!("the handler panicked: {words}"));
    // Nobody wrote these words for others to read: an `unwrap` prints whatever it holds.
    HandlerError { told: Some(errors::title(&error.message)), ..error }
}

pub(super) fn timed_out(limit: Duration) -> HandlerError {
    HandlerError::retry(format!("the handler did not finish within {:.1} s", limit.as_secs_f64()))
}
