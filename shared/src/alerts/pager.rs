//! The way around the database, for when that is what failed: straight to courier's queue.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Severity, log};
use crate::{
    clock,
    outbox::{self, Effect, Item, Notification, Outbound},
    queue::Queue,
};

/// One environment says the same thing once in this time.
const AT_MOST_EVERY: Duration = Duration::from_mins(5);

/// Sends critical messages without a row. Nothing remembers them but the log.
pub struct Pager {
    outbound: Arc<dyn Queue>,
    channels: Vec<String>,
    said: Mutex<HashMap<String, Instant>>,
}

impl Pager {
    /// `channels`: those for critical alerts.
    pub fn new(outbound: Arc<dyn Queue>, channels: Vec<String>) -> Self {
        Self { outbound, channels, said: Mutex::default() }
    }

    /// Logs the alert, and sends it to every critical channel, unless this environment said so a moment ago. A queue
    /// that fails too leaves the log line.
    pub async fn page(&self, key: &str, message: &str) {
        log(Severity::Critical, key, message);
        if self.is_news(key) && !self.send(key, message).await {
            self.forget(key);
        }
    }

    /// `false` when the queue did not take it.
    async fn send(&self, key: &str, message: &str) -> bool {
        let now = clock::now();
        let messages = self.channels.iter().filter_map(|channel| {
            let item = Item {
                key: key.to_owned(),
                severity: Severity::Critical,
                message: message.to_owned(),
                occurrences: 1,
                first: now,
                last: now,
                resolved: false,
            };
            let notification = Notification {
                channel: channel.clone(),
                severity: Severity::Critical,
                title: message.to_owned(),
                text: String::new(),
                items: vec![item],
            };
            let id = clock::new_id();
            let outbound = Outbound {
                trace_parent: None,
                version: outbox::VERSION,
                id,
                tracked: false,
                idempotency_key: id.to_string(),
                correlation_id: id.to_string(),
                effect: Effect::Notify(notification),
            };
            outbox::encode(&outbound).ok()
        });
        match self.outbound.send_all(messages.collect()).await {
            Ok(refused) => refused.is_empty(),
            Err(error) => {
                tracing::error!(%error, "an alert reached the log only");
                false
            }
        }
    }

    /// What was not said after all may be said at once.
    pub fn forget(&self, key: &str) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Whether this environment has not said it in the last 5 minutes. Saying so counts: strangers can cause the same
    /// alert with every request, and it costs a statement.
    pub fn is_news(&self, key: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, at| at.elapsed() < AT_MOST_EVERY);
        match said.entry(key.to_owned()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(Instant::now());
                true
            }
        }
    }
}
