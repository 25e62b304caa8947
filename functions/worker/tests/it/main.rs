//! The worker on a real database and real queues.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod errors;
mod inbox;
mod jobs;
mod metrics;
mod outbox;
mod retries;
mod support;
mod sweep;
