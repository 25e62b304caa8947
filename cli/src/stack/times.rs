//! When a schedule fires: `rate(...)` and `cron(...)` as AWS's scheduler reads them, in UTC.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>
//!
//! Deliberately absent: `at(...)`, which fires once, and time zones. Neither has a place in a template.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, tz::TimeZone};

/// When a schedule fires.
#[derive(Clone, Debug)]
pub enum Times {
    /// Again and again, with so much time between.
    Every(Duration),
    /// At times of the day.
    At(Box<Cron>),
}

impl Times {
    pub fn parse(expression: &str) -> anyhow::Result<Self> {
        let inside = |name: &str| expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        match (inside("rate"), inside("cron")) {
            (Some(rate), _) => every(rate).map(Self::Every),
            (_, Some(cron)) => at(cron).map(|cron| Self::At(Box::new(cron))),
            _ => bail!("it is neither rate(...) nor cron(...)"),
        }
        .with_context(|| format!("{expression:?} is no schedule that the local stack understands"))
    }

    /// The first time after `time`. `None` when there is none: its years are over.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(every) => time.checked_add(*every).ok(),
            Self::At(cron) => {
                let next = cron.find_next_occurrence(&time.to_zoned(TimeZone::UTC), false);
                next.ok().map(|next| next.timestamp())
            }
        }
    }
}

fn every(rate: &str) -> anyhow::Result<Duration> {
    let (number, unit) = rate.split_once(' ').context("a rate is a number and a unit")?;
    let number: u64 = number.parse().context("a rate is a number and a unit")?;
    let seconds = match unit {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "day" | "days" => 86_400,
        _ => bail!("its unit is none of minutes, hours, days"),
    };
    ensure!(number > 0, "its number is 0");
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

/// Minutes, hours, day of the month, month, day of the week (1 is Sunday), year. What AWS would refuse is refused here.
fn at(cron: &str) -> anyhow::Result<Cron> {
    let fields: Vec<&str> = cron.split(' ').collect();
    let [_, _, day, _, weekday, _] = fields[..] else { bail!("it has {} fields instead of 6", fields.len()) };
    ensure!((day == "?") != (weekday == "?"), "one of the day of the month and the day of the week has to be `?`");
    let known = |character: char| character.is_ascii_alphanumeric() || " ,-*?/#".contains(character);
    ensure!(cron.chars().all(known), "it has characters that have no meaning in it");
    ensure!(weekday != "L", "`L` alone means no weekday here: say 7");
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        // `0/15`: from 0 on, every 15.
        .sloppy_ranges(true)
        .build();
    let parsed = parser.parse(&format!("0 {cron}"));
    parsed.map_err(|error| anyhow::anyhow!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next times after 2026-11-22T10:07:30Z, a Sunday.
    fn next(expression: &str, count: usize) -> String {
        let times = Times::parse(expression).unwrap();
        let mut now: Timestamp = "2026-11-22T10:07:30Z".parse().unwrap();
        let mut found = Vec::new();
        while found.len() < count
            && let Some(time) = times.after(now)
        {
            found.push(time.strftime("%m-%dT%H:%M").to_string());
            now = time;
        }
        found.join(" ")
    }

    /// The examples of AWS's page on cron-based schedules, and of `EventBridge`'s on cron expressions.
    #[test]
    fn the_documented_examples_fire_when_they_should() {
        for (expression, expected) in [
            // 10:15 every day, 18:00 on weekdays, 8:00 on the first of the month.
            ("cron(15 10 * * ? *)", "11-22T10:15 11-23T10:15 11-24T10:15"),
            ("cron(0 18 ? * MON-FRI *)", "11-23T18:00 11-24T18:00 11-25T18:00"),
            ("cron(0 8 1 * ? *)", "12-01T08:00 01-01T08:00 02-01T08:00"),
            // Every 15 minutes; every 10 on weekdays; every 5 on weekdays between 8:00 and 17:55.
            ("cron(0/15 * * * ? *)", "11-22T10:15 11-22T10:30 11-22T10:45"),
            ("cron(0/10 * ? * MON-FRI *)", "11-23T00:00 11-23T00:10 11-23T00:20"),
            ("cron(0/5 8-17 ? * MON-FRI *)", "11-23T08:00 11-23T08:05 11-23T08:10"),
            // The first Monday of the month (1 is Sunday); the last Friday.
            ("cron(0 9 ? * 2#1 *)", "12-07T09:00 01-04T09:00 02-01T09:00"),
            ("cron(15 10 ? * 6L *)", "11-27T10:15 12-25T10:15 01-29T10:15"),
            // The last day of the month; the weekday nearest to the third (2027-01-03 is a Sunday).
            ("cron(0 12 L * ? *)", "11-30T12:00 12-31T12:00 01-31T12:00"),
            ("cron(0 12 3W * ? *)", "12-03T12:00 01-04T12:00 02-03T12:00"),
            // This template's own.
            ("cron(0 5 ? * MON *)", "11-23T05:00 11-30T05:00 12-07T05:00"),
            ("cron(0 7 2 1,4,7,10 ? *)", "01-02T07:00 04-02T07:00 07-02T07:00"),
            // Years that are over, and some that are not.
            ("cron(15 10 ? * 6L 2022-2023)", ""),
            ("cron(0 0 1 1 ? 2028/2)", "01-01T00:00 01-01T00:00 01-01T00:00"),
            ("rate(1 minute)", "11-22T10:08 11-22T10:09 11-22T10:10"),
        ] {
            assert_eq!(next(expression, 3), expected, "{expression}");
        }
    }

    #[test]
    fn rates_are_read() {
        for (expression, seconds) in [("rate(1 minute)", 60), ("rate(12 hours)", 43_200), ("rate(7 days)", 604_800)] {
            let Times::Every(every) = Times::parse(expression).unwrap() else { panic!("{expression}") };
            assert_eq!(every.as_secs(), seconds);
        }
    }

    #[test]
    fn what_aws_would_refuse_is_refused() {
        for bad in [
            "",
            "rate(5)",
            "rate(0 minutes)",
            "rate(x days)",
            "every minute",
            "rate(1 fortnight)",
            "at(2026-11-20T13:00:00)",
            // Five fields, or seven; both days given, or none; nicknames; nonsense.
            "cron(0 2 * * ?)",
            "cron(0 0 2 * * ? *)",
            "cron(0 2 * * * *)",
            "cron(0 2 ? * ? *)",
            "cron(0 2 1 * MON *)",
            "cron(@daily)",
            "cron(60 2 * * ? *)",
            "cron(0 24 * * ? *)",
            "cron(0 2 32 * ? *)",
            "cron(0 2 * 13 ? *)",
            "cron(0 2 ? * 8 *)",
            "cron(0 2 ? * 0 *)",
            "cron(0 2 ? * L *)",
            "cron(0 2 ? * +MON *)",
            "cron( 0 2 * * ? *)",
            "cron(x 2 * * ? *)",
            "cron(0 2 * * ? *",
        ] {
            let parsed = Times::parse(bad);
            assert!(parsed.is_err(), "{bad} {parsed:?}");
        }
    }
}
