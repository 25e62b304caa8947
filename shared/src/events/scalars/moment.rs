//! A moment, as RFC 3339 writes it.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A time with its offset (RFC 3339, section 5.6): `2026-11-22T10:00:00Z`. The years are 1000 to 2999, a fraction has at
/// most 9 digits, and there are no leap seconds; a sender that wants more has a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(pub Timestamp);

/// The same rule as [`has_the_form`], for the schema.
const PATTERN: &str = "^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]\
    ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

impl TryFrom<String> for Moment {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "must be a time such as 2026-11-22T10:00:00Z (RFC 3339, from the year 1000 to 2999)";
        if !has_the_form(text.as_bytes()) {
            return Err(WRONG);
        }
        // The parser knows the calendar.
        text.parse().map(Self).map_err(|_| WRONG)
    }
}

/// The parser alone takes more: a space for the T, hours without minutes, years before 0, the name of a time zone.
fn has_the_form(text: &[u8]) -> bool {
    let Some((date_and_time, rest)) = text.split_at_checked(19) else { return false };
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let fits = date_and_time.iter().zip(shape).all(|(byte, shape)| match shape {
        b'd' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't'),
        other => byte == other,
    });
    let (year, second) = (date_and_time[0], date_and_time[17]);
    let offset = match rest.split_first() {
        Some((b'.', fraction)) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            &fraction[digits..]
        }
        _ => rest,
    };
    fits && matches!(year, b'1' | b'2') && second <= b'5' && is_offset(offset)
}

fn is_offset(text: &[u8]) -> bool {
    match text {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            let digits = [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit());
            digits && (*h1, *h2) <= (b'2', b'3') && *m1 <= b'5'
        }
        _ => false,
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time", "pattern": PATTERN})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_and_no_more() {
        let read = |text: &str| Moment::try_from(text.to_owned()).ok().map(|moment| moment.0.to_string());
        let ten = || Some("2026-11-22T10:00:00Z".to_owned());
        for text in [
            "2026-11-22T10:00:00Z",
            "2026-11-22t10:00:00z",
            "2026-11-22T10:00:00.000Z",
            "2026-11-22T11:30:00+01:30",
            "2026-11-21T10:01:00-23:59",
        ] {
            assert_eq!(read(text), ten(), "{text}");
        }
        assert_eq!(read("2028-02-29T00:00:00.123456789Z").as_deref(), Some("2028-02-29T00:00:00.123456789Z"));
        for text in [
            "",
            "now",
            "2026-11-22",
            "2026-11-22T10:00Z",
            "2026-11-22T10:00:00",
            "2026-11-22 10:00:00Z",
            "2026-11-22T10:00:00.Z",
            "2026-11-22T10:00:00.1234567890Z",
            "2026-11-22T10:00:00+01",
            "2026-11-22T10:00:00+24:00",
            "2026-11-22T10:00:00+01:60",
            "2026-11-22T10:00:00Z[UTC]",
            "2026-11-22T24:00:00Z",
            "2026-11-22T10:00:60Z",
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "0999-12-31T23:59:59Z",
            "3000-01-01T00:00:00Z",
            "-008000-01-01T00:00:00Z",
            "２０２６-11-22T10:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
