//! What a person sees: steps with their times, tables, errors. Colours only on a terminal, and not with `NO_COLOR`.

use std::process::ExitCode;

use comfy_table::{Table, presets};
use ops::Cursor;
use owo_colors::OwoColorize as _;
use tokio::time::Instant;

/// A step that takes a while; a line with its time when it is done. Steps may run side by side.
pub struct Step {
    what: &'static str,
    started: Instant,
}

impl Step {
    pub fn start(what: &'static str) -> Self {
        Self { what, started: Instant::now() }
    }

    pub fn done(self, detail: &str) {
        let took = format!("{:.1} s", self.started.elapsed().as_secs_f64());
        anstream::eprintln!("  {} {:<22} {detail} {}", "✓".green(), self.what, format!("({took})").dimmed());
    }
}

pub fn heading(text: &str) {
    anstream::eprintln!("\n{}", text.bold());
}

pub fn note(text: &str) {
    anstream::eprintln!("  {}", text.dimmed());
}

/// A table without lines: columns that line up under a header in capitals.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    // The table pads the last column, too.
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Names and values, in two columns.
pub fn print_fields(fields: &[(&str, String)]) {
    for (name, value) in fields {
        println!("{name:<15} {}", plain(value));
    }
}

pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// How a list is cut into pages.
// Flattened into other commands' arguments, whose group has the same name.
#[derive(clap::Args)]
#[group(skip)]
pub struct PageArguments {
    /// How many at most (1 to 200).
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub limit: u16,
    /// Go on where the page before ended: what it printed as the next page.
    #[arg(long, value_parser = parse_cursor)]
    pub after: Option<Cursor>,
    /// For programs: one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Under a page: how to get the next one.
pub fn print_next(next: Option<Cursor>) {
    if let Some(Cursor { at, id }) = next {
        println!("More: --after {at}/{id}");
    }
}

pub fn parse_cursor(text: &str) -> Result<Cursor, String> {
    let parts = text.split_once('/').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    let (at, id) = parts.ok_or("it is what the page before printed after --after")?;
    Ok(Cursor { at, id })
}

/// How many columns and lines there are; 100 and 50 where there is no terminal.
pub fn size() -> (usize, usize) {
    let size = terminal_size::terminal_size();
    size.map_or((100, 50), |(terminal_size::Width(columns), terminal_size::Height(lines))| {
        (columns.into(), lines.into())
    })
}

/// The beginning of a text, in one line.
pub fn shorten(text: &str, longest: usize) -> String {
    let line = plain(text).replace('\n', " ");
    match line.char_indices().nth(longest) {
        Some(_) => line.chars().take(longest - 1).chain(['…']).collect(),
        None => line,
    }
}

/// Texts come from strangers' bytes, too: nothing in them may steer the terminal.
pub fn plain(text: &str) -> String {
    text.replace(|character: char| character.is_control() && character != '\n', "\u{fffd}")
}

/// Whoever read our output has seen enough (`| head`): that is an end, and no failure.
pub fn unless_closed(result: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let closed = |error: &anyhow::Error| {
        let io = error.downcast_ref::<std::io::Error>();
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    match result {
        Err(error) if closed(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

/// Prints an error with its causes, the outermost first.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    anstream::eprintln!("\n{} {error}", "error:".red().bold());
    for cause in error.chain().skip(1) {
        anstream::eprintln!("  {cause}");
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_to_a_line() {
        assert_eq!(shorten("fits", 4), "fits");
        assert_eq!(shorten("é\né\u{1b}é", 4), "é é…");
    }

    #[test]
    fn what_was_printed_leads_to_the_next_page() {
        let text = "2026-11-20T08:00:00.000001Z/0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11";
        let Cursor { at, id } = parse_cursor(text).unwrap();
        assert_eq!(format!("{at}/{id}"), text);
        assert!(parse_cursor("2026-11-20T08:00:00Z").is_err());
    }
}
