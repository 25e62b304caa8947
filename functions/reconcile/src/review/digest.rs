//! A review as one message: a line, since an alert is one, and 2,000 characters at most, since that is an alert's limit.

use std::fmt::Write as _;

use jiff::Timestamp;
use shared::{
    alerts::Severity,
    reviews::{Figures, Finding, Review},
};

/// Of an alert's message, in characters.
pub const LONGEST: usize = 2_000;
/// A finding's words in it.
const LONGEST_FINDING: usize = 400;

/// The worst findings first, as many as there is room for; then the month in figures, and where the rest is.
pub fn message(review: &Review) -> String {
    let figures = figures(&review.figures);
    let all = format!("Its commands take --stage <stage>. All of it: solo review show {} --stage <stage>", review.id);
    let room = LONGEST.saturating_sub(figures.chars().count() + all.chars().count() + 40);
    let mut text = format!("Review of {}: {}.", review.period, count(&review.findings));
    for (index, finding) in review.findings.iter().enumerate() {
        let line = shorten(&format!(" {}) {} -> {}.", index + 1, finding.what, finding.todo), LONGEST_FINDING);
        if text.chars().count() + line.chars().count() > room {
            let _ = write!(text, " And {} more.", review.findings.len() - index);
            break;
        }
        text.push_str(&line);
    }
    shorten(&format!("{text} {figures} {all}"), LONGEST)
}

/// `2 things to do, 1 to know`.
fn count(findings: &[Finding]) -> String {
    let urgent = findings.iter().filter(|finding| finding.severity > Severity::Info).count();
    let things = |count: usize| if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
    match (urgent, findings.len() - urgent) {
        (0, 0) => "nothing to do".to_owned(),
        (0, rest) => format!("{} to know", things(rest)),
        (urgent, 0) => format!("{} to do", things(urgent)),
        (urgent, rest) => format!("{} to do, {rest} to know", things(urgent)),
    }
}

/// `The month: 1204 events (3 dead), ...`.
fn figures(figures: &Figures) -> String {
    let grown = match figures.database_grown {
        Some(grown) if grown < 0 => format!(" (-{})", bytes(-grown)),
        Some(grown) => format!(" (+{})", bytes(grown)),
        None => String::new(),
    };
    let or_never = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), date);
    format!(
        "The month: {} events ({} dead), {} deployments ({} bad), {} alerts, {} failed jobs; the database has {}{grown}; \
         last backup {}, last drill {}.",
        figures.events,
        figures.events_dead,
        figures.deployments,
        figures.deployments_bad,
        figures.alerts,
        figures.job_failures,
        bytes(figures.database_bytes),
        or_never(figures.last_backup),
        or_never(figures.last_drill),
    )
}

/// `2026-11-22`.
pub(super) fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// `8.1 MB`.
#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
pub(super) fn bytes(count: i64) -> String {
    let mut rest = count as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if rest.abs() < 1_000.0 {
            return if unit == "bytes" { format!("{count} bytes") } else { format!("{rest:.1} {unit}") };
        }
        rest /= 1_000.0;
    }
    format!("{rest:.1} TB")
}

fn shorten(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some(_) => text.chars().take(longest - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn review(findings: Vec<Finding>) -> Review {
        let (at, period) = (Timestamp::UNIX_EPOCH, "2026-10-23 to 2026-11-22".to_owned());
        Review { id: Uuid::nil(), at, period, findings, figures: Figures::default() }
    }

    fn finding(severity: Severity, what: &str) -> Finding {
        Finding::new("area", severity, what, "do it")
    }

    #[test]
    fn a_digest_says_what_to_do_first_and_the_figures_last() {
        let text =
            message(&review(vec![finding(Severity::Warning, "it is old"), finding(Severity::Info, "it is new")]));
        let start = "Review of 2026-10-23 to 2026-11-22: 1 thing to do, 1 to know. 1) it is old -> do it. 2) it is new -> do it. The month: 0 events";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with(&format!("All of it: solo review show {} --stage <stage>", Uuid::nil())), "{text}");
        assert!(message(&review(Vec::new())).contains("nothing to do. The month"));
    }

    /// Whatever it holds, it fits, in one line that ends with where the rest is.
    #[test]
    fn a_digest_is_never_longer_than_an_alert_takes() {
        for (count, length) in [(1, 10_000), (30, 100), (200, 30), (9, 399), (4, 400)] {
            let what = "ü".repeat(length);
            let text = message(&review((0..count).map(|_| finding(Severity::Warning, &what)).collect()));
            assert!(text.chars().count() <= LONGEST, "{count} of {length}: {}", text.chars().count());
            assert!(text.contains("1) ü") && text.ends_with(&format!("{} --stage <stage>", Uuid::nil())), "{text}");
            assert_eq!(text.contains(" more. The month"), count > 4, "{count} of {length}: {text}");
        }
    }

    #[test]
    fn sizes_have_a_unit_that_fits() {
        for (count, shown) in
            [(0, "0 bytes"), (999, "999 bytes"), (8_123_456, "8.1 MB"), (-2_000, "-2.0 kB"), (i64::MAX, "9223372.0 TB")]
        {
            assert_eq!(bytes(count), shown);
        }
    }
}
