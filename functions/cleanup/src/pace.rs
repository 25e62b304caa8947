//! How much one batch takes, and how long nothing happens after it.
//!
//! A commit waits for everything in the write-ahead log before it, and a statement for a processor, so what a webhook feels is how
//! long one batch takes. The size of the next one follows from that: some 100 rows, 5,000 executions a second with the pauses
//! (docs/performance.md).

use std::time::Duration;

/// How long a batch should take.
const AIM: Duration = Duration::from_millis(2);
/// Nothing happens after a batch for so many times as long as it took: a fifth of the time is cleanup's at most.
const PAUSES: u32 = 4;
/// At least so long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const SMALLEST: u32 = 20;
/// As in migration 0016.
const LARGEST: u32 = 10_000;
const FIRST: u32 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    size: u32,
}

impl Pace {
    pub fn new() -> Self {
        Self { size: FIRST }
    }

    /// How many rows the next batch takes.
    pub fn size(self) -> i32 {
        i32::try_from(self.size).unwrap_or(i32::MAX)
    }

    /// Learns from a batch that took so long, and says how long to wait. Half the size or double the size is as far as it goes at once.
    pub fn after(&mut self, took: Duration) -> Duration {
        let fitting = f64::from(self.size) * AIM.as_secs_f64() / took.as_secs_f64().max(1e-6);
        let fitting = fitting.clamp(f64::from(self.size / 2), f64::from(self.size * 2));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 10 and 20,000")]
        let fitting = fitting as u32;
        self.size = fitting.clamp(SMALLEST, LARGEST);
        (took * PAUSES).max(SHORTEST_PAUSE)
    }

    /// The smallest size, after a batch that failed. `false` when that was its size already.
    pub fn back_off(&mut self) -> bool {
        let was = std::mem::replace(&mut self.size, SMALLEST);
        was > SMALLEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that does so many rows in a millisecond: the sizes of 20 batches.
    fn sizes(rows_in_a_millisecond: f64) -> Vec<i32> {
        let mut pace = Pace::new();
        let step = |_| {
            let size = pace.size();
            pace.after(Duration::from_secs_f64(f64::from(size) / rows_in_a_millisecond / 1_000.0));
            size
        };
        (0..20).map(step).collect()
    }

    #[test]
    fn the_size_comes_to_fit_the_server_and_stays_in_its_bounds() {
        assert_eq!(sizes(50.0).last(), Some(&100));
        assert_eq!(sizes(12.0).last(), Some(&24));
        assert_eq!(sizes(0.1).last(), Some(&20));
        assert_eq!(sizes(1e9).last(), Some(&10_000));
        assert!(sizes(0.0001).iter().chain(&sizes(1e9)).all(|size| (20..=10_000).contains(size)));
        assert_eq!(sizes(1e9)[..3], [100, 200, 400], "one fast batch does not make the next one huge");
    }

    #[test]
    fn others_have_four_fifths_of_the_time() {
        let mut pace = Pace::new();
        assert_eq!(pace.after(Duration::from_millis(80)), Duration::from_millis(320));
        assert_eq!(pace.after(Duration::from_micros(10)), SHORTEST_PAUSE);
    }

    #[test]
    fn a_failure_is_answered_with_the_smallest_size_once() {
        let mut pace = Pace::new();
        assert!(pace.back_off());
        assert_eq!(pace.size(), 20);
        assert!(!pace.back_off());
    }
}
