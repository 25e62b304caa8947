//! What a person sees: steps with their times, tables, errors. Colours only on a terminal, and not with `NO_COLOR`.

use std::process::ExitCode;

use comfy_table::{Table, presets};
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
        table.add_row(row);
    }
    // The table pads the last column, too.
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Prints an error with its causes, the outermost first.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    anstream::eprintln!("\n{} {error}", "error:".red().bold());
    for cause in error.chain().skip(1) {
        anstream::eprintln!("  {cause}");
    }
    ExitCode::FAILURE
}
