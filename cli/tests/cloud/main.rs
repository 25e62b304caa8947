//! The stages in the cloud: `solo` as a person runs it, against moto's Lambda, STS, S3 and Secrets Manager, the operations
//! themselves on a real database, and a scripted CloudFormation (moto's skips most types).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cloudformation;
mod deploy;
mod destroy;
mod documented;
mod front;
mod jobs;
mod logs;
mod release;
mod rollback;
mod secrets;
mod stages;
mod status;
mod world;
