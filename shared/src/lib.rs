//! What every function shares: configuration, secrets, the database, executions, providers, events, flags, HTTP, telemetry.
//!
//! Arrows point one way: `app -> shared`, `functions/* -> app, shared`, `cli -> functions/*, app, shared`. This crate
//! knows no function, no handler of the founder's and no screen; `testkit/tests/boundaries.rs` holds it to that.

pub mod alerts;
pub mod aws;
pub mod clock;
pub mod config;
pub mod db;
pub mod errors;
pub mod events;
pub mod executions;
pub mod flags;
pub mod handlers;
pub mod http;
pub mod inbox;
pub mod invariants;
pub mod invocation;
pub mod jobs;
pub mod metrics;
pub mod migrations;
pub mod objects;
pub mod outbox;
pub mod providers;
pub mod queue;
mod replays;
pub mod retry;
pub mod reviews;
pub mod runner;
pub mod schema;
pub mod secrets;
pub mod telemetry;
