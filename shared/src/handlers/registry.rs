//! Which handler takes what.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};

use super::{Context, Handler, HandlerError};
use crate::{
    events::{Decoded, Envelope, Event, EventType, FIRST_PARTY, FieldError, InvalidPayload, contracts},
    flags::Flags,
};

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
