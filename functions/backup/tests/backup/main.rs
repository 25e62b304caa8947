//! Backups, made of a real database into the bucket of the emulator, and what becomes of them when something breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod inventory;
