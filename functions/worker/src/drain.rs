//! A batch of the inbox. Each message is acknowledged when what it asks for is in the database, and not before.
//!
//! A database that is out, or that refuses for a reason of its own (a grant, a schema that does not fit yet), leaves messages
//! on the queue, for 500 receives. A message that is itself at fault (it is not understood, its data cannot be stored)
//! goes to the dead-letter queue at its fifth time, with an alert.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    alerts::{self, Severity},
    db::{Database, DbError},
    inbox::{InboxError, Message, QueuedEvent},
    metrics, outbox,
    runner::Runner,
    telemetry::{self, SPAN},
};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

use crate::{Ticked, Worker, lanes::HANDLER_TIME};

/// How often a message may fail by its own fault.
const MOST_RECEIVES: u32 = 5;

const RAISE_WITHIN: Duration = Duration::from_secs(2);

/// What Lambda hands over from SQS
/// (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>), as far as it is looked at.
#[derive(Debug, Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub message_id: String,
    pub body: String,
    #[serde(default)]
    pub attributes: Attributes,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Attributes {
    #[serde(rename = "ApproximateReceiveCount", default)]
    pub receive_count: String,
}

/// The messages that stay on the queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drained {
    pub failed: Vec<String>,
}

impl Drained {
    /// As a partial batch response.
    pub fn answer(&self) -> Value {
        let failures: Vec<_> = self.failed.iter().map(|id| json!({"itemIdentifier": id})).collect();
        json!({"batchItemFailures": failures})
    }
}

/// Why a message is not done.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Inbox(#[from] InboxError),
    #[error(transparent)]
    Database(#[from] DbError),
}

impl Trouble {
    /// Whether the message is to blame, so that it may be given up.
    fn is_the_message(&self) -> bool {
        match self {
            Self::Inbox(InboxError::Malformed(_)) => true,
            Self::Inbox(InboxError::Object(error)) => error.is_missing(),
            Self::Inbox(InboxError::Queue(_)) => false,
            Self::Database(error) => error.is_the_data(),
        }
    }
}

/// What the lanes share.
struct Shared {
    waiting: Mutex<VecDeque<Record>>,
    failed: Mutex<Vec<String>>,
    wake: std::sync::atomic::AtomicBool,
}

impl Worker {
    /// Handles a batch over all lanes. Never fails as a whole.
    pub async fn drain(&self, batch: Batch, deadline: Instant) -> Drained {
        let shared = Shared {
            waiting: Mutex::new(batch.records.into()),
            failed: Mutex::default(),
            wake: std::sync::atomic::AtomicBool::new(false),
        };
        join_all(self.lanes.iter().map(|database| self.drain_lane(database, &shared, deadline))).await;
        if shared.wake.into_inner()
            && let Err(error) =
                timeout_at(deadline, self.woken(deadline)).await.unwrap_or_else(|_| Err(DbError::silent()))
        {
            tracing::error!(%error, "woken, and could not work; the next tick will");
        }
        Drained { failed: shared.failed.into_inner().unwrap_or_default() }
    }

    /// Something should not wait for the tick: replays, effects, critical alerts.
    async fn woken(&self, deadline: Instant) -> Result<(), DbError> {
        let mut ticked = Ticked::default();
        let sent = self.send(deadline, &mut ticked).await;
        let (ran, result) = self.run_due(deadline).await;
        sent.and(result)?;
        if ran.completed + ran.dead > 0 {
            self.send(deadline, &mut ticked).await?;
        }
        Ok(())
    }

    async fn drain_lane(&self, database: &Database, shared: &Shared, deadline: Instant) {
        use std::sync::{PoisonError, atomic::Ordering};
        let mut out_of_reach = false;
        loop {
            let next = shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(record) = next else { return };
            let time_left = deadline.saturating_duration_since(Instant::now()) >= HANDLER_TIME;
            let done = time_left && !out_of_reach && {
                let handled = timeout(HANDLER_TIME, self.handle(database, &record)).await;
                let handled = handled.unwrap_or_else(|_| Err(DbError::silent().into()));
                out_of_reach = matches!(&handled, Err(Trouble::Database(error)) if error.is_unreachable());
                match handled {
                    Ok(wake) => {
                        shared.wake.fetch_or(wake, Ordering::Relaxed);
                        true
                    }
                    Err(trouble) => self.trouble(database, &record, &trouble).await,
                }
            };
            if !done {
                shared.failed.lock().unwrap_or_else(PoisonError::into_inner).push(record.message_id);
            }
        }
    }

    /// `true` when it leaves something for the rest of the worker.
    async fn handle(&self, database: &Database, record: &Record) -> Result<bool, Trouble> {
        Ok(match self.inbox.open(&record.body).await? {
            Message::Event(event) => self.event(database, &event).await?,
            Message::Report(report) => {
                outbox::record(&mut database.session().await?, &report).await?
                    // It raised an alert.
                    && matches!(report.result, outbox::ReportResult::Dead { .. })
            }
            Message::Wake => true,
            Message::Spooled { .. } => return Err(InboxError::Malformed("a pointer to a pointer".into()).into()),
        })
    }

    /// Whatever its state in the end, it is in the database then, and no more the queue's.
    async fn event(&self, database: &Database, event: &QueuedEvent) -> Result<bool, Trouble> {
        let envelope = event.envelope()?;
        let resolution = self.handlers.resolve(&envelope);
        let runner = Runner { database, retry: self.config.retry, deadline: Instant::now() + HANDLER_TIME };
        let span = tracing::info_span!(
            target: SPAN,
            "queued",
            correlation_id = envelope.correlation_id,
            execution_id = tracing::field::Empty
        );
        let span = telemetry::continued(span, envelope.trace_parent);
        let outcome = runner.deliver(&envelope, resolution).instrument(span).await?;
        metrics::settled(&envelope.source, &envelope.event_type, envelope.occurred_at, &outcome);
        if !outcome.same_payload {
            let key = format!("payload_changed:{}", envelope.source);
            let (event, source) = (&envelope.key, &envelope.source);
            let message = format!("{event} came again from {source} with other data; the first is kept");
            alerts::raise(&mut database.session().await?, Severity::Warning, &key, &message).await?;
        }
        Ok(outcome.wake)
    }

    /// `true` when the message is given up: it is on the dead-letter queue then.
    async fn trouble(&self, database: &Database, record: &Record, trouble: &Trouble) -> bool {
        let count: u32 = record.attributes.receive_count.parse().unwrap_or_default();
        tracing::error!(message_id = record.message_id, receive_count = count, error = %trouble, "a message failed");
        if !trouble.is_the_message() || count < MOST_RECEIVES {
            return false;
        }
        if let Err(error) = self.inbox_dead.send(record.body.clone()).await {
            tracing::error!(%error, "a poison message stays on the inbox");
            return false;
        }
        let message = format!("message {} of the inbox went to its dead-letter queue: {trouble}", record.message_id);
        let raised =
            async { alerts::raise(&mut database.session().await?, Severity::Critical, "inbox_poison", &message).await };
        match timeout(RAISE_WITHIN, raised).await {
            Ok(Ok(())) => self.inbox.wake().await,
            Ok(Err(_)) | Err(_) => self.pager.page("inbox_poison", &message).await,
        }
        true
    }
}
