//! What is pending becomes messages.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{QuietHours, Severity};
use crate::{
    clock,
    config::Alerting,
    db::{DbError, Session},
    outbox::{self, Effect, Item, Notification},
};

const LOCK: &str = "SELECT pg_try_advisory_xact_lock(7314826402) AS locked";
const PENDING: &str = include_str!("sql/pending.sql");
/// Raised and resolved before anyone was told: nobody needs to be.
const DROP: &str = "
    UPDATE alerts SET pending_since = NULL
     WHERE pending_since IS NOT NULL AND resolved_at IS NOT NULL AND sent_at IS NULL
       AND NOT EXISTS (SELECT FROM alert_deliveries d WHERE d.alert_id = alerts.id)
       AND id IN (SELECT id FROM alerts WHERE pending_since IS NOT NULL AND resolved_at IS NOT NULL FOR UPDATE SKIP LOCKED)";
const CARRY: &str = "
    INSERT INTO alert_deliveries (alert_id, outbox_id, resolution)
    SELECT id, $2, resolved_at IS NOT NULL FROM alerts WHERE id = ANY($1)";
const SAID: &str = "UPDATE alerts SET pending_since = NULL WHERE id = ANY($1)";

/// A digest goes when so many wait, or when the oldest has waited so long.
const ENOUGH: usize = 5;
const LONG_ENOUGH_MS: i64 = 300_000;

/// What a flush put into the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    pub critical: usize,
    pub digested: usize,
}

/// Puts messages for what is pending into the outbox, in one transaction. Workers side by side: one does it, the others
/// find nothing to do. Silenced alerts wait until the silence ends; without channels all of them wait.
pub async fn flush(session: &mut Session<'_>, alerting: &Alerting, now: Timestamp) -> Result<Flushed, DbError> {
    session.begin().await?;
    let flushed = flush_locked(session, alerting, now).await?;
    session.commit().await?;
    Ok(flushed)
}

async fn flush_locked(session: &mut Session<'_>, alerting: &Alerting, now: Timestamp) -> Result<Flushed, DbError> {
    let locked = session.query_opt(LOCK, &[]).await?;
    if !locked.is_some_and(|row| row.get("locked")) {
        return Ok(Flushed::default());
    }
    session.execute(DROP, &[]).await?;
    let pending = session.query(PENDING, &[]).await?.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let (critical, rest): (Vec<_>, Vec<_>) =
        pending.into_iter().partition(|pending| pending.item.severity == Severity::Critical);
    let mut flushed = Flushed::default();
    if !critical.is_empty() && !alerting.critical.is_empty() {
        flushed.critical = critical.len();
        send(session, &alerting.critical, critical).await?;
    }
    let due = rest.len() >= ENOUGH
        || rest.iter().any(|pending| (now.as_millisecond() - pending.since.as_millisecond()) >= LONG_ENOUGH_MS);
    if due && !alerting.digest.is_empty() && !alerting.quiet.as_ref().is_some_and(|quiet: &QuietHours| quiet.hold(now))
    {
        flushed.digested = rest.len();
        send(session, &alerting.digest, rest).await?;
    }
    Ok(flushed)
}

/// An alert with news, and since when it waits.
struct Pending {
    id: Uuid,
    since: Timestamp,
    item: Item,
}

/// One message a channel for all of `pending`.
async fn send(session: &mut Session<'_>, channels: &[String], pending: Vec<Pending>) -> Result<(), DbError> {
    let (ids, items): (Vec<Uuid>, Vec<Item>) = pending.into_iter().map(|pending| (pending.id, pending.item)).unzip();
    for channel in channels {
        let notification = Notification {
            channel: channel.clone(),
            severity: items.iter().map(|item| item.severity).max().unwrap_or(Severity::Info),
            title: title(&items),
            text: String::new(),
            items: items.clone(),
        };
        let correlation_id = clock::new_id().to_string();
        let effect = Effect::Notify(notification);
        let carrier = outbox::enqueue(session, &effect, None, None, &correlation_id, None).await?;
        let carrier = carrier.ok_or(DbError::Unexpected("a new id was there before"))?;
        session.execute(CARRY, &[&ids, &carrier]).await?;
    }
    session.execute(SAID, &[&ids]).await.map(drop)
}

/// `1 critical alert: the message`, `3 alerts: 2 warning, 1 info`, `1 resolved: the message`.
fn title(items: &[Item]) -> String {
    if let [one] = items {
        let what = if one.resolved { "resolved".to_owned() } else { one.severity.to_string() };
        return format!("{what}: {}", one.message);
    }
    let count = |wanted: Severity| items.iter().filter(|item| !item.resolved && item.severity == wanted).count();
    let mut parts: Vec<String> = [Severity::Critical, Severity::Warning, Severity::Info]
        .into_iter()
        .map(|severity| (count(severity), severity))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {severity}"))
        .collect();
    let resolved = items.iter().filter(|item| item.resolved).count();
    if resolved > 0 {
        parts.push(format!("{resolved} resolved"));
    }
    format!("{} alerts: {}", items.len(), parts.join(", "))
}

fn read(row: &Row) -> Result<Pending, DbError> {
    let severity: &str = row.try_get("severity")?;
    let occurrences: i32 = row.try_get("occurrences")?;
    Ok(Pending {
        id: row.try_get("id")?,
        since: row.try_get("pending_since")?,
        item: Item {
            key: row.try_get("key")?,
            severity: severity.parse().map_err(|()| DbError::Unexpected("an alert has an unknown severity"))?,
            message: row.try_get("message")?,
            occurrences: u32::try_from(occurrences).unwrap_or_default(),
            first: row.try_get("raised_at")?,
            last: row.try_get("last_raised_at")?,
            resolved: row.try_get("resolved")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(severity: Severity, resolved: bool) -> Item {
        let now = Timestamp::UNIX_EPOCH;
        let (key, message) = ("k".to_owned(), "the disk is full".to_owned());
        Item { key, severity, message, occurrences: 1, first: now, last: now, resolved }
    }

    #[test]
    fn titles_say_the_most_important_first() {
        assert_eq!(title(&[item(Severity::Critical, false)]), "critical: the disk is full");
        assert_eq!(title(&[item(Severity::Critical, true)]), "resolved: the disk is full");
        let several = [item(Severity::Info, false), item(Severity::Warning, false), item(Severity::Info, true)];
        assert_eq!(title(&several), "3 alerts: 1 warning, 1 info, 1 resolved");
    }
}
