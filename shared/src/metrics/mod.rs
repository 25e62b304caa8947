//! Metrics: what an invocation counted, as lines of the log that CloudWatch makes metrics of. No call, no agent, no wait.
//!
//! Whoever has something to count calls [`count`], [`handled`], ...; outside of an invocation that is metered (in tests, in
//! the CLI, with the text format of a person's terminal) that does nothing. [`Meter`] wraps invocations and writes.
//! Deliberately absent: values of strangers' in any dimension ([`Known`] bounds them), and sums over invocations: CloudWatch
//! adds. The choice of the format and of the code for it is in `docs/decisions/0018-metrics.md`.

mod catalogue;
mod emf;
mod tally;

pub use catalogue::{DimensionSet, Metric, Unit};
pub use tally::{About, Known};

use std::{
    cell::RefCell,
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    clock,
    config::SoloToml,
    events::{Envelope, FIRST_PARTY},
    executions::{Due, Owned},
    handlers::Handlers,
    runner::{Outcome, State},
    telemetry::LogFormat,
};
use emf::{Frame, line};
use tally::{Group, Subject, Tally, milliseconds};

/// Where metrics go, unless `METRICS_NAMESPACE` names another place.
pub const NAMESPACE: &str = "SoloOS";

/// The latency of an event that is older when it is done says nothing of us: it was imported, or replayed.
const OLDEST: Duration = Duration::from_hours(24);

tokio::task_local! {
    static CURRENT: RefCell<Tally>;
}

/// Adds to a count.
pub fn count(metric: Metric, about: About<'_>, by: usize) {
    record(|tally| tally.count(metric, about, u64::try_from(by).unwrap_or(u64::MAX)));
}

/// A handler ended well, after this time.
pub fn handled(event: &Envelope, handler: &'static str, took: Duration) {
    record(|tally| tally.handled(About::Event(&event.source, &event.event_type), handler, took));
}

/// A statement was answered after this time.
pub(crate) fn round_trip(took: Duration) {
    record(|tally| tally.round_trip(took));
}

/// What became of an event, of this source and type, from this time.
pub fn settled(source: &str, event_type: &str, occurred_at: Option<Timestamp>, outcome: &Outcome) {
    let about = About::Event(source, event_type);
    let metric = match outcome.state {
        _ if !outcome.fresh => Metric::Duplicate,
        State::Completed => Metric::Processed,
        State::WillRetry { .. } => Metric::Failed,
        State::Dead => Metric::Dead,
        State::AlreadyCompleted | State::InProgress | State::Ignored => return,
    };
    count(metric, about, 1);
    let age = occurred_at.and_then(|at| Duration::try_from(clock::now().duration_since(at)).ok());
    if let (Metric::Processed, Some(age)) = (metric, age.filter(|age| *age <= OLDEST)) {
        record(|tally| tally.time(Metric::EndToEndLatency, about, age));
    }
}

/// A delivery took an event: for the first time, or once more.
pub(crate) fn claimed(event: &Envelope, owned: &Owned) {
    let about = About::Event(&event.source, &event.event_type);
    if owned.attempt > 1 {
        count(Metric::Retried, about, 1);
    }
    if owned.after_crash {
        count(Metric::Failed, about, 1);
    }
}

/// What became of an execution that was due. One that asks for nothing any more is no attempt.
pub fn retried(due: &Due, outcome: &Outcome) {
    if outcome.state != State::Ignored {
        count(Metric::Retried, About::Event(&due.source, &due.event_type), 1);
    }
    settled(&due.source, &due.event_type, due.occurred_at, outcome);
}

fn record(write: impl FnOnce(&mut Tally)) {
    // Without a tally nobody listens.
    let _unheard = CURRENT.try_with(|tally| write(&mut tally.borrow_mut()));
}

type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// What one environment holds from init on: it writes a line for each invocation that had something to count.
pub struct Meter {
    /// Nothing is written without it.
    sink: Option<Sink>,
    namespace: String,
    function: &'static str,
    known: Arc<Known>,
    /// How long init took, until it was told.
    init: Mutex<Option<Duration>>,
}

impl Meter {
    /// For `function`, to standard output; only in JSON, which is for machines. `None` for [`NAMESPACE`].
    pub fn new(function: &'static str, namespace: Option<String>, format: LogFormat, known: Known) -> Self {
        let sink: Option<Sink> = match format {
            LogFormat::Json => Some(Box::new(print)),
            LogFormat::Text => None,
        };
        let namespace = namespace.unwrap_or_else(|| NAMESPACE.to_owned());
        Self { sink, namespace, function, known: Arc::new(known), init: Mutex::default() }
    }

    /// Writes lines elsewhere.
    #[must_use]
    pub fn to(self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { sink: Some(Box::new(sink)), ..self }
    }

    /// Init is over, and began then.
    #[must_use]
    pub fn started(self, began: Instant) -> Self {
        Self { init: Mutex::new(Some(began.elapsed())), ..self }
    }

    /// Runs one invocation, and writes what it counted, also when it panics or is dropped.
    pub async fn invocation<F: Future>(&self, request_id: &str, invocation: F) -> F::Output {
        if self.sink.is_none() {
            return invocation.await;
        }
        let counted = async {
            let _told = Told { meter: self, request_id };
            invocation.await
        };
        CURRENT.scope(RefCell::new(Tally::new(Arc::clone(&self.known))), counted).await
    }

    fn tell(&self, request_id: &str, tally: &Tally) {
        let Some(sink) = &self.sink else { return };
        let frame = Frame { namespace: &self.namespace, function: self.function, request_id, now: clock::now() };
        let init = self.init.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut groups = tally.groups.clone();
        if groups.is_empty() && init.is_some() {
            groups.insert(Subject::default(), Group::default());
        }
        // What belongs to the invocation as a whole goes into its first line.
        if let Some(mut first) = groups.first_entry() {
            let times = &mut first.get_mut().times;
            if !tally.round_trips.is_empty() {
                times.insert(Metric::RoundTrip, tally.round_trips.clone());
            }
            if let Some(init) = init {
                times.insert(Metric::InitDuration, vec![milliseconds(init)]);
            }
        }
        for line in groups.iter().filter_map(|(subject, group)| line(frame, subject, group)) {
            sink(&line);
        }
    }
}

/// Tells when it is dropped, wherever the invocation ends.
struct Told<'m> {
    meter: &'m Meter,
    request_id: &'m str,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let _unheard = CURRENT.try_with(|tally| self.meter.tell(self.request_id, &tally.borrow()));
    }
}

impl Known {
    /// The providers that are on, and the types that have a handler.
    pub fn of(file: &SoloToml, handlers: &Handlers) -> Self {
        let on = file.providers.iter().filter(|(_, settings)| settings.enabled).map(|(name, _)| name.clone());
        let types = handlers.routes().into_iter().map(|(source, taken)| (source.to_owned(), taken.to_owned()));
        Self { senders: on.chain([FIRST_PARTY.to_owned()]).collect(), types: types.collect() }
    }
}

/// In one piece, between the lines of the log.
fn print(line: &str) {
    let mut stdout = std::io::stdout().lock();
    // Nobody could be told that nobody can be told.
    let _lost = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
