//! Alerts: something the founder should know.
//!
//! An alert is raised in the transaction where it belongs, under a key that names the condition; while the condition is
//! open, raising it again only counts. The worker batches what is pending ([`flush`]): critical alerts at once, the rest
//! as one digest when the oldest has waited 5 minutes or 5 wait. An alert counts as sent when courier says that its
//! message was delivered. When the database itself is what failed, [`Pager`] goes around it.

mod digest;
mod pager;
mod quiet;

pub use digest::{Flushed, flush};
pub use pager::Pager;
pub use quiet::QuietHours;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::db::{DbError, Session};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Severity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|severity| severity.as_str() == text).ok_or(())
    }
}

const RAISE: &str = "SELECT raise_alert($1, $2, $3)";

/// What is open of this key is over. One that was never sent needs no words any more; one that was (or is on its way)
/// gets a last message.
const RESOLVE: &str = "
    UPDATE alerts a
       SET resolved_at = now(),
           pending_since = CASE
               WHEN a.sent_at IS NOT NULL
                 OR EXISTS (SELECT FROM alert_deliveries d JOIN outbox o ON o.id = d.outbox_id
                             WHERE d.alert_id = a.id AND o.status <> 'dead')
               THEN now() END
     WHERE a.key = $1 AND a.resolved_at IS NULL";

/// Without a last message: another alert takes its place.
const END: &str = "UPDATE alerts SET resolved_at = now(), pending_since = NULL WHERE key = $1 AND resolved_at IS NULL";

/// Raises an alert in the session's transaction, or at once outside of one. `key` names the condition and stays the same
/// while it lasts (`payload_changed:stripe`, at most 200 characters); `message` is for a person, in one line. Within a
/// transaction it holds the alert's row until the end: raise it last.
pub async fn raise(session: &mut Session<'_>, severity: Severity, key: &str, message: &str) -> Result<(), DbError> {
    log(severity, key, message);
    session.query_opt(RAISE, &[&key, &severity.as_str(), &message]).await.map(drop)
}

/// As [`raise`], but what is open of this key ends without a word and this is a new alert: for a report, which is news each time.
/// In a transaction of the caller's.
pub async fn raise_anew(
    session: &mut Session<'_>,
    severity: Severity,
    key: &str,
    message: &str,
) -> Result<(), DbError> {
    session.execute(END, &[&key]).await?;
    raise(session, severity, key, message).await
}

/// Ends the condition. Nothing happens when it is not open.
pub async fn resolve(session: &mut Session<'_>, key: &str) -> Result<bool, DbError> {
    Ok(session.execute(RESOLVE, &[&key]).await? > 0)
}

/// Every alert is a log line, too: with `alert.severity` and `alert.key` for whoever watches the log.
pub fn log(severity: Severity, key: &str, message: &str) {
    match severity {
        Severity::Info => tracing::info!(alert.severity = %severity, alert.key = key, "{message}"),
        Severity::Warning => tracing::warn!(alert.severity = %severity, alert.key = key, "{message}"),
        Severity::Critical => tracing::error!(alert.severity = %severity, alert.key = key, "{message}"),
    }
}
