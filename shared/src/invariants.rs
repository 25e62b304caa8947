//! Invariants: what must always be true of the founder's tables, checked every day by `reconcile`.
//!
//! An invariant is a query that finds what breaks it: no row, and it holds. It runs as the role that may only read, in a
//! READ ONLY transaction, for 30 s at most. Deliberately absent: mending. What is wrong has a cause, and a person looks for it.

use crate::alerts::Severity;

/// Something that is always true, unless something is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Part of the alert's key, `reconciliation_failure:<name>`: small letters, digits and `_`, at most 60. Keep it when the
    /// query changes.
    pub name: &'static str,
    /// One SELECT. Each row is a violation; its columns say which, in the alert and in the log: ids, no personal data.
    /// Cleanup clears the payloads of completed executions after 30 days and deletes executions after 90: a query must
    /// not take what was cleaned up for what is missing.
    pub query: &'static str,
    /// What a violation means, for a person: `an invoice was paid, and there is no payment`.
    pub means: &'static str,
    /// What to do about it.
    pub todo: &'static str,
    /// Of the alert.
    pub severity: Severity,
}

impl Invariant {
    /// Of severity `warning`.
    pub const fn new(name: &'static str, query: &'static str, means: &'static str, todo: &'static str) -> Self {
        Self { name, query, means, todo, severity: Severity::Warning }
    }

    /// Its violation is told at once, not with the next digest.
    #[must_use]
    pub const fn critical(mut self) -> Self {
        self.severity = Severity::Critical;
        self
    }

    /// What is wrong with a list of them, in words.
    pub fn check(all: &[Self]) -> Result<(), String> {
        const LONGEST: usize = 60;
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        for (index, one) in all.iter().enumerate() {
            if one.name.is_empty() || one.name.len() > LONGEST || !one.name.chars().all(plain) {
                return Err(format!("{:?} is no name of an invariant: small letters, digits and _", one.name));
            }
            if all[..index].iter().any(|other| other.name == one.name) {
                return Err(format!("there are two invariants of the name {}", one.name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_there_is_one_of_each() {
        let named = |name| Invariant::new(name, "SELECT 1", "it means", "do this");
        assert_eq!(Invariant::check(&[named("a_1"), named("b")]), Ok(()));
        for bad in ["", "A", "a b", "a:b", "a*"] {
            assert!(Invariant::check(&[named(bad)]).is_err(), "{bad}");
        }
        assert!(Invariant::check(&[named("a"), named("b"), named("a")]).unwrap_err().contains("two"));
    }
}
