//! Lines in CloudWatch's embedded metric format, held to its specification
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>)
//! and to the catalogue in [`shared::metrics`].

use std::collections::BTreeSet;

use serde_json::Value;
use shared::{clock, metrics::Metric};

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>, as far as it is used here.
const UNITS: [&str; 2] = ["Count", "Milliseconds"];

/// The lines of a log that are metrics. Each of them is valid, or this panics.
pub fn emf_lines(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<Value> = lines.filter(|line| line.get("_aws").is_some()).collect();
    lines.iter().for_each(check);
    lines
}

/// The names of the metrics that a line brings under these dimensions.
pub fn emitted(line: &Value, dimensions: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        if texts(&directive["Dimensions"][0]) == dimensions {
            names
                .extend(directive["Metrics"].as_array().unwrap().iter().map(|metric| text(&metric["Name"]).to_owned()));
        }
    }
    names
}

fn check(line: &Value) {
    assert!(line.to_string().len() < 256 * 1024, "{line}");
    let metadata = &line["_aws"];
    let at = metadata["Timestamp"].as_i64().expect("a time in milliseconds");
    // At most 14 days old and 2 h ahead; ours is now.
    assert!((clock::now().as_millisecond() - at).abs() < 600_000, "{line}");
    let directives = metadata["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty(), "it is no metric: {line}");
    for directive in directives {
        let namespace = text(&directive["Namespace"]);
        assert!((1..=1024).contains(&namespace.len()), "{line}");
        let sets = directive["Dimensions"].as_array().unwrap();
        assert_eq!(sets.len(), 1, "{line}");
        let set = texts(&sets[0]);
        assert!(set.len() <= 30, "{line}");
        for name in &set {
            // 1,024 characters are allowed; ours are names.
            assert!((1..=128).contains(&text(&line[name]).len()), "{name} of {line}");
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()), "{line}");
        for metric in metrics {
            check_metric(line, metric, &set);
        }
    }
}

fn check_metric(line: &Value, metric: &Value, set: &[&str]) {
    let name = text(&metric["Name"]);
    assert!(UNITS.contains(&text(&metric["Unit"])), "{line}");
    let values = match &line[name] {
        Value::Array(values) => values.clone(),
        value => vec![value.clone()],
    };
    assert!((1..=100).contains(&values.len()), "{name} of {line}");
    for value in values {
        let number = value.as_f64().unwrap_or_else(|| panic!("{name} is {value} in {line}"));
        assert!(number.is_finite() && number >= 0.0, "{name} is {number} in {line}");
    }
    let known = Metric::ALL.into_iter().find(|known| known.name() == name).unwrap_or_else(|| panic!("{name}"));
    assert!(known.dimensions().contains(&set), "{name} by {set:?} in {line}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(text).collect()
}
