//! The jobs on a real database, through the function's own door.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod drift;
mod invariants;
mod refusals;
mod review;
mod support;
