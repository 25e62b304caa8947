//! Prometheus's text format, version 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! Gauges only: an environment lives for minutes, so a counter in it would start anew all the time. Sixty lines and no crate: those
//! that exist write `OpenMetrics`, or bring a registry of counters along.

use std::fmt::{self, Write as _};

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page, family by family. A family is written once.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// `samples` are labels and a value each. Nothing is written when there are none.
    pub fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, f64)>,
    ) {
        for (place, (labels, value)) in samples.into_iter().enumerate() {
            // A String takes everything.
            let _ = if place == 0 { self.head(name, help) } else { Ok(()) };
            let _ = self.sample(name, &labels, value);
        }
    }

    pub fn into_text(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, help: &str) -> fmt::Result {
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge")
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            write!(self.0, "{}{label}=\"{text}\"", if place == 0 { '{' } else { ',' })?;
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        match value {
            // As Go reads them, and not as Rust writes them.
            f64::INFINITY => writeln!(self.0, " +Inf"),
            f64::NEG_INFINITY => writeln!(self.0, " -Inf"),
            value => writeln!(self.0, " {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(help: &str, samples: &[(&[(&str, &str)], f64)]) -> String {
        let mut page = Page::default();
        page.gauges("a", help, samples.iter().map(|(labels, value)| (labels.to_vec(), *value)));
        page.into_text()
    }

    #[test]
    fn a_family_has_its_head_once() {
        let text = page("What.", &[(&[("x", "1")], 1.0), (&[("x", "2"), ("y", "")], 0.25)]);
        assert_eq!(text, "# HELP a What.\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\",y=\"\"} 0.25\n");
        assert_eq!(page("What.", &[]), "", "nothing of a family without samples");
    }

    #[test]
    fn values_are_written_as_prometheus_reads_them() {
        let text = |value| page("", &[(&[], value)]).lines().last().unwrap().to_owned();
        assert_eq!(text(1_763_800_000.123_456), "a 1763800000.123456");
        assert_eq!(text(10_001.0), "a 10001");
        assert_eq!(text(1e21), "a 1000000000000000000000");
        assert_eq!(
            (text(f64::INFINITY), text(f64::NEG_INFINITY), text(f64::NAN)),
            ("a +Inf".into(), "a -Inf".into(), "a NaN".into())
        );
    }

    #[test]
    fn what_would_end_a_label_or_a_line_is_escaped() {
        assert_eq!(
            page("1 \\ 2\n3 \"", &[(&[("x", "\\n\"\n\\")], 1.0)]),
            concat!("# HELP a 1 \\\\ 2\\n3 \"\n# TYPE a gauge\n", "a{x=\"\\\\n\\\"\\n\\\\\"} 1\n",)
        );
    }
}
