//! What all changes have in common: who makes them and why, how many at once, and how they are told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Outcome;

/// The most that one request changes.
pub const MOST: usize = 1_000;
/// So many need no confirmation.
pub const NEEDS_NO_CONFIRMATION: usize = 10;

const LONGEST_REASON: usize = 500;
const LONGEST_ACTOR: usize = 200;

/// Who makes a change, and why. Both are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct By {
    pub actor: String,
    pub reason: String,
}

/// What a change did, or in a dry run would do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    pub dry_run: bool,
    pub changed: Vec<Changed>,
    /// What was asked for and left as it is.
    pub skipped: Vec<Skipped>,
    /// What fits a filter and was not chosen, of the latest 20,000 executions.
    pub others: Vec<Others>,
    /// More fit the filter than one request changes.
    pub more: bool,
    /// The keys of the alerts whose condition is over with this.
    pub alerts_resolved: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Changed {
    /// An id, a key, a pattern.
    pub subject: String,
    /// For a person: `generation 2`.
    pub what: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Skipped {
    pub subject: String,
    /// For programs: `in_flight`.
    pub code: String,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Others {
    pub count: i64,
    pub code: String,
    pub why: String,
}

impl By {
    /// Refuses a change that nobody stands for.
    pub(crate) fn check(&self) -> Result<(), String> {
        text("the reason", &self.reason, LONGEST_REASON)?;
        text("the actor", &self.actor, LONGEST_ACTOR)
    }
}

impl Changed {
    pub(crate) fn new(subject: &impl ToString, what: impl Into<String>) -> Self {
        Self { subject: subject.to_string(), what: what.into() }
    }
}

impl Skipped {
    pub(crate) fn new(subject: &impl ToString, code: &str, why: impl Into<String>) -> Self {
        Self { subject: subject.to_string(), code: code.to_owned(), why: why.into() }
    }
}

/// Some text that can be stored and shown: not blank, not too long, without control characters.
pub(crate) fn text(what: &str, text: &str, longest: usize) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err(format!("{what} is empty"));
    }
    if text.chars().count() > longest || text.chars().any(char::is_control) {
        return Err(format!("{what} is not one line of at most {longest} characters"));
    }
    Ok(())
}

/// Without repetitions, in an order of their own: everyone locks rows in the same one. Refuses too many.
pub(crate) fn distinct(ids: &[Uuid]) -> Result<Vec<Uuid>, String> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > MOST { Err(format!("{} ids; {MOST} go into one request", ids.len())) } else { Ok(ids) }
}

/// Refuses a large change that its maker has not seen the size of.
pub(crate) fn confirm(count: usize, confirmed: u32) -> Result<(), String> {
    let agreed = usize::try_from(confirmed).unwrap_or(usize::MAX);
    if count <= NEEDS_NO_CONFIRMATION || count <= agreed {
        return Ok(());
    }
    let seen = if agreed == 0 { String::new() } else { format!(" ({agreed} were confirmed, and there are more now)") };
    Err(format!(
        "it would change {count}{seen}, and more than {NEEDS_NO_CONFIRMATION} need a confirmation: look at them with \
         --dry-run, then add --yes"
    ))
}

/// To the second, in UTC, for a person.
pub(crate) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

pub(crate) fn refused(error: impl Into<String>) -> Outcome {
    Outcome::Refused { error: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_needs_someone_and_a_reason() {
        let by = |actor: &str, reason: &str| By { actor: actor.into(), reason: reason.into() }.check();
        assert_eq!(by("ada", "the fix is out"), Ok(()));
        for (actor, reason) in [("", "why"), ("ada", " "), ("ada", "a\nb"), ("a\0", "why"), ("ada", &"x".repeat(501))] {
            assert!(by(actor, reason).is_err(), "{actor:?} {reason:?}");
        }
    }

    #[test]
    fn more_than_ten_are_confirmed_by_their_number() {
        assert!(confirm(10, 0).is_ok() && confirm(11, 11).is_ok() && confirm(11, 1_000).is_ok());
        assert!(confirm(11, 0).is_err());
        assert!(confirm(12, 11).unwrap_err().contains("more now"));
    }
}
