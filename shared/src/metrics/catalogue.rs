//! Every metric there is, with its unit and the dimension sets that CloudWatch keeps it under.
//!
//! Each dimension set with each of its values is a metric of its own to CloudWatch, 0.30 USD a month while it gets values.
//! So there are few, and their values are ours: names of providers that are on, of handlers, of functions, and error codes.
//! `infra/tests/checks/metrics.py` reads this file: alarms and the dashboard may name nothing else.

use serde::Serialize;

/// The names of the members whose values tell metrics of one name apart. The namespace tells the stages apart.
pub type DimensionSet = &'static [&'static str];

const STAGE: DimensionSet = &[];
const PROVIDER: DimensionSet = &["Provider"];
const REASON: DimensionSet = &["Reason"];
const HANDLER: DimensionSet = &["Handler"];
const FUNCTION: DimensionSet = &["Function"];

/// As CloudWatch spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    Count,
    Milliseconds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Verified events that came to the door.
    Received,
    /// Attempts that ended well.
    Processed,
    /// Attempts that failed, and will be followed by others.
    Failed,
    /// Events that went to the dead letters.
    Dead,
    /// Deliveries of what was here already.
    Duplicate,
    /// Attempts after an event's first.
    Retried,
    /// Events that the door put on the queue.
    Queued,
    /// Requests that the door refused, by the `error` of the answer.
    Rejected,
    /// How long a handler ran in an attempt that ended well.
    HandlerDuration,
    /// From the time that the event names to its completion.
    EndToEndLatency,
    /// A statement on its way to the database and back, with what the server did for it.
    RoundTrip,
    /// A cold start: from the start of the process to the first poll for an event.
    InitDuration,
}

impl Metric {
    pub const ALL: [Self; 12] = [
        Self::Received,
        Self::Processed,
        Self::Failed,
        Self::Dead,
        Self::Duplicate,
        Self::Retried,
        Self::Queued,
        Self::Rejected,
        Self::HandlerDuration,
        Self::EndToEndLatency,
        Self::RoundTrip,
        Self::InitDuration,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "Received",
            Self::Processed => "Processed",
            Self::Failed => "Failed",
            Self::Dead => "Dead",
            Self::Duplicate => "Duplicate",
            Self::Retried => "Retried",
            Self::Queued => "Queued",
            Self::Rejected => "Rejected",
            Self::HandlerDuration => "HandlerDuration",
            Self::EndToEndLatency => "EndToEndLatency",
            Self::RoundTrip => "RoundTrip",
            Self::InitDuration => "InitDuration",
        }
    }

    pub const fn unit(self) -> Unit {
        match self {
            Self::HandlerDuration | Self::EndToEndLatency | Self::RoundTrip | Self::InitDuration => Unit::Milliseconds,
            _ => Unit::Count,
        }
    }

    #[expect(clippy::match_same_arms, reason = "a line for each")]
    pub const fn dimensions(self) -> &'static [DimensionSet] {
        match self {
            Self::Received => &[STAGE, PROVIDER],
            Self::Processed => &[STAGE],
            Self::Failed => &[STAGE, PROVIDER],
            Self::Dead => &[STAGE, PROVIDER],
            Self::Duplicate => &[STAGE],
            Self::Retried => &[STAGE],
            Self::Queued => &[STAGE],
            Self::Rejected => &[STAGE, REASON],
            Self::HandlerDuration => &[HANDLER],
            Self::EndToEndLatency => &[STAGE, PROVIDER],
            Self::RoundTrip => &[STAGE],
            Self::InitDuration => &[FUNCTION],
        }
    }
}
