//! The probes, on real servers behind ways that can be cut, slow, or silent.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "counts and flags are whole numbers")]

mod details;
mod keeping;
mod metrics;
mod metrics_plan;
mod outages;
mod parser;
mod support;
