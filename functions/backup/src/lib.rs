//! The jobs backup, prune, drill; and what the CLI shares with them: reading backups, verifying, restoring.

pub mod bridge;
pub mod compare;
pub mod drill;
pub mod inventory;
mod jobs;
pub mod manifest;
mod private;
pub mod programs;
pub mod prune;
pub mod restore;
pub mod retention;
pub mod store;
pub mod unpack;
pub mod verify;

pub use jobs::{Backup, Settings};
