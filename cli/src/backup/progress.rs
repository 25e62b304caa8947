//! How far it is: a bar on a terminal, plain lines elsewhere.

use std::{io::IsTerminal as _, sync::Mutex, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::source::size;
use crate::ui;

/// Between two plain lines.
const EVERY: Duration = Duration::from_secs(5);

pub struct Bar {
    shown: Option<ProgressBar>,
    /// When the last plain line was.
    last: Mutex<Instant>,
    began: Instant,
}

impl Bar {
    pub fn new() -> anyhow::Result<Self> {
        let style = "  {spinner} {msg:<10} {wide_bar} {binary_bytes:>10}/{binary_total_bytes:<10} {binary_bytes_per_sec:>12} {elapsed}";
        let bar = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(style)?.progress_chars("━╸ "));
            bar.enable_steady_tick(Duration::from_millis(100));
            Some(bar)
        } else {
            None
        };
        Ok(Self { shown: bar, last: Mutex::new(Instant::now()), began: Instant::now() })
    }

    /// `total` may be a guess: the bar then waits at its end.
    pub fn at(&self, phase: &str, bytes: u64, total: u64) {
        if let Some(bar) = &self.shown {
            bar.set_length(total.max(bytes));
            bar.set_message(phase.to_owned());
            bar.set_position(bytes);
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() >= EVERY {
            *last = Instant::now();
            ui::note(&format!("{phase}: {} of {}, {}", size(bytes), size(total), rate(bytes, self.began.elapsed())));
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.shown.iter().for_each(ProgressBar::finish_and_clear);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}

/// `31.2 MiB/s`.
pub fn rate(bytes: u64, took: Duration) -> String {
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    format!("{}/s", size(bytes.saturating_mul(1_000) / milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_bytes_by_the_second() {
        assert_eq!(rate(10 << 20, Duration::from_secs(2)), "5.00 MiB/s");
        assert_eq!(rate(0, Duration::ZERO), "0 B/s");
    }
}
