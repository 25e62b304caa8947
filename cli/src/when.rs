//! Times, as people write and read them.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use shared::clock;

/// `2h`, `3d` (that long ago), or an RFC 3339 time.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    match text.parse() {
        Ok(time) => Ok(time),
        Err(_) => {
            let ago = parse_duration(text).map_err(|_| {
                "give how long ago, such as 2h or 3d, or a time such as 2026-11-20T08:00:00Z".to_owned()
            })?;
            clock::now().checked_sub(ago).map_err(|_| "that is too long ago".to_owned())
        }
    }
}

/// `90s`, `2h`, `1d 12h`. A day has 24 hours here; months and years have no length.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    const EXPECTED: &str = "give a duration, such as 30m, 2h or 3d";
    let span: Span = text.parse().map_err(|_| EXPECTED)?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| EXPECTED)?;
    if duration.is_positive() { Ok(duration) } else { Err(EXPECTED.into()) }
}

/// To the second, in UTC.
pub fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

pub fn moment_or_none(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".into(), moment)
}

/// How far it is from `now`, about: `5m ago`, `in 2h`.
pub fn distance(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(time).as_secs();
    let rounded = |unit: u64| (seconds.unsigned_abs() + unit / 2) / unit;
    let length = match seconds.unsigned_abs() {
        seconds @ 0..90 => format!("{seconds}s"),
        90..5_400 => format!("{}m", rounded(60)),
        5_400..129_600 => format!("{}h", rounded(3_600)),
        _ => format!("{}d", rounded(86_400)),
    };
    if seconds < 0 { format!("in {length}") } else { format!("{length} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(parse("2026-11-20T08:00:00Z").unwrap().as_second(), 1_795_161_600);
        for (text, seconds) in [("2h", 7_200), ("3d", 259_200), ("1d 12h", 129_600), ("90s", 90), ("1w", 604_800)] {
            assert_eq!(parse_duration(text).unwrap().as_secs(), seconds, "{text}");
            let time = parse(text).unwrap();
            let ago = clock::now().duration_since(time).as_secs();
            assert!((seconds..seconds + 60).contains(&ago), "{text}: {ago}");
        }
        for text in ["", "2", "yesterday", "-2h", "0s", "1mo", "1y", "99999999999999d", "2026-11-20"] {
            assert!(parse(text).is_err() && parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn distances_are_short() {
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        for (seconds, expected) in [
            (0, "0s ago"),
            (89, "89s ago"),
            (90, "2m ago"),
            (5_399, "90m ago"),
            (5_400, "2h ago"),
            (129_599, "36h ago"),
            (129_600, "2d ago"),
            (-7_199, "in 2h"),
        ] {
            assert_eq!(distance(now - SignedDuration::from_secs(seconds), now), expected);
        }
    }
}
