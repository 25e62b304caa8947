//! The webhooks function as its senders meet it: through the real router, on a real database.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod conformance;
mod counting;
mod crashes;
mod errors;
mod exactly_once;
mod failures;
mod gateway;
mod metrics;
mod oracle;
mod outages;
mod refusals;
mod replays;
mod senders;
mod support;
mod versions;
