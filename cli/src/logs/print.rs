//! Lines, as they are printed.

use std::io::Write;

use anyhow::Context as _;
use jiff::{Timestamp, civil::Date, tz::Offset};
use owo_colors::OwoColorize as _;

use super::{line::Line, remote::Found};
use crate::ui;

/// Prints lines as text, or as JSON for programs.
pub struct Printer {
    json: bool,
    /// Fields that every reader knows, with the value that is known.
    known: Vec<(&'static str, String)>,
    /// The one that the reader takes a time to be of.
    day: Option<Date>,
}

impl Printer {
    pub fn new(json: bool, known: Vec<(&'static str, String)>) -> Self {
        Self { json, known, day: None }
    }

    /// The day of this time was said already.
    pub fn on_the_day_of(self, at: Timestamp) -> Self {
        Self { day: Some(day(at)), ..self }
    }

    /// How many lines there were.
    pub fn found(&mut self, found: Found) -> anyhow::Result<usize> {
        let Found { newest, unread } = found;
        let (lines, cut) = newest.in_order();
        if cut {
            ui::note(&format!("older lines are left out: these are the newest {} (--limit)", lines.len()));
        }
        self.lines(&lines)?;
        if !unread.is_empty() {
            ui::note(&format!(
                "not all was read of {}, the latest lines are missing: give a shorter time with --since and --until",
                unread.join(", ")
            ));
        }
        Ok(lines.len())
    }

    pub fn lines(&mut self, lines: &[Line]) -> anyhow::Result<()> {
        self.write(&mut anstream::stdout().lock(), lines)
    }

    /// A line has the time only; a new day has a line of its own.
    fn write(&mut self, out: &mut impl Write, lines: &[Line]) -> anyhow::Result<()> {
        let known: Vec<_> = self.known.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for line in lines {
            if self.json {
                writeln!(out, "{}", ui::escaped(&serde_json::to_string(line).context("a line is no JSON")?))?;
                continue;
            }
            let day = day(line.at);
            if self.day.replace(day) != Some(day) {
                writeln!(out, "{}", format!("{day} (UTC)").dimmed())?;
            }
            writeln!(out, "{}", line.words(&known))?;
        }
        Ok(out.flush()?)
    }
}

fn day(at: Timestamp) -> Date {
    Offset::UTC.to_datetime(at).date()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use serde_json::{Map, Value};

    use super::*;
    use crate::logs::line::Level;

    fn line(at: &str, execution: &str) -> Line {
        let fields = Map::from_iter([("execution_id".into(), Value::from(execution))]);
        let (at, function, message) = (at.parse().unwrap(), "worker".into(), "done".into());
        Line { at, function, level: Level::Info, message, fields }
    }

    fn printed(printer: &mut Printer, lines: &[Line]) -> Vec<String> {
        let mut out = Vec::new();
        printer.write(&mut out, lines).unwrap();
        strip_str(std::str::from_utf8(&out).unwrap()).to_string().lines().map(Into::into).collect()
    }

    fn nights() -> [Line; 3] {
        ["2026-11-23T23:59:59Z", "2026-11-24T00:00:01Z", "2026-11-24T00:00:02Z"].map(|at| line(at, "a"))
    }

    #[test]
    fn a_new_day_has_a_line_of_its_own() {
        let mut printer = Printer::new(false, vec![("execution_id", "a".into())]);
        let told = printed(&mut printer, &nights());
        let (first, second) = ("2026-11-23 (UTC)", "2026-11-24 (UTC)");
        assert_eq!((told[0].as_str(), told[2].as_str(), told.len()), (first, second, 5));
        assert_eq!(told[1], "23:59:59.000 INFO  worker     done");
        // While following, the day is still known.
        let next = [line("2026-11-24T09:00:00Z", "a"), line("2026-11-25T09:00:00Z", "a")];
        let told = printed(&mut printer, &next);
        assert_eq!((told.len(), told[1].as_str()), (3, "2026-11-25 (UTC)"));
    }

    #[test]
    fn the_day_that_was_said_already_is_not_said_again() {
        let of = |at: &str| Printer::new(false, Vec::new()).on_the_day_of(at.parse().unwrap());
        let told = printed(&mut of("2026-11-23T10:00:00Z"), &nights());
        assert_eq!((told.len(), told[1].as_str()), (4, "2026-11-24 (UTC)"));
        let told = printed(&mut of("2026-11-24T00:00:01Z"), &nights());
        assert_eq!((told.len(), told[0].as_str()), (5, "2026-11-23 (UTC)"));
    }

    #[test]
    fn programs_get_lines_and_nothing_else() {
        let told = printed(&mut Printer::new(true, Vec::new()), &nights());
        assert_eq!(told.len(), 3);
        assert!(told.iter().all(|line| serde_json::from_str::<Value>(line).unwrap()["at"].is_string()), "{told:?}");
    }

    #[test]
    fn a_line_of_another_execution_shows_which() {
        let mut printer = Printer::new(false, vec![("execution_id", "a".into())]).on_the_day_of(Timestamp::UNIX_EPOCH);
        let at = "1970-01-01T00:00:01Z";
        let told = printed(&mut printer, &[line(at, "a"), line(at, "b")]);
        assert!(!told[0].contains("execution_id") && told[1].ends_with(" execution_id=b"), "{told:?}");
    }
}
