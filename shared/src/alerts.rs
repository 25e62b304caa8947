//! Alerts: something the founder should know.
//!
//! An alert is a log line with `alert.severity` and `alert.key`; a log-based alarm or a person reading the log finds it
//! by these. Deliberately absent for now: keeping alerts in the database, batching them into digests, and sending them.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Warning,
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// Raises an alert. `key` names the condition and stays the same while it lasts (`provider_not_configured:stripe`);
/// `message` is for a person.
pub fn raise(severity: Severity, key: &str, message: &str) {
    match severity {
        Severity::Warning => tracing::warn!(alert.severity = %severity, alert.key = key, "{message}"),
        Severity::Critical => tracing::error!(alert.severity = %severity, alert.key = key, "{message}"),
    }
}
