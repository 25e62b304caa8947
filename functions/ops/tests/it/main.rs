//! The operations as the CLI asks for them, on a real database.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod dead;
mod deployments;
mod errors;
mod executions;
mod jobs;
mod outbox;
mod races;
mod replay;
mod reviews;
mod status;
mod support;
mod unlock;
