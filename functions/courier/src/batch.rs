//! A batch of messages: destinations side by side, each one's messages in their order, as long as there is time.
//!
//! | what became of it | report | the message |
//! |---|---|---|
//! | delivered | delivered | acknowledged |
//! | failed, attempts left | failed, with the time of the next | comes again after the wait |
//! | failed, attempts spent, or for good | dead | acknowledged |
//! | the report did not reach the inbox | | comes again after a wait |
//! | not its turn, or no time left | none: it is no attempt | put back as a new one, acknowledged |
//! | it is CloudWatch's alarm | | one new one for each channel in its place, acknowledged |
//! | courier panicked | none | comes again after the queue's own visibility timeout |
//! | not understood | none, an error in the log | left for the dead-letter queue |

use std::{collections::HashSet, panic::AssertUnwindSafe, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::{FutureExt as _, future::join_all};
use shared::{
    clock,
    inbox::{self, Message as ToInbox},
    outbox::{self, Effect, Outbound, Report, ReportResult},
    telemetry::{self, SPAN},
};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    Courier, alarm,
    limiter::NotYet,
    message::{self, Message},
    perform::time_limit,
    retry,
    verdict::Verdict,
    words::cut,
};

/// Kept back from the invocation's time for reports and queues: each call of an AWS service takes 4 s at most.
const MARGIN: Duration = Duration::from_secs(9);
/// With less than this an effect is not even begun.
const LEAST: Duration = Duration::from_secs(1);
/// What is put back comes again after so much, at least.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How often a ping is tried. What it tells is old soon.
const MOST_PINGS: u16 = 3;
/// The longest error that is reported, in bytes.
const LONGEST_ERROR: usize = 1_000;

/// Whether the queue may forget a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Acknowledged {
    Yes,
    No,
}

impl Courier {
    /// Performs what the messages say, and names those that must come again. Ends within `time`.
    pub async fn deliver(&self, event: SqsEvent, time: Duration) -> SqsBatchResponse {
        let end = Instant::now() + time.saturating_sub(MARGIN);
        let mut response = SqsBatchResponse::default();
        let mut destinations: Vec<(String, Vec<(String, Message)>)> = Vec::new();
        for record in &event.records {
            let id = message::id(record);
            if let Some(told) = record.body.as_deref().and_then(|body| alarm::read(body, &self.config.file)) {
                if !self.tell(told).await {
                    response.add_failure(id);
                }
                continue;
            }
            match Message::read(record) {
                Err(error) => {
                    tracing::error!(message_id = id, error, "a message is not understood");
                    response.add_failure(id);
                }
                Ok(message) => {
                    let destination = message.outbound.effect.destination();
                    match destinations.iter_mut().find(|(name, _)| *name == destination) {
                        Some((_, messages)) => messages.push((id, message)),
                        None => destinations.push((destination, vec![(id, message)])),
                    }
                }
            }
        }
        // Boxed: the compiler's recursion limit is near otherwise.
        let draining = destinations.into_iter().map(|(name, messages)| Box::pin(self.drain(name, messages, end)));
        let failed: HashSet<String> = join_all(draining).await.into_iter().flatten().collect();
        // In the batch's order.
        for record in &event.records {
            let id = message::id(record);
            if failed.contains(&id) {
                response.add_failure(id);
            }
        }
        response
    }

    /// Puts an alarm's messages on the queue. Whether all are there: else the alarm comes again, under the same keys.
    async fn tell(&self, told: Vec<Outbound>) -> bool {
        for message in told {
            let put = match outbox::encode(&message) {
                Ok(text) => self.source.put_back(text, Duration::ZERO).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = put {
                tracing::error!(error, "an alarm could not be passed on");
                return false;
            }
        }
        true
    }

    /// One destination's messages, one after the other. Those that were not acknowledged.
    async fn drain(&self, destination: String, messages: Vec<(String, Message)>, end: Instant) -> Vec<String> {
        let mut failed = Vec::new();
        for (index, (id, message)) in messages.into_iter().enumerate() {
            let span = tracing::info_span!(
                target: SPAN,
                "effect",
                correlation_id = message.outbound.correlation_id,
                outbox_id = %message.outbound.id,
                destination,
                attempt = message.attempt,
            );
            let span = telemetry::continued(span, message.outbound.trace_parent);
            // The first is begun in any case: one that needs more time than an invocation has would never be.
            let needs = if index == 0 { LEAST } else { time_limit(&message.outbound.effect) };
            let latest = end.checked_sub(needs).unwrap_or(end);
            // A panic is this message's failure and no other's. What it leaves behind are locks, which bear it.
            let settling = AssertUnwindSafe(self.settle(&destination, &message, latest, end)).catch_unwind();
            let acknowledged = settling.instrument(span).await.unwrap_or_else(|_| {
                tracing::error!(outbox_id = %message.outbound.id, "an effect panicked");
                Acknowledged::No
            });
            if acknowledged == Acknowledged::No {
                failed.push(id);
            }
        }
        failed
    }

    async fn settle(&self, destination: &str, message: &Message, latest: Instant, end: Instant) -> Acknowledged {
        let key = &message.outbound.idempotency_key;
        if let Some(known) = self.delivered.get(key) {
            tracing::info!("delivered a while ago, not sent again");
            return self.conclude(destination, message, known).await;
        }
        if let Err(NotYet(wait)) = self.limiter.admit(destination, latest).await {
            return self.put_back(message, wait).await;
        }
        let verdict = self.perform(&message.outbound, end).await;
        if matches!(verdict, Verdict::Delivered { .. }) {
            self.delivered.remember(key, &verdict);
        }
        self.conclude(destination, message, verdict).await
    }

    /// Reports, and decides when the message comes again.
    async fn conclude(&self, destination: &str, message: &Message, verdict: Verdict) -> Acknowledged {
        let most = self.config.file.outbound.max_attempts;
        let most = match &message.outbound.effect {
            // Tried again it could come after the run's end, and have the other side wait for another one.
            Effect::Ping(ping) if ping.is_start() => 1,
            Effect::Ping(_) => most.min(MOST_PINGS),
            _ => most,
        };
        let attempt = message.attempt;
        let result = match verdict {
            Verdict::Delivered { status, body } => {
                tracing::info!(status, "delivered");
                ReportResult::Delivered { status, body }
            }
            Verdict::Retry { error, status, after } => {
                let error = cut(&error, LONGEST_ERROR);
                if let Some(pause) = after {
                    self.limiter.pause(destination, pause);
                }
                if attempt < most {
                    return self.try_later(message, error, status, after).await;
                }
                tracing::error!(status, error = unanswered(status, &error), "given up, the attempts are spent");
                ReportResult::Dead { error: format!("given up after {attempt} attempts: {error}"), status }
            }
            Verdict::Dead { error, status } => {
                let error = cut(&error, LONGEST_ERROR);
                tracing::error!(status, error = unanswered(status, &error), "given up");
                ReportResult::Dead { error, status }
            }
        };
        if self.report(message, result).await {
            return Acknowledged::Yes;
        }
        self.hide(message, retry::wait(attempt, None, clock::fraction())).await;
        Acknowledged::No
    }

    async fn try_later(
        &self,
        message: &Message,
        error: String,
        status: Option<u16>,
        after: Option<Duration>,
    ) -> Acknowledged {
        let wait = retry::wait(message.attempt, after, clock::fraction());
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(status, error = unanswered(status, &error), wait_ms, "failed, to be tried again");
        let retry_at = clock::now().checked_add(wait).unwrap_or(jiff::Timestamp::MAX);
        // Without this report the row says less; the message comes again all the same.
        self.report(message, ReportResult::Failed { error, status, retry_at }).await;
        self.hide(message, wait).await;
        Acknowledged::No
    }

    /// Whether everyone who should know does: there may be nobody.
    async fn report(&self, message: &Message, result: ReportResult) -> bool {
        if !message.outbound.tracked {
            return true;
        }
        let report = Report { id: message.outbound.id, attempt: message.attempt, result };
        let sent = match inbox::encode(&ToInbox::Report(report)) {
            Ok(text) => self.inbox.send(text).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = &sent {
            tracing::error!(error, "the report did not reach the inbox");
        }
        sent.is_ok()
    }

    async fn hide(&self, message: &Message, wait: Duration) {
        if let Err(error) = self.source.hide(&message.receipt, wait).await {
            tracing::warn!(%error, "the message comes again when the queue's own visibility timeout is over");
        }
    }

    /// For a new message the queue counts from the start, so that waiting uses up neither the attempts nor the receives
    /// before the dead-letter queue. A crash before the old one is acknowledged makes two of it, under the same key.
    async fn put_back(&self, message: &Message, wait: Duration) -> Acknowledged {
        // Never at once: an invocation that has no time left would take it again and again.
        let wait = wait.max(SHORTEST_WAIT);
        tracing::info!(wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "put back");
        let error = match message.text() {
            Ok(text) => match self.source.put_back(text, wait).await {
                Ok(()) => return Acknowledged::Yes,
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tracing::warn!(error, "it could not be put back; it comes again, counted as an attempt");
        self.hide(message, wait).await;
        Acknowledged::No
    }
}

/// What is logged of an error. One of an answer quotes its body, which is for the report only.
fn unanswered(status: Option<u16>, error: &str) -> Option<&str> {
    status.is_none().then_some(error)
}
