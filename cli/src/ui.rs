//! What a person sees: steps with their times, tables, errors. Colours only on a terminal, and not with `NO_COLOR`.

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context as _;
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
        anstream::eprintln!("  {} {:<22} {} {}", "✓".green(), self.what, plain(detail), format!("({took})").dimmed());
    }
}

pub fn heading(text: &str) {
    anstream::eprintln!("\n{}", plain(text).bold());
}

pub fn note(text: &str) {
    anstream::eprintln!("  {}", plain(text).dimmed());
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

/// Prints a text, and ends its line. Whoever reads may have seen enough (`| head`): that is no failure, and the command goes on to
/// its end, and to the exit code that it would have had.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_to(&mut anstream::stdout().lock(), text)
}

fn print_to(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("the output cannot be written"),
    }
}

pub fn print_fields(fields: &[(&str, String)]) -> anyhow::Result<()> {
    print(&self::fields(fields))
}

/// Names and values, in two columns.
pub fn fields(fields: &[(&str, String)]) -> String {
    let line = |(name, value): &(&str, String)| format!("{name:<15} {}", indented(value, 16));
    fields.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&json(value)?)
}

/// A value as JSON, for programs and people.
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(escaped(&serde_json::to_string_pretty(value)?))
}

/// The same JSON, with escapes for what would steer a terminal: it stands in strings only.
pub fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && steers(character) {
            // A String takes everything.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
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
pub fn print_next(next: Option<Cursor>) -> anyhow::Result<()> {
    next.map_or(Ok(()), |Cursor { at, id }| print(&format!("More: --after {at}/{id}")))
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
    let line = one_line(text);
    match line.char_indices().nth(longest) {
        Some(_) => line.chars().take(longest - 1).chain(['…']).collect(),
        None => line,
    }
}

pub fn one_line(text: &str) -> String {
    plain(text).replace('\n', " ")
}

/// Further lines of a text begin so many columns to the right, where none of them can be taken for one of ours.
pub fn indented(text: &str, columns: usize) -> String {
    plain(text).replace('\n', &format!("\n{:columns$}", ""))
}

/// Texts come from strangers' bytes, too: nothing in them may steer the terminal.
pub fn plain(text: &str) -> String {
    text.replace(|character| character != '\n' && steers(character), "\u{fffd}")
}

/// Controls, and what changes the order in which the characters around it are shown.
fn steers(character: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&character)
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control()
}

/// Whoever read our output has seen enough (`| head`): that is the end of what would go on without one. For nothing else: writing to
/// a program that died is the same error, and a failure.
pub fn unless_closed(result: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let closed = |error: &anyhow::Error| {
        let io = error.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    match result {
        Err(error) if closed(&error) => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

/// Prints an error with its causes, the outermost first.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    let (said, causes) = in_words(error);
    anstream::eprintln!("\n{} {said}", "error:".red().bold());
    for cause in causes {
        anstream::eprintln!("  {cause}");
    }
    ExitCode::FAILURE
}

/// An error quotes what others have said.
fn in_words(error: &anyhow::Error) -> (String, Vec<String>) {
    let causes = error.chain().skip(1).map(|cause| indented(&cause.to_string(), 2));
    (indented(&error.to_string(), 2), causes.collect())
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use serde_json::{Value, json};

    use super::*;

    /// CSI in one character, DEL, a bell, and what turns the order of the characters.
    const HOSTILE: &str = "a\u{9b}2J\u{7f}\u{7}\u{202e}\u{2066}\u{200f}\u{61c}b";

    #[test]
    fn long_texts_are_cut_to_a_line() {
        assert_eq!(shorten("fits", 4), "fits");
        assert_eq!(shorten("é\né\u{1b}é", 4), "é é…");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(plain(HOSTILE), "a\u{fffd}2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}b");
        assert_eq!(plain("é\n字 👩\u{200d}👩"), "é\n字 👩\u{200d}👩", "what joins characters is none of them");
        let error = Error::other(HOSTILE);
        let error = anyhow::Error::new(error).context(HOSTILE);
        let (said, causes) = in_words(&error);
        assert!(said == plain(HOSTILE) && causes == [plain(HOSTILE)], "{said:?} {causes:?}");
    }

    #[test]
    fn json_is_the_same_and_steers_no_terminal() {
        let value = json!({HOSTILE: [HOSTILE, "line\nline\u{1b}"]});
        let text = super::json(&value).unwrap();
        assert!(text.contains("\\u009b2J\\u007f") && text.contains("\\u202e"), "{text}");
        assert!(!text.chars().any(|character| character != '\n' && steers(character)), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    /// `status` of the text is no field.
    #[test]
    fn a_value_stays_in_its_column() {
        let text = fields(&[("status", "dead".into()), ("last error", "no\nstatus          completed".into())]);
        assert_eq!(text, "status          dead\nlast error      no\n                status          completed");
    }

    /// Takes nothing.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is() {
        assert!(print_to(&mut Broken(io::ErrorKind::BrokenPipe), "text").is_ok());
        assert!(print_to(&mut Broken(io::ErrorKind::StorageFull), "text").is_err());
        let mut taken = Vec::new();
        print_to(&mut taken, "text").unwrap();
        assert_eq!(taken, b"text\n");
    }

    #[test]
    fn what_was_printed_leads_to_the_next_page() {
        let text = "2026-11-20T08:00:00.000001Z/0199c5a2-7d1e-7cc0-9a57-3f1b7a6d0c11";
        let Cursor { at, id } = parse_cursor(text).unwrap();
        assert_eq!(format!("{at}/{id}"), text);
        assert!(parse_cursor("2026-11-20T08:00:00Z").is_err());
    }
}
