//! What a restored database must be equal to, and where it is not.
//!
//! A sequence obeys no snapshot: any value that it had while the dump was made is right. A materialized view is computed anew by a
//! restore, so a difference there is worth a word, and no fault.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::manifest::{Inventory, Sequence, Table};

/// In words for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub differences: Vec<String>,
    pub notes: Vec<String>,
}

/// What `found` has otherwise than the manifest's `expected`.
pub fn compare(expected: &Inventory, found: &Inventory) -> Comparison {
    let mut differences = Vec::new();
    tables(&expected.tables, &found.tables, &mut differences);
    for (name, sequence) in &expected.sequences {
        match found.sequences.get(name) {
            None => differences.push(format!("the sequence {name} is missing")),
            Some(Sequence { before, .. }) if !is_between(*before, sequence) => differences.push(format!(
                "the sequence {name} is at {}, and was between {} and {}",
                before.0, sequence.before.0, sequence.after.0
            )),
            Some(_) => {}
        }
    }
    for name in found.sequences.keys().filter(|name| !expected.sequences.contains_key(*name)) {
        differences.push(format!("the sequence {name} was not there"));
    }
    let (objects, was) = (found.large_objects, expected.large_objects);
    if objects.count != was.count {
        differences.push(format!("there are {} large objects instead of {}", objects.count, was.count));
    } else if objects.checksum != was.checksum {
        differences.push("the contents of the large objects differ".to_owned());
    }
    let mut notes = Vec::new();
    tables(&expected.views, &found.views, &mut notes);
    let notes = notes.into_iter().map(|note| format!("{note} (a materialized view, which a restore computes anew)"));
    Comparison { differences, notes: notes.collect() }
}

fn tables(expected: &BTreeMap<String, Table>, found: &BTreeMap<String, Table>, say: &mut Vec<String>) {
    for (name, table) in expected {
        match found.get(name) {
            None => say.push(format!("{name} is missing ({} rows)", table.rows)),
            Some(other) if other.rows != table.rows => {
                say.push(format!("{name} has {} rows instead of {}", other.rows, table.rows));
            }
            Some(other) if other.checksum != table.checksum => {
                say.push(format!("{name} has as many rows ({}), with other values in them", table.rows));
            }
            Some(_) => {}
        }
    }
    for (name, table) in found.iter().filter(|(name, _)| !expected.contains_key(*name)) {
        say.push(format!("{name} was not there ({} rows)", table.rows));
    }
}

/// Sequences count up or down. `is_called` matters at the ends only: in between, every value was taken.
fn is_between((value, called): (i64, bool), Sequence { before, after }: &Sequence) -> bool {
    let inside = (before.0.min(after.0)..=before.0.max(after.0)).contains(&value);
    // From a value that was taken nothing leads back to it being free; one that is still free at the end never was taken.
    let too_early = value == before.0 && before.1 && !called;
    let too_late = value == after.0 && !after.1 && called;
    inside && !too_early && !too_late
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::LargeObjects;

    fn inventory() -> Inventory {
        Inventory {
            tables: [("public.a".into(), Table { rows: 3, checksum: 7 })].into(),
            views: [("public.v".into(), Table { rows: 1, checksum: 1 })].into(),
            sequences: [("public.s".into(), Sequence { before: (5, true), after: (9, true) })].into(),
            large_objects: LargeObjects { count: 1, checksum: 2 },
        }
    }

    fn differences(change: impl FnOnce(&mut Inventory)) -> String {
        let mut found = inventory();
        found.sequences.insert("public.s".into(), Sequence { before: (7, true), after: (7, true) });
        change(&mut found);
        let Comparison { differences, notes } = compare(&inventory(), &found);
        differences.into_iter().chain(notes).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn each_difference_is_named() {
        let set = |rows, checksum| {
            move |found: &mut Inventory| found.tables.extend([("public.a".into(), Table { rows, checksum })])
        };
        assert_eq!(differences(|_| ()), "");
        assert_eq!(differences(set(2, 7)), "public.a has 2 rows instead of 3");
        assert_eq!(differences(set(3, 8)), "public.a has as many rows (3), with other values in them");
        assert_eq!(differences(|found| found.tables.clear()), "public.a is missing (3 rows)");
        let new = |found: &mut Inventory| found.tables.extend([("b".into(), Table { rows: 0, checksum: 0 })]);
        assert_eq!(differences(new), "b was not there (0 rows)");
        assert_eq!(differences(|found| found.sequences.clear()), "the sequence public.s is missing");
        let beyond = |found: &mut Inventory| {
            found.sequences.insert("public.s".into(), Sequence { before: (10, true), after: (10, true) });
        };
        assert_eq!(differences(beyond), "the sequence public.s is at 10, and was between 5 and 9");
        assert_eq!(differences(|found| found.large_objects.count = 0), "there are 0 large objects instead of 1");
        assert_eq!(differences(|found| found.large_objects.checksum = 0), "the contents of the large objects differ");
        assert!(differences(|found| found.views.clear()).contains("public.v is missing (1 rows) (a materialized view"));
    }

    #[test]
    fn a_sequence_may_be_anywhere_on_its_way() {
        let up = Sequence { before: (1, false), after: (3, true) };
        for value in [(1, false), (1, true), (2, true), (3, true)] {
            assert!(is_between(value, &up), "{value:?}");
        }
        let down = Sequence { before: (-1, true), after: (-3, true) };
        assert!(is_between((-2, true), &down) && is_between((-3, true), &down));
        for value in [(-4, true), (0, true), (-1, false)] {
            assert!(!is_between(value, &down), "{value:?}");
        }
        let unused = Sequence { before: (1, false), after: (1, false) };
        assert!(is_between((1, false), &unused) && !is_between((1, true), &unused));
    }
}
