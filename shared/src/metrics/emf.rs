//! CloudWatch's embedded metric format: a line of the log that says which of its members are metrics
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//!
//! The dimension sets of a line share its members, so a line is about one sender, one type and one handler. An invocation
//! for one event writes one; a batch one for each kind of event in it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    catalogue::{DimensionSet, Metric, Unit},
    tally::{Group, Subject},
};

/// What is the same for all lines of an invocation.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub namespace: &'a str,
    pub function: &'static str,
    pub request_id: &'a str,
    pub now: Timestamp,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "_aws")]
    metadata: Metadata<'a>,
    // As in the other lines of the log. Lambda passes on those of `INFO` and above, and takes these for that.
    timestamp: Timestamp,
    level: &'static str,
    service: &'static str,
    message: &'static str,
    #[serde(flatten)]
    members: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    /// Milliseconds since 1970.
    timestamp: i64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: Vec<Directive<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [DimensionSet; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: Unit,
}

/// One line, without its end. `None` when there is nothing to say.
pub(super) fn line(frame: Frame<'_>, subject: &Subject, group: &Group) -> Option<String> {
    let values = values(group);
    if values.is_empty() {
        return None;
    }
    let mut members = members(frame, subject, group);
    let mut sets: BTreeMap<DimensionSet, Vec<Definition>> = BTreeMap::new();
    for (metric, value) in values {
        for set in metric.dimensions() {
            // A zero is for the stage's ratios. Of each provider it would be a metric for nothing.
            let counts = set.is_empty() || value != 0;
            if counts && set.iter().all(|name| members.contains_key(*name)) {
                sets.entry(*set).or_default().push(Definition { name: metric.name(), unit: metric.unit() });
            }
        }
        members.insert(metric.name().to_owned(), value);
    }
    let directives = sets
        .into_iter()
        .map(|(set, metrics)| Directive { namespace: frame.namespace, dimensions: [set], metrics })
        .collect();
    let line = Line {
        metadata: Metadata { timestamp: frame.now.as_millisecond(), directives },
        timestamp: frame.now,
        level: "INFO",
        service: "solo-os",
        message: "metrics",
        members,
    };
    serde_json::to_string(&line).ok()
}

/// What is said besides: dimensions, and what is only to be searched.
fn members(frame: Frame<'_>, subject: &Subject, group: &Group) -> Map<String, Value> {
    let said = [
        ("Function", Some(frame.function)),
        ("Provider", subject.provider.as_deref()),
        ("EventType", subject.event_type.as_deref()),
        ("Handler", group.handler),
        ("Reason", subject.reason),
        ("requestId", Some(frame.request_id).filter(|id| !id.is_empty())),
    ];
    said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))).collect()
}

/// Of each metric one number, or several. An attempt's three ways to end are there together: an alarm divides them.
fn values(group: &Group) -> BTreeMap<Metric, Value> {
    const ENDS: [Metric; 3] = [Metric::Processed, Metric::Failed, Metric::Dead];
    let mut all: BTreeMap<Metric, Value> = BTreeMap::new();
    if ENDS.iter().any(|end| group.counts.contains_key(end)) {
        all.extend(ENDS.map(|end| (end, Value::from(0))));
    }
    all.extend(group.counts.iter().map(|(metric, count)| (*metric, Value::from(*count))));
    for (metric, times) in &group.times {
        let value = if let [one] = times[..] { Value::from(one) } else { Value::from(times.clone()) };
        all.insert(*metric, value);
    }
    all
}
