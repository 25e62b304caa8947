//! Cleanup on a real database.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches;
mod floors;
mod job;
mod others;
mod retention;
mod support;
mod together;
