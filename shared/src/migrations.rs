//! The database's migrations, embedded: forward only, expand before contract. `functions/migrate` applies them.

/// One file of `shared/migrations`, named `NNNN_verb_noun.sql`.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    pub version: i32,
    /// What stands after the number: `create_executions`.
    pub name: &'static str,
    pub sql: &'static str,
}

/// The advisory lock of everything that changes the schema. A dump takes it in shared mode.
pub const LOCK: i64 = 7_314_826_401;

/// All of them, in the order in which they are applied.
pub const ALL: &[Migration] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_consecutive_from_one() {
        let versions: Vec<i32> = ALL.iter().map(|migration| migration.version).collect();
        let expected: Vec<i32> = (1..=i32::try_from(ALL.len()).unwrap()).collect();
        assert_eq!(versions, expected);
    }
}
