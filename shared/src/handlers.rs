//! Handlers: what the founder writes. A handler takes a typed event and writes to the database, in a transaction that
//! the platform opens, completes and commits. Either all of it happened, once, or none of it.
//!
//! Deliberately absent: calls to others from within a handler. They would happen again with every retry.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    alerts::{self, Severity},
    db::{DbError, Params, Session},
    events::{Decoded, Envelope, Event, EventType, FIRST_PARTY, FieldError, InvalidPayload, MAX_KEY, contracts},
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
            return Err(HandlerError::fail(format!("{key:?} is not an idempotency key: 1 to {MAX_KEY} bytes of text")));
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

/// Why a handler gave up, and whether trying again makes sense. The text is kept with the attempt and logged: leave
/// personal data and secrets out of it.
#[derive(Debug)]
pub struct HandlerError {
    pub(crate) message: String,
    pub(crate) permanent: bool,
    pub(crate) retry_after: Option<Duration>,
    /// In place of the message for the table of errors and the tracker, when it quotes data.
    pub(crate) told: Option<String>,
}

impl HandlerError {
    /// It may work later: tried again with growing waits until the attempts are spent.
    pub fn retry(error: impl std::fmt::Display) -> Self {
        Self { message: error.to_string(), permanent: false, retry_after: None, told: None }
    }

    /// As [`HandlerError::retry`], but not before `wait` is over (24 h at most).
    pub fn retry_after(error: impl std::fmt::Display, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::retry(error) }
    }

    /// It will never work: straight to the dead letters.
    pub fn fail(error: impl std::fmt::Display) -> Self {
        Self { permanent: true, ..Self::retry(error) }
    }
}

impl From<DbError> for HandlerError {
    /// What PostgreSQL says of data that does not fit quotes it.
    fn from(error: DbError) -> Self {
        let told = error.is_unfit_data().then(|| match error.sqlstate() {
            Some(code) => format!("the database refused the data (SQLSTATE {code})"),
            None => "the database refused the data".to_owned(),
        });
        Self { told, ..Self::retry(error) }
    }
}

type Running<'r> = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + 'r>>;

/// A handler together with the decoded event that it is about to get.
pub(crate) trait Job: Send {
    fn name(&self) -> &'static str;
    fn rerun_after_crash(&self) -> bool;
    fn run<'r>(self: Box<Self>, context: &'r mut Context<'_>) -> Running<'r>;
}

struct Prepared<H: Handler> {
    handler: Arc<H>,
    event: H::Event,
}

impl<H: Handler> Job for Prepared<H> {
    fn name(&self) -> &'static str {
        H::NAME
    }

    fn rerun_after_crash(&self) -> bool {
        H::RERUN_AFTER_CRASH
    }

    fn run<'r>(self: Box<Self>, context: &'r mut Context<'_>) -> Running<'r> {
        Box::pin(async move { self.handler.handle(self.event, context).await })
    }
}

/// What the registry makes of an event.
pub enum Resolution {
    /// A handler, and the event in the form that it takes.
    Ready(Ready),
    /// There is no handler for this type from this source, or the event asks for nothing.
    Unhandled { known_type: bool },
    /// The data is not what its type and version promise.
    Invalid(InvalidPayload),
}

pub struct Ready {
    pub(crate) job: Box<dyn Job>,
    pub(crate) flags: Arc<Flags>,
}

type Prepare = Box<dyn Fn(&Envelope, &Arc<Flags>) -> Resolution + Send + Sync>;

/// Which handler takes what. It is also the one registry of event types: what is taken and what is published follow from it.
#[derive(Default)]
pub struct Handlers {
    table: HashMap<(&'static str, &'static str), Prepare>,
    /// Names of handlers that must not be rerun after a crash.
    once: Vec<&'static str>,
    /// The first-party types, by their names.
    types: BTreeMap<&'static str, EventType>,
    flags: Arc<Flags>,
}

impl Handlers {
    pub fn new() -> Self {
        Self::default()
    }

    /// What handlers find in [`Context::flags`]. Without it every flag is unknown, and so off.
    #[must_use]
    pub fn with_flags(mut self, flags: Flags) -> Self {
        self.flags = Arc::new(flags);
        self
    }

    /// Gives events of `event_type` from `source` (a provider's name, or [`FIRST_PARTY`]) to `handler`.
    /// The latest registration of a pair counts.
    #[must_use]
    pub fn on<H: Handler>(mut self, source: &'static str, event_type: &'static str, handler: H) -> Self {
        let handler = Arc::new(handler);
        let prepare = move |envelope: &Envelope, flags: &Arc<Flags>| match H::Event::decode(envelope) {
            Ok(Decoded::Event(event)) => {
                let job = Box::new(Prepared { handler: Arc::clone(&handler), event });
                Resolution::Ready(Ready { job, flags: Arc::clone(flags) })
            }
            Ok(Decoded::Nothing) => Resolution::Unhandled { known_type: true },
            Err(invalid) => Resolution::Invalid(invalid),
        };
        self.table.insert((source, event_type), Box::new(prepare));
        if !H::RERUN_AFTER_CRASH && !self.once.contains(&H::NAME) {
            self.once.push(H::NAME);
        }
        if source == FIRST_PARTY {
            self.types.insert(event_type, EventType { name: event_type, versions: contracts::<H::Event>() });
        }
        self
    }

    /// The names of the handlers that must not be rerun after a crash.
    pub fn once(&self) -> &[&'static str] {
        &self.once
    }

    pub fn resolve(&self, envelope: &Envelope) -> Resolution {
        match self.table.get(&(envelope.source.as_str(), envelope.event_type.as_str())) {
            // A panic in reading the data is the data's fault as far as anyone can tell, and nobody else's.
            Some(prepare) => catch_unwind(AssertUnwindSafe(|| prepare(envelope, &self.flags))).unwrap_or_else(|_| {
                let problem = "reading it panicked: its type's `decode` has a bug";
                Resolution::Invalid(InvalidPayload::of(FieldError::new("", problem)))
            }),
            None => Resolution::Unhandled { known_type: false },
        }
    }

    /// The types that clients of `POST /events` may send, sorted by name.
    pub fn event_types(&self) -> Vec<EventType> {
        self.types.values().cloned().collect()
    }

    /// Every `(source, type)` that has a handler, sorted.
    pub fn routes(&self) -> Vec<(&'static str, &'static str)> {
        let mut routes: Vec<_> = self.table.keys().copied().collect();
        routes.sort_unstable();
        routes
    }
}
