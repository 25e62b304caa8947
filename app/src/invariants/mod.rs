//! What must always be true of your tables, checked every day at 02:00 UTC.
//!
//! To add one: a file here with a `const` as in its neighbours, a `mod` line, and a line in [`ALL`]. Its query returns what is
//! wrong, and nothing when all is well; try it with `psql` first. `functions/reconcile/tests/it/invariants.rs` shows how to
//! test one: break it, see it found, mend it.

mod payment_amount;
mod payment_missing;
mod payment_orphaned;
mod push_missing;
mod subscription_missing;
mod subscription_stale;

use shared::invariants::Invariant;

/// All of them, in the order in which they are checked.
pub const ALL: &[Invariant] = &[
    payment_missing::INVARIANT,
    payment_amount::INVARIANT,
    payment_orphaned::INVARIANT,
    push_missing::INVARIANT,
    subscription_missing::INVARIANT,
    subscription_stale::INVARIANT,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_there_is_one_of_each() {
        assert_eq!(Invariant::check(ALL), Ok(()));
    }
}
