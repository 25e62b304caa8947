//! What one invocation has counted so far: by sender and type, or by why something was refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::catalogue::{Metric, Unit};

/// The embedded metric format takes no more values of one metric in one line. Those that come after them are left out.
pub(super) const MOST_VALUES: usize = 100;

/// What is said of everything that is not known here: no value of a stranger's becomes a dimension.
const UNKNOWN: &str = "unknown";
const OTHER: &str = "other";

/// The names that may stand in metrics.
#[derive(Debug, Default)]
pub struct Known {
    /// Of providers that are on, and of the door for first-party events.
    pub senders: BTreeSet<String>,
    /// `(sender, type)` of the events that a handler takes.
    pub types: BTreeSet<(String, String)>,
}

/// What a count is about.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// An event: its source and its type.
    Event(&'a str, &'a str),
    /// A request of this sender's that was refused with this `error`.
    Refusal(&'a str, &'static str),
    /// Several events, or none.
    Stage,
}

/// In this order, what is known of one event or refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub provider: Option<String>,
    pub event_type: Option<String>,
    pub reason: Option<&'static str>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub handler: Option<&'static str>,
    pub counts: BTreeMap<Metric, u64>,
    pub times: BTreeMap<Metric, Vec<f64>>,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    known: Arc<Known>,
    pub groups: BTreeMap<Subject, Group>,
    /// Of statements, whatever they were for.
    pub round_trips: Vec<f64>,
}

impl Tally {
    pub fn new(known: Arc<Known>) -> Self {
        Self { known, ..Self::default() }
    }

    pub fn count(&mut self, metric: Metric, about: About<'_>, by: u64) {
        debug_assert_eq!(metric.unit(), Unit::Count);
        let count = self.group(about).counts.entry(metric).or_default();
        *count = count.saturating_add(by);
    }

    pub fn time(&mut self, metric: Metric, about: About<'_>, took: Duration) {
        debug_assert_eq!(metric.unit(), Unit::Milliseconds);
        push(self.group(about).times.entry(metric).or_default(), took);
    }

    /// How long `handler` took for an event. A type of a source has one handler.
    pub fn handled(&mut self, about: About<'_>, handler: &'static str, took: Duration) {
        self.group(about).handler = Some(handler);
        self.time(Metric::HandlerDuration, about, took);
    }

    pub fn round_trip(&mut self, took: Duration) {
        push(&mut self.round_trips, took);
    }

    fn group(&mut self, about: About<'_>) -> &mut Group {
        let subject = match about {
            About::Event(source, event_type) => {
                Subject { event_type: Some(self.event_type(source, event_type)), ..self.of_sender(source) }
            }
            About::Refusal(sender, reason) => Subject { reason: Some(reason), ..self.of_sender(sender) },
            About::Stage => Subject::default(),
        };
        self.groups.entry(subject).or_default()
    }

    fn of_sender(&self, name: &str) -> Subject {
        let known = if self.known.senders.contains(name) { name } else { UNKNOWN };
        Subject { provider: Some(known.to_owned()), ..Subject::default() }
    }

    fn event_type(&self, source: &str, name: &str) -> String {
        let taken = self.known.types.iter().any(|(sender, taken)| sender == source && taken == name);
        if taken { name.to_owned() } else { OTHER.to_owned() }
    }
}

fn push(values: &mut Vec<f64>, took: Duration) {
    if values.len() < MOST_VALUES {
        values.push(milliseconds(took));
    }
}

/// To the microsecond.
pub(super) fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::new(Arc::new(Known {
            senders: BTreeSet::from(["stripe".to_owned()]),
            types: BTreeSet::from([("stripe".to_owned(), "invoice.paid".to_owned())]),
        }))
    }

    #[test]
    fn a_stranger_makes_no_metric() {
        let mut tally = tally();
        for n in 0..1_000 {
            let (name, event_type) = (format!("sender-{n}"), format!("type-{n}"));
            tally.count(Metric::Received, About::Event(&name, &event_type), 1);
            tally.count(Metric::Received, About::Event("stripe", &event_type), 1);
            tally.count(Metric::Rejected, About::Refusal(&name, "unknown_provider"), 1);
        }
        tally.count(Metric::Received, About::Event("stripe", "invoice.paid"), 1);
        let names: Vec<_> =
            tally.groups.keys().map(|subject| (subject.provider.as_deref(), subject.event_type.as_deref())).collect();
        let (stripe, unknown) = (Some("stripe"), Some(UNKNOWN));
        assert_eq!(
            names,
            [(stripe, Some("invoice.paid")), (stripe, Some(OTHER)), (unknown, None), (unknown, Some(OTHER))]
        );
    }

    #[test]
    fn values_are_bounded() {
        let mut tally = tally();
        for _ in 0..1_000 {
            tally.round_trip(Duration::from_millis(1));
            tally.handled(About::Event("stripe", "invoice.paid"), "record_payment", Duration::from_micros(1_500));
        }
        assert_eq!(tally.round_trips.len(), MOST_VALUES);
        let group = tally.groups.values().next().unwrap();
        assert_eq!((group.handler, group.times[&Metric::HandlerDuration].len()), (Some("record_payment"), MOST_VALUES));
        assert!((group.times[&Metric::HandlerDuration][0] - 1.5).abs() < f64::EPSILON);
    }
}
