//! Where the reading of a log stands that can only be asked for what was logged since a moment. Pure.
//!
//! Lines come late and out of order, so the last moments are read again and again; what was told of them is known by its ids.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::line::Line;

/// How late a line may come into the log, in milliseconds.
pub const LATE: i64 = 20_000;

/// A line with what the log says of it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub id: String,
    /// In milliseconds, as `since` is.
    pub logged: i64,
    pub line: Line,
}

/// What a look found.
#[derive(Clone, Debug, Default)]
pub struct Read {
    pub lines: Vec<Seen>,
    /// It came to the end.
    pub whole: bool,
    /// The next page, of a look that did not come to the end.
    pub token: Option<String>,
}

/// What the next look asks for. The log takes a token only together with the `since` that it was given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// In milliseconds: the log knows nothing finer.
    pub since: i64,
    pub token: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Place {
    ask: Ask,
    /// When the first look began of those that have not come to the end yet.
    begun: Option<i64>,
    /// Lines that were told and will be met again, with when they were logged.
    told: BTreeMap<String, i64>,
}

impl Place {
    pub fn new(since: Timestamp) -> Self {
        let since = since.as_millisecond().max(0);
        Self { ask: Ask { since, token: None }, begun: None, told: BTreeMap::new() }
    }

    pub fn ask(&self) -> Ask {
        self.ask.clone()
    }

    /// What is new of that which a look found; `looked` is when it began. One that did not come to the end is gone on with: to begin
    /// anew would never get there when the log grows as fast as it is read.
    pub fn take(&mut self, looked: Timestamp, read: Read) -> Vec<Line> {
        let begun = *self.begun.get_or_insert(looked.as_millisecond());
        let next = self.ask.since.max(begun - LATE);
        let mut lines = Vec::new();
        for Seen { id, logged, line } in read.lines {
            if self.told.contains_key(&id) {
                continue;
            }
            // Older ones are not met again, and a day has too many of them to be kept.
            if logged >= next {
                self.told.insert(id, logged);
            }
            lines.push(line);
        }
        if read.whole {
            self.go_on(next);
        } else {
            self.ask.token = read.token;
        }
        lines
    }

    /// Leaves out what the look that began then did not reach.
    pub fn skip(&mut self, looked: Timestamp) {
        self.go_on(self.ask.since.max(looked.as_millisecond() - LATE));
    }

    /// The next look begins where the unfinished one began.
    pub fn begin_again(&mut self) {
        self.ask.token = None;
    }

    fn go_on(&mut self, since: i64) {
        self.ask = Ask { since, token: None };
        self.begun = None;
        self.told.retain(|_, logged| *logged >= since);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::logs::line::Level;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(second: i64) -> Seen {
        let (at, function, message) = (at(second), "worker".into(), second.to_string());
        let line = Line { at, function, level: Level::Info, message, fields: Map::new() };
        Seen { id: second.to_string(), logged: second * 1_000, line }
    }

    fn read(seconds: impl IntoIterator<Item = i64>, token: Option<&str>) -> Read {
        let lines = seconds.into_iter().map(seen).collect();
        Read { lines, whole: token.is_none(), token: token.map(Into::into) }
    }

    fn seconds(lines: &[Line]) -> Vec<i64> {
        lines.iter().map(|line| line.at.as_second()).collect()
    }

    #[test]
    fn only_the_last_moments_are_read_again_and_nothing_is_told_twice() {
        let mut place = Place::new(at(0));
        // More than anyone would remember by their number.
        assert_eq!(place.take(at(50_000), read(0..50_000, None)).len(), 50_000);
        assert_eq!(place.ask(), Ask { since: 49_980_000, token: None });
        assert_eq!(place.told.len(), 20, "only what is met again is remembered");
        assert_eq!(seconds(&place.take(at(50_003), read(49_980..50_002, None))), [50_000, 50_001]);
        assert_eq!(place.ask().since, 49_983_000);
        // A line of the millisecond with which the next look begins is met again.
        let later = at(50_030).checked_add(jiff::SignedDuration::from_micros(700)).unwrap();
        assert_eq!(seconds(&place.take(later, read([50_010], None))), [50_010]);
        assert!(place.take(later, read([50_010], None)).is_empty());
    }

    #[test]
    fn what_was_asked_for_is_never_gone_behind() {
        let mut place = Place::new(at(95));
        place.take(at(100), read([], None));
        assert_eq!(place.ask().since, 95_000);
        place.skip(at(101));
        assert_eq!(place.ask().since, 95_000);
    }

    #[test]
    fn a_look_that_did_not_come_to_the_end_is_gone_on_with() {
        let mut place = Place::new(at(1_000));
        assert_eq!(seconds(&place.take(at(1_100), read([1_001, 1_090], Some("2")))), [1_001, 1_090]);
        assert_eq!(place.ask(), Ask { since: 1_000_000, token: Some("2".into()) });
        assert_eq!(seconds(&place.take(at(1_160), read([1_101, 1_150], Some("3")))), [1_101, 1_150]);
        assert_eq!(place.ask(), Ask { since: 1_000_000, token: Some("3".into()) });
        assert!(place.take(at(1_220), read([], None)).is_empty());
        // What came late behind the first of the three is read again.
        assert_eq!(place.ask(), Ask { since: 1_080_000, token: None });
        assert_eq!(seconds(&place.take(at(1_223), read([1_085, 1_090, 1_101, 1_150, 1_221], None))), [1_085, 1_221]);
    }

    #[test]
    fn a_look_that_fails_begins_again_and_tells_nothing_recent_twice() {
        let mut place = Place::new(at(1_000));
        place.take(at(1_100), read([1_001, 1_090], Some("2")));
        place.begin_again();
        assert_eq!(place.ask(), Ask { since: 1_000_000, token: None });
        assert_eq!(seconds(&place.take(at(1_160), read([1_090, 1_095], None))), [1_095]);
    }

    #[test]
    fn what_is_left_out_is_not_gone_on_with() {
        let mut place = Place::new(at(1_000));
        place.take(at(90_000), read([1_001, 89_990], Some("2")));
        place.skip(at(90_000));
        assert_eq!(place.ask(), Ask { since: 89_980_000, token: None });
        assert_eq!(seconds(&place.take(at(90_003), read([89_985, 89_990], None))), [89_985]);
    }
}
