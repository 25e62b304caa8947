//! Handlers: what the founder writes. A handler takes a typed event and writes to the database, in a transaction that
//! the platform opens, completes and commits. Either all of it happened, once, or none of it.
//!
//! Deliberately absent: calls to others from within a handler. They would happen again with every retry.

mod error;
mod registry;

pub use error::HandlerError;
pub use registry::{Handlers, Ready, Resolution};

use std::{future::Future, sync::Arc};

use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    alerts::{self, Severity},
    db::{DbError, Params, Session},
    events::{Envelope, Event, MAX_KEY},
    flags::Flags,
    outbox::{self, Effect},
    telemetry,
};

/// Handles one type of event.
///
/// It may be called again for the same event after a failure, a timeout or a crash; what it wrote before was rolled
/// back then. It must finish within the function's time (30 s less a margin), or it is stopped and counted as failed.
pub trait Handler: Send + Sync + 'static {
    type Event: Event;

    /// Stored with each execution, and shown. Keep it when the code moves.
    const NAME: &'static str;

    /// Whether to try again when the process died in the middle. Say `false` when the handler does something outside of
    /// its transaction that must not happen twice: a crash, a panic, a timeout or a failed commit then goes to the dead
    /// letters for a person to look at, and the claim waits for the disk.
    const RERUN_AFTER_CRASH: bool = true;

    fn handle(
        &self,
        event: Self::Event,
        context: &mut Context<'_>,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// What a handler works with: the open transaction, and what is known about the event.
pub struct Context<'a> {
    session: Session<'a>,
    event: &'a Envelope,
    execution_id: Uuid,
    flags: Arc<Flags>,
    /// Something for the worker is in the transaction.
    left_work: bool,
}

impl<'a> Context<'a> {
    pub(crate) fn new(session: Session<'a>, event: &'a Envelope, execution_id: Uuid, flags: Arc<Flags>) -> Self {
        Self { session, event, execution_id, flags, left_work: false }
    }

    /// The session, and whether the handler left something for the worker.
    pub(crate) fn into_parts(self) -> (Session<'a>, bool) {
        (self.session, self.left_work)
    }

    /// The same for every attempt at this event: an idempotency key for whatever leaves this system.
    pub fn execution_id(&self) -> Uuid {
        self.execution_id
    }

    /// The event as it came, with its source, key and time.
    pub fn event(&self) -> &Envelope {
        self.event
    }

    /// The feature flags of this release: `context.flags().is_on(flags::AI_ASSISTANT, &User::id(customer))`.
    ///
    /// A retry or a replay may run in a later release, and find a flag changed. Keep what must not change in a row.
    pub fn flags(&self) -> &Flags {
        &self.flags
    }

    /// Runs a statement in the transaction; the number of rows that it changed. One round trip, two at its first use on
    /// a connection.
    pub async fn execute(&mut self, sql: &'static str, params: &Params<'_>) -> Result<u64, DbError> {
        self.session.execute(sql, params).await
    }

    pub async fn query(&mut self, sql: &'static str, params: &Params<'_>) -> Result<Vec<Row>, DbError> {
        self.session.query(sql, params).await
    }

    /// One row or none; more than one is an error.
    pub async fn query_opt(&mut self, sql: &'static str, params: &Params<'_>) -> Result<Option<Row>, DbError> {
        self.session.query_opt(sql, params).await
    }

    /// Has an HTTP request or a notification performed, if and only if this transaction commits. At least once: the other
    /// side gets the same `Idempotency-Key` however often it is sent. Returns the effect's id, which is that key.
    ///
    /// A replay of the event sends it again, under a new key; see [`Context::send_once`].
    pub async fn send(&mut self, effect: impl Into<Effect>) -> Result<Uuid, HandlerError> {
        let sent = self.enqueue(&effect.into(), None).await?;
        sent.ok_or_else(|| HandlerError::retry("a new id was there before"))
    }

    /// As [`Context::send`], under a key of your own (`receipt:in_123`; at most 255 bytes). `None`, and nothing is sent,
    /// when an effect with this key was stored before, by this event, by another, or by an earlier run of it.
    ///
    /// The key is remembered until `retention.key_days` and `payload_days` (90 and 30) after the effect was delivered, and as long as
    /// its execution can be replayed.
    pub async fn send_once(&mut self, key: &str, effect: impl Into<Effect>) -> Result<Option<Uuid>, HandlerError> {
        if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
            let problem = format!(
                "an effect's key has 1 to {MAX_KEY} bytes of text; this one has {}, or control characters",
                key.len()
            );
            return Err(HandlerError::fail(problem));
        }
        self.enqueue(&effect.into(), Some(key)).await
    }

    /// Raises an alert, if and only if this transaction commits. `key` names the condition and stays the same while it
    /// lasts. The alert's row is held until the transaction ends: raise it last.
    pub async fn alert(&mut self, severity: Severity, key: &str, message: &str) -> Result<(), HandlerError> {
        self.left_work |= severity == Severity::Critical;
        Ok(alerts::raise(&mut self.session, severity, key, message).await?)
    }

    async fn enqueue(&mut self, effect: &Effect, key: Option<&str>) -> Result<Option<Uuid>, HandlerError> {
        effect.check().map_err(HandlerError::fail)?;
        let (execution, correlation_id) = (Some(self.execution_id), &self.event.correlation_id);
        let trace_parent = telemetry::here().or(self.event.trace_parent);
        let id = outbox::enqueue(&mut self.session, effect, key, execution, correlation_id, trace_parent).await?;
        self.left_work |= id.is_some();
        Ok(id)
    }
}
