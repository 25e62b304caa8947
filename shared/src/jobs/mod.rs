//! Jobs: what runs by the clock, and what watches that it does.
//!
//! Each run is a row: when it started, what it did, how it ended ([`run()`]). A run that fails raises `job_failed:<job>`. The
//! tick looks after those that say nothing ([`watch()`]): `job_late:<job>` when there was no success for longer than the period and
//! a grace, `job_stuck:<job>` when a run began and never ended. The next success resolves all three.
//!
//! Deliberately absent: when a job runs, which `template.yaml` says.

mod ping;
mod platform;
mod registry;
mod run;
mod watch;

pub use ping::Records;
pub use platform::{Platform, Settings};
pub use registry::{ALL, Job, find};
pub use run::{Call, JobError, Progress, run};
pub use watch::{Watched, ticked, watch};
