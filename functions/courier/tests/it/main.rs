//! Courier, on real queues and secrets (of the emulator), calling real servers.

mod channels;
mod deliveries;
mod limits;
mod network;
mod retries;
mod secrets;
mod server;
mod world;
