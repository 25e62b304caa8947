//! The manifest: what a backup is, and what a restored database must be equal to. It is written last; what has no manifest is
//! no backup.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of everything in this file.
pub const VERSION: u16 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u16,
    /// `20261122T013000Z-1a2b3c4d`: sorts by time. The archive is `database/<id>.dump.zst`, this `database/<id>.json`.
    pub id: String,
    /// Whose: `solo`.
    pub database: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// Of the server: `18.1`.
    pub server_version: String,
    /// What `pg_dump --version` says: `18.6`.
    pub pg_dump_version: String,
    /// The newest migration that the database had; `None` for a database that is not ours.
    pub schema_version: Option<i32>,
    /// The commit of the function that made it.
    pub release: Option<String>,
    pub archive: Archive,
    pub inventory: Inventory,
    /// The program and what of its options shapes the archive, for whoever restores by hand.
    pub made_by: String,
}

/// The object that holds the dump: `pg_dump -Fc -Z0`, compressed with zstd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    pub key: String,
    /// As stored.
    pub bytes: u64,
    /// Of the stored bytes, in hex.
    pub sha256: String,
    /// What `pg_dump` wrote.
    pub plain_bytes: u64,
    /// Of what `pg_dump` wrote, in hex: an unpacked archive is proven whole by it.
    #[serde(default)]
    pub plain_sha256: Option<String>,
}

/// What is in a database, as one snapshot shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// By name as SQL writes it: `public.executions`, `"Odd schema"."Table"`. Tables and partitions, not their parents; partitions
    /// that a restore fills anew (by the hash of an enum) are one, under their root's name.
    pub tables: BTreeMap<String, Table>,
    /// Materialized views, as they were. A restore computes them from the tables: one that was not up to date differs then, and so
    /// does one that takes the time or chance into account.
    #[serde(default)]
    pub views: BTreeMap<String, Table>,
    pub sequences: BTreeMap<String, Sequence>,
    pub large_objects: LargeObjects,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub rows: u64,
    /// The sum, modulo 2^64, of a 64-bit hash of each row: of no order. In hex in JSON: numbers there end at 2^53.
    #[serde(with = "hex64")]
    pub checksum: u64,
}

/// Sequences obey no snapshot: a dump has a value between these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// `last_value` and `is_called` when the dump began.
    pub before: (i64, bool),
    /// And when it had ended.
    pub after: (i64, bool),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjects {
    pub count: u64,
    #[serde(with = "hex64")]
    pub checksum: u64,
}

mod hex64 {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:016x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}
