//! Courier, on real queues and secrets (of the emulator), calling real servers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod channels;
mod deliveries;
mod errors;
mod limits;
mod network;
mod pings;
mod retries;
mod secrets;
mod server;
mod world;
