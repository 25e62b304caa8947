//! Backups, made of a real database into the bucket of the emulator, and what becomes of them when something breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backups;
mod bucket_faults;
mod bucket_proxy;
mod disturbances;
mod inventory;
mod kills;
mod memory;
mod tls;
mod victim;
mod world;
