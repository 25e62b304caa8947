//! The founder's types and handlers: against their published schemas, and on a real database.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contracts;
mod flags;
mod handlers;
mod published;
