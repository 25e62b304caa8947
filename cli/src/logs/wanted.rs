//! Which lines are wanted, and what was found of them: the newest so many, in the order of time.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::line::{Level, Line};

/// What a line has to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// None: all.
    pub functions: BTreeSet<String>,
    pub correlation_id: Option<String>,
    pub level: Level,
    pub since: Timestamp,
    /// None: now, and with `--follow` what comes after it.
    pub until: Option<Timestamp>,
}

impl Wanted {
    pub fn fits(&self, line: &Line) -> bool {
        self.wants(&line.function)
            && line.level >= self.level
            && line.at >= self.since
            && self.until.is_none_or(|until| line.at <= until)
            && self.correlation_id.as_deref().is_none_or(|id| line.correlation_id() == Some(id))
    }

    pub fn wants(&self, function: &str) -> bool {
        self.functions.is_empty() || self.functions.contains(function)
    }
}

/// The newest lines of all that were seen.
#[derive(Debug)]
pub struct Newest {
    most: usize,
    lines: Vec<Line>,
    /// Older ones were left out.
    pub cut: bool,
}

impl Newest {
    pub fn new(most: usize) -> Self {
        Self { most, lines: Vec::new(), cut: false }
    }

    pub fn add(&mut self, line: Line) {
        self.lines.push(line);
        if self.lines.len() >= 2 * self.most {
            self.shrink();
        }
    }

    /// Oldest first.
    pub fn in_order(mut self) -> (Vec<Line>, bool) {
        self.shrink();
        (self.lines, self.cut)
    }

    fn shrink(&mut self) {
        // Stable: lines of one moment stay as they came.
        self.lines.sort_by_key(|line| line.at);
        let more = self.lines.len().saturating_sub(self.most);
        self.cut |= more > 0;
        self.lines.drain(..more);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn line(second: i64) -> Line {
        let at = Timestamp::from_second(second).unwrap();
        Line { at, function: "worker".into(), level: Level::Warn, message: String::new(), fields: Map::new() }
    }

    #[test]
    fn only_the_newest_stay_in_the_order_of_time() {
        let of = |seconds: &[i64]| {
            let mut newest = Newest::new(3);
            for second in seconds {
                newest.add(line(*second));
            }
            let (lines, cut) = newest.in_order();
            (lines.iter().map(|line| line.at.as_second()).collect::<Vec<_>>(), cut)
        };
        assert_eq!(of(&[3, 1, 2]), (vec![1, 2, 3], false));
        assert_eq!(of(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 10]), (vec![8, 9, 10], true));
        assert_eq!(of(&[]), (vec![], false));
    }

    #[test]
    fn every_condition_counts() {
        let wanted = Wanted {
            functions: BTreeSet::from(["worker".into()]),
            correlation_id: Some("c".into()),
            level: Level::Warn,
            since: Timestamp::from_second(5).unwrap(),
            until: Some(Timestamp::from_second(7).unwrap()),
        };
        let good = |second| {
            let mut line = line(second);
            line.fields.insert("correlation_id".into(), "c".into());
            line
        };
        assert!(wanted.fits(&good(5)) && wanted.fits(&good(7)));
        assert!(!wanted.fits(&good(4)) && !wanted.fits(&good(8)) && !wanted.fits(&line(6)));
        assert!(!wanted.fits(&Line { level: Level::Info, ..good(6) }));
        assert!(!wanted.fits(&Line { function: "courier".into(), ..good(6) }));
    }
}
