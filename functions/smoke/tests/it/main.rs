//! The hook against the real functions, on a real database.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod codedeploy;
mod faults;
mod passes;
mod permissions;
mod stage;
