//! How one schema differs from another, in lines that a person reads.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::{Catalog, Object};

/// One object that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is there, and no migration made it.
    Added {
        object: Object,
        definition: String,
        more: usize,
    },
    /// A migration made it, and it is not there.
    Missing {
        object: Object,
        definition: String,
        more: usize,
    },
    Changed {
        object: Object,
        expected: String,
        actual: String,
    },
}

/// What `actual` has otherwise than `expected`. A table that is there or missing as a whole is one difference: `more` counts what
/// belongs to it.
pub fn compare(expected: &Catalog, actual: &Catalog) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (object, definition, more) in only_in(actual, expected) {
        differences.push(Difference::Added { object, definition, more });
    }
    for (object, definition, more) in only_in(expected, actual) {
        differences.push(Difference::Missing { object, definition, more });
    }
    for (object, expected) in &expected.objects {
        if let Some(actual) = actual.objects.get(object).filter(|actual| *actual != expected) {
            let (object, expected, actual) = (object.clone(), expected.clone(), actual.clone());
            differences.push(Difference::Changed { object, expected, actual });
        }
    }
    differences.sort_by(|one, other| one.object().cmp(other.object()));
    differences
}

/// What only the first has, without what belongs to another such object, which is counted there.
fn only_in(first: &Catalog, second: &Catalog) -> Vec<(Object, String, usize)> {
    let only: Vec<_> = first.objects.iter().filter(|(object, _)| !second.objects.contains_key(object)).collect();
    let mut holders: HashMap<&str, usize> = only.iter().map(|(object, _)| (object.name.as_str(), 0)).collect();
    let mut held = HashSet::new();
    for (object, _) in &only {
        for (dot, _) in object.name.match_indices('.') {
            if let Some(count) = holders.get_mut(&object.name[..dot]) {
                *count += 1;
                held.insert(*object);
            }
        }
    }
    let stands_alone = only.into_iter().filter(|(object, _)| !held.contains(object));
    stands_alone
        .map(|(object, definition)| {
            (object.clone(), definition.clone(), holders.get(object.name.as_str()).copied().unwrap_or(0))
        })
        .collect()
}

impl Difference {
    pub fn object(&self) -> &Object {
        match self {
            Self::Added { object, .. } | Self::Missing { object, .. } | Self::Changed { object, .. } => object,
        }
    }
}

/// `+ column orders.note: text`, `- index orders.x: ...`, `~ column orders.paid_at: now this; expected: that`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Object { kind, name, .. } = self.object();
        let line = |f: &mut fmt::Formatter<'_>, sign: char, definition: &str, more: usize| {
            write!(f, "{sign} {kind} {name}: {definition}")?;
            if more > 0 { write!(f, " (and {more} that belong to it)") } else { Ok(()) }
        };
        match self {
            Self::Added { definition, more, .. } => line(f, '+', definition, *more),
            Self::Missing { definition, more, .. } => line(f, '-', definition, *more),
            Self::Changed { expected, actual, .. } => write!(f, "~ {kind} {name}: {actual}; expected: {expected}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(lines: &[&str]) -> Catalog {
        Catalog::parse(&lines.join("\n"))
    }

    #[test]
    fn differences_are_told_in_a_line_each_and_a_table_as_one() {
        let expected =
            catalog(&["table a: owner o", "column a.x: text", "table b: owner o", "column b.y: text", "index b.i: X"]);
        let actual = catalog(&[
            "table a: owner o",
            "column a.x: text not null",
            "column a.z: text",
            "table c: owner o",
            "column c.w: text",
        ]);
        let lines: Vec<_> = compare(&expected, &actual).iter().map(ToString::to_string).collect();
        let told = [
            "- table b: owner o (and 2 that belong to it)",
            "+ table c: owner o (and 1 that belong to it)",
            "~ column a.x: text not null; expected: text",
            "+ column a.z: text",
        ];
        assert_eq!(lines, told);
        assert_eq!(compare(&expected, &expected), []);
    }

    /// Two tables of which one's name begins with the other's are two.
    #[test]
    fn a_name_that_begins_alike_belongs_to_nobody() {
        let actual = catalog(&["table note: owner o", "table notes: owner o"]);
        assert_eq!(compare(&Catalog::default(), &actual).len(), 2);
    }
}
