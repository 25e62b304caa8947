//! What an answer, or the lack of one, means for an effect. Pure.
//!
//! | answer | verdict |
//! |---|---|
//! | 2xx | delivered |
//! | 408, 409, 425, 429, 5xx, none | again later |
//! | 3xx | dead: redirects are not followed |
//! | all others | dead |
//!
//! 409 is tried again because it is what an API says to a repetition while it still works on the first request with the
//! same idempotency key (draft-ietf-httpapi-idempotency-key-header); where it means a conflict for good, the attempts
//! bound what that costs. Of the headers only `Retry-After` is heeded: `RateLimit-Reset` and its relatives come as seconds,
//! as times and as structured fields, and the backoff does as well.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};

use crate::{address::NotAllowed, words::cut};

/// What became of an effect, this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delivered { status: Option<u16>, body: Option<String> },
    Retry { error: String, status: Option<u16>, after: Option<Duration> },
    Dead { error: String, status: Option<u16> },
}

/// An answer over HTTP. Its body has no secrets any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<String>,
    /// Of an error tracker's.
    pub rate_limits: Option<String>,
    pub body: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It cannot be sent, now or later.
    #[error("{0}")]
    Unfit(String),
    /// No connection, no answer in time, no secrets.
    #[error("{0}")]
    Passing(String),
}

/// The longest that a `Retry-After` is heeded.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// How much of an answer's body is reported, in bytes; and in an error.
pub(crate) const REPORTED: usize = 2_000;
const QUOTED: usize = 300;
/// The weekday says nothing that the date does not.
const DATE: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);

/// What the answer means.
pub fn judge(answer: Result<Answer, Trouble>, now: Timestamp) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(Trouble::Unfit(error)) => return Verdict::Dead { error, status: None },
        Err(Trouble::Passing(error)) => return Verdict::Retry { error, status: None, after: None },
    };
    let status = Some(answer.status);
    match answer.status {
        200..=299 => Verdict::Delivered { status, body: Some(cut(&answer.body, REPORTED)) },
        408 | 409 | 425 | 429 | 500..=599 => {
            let after = answer.retry_after.as_deref().and_then(|value| wait_of(value, now));
            Verdict::Retry { error: said(&answer), status, after }
        }
        300..=399 => {
            let error = format!("{}; redirects are not followed, use the URL that it leads to", said(&answer));
            Verdict::Dead { error, status }
        }
        _ => Verdict::Dead { error: said(&answer), status },
    }
}

fn said(answer: &Answer) -> String {
    let reason = http::StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    let status = format!("the answer was {} {}", answer.status, reason.unwrap_or_default());
    match answer.body.trim() {
        "" => status.trim_end().to_owned(),
        body => format!("{}: {}", status.trim_end(), cut(body, QUOTED)),
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). An hour at most; nothing when it is neither.
fn wait_of(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = DATE.parse_timestamp(value).ok()?;
        Duration::try_from(date.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

impl From<NotAllowed> for Trouble {
    fn from(error: NotAllowed) -> Self {
        Self::Unfit(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn verdict(status: u16, retry_after: Option<&str>) -> Verdict {
        let answer = Answer { status, retry_after: retry_after.map(str::to_owned), ..Answer::default() };
        judge(Ok(answer), NOW)
    }

    #[test]
    fn every_status_has_its_verdict() {
        for status in 100..=999 {
            let verdict = verdict(status, None);
            let expected = match status {
                200..=299 => matches!(verdict, Verdict::Delivered { .. }),
                408 | 409 | 425 | 429 | 500..=599 => matches!(verdict, Verdict::Retry { .. }),
                _ => matches!(verdict, Verdict::Dead { .. }),
            };
            assert!(expected, "{status}: {verdict:?}");
        }
    }

    #[test]
    fn a_redirect_says_so() {
        let Verdict::Dead { error, status: Some(302) } = verdict(302, None) else { panic!() };
        assert!(error.contains("302 Found") && error.contains("redirects are not followed"), "{error}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("3601", Some(3_600)),
            ("99999999999999999999999999", Some(3_600)),
            ("Thu, 01 Jan 1970 00:01:30 GMT", Some(90)),
            ("Wed, 31 Dec 1969 23:59:00 GMT", Some(0)),
            ("Fri, 31 Dec 2999 23:59:59 GMT", Some(3_600)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let Verdict::Retry { after, .. } = verdict(429, Some(value)) else { panic!("{value}") };
            assert_eq!(after, expected.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn no_answer_is_tried_again_unless_it_never_could_be() {
        let passing = judge(Err(Trouble::Passing("timed out".into())), NOW);
        assert!(matches!(passing, Verdict::Retry { status: None, after: None, .. }));
        assert!(matches!(judge(Err(Trouble::Unfit("no".into())), NOW), Verdict::Dead { status: None, .. }));
    }

    #[test]
    fn what_is_reported_of_a_body_is_bounded() {
        let large = |status| judge(Ok(Answer { status, body: "ž".repeat(40_000), ..Answer::default() }), NOW);
        let Verdict::Delivered { body: Some(body), .. } = large(200) else { panic!() };
        assert!(body.len() <= REPORTED && body.len() > REPORTED - 5, "{}", body.len());
        let Verdict::Dead { error, .. } = large(400) else { panic!() };
        assert!(error.len() <= QUOTED + 50, "{}", error.len());
    }
}
