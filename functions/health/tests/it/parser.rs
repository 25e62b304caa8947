//! Reads Prometheus's text format, by strict rules.

use std::collections::{BTreeMap, BTreeSet};

/// Samples by what stands before their value: `a{b="c"}`.
pub type Samples = BTreeMap<String, f64>;

/// A reader of the format that knows nothing of what wrote it. It refuses what Prometheus would bear but should not have to.
pub fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n') && !text.contains("\n\n") && !text.contains('\r'), "{text:?}");
    let (mut samples, mut closed) = (Samples::new(), BTreeSet::new());
    let mut open: Option<String> = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(head) = line.strip_prefix("# HELP ") {
            let (name, help) = head.split_once(' ').expect("a HELP has words");
            assert!(!help.is_empty() && is_name(name), "{line}");
            assert_eq!(lines.next(), Some(format!("# TYPE {name} gauge").as_str()), "the TYPE follows its HELP");
            closed.extend(open.replace(name.to_owned()));
            assert!(!closed.contains(name), "{name} comes twice");
            assert!(lines.peek().is_some_and(|next| !next.starts_with('#')), "{name} has samples");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let (name, labels) = series.split_once('{').map_or((series, None), |(name, rest)| (name, Some(rest)));
        assert_eq!(Some(name), open.as_deref(), "a sample stands under its own head: {line}");
        if let Some(labels) = labels {
            check_labels(labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}")));
        }
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
        assert!(samples.insert(series.to_owned(), value).is_none(), "{series} comes twice");
    }
    samples
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

/// `a="b",c="d"`, with only the escapes that there are.
fn check_labels(labels: &str) {
    let (mut rest, mut names) = (labels, BTreeSet::new());
    loop {
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{labels}"));
        assert!(is_name(name) && names.insert(name), "{labels}");
        let mut letters = value.char_indices();
        let end = loop {
            match letters.next().unwrap_or_else(|| panic!("{labels} does not end")) {
                (_, '\\') => assert!(matches!(letters.next(), Some((_, '\\' | '"' | 'n'))), "{labels}"),
                (at, '"') => break at,
                _ => {}
            }
        };
        match value[end + 1..].strip_prefix(',') {
            Some(more) => rest = more,
            None => return assert_eq!(&value[end + 1..], "", "{labels}"),
        }
    }
}
