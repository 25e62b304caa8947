//! At a terminal: redrawn in place.

use std::io::{self, Write as _, stdout};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use ops::ExecutionSummary;
use shared::clock;

use super::{Shown, look::Seen};
use crate::{
    executions,
    status::{Part, Report, judge, screen},
    ui,
    when::distance,
};

/// Another buffer of the terminal, without a cursor, in which a line that is too long is cut: one that goes on in the next would
/// scroll the others away. And back, as if nothing had been.
pub(super) const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
pub(super) const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const END_OF_LINE: &str = "\x1b[K\n";
const REST_OF_SCREEN: &str = "\x1b[J";

/// The terminal, as it is left when this is dropped.
pub struct Screen;

impl Screen {
    pub fn enter() -> anyhow::Result<Self> {
        control(ENTER)?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is there any more to be told.
        let _ = control(LEAVE);
    }
}

/// Past anstream, which takes everything but text out when no colours are wanted.
fn control(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

impl Shown for Screen {
    fn show(&mut self, report: &Report, seen: &Part<Seen>) -> anyhow::Result<()> {
        let (width, height) = ui::size();
        let text = content(report, seen, width);
        let plain = AutoStream::choice(&stdout()) == ColorChoice::Never;
        let text = if plain { strip_str(&text).to_string() } else { text };
        Ok(control(&frame(&text, height))?)
    }
}

/// What stands on it, if it were high enough.
pub(super) fn content(report: &Report, seen: &Part<Seen>, width: usize) -> String {
    // Erasing what is behind a line that fills its last column takes the last character.
    let width = width.saturating_sub(1);
    screen(report, &judge(report), width) + "\n" + &table(seen, width)
}

/// What draws it over what was there.
pub(super) fn frame(text: &str, height: usize) -> String {
    // The last line of a terminal scrolls it when it ends.
    let lines: Vec<_> = text.lines().take(height.saturating_sub(1)).collect();
    [HOME, &lines.join(END_OF_LINE), END_OF_LINE, REST_OF_SCREEN].concat()
}

fn table(seen: &Part<Seen>, width: usize) -> String {
    let seen = match seen {
        Part::There(seen) => seen,
        Part::Missing { problem } => return format!("Executions: not known: {}", ui::shorten(problem, width)),
    };
    if seen.all().next().is_none() {
        return "No executions yet.".into();
    }
    let now = clock::now();
    // The type comes last, as a terminal that is too narrow cuts it: its beginning says most, and half an id is none.
    let row = |it: &ExecutionSummary| {
        vec![
            distance(it.received_at, now),
            it.id.to_string(),
            ui::shorten(&executions::status(it), 24),
            ui::shorten(&it.source, 16),
            ui::shorten(&it.event_type, 60),
        ]
    };
    let table = ui::table(&["received", "id", "status", "source", "type"], seen.all().map(row).collect());
    match (seen.replayed.len(), seen.unfollowed) {
        (0, _) => table,
        (count, false) => format!("Just replayed: the first {count}.\n{table}"),
        (count, true) => {
            format!("Just replayed: the first {count}, and others (solo audit --operation replay).\n{table}")
        }
    }
}
