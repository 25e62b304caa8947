//! What the tests share: a fresh database each, secrets in the emulator, a proxy that counts and breaks connections,
//! published schemas.
//!
//! What a test sets up or looks at in AWS, it does as the [administrator](admin_config); what a function does, as whoever
//! the environment says. `make permissions` runs the same tests with that being the function's own role.
//!
//! The servers are real and come from `solo test-stack` (`make test`). Only tests depend on this crate.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod admin;
mod backups;
mod captured;
mod database;
mod emf;
mod lambda;
mod proxy;
mod queues;
mod receiver;
mod relay;
mod schema;
pub mod scripted;
mod secrets;
mod wire;

pub use admin::{admin_config, permissions_are_enforced};
pub use backups::TestBackups;
pub use captured::Captured;
pub use database::TestDatabase;
pub use emf::{emf_lines, emitted};
pub use lambda::{Answered, Lambda};
pub use proxy::Proxy;
pub use queues::{Received, TestQueues};
pub use receiver::{Receiver, Seen, SeenSpan};
pub use relay::{Relay, Way};
pub use schema::Schema;
pub use secrets::{AppSecret, Kind, TestSecrets, random_bytes};

use shared::config::Env;

/// A variable that `solo test-stack` sets.
pub fn variable(name: &str) -> String {
    let value = Env::of_process().optional(name);
    value.unwrap_or_else(|| {
        panic!("{name} is not set: run the tests with `make test`, or `solo test-stack -- cargo test`")
    })
}
