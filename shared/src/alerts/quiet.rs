//! Quiet hours: when digests wait. Critical alerts never do.

use jiff::{Timestamp, civil::Time, tz::TimeZone};

/// A time of the day, from and to, in a place. It may span midnight.
#[derive(Clone, Debug)]
pub struct QuietHours {
    from: Time,
    to: Time,
    zone: TimeZone,
}

impl QuietHours {
    /// `hours` is `22:00-07:00`, `zone` an IANA name (`Europe/Berlin`).
    pub fn parse(hours: &str, zone: &str) -> Result<Self, String> {
        let wrong = || format!("{hours:?} is not two times of the day, such as 22:00-07:00");
        let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| wrong());
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(wrong());
        }
        let zone = TimeZone::get(zone).map_err(|_| format!("{zone:?} is not a time zone, such as Europe/Berlin"))?;
        Ok(Self { from, to, zone })
    }

    /// Whether `now` is within them.
    pub fn hold(&self, now: Timestamp) -> bool {
        let time = now.to_zoned(self.zone.clone()).time();
        if self.from < self.to { (self.from..self.to).contains(&time) } else { time >= self.from || time < self.to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn they_may_span_midnight_and_follow_the_place() {
        let night = QuietHours::parse("22:00-07:00", "Europe/Berlin").unwrap();
        // In winter Berlin is an hour ahead of UTC, in summer two.
        assert!(night.hold(at("2026-01-10T21:00:00Z")) && !night.hold(at("2026-01-10T20:59:00Z")));
        assert!(night.hold(at("2026-07-10T20:00:00Z")) && !night.hold(at("2026-07-10T05:00:00Z")));
        let noon = QuietHours::parse("12:00-13:30", "UTC").unwrap();
        assert!(noon.hold(at("2026-01-10T13:29:59Z")) && !noon.hold(at("2026-01-10T13:30:00Z")));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (hours, zone) in
            [("", "UTC"), ("22-7", "UTC"), ("08:00-08:00", "UTC"), ("25:00-07:00", "UTC"), ("22:00-07:00", "Berlin")]
        {
            assert!(QuietHours::parse(hours, zone).is_err(), "{hours} {zone}");
        }
    }
}
