//! What the tests share: a fresh database each, secrets in the emulator, a proxy that counts and breaks connections,
//! published schemas.
//!
//! The servers are real and come from `solo test-stack` (`make test`). Only tests depend on this crate.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod captured;
mod database;
mod proxy;
mod queues;
mod schema;
pub mod scripted;
mod secrets;
mod wire;

pub use captured::Captured;
pub use database::TestDatabase;
pub use proxy::Proxy;
pub use queues::{Received, TestQueues};
pub use schema::Schema;
pub use secrets::{AppSecret, TestSecrets, random_bytes};

use shared::config::Env;

/// A variable that `solo test-stack` sets.
pub fn variable(name: &str) -> String {
    let value = Env::of_process().optional(name);
    value.unwrap_or_else(|| {
        panic!("{name} is not set: run the tests with `make test`, or `solo test-stack -- cargo test`")
    })
}
