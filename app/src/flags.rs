//! Your feature flags. What they are is in `app/flags.json`, which is built in; here are their names, so that a flag that is
//! removed leaves no use behind: the compiler finds them. `docs/flags.md` has how to add, ramp and remove one.

use shared::{config::Faults, flags::Flags};

pub const AI_ASSISTANT: &str = "ai-assistant";
pub const EXPORT_CSV: &str = "export-csv";
pub const V2_DASHBOARD: &str = "v2-dashboard";

/// All of them. A test holds this list and the file together.
pub const ALL: [&str; 3] = [AI_ASSISTANT, EXPORT_CSV, V2_DASHBOARD];

/// The file as it was when this was built. Reading it takes some microseconds.
pub fn built_in() -> Result<Flags, Faults> {
    Flags::parse(include_str!("../flags.json"))
}
