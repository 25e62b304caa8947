//! What is in a database, as the snapshot of a transaction shows it: rows and a checksum of every table, the values of
//! sequences, large objects. Taken of the original while it is dumped, and of a copy after it was restored: equal means equal.
//!
//! A table's checksum is a sum, so the order of its rows is of no matter. Each row adds a 64-bit hash of all its columns, which
//! is hashed once more: `hash_record` is linear in the columns' hashes, and their sums alone would not tell `(a, 1), (b, 2)` from
//! `(a, 2), (b, 1)`. Columns go by name, so their order is of no matter either.
//!
//! It is no signature: whoever can choose rows can make two tables with one checksum. Blind by choice: to the scale of a number
//! (`1.0` and `1.00`), to the sign of zero, and to whatever a dump does not have (generated columns, foreign tables).

use std::collections::BTreeMap;

use tokio_postgres::{Client, error::SqlState};

use crate::manifest::{Inventory, LargeObjects, Sequence, Table};

const TABLES: &str = include_str!("sql/tables.sql");
const SEQUENCES: &str = include_str!("sql/sequences.sql");

/// What shapes the text of values, as the same everywhere; and row security, which has to fail where it would hide rows. For the
/// length of the transaction.
const SETTINGS: &str = "
    SET LOCAL row_security = off;
    SET LOCAL search_path = '';
    SET LOCAL DateStyle = 'ISO, MDY';
    SET LOCAL IntervalStyle = 'postgres';
    SET LOCAL TimeZone = 'UTC';
    SET LOCAL extra_float_digits = 1;
    SET LOCAL bytea_output = 'hex';
    SET LOCAL xmlbinary = 'base64';
    SET LOCAL lc_monetary = 'C';
    SET LOCAL quote_all_identifiers = off;
    SET LOCAL jit = off;
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0";

/// The 64 bits that something adds to a checksum.
macro_rules! hashed {
    ($record:expr) => {
        concat!("hashtextextended(hash_record_extended(", $record, ", 0)::text COLLATE \"C\", 0)")
    };
}

/// How much of a large object is read at once. It is part of the checksum.
const CHUNK: i32 = 1 << 20;

/// One more chunk of each large object in `$1` (of every one, when it is null): how many they are, what they add, which go on.
const LARGE_OBJECTS: &str = concat!(
    "SELECT count(*), COALESCE(sum(",
    hashed!("ROW(oid, $2::int8, chunk)"),
    "), 0)::text, COALESCE(array_agg(oid ORDER BY oid) FILTER (WHERE octet_length(chunk) = $3), '{}')
       FROM (SELECT oid, lo_get(oid, $2, $3) AS chunk FROM pg_largeobject_metadata
              WHERE $1::oid[] IS NULL OR oid = ANY ($1) OFFSET 0) AS chunks"
);

/// How many sequences are read by one statement.
const SEQUENCES_AT_ONCE: usize = 100;

#[derive(Debug, thiserror::Error)]
#[error("{doing}: {reason}")]
pub struct InventoryError {
    doing: String,
    reason: String,
    missing: bool,
}

impl InventoryError {
    /// A table or a sequence was there when they were listed, and is gone.
    pub fn is_missing(&self) -> bool {
        self.missing
    }
}

/// A table that has data in a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// As SQL writes it.
    pub name: String,
    /// Under which name it is counted: its own, but for partitions that a restore fills anew.
    under: String,
    /// Materialized: it cannot be locked, and a restore computes it anew.
    pub is_view: bool,
    is_populated: bool,
    condition: Option<String>,
    columns: Vec<String>,
}

/// All of it, inside the caller's transaction, which should be `REPEATABLE READ READ ONLY`. Changes settings of the transaction:
/// `search_path` and whatever shapes the text of values.
///
/// Fails when there is anything that it may not read, or that row security would hide: a dump would fail, too.
pub async fn take_inventory(client: &Client) -> Result<Inventory, InventoryError> {
    let listed = list_tables(client).await?;
    let (mut tables, mut views) = (BTreeMap::<String, Table>::new(), BTreeMap::<String, Table>::new());
    for table in &listed {
        let counted = count_table(client, table).await?;
        let kind = if table.is_view { &mut views } else { &mut tables };
        let sum = kind.entry(table.under.clone()).or_insert(Table { rows: 0, checksum: 0 });
        sum.rows += counted.rows;
        sum.checksum = sum.checksum.wrapping_add(counted.checksum);
    }
    let read = read_sequences(client).await?;
    let sequences = read.into_iter().map(|(name, value)| (name, Sequence { before: value, after: value })).collect();
    let large_objects = count_large_objects(client).await?;
    Ok(Inventory { tables, views, sequences, large_objects })
}

/// The tables whose data a dump has, the largest first.
pub async fn list_tables(client: &Client) -> Result<Vec<Counted>, InventoryError> {
    let failed = |source| failed("listing the tables", &source);
    client.batch_execute(SETTINGS).await.map_err(failed)?;
    let rows = client.query(TABLES, &[]).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            Ok(Counted {
                name: row.try_get("name")?,
                under: row.try_get("counted_as")?,
                is_view: row.try_get("is_view")?,
                is_populated: row.try_get("is_populated")?,
                condition: row.try_get("condition")?,
                columns: row.try_get("columns")?,
            })
        })
        .collect::<Result<_, _>>()
        .map_err(failed)
}

async fn count_table(client: &Client, table: &Counted) -> Result<Table, InventoryError> {
    if table.is_view && !table.is_populated {
        return Ok(Table { rows: 0, checksum: 0 });
    }
    // The condition is an extension's own SQL, as pg_dump takes it: `WHERE ...`.
    let condition = table.condition.as_deref().unwrap_or_default();
    let (columns, name) = (table.columns.join(", "), &table.name);
    let hash = concat!("SELECT count(*), COALESCE(sum(", hashed!("ROW({columns})"), "), 0)::text FROM ");
    let sql = format!("{}ONLY {name} AS t {condition}", hash.replace("{columns}", &columns));
    let doing = || format!("counting {name}");
    let row = client.query_one(&sql, &[]).await.map_err(|source| failed(&doing(), &source))?;
    let (rows, sum): (i64, String) = (row.get(0), row.get(1));
    Ok(Table { rows: whole(rows, doing)?, checksum: modulo(&sum, doing)? })
}

/// The values of all sequences as they are now: they obey no snapshot.
pub async fn read_sequences(client: &Client) -> Result<BTreeMap<String, (i64, bool)>, InventoryError> {
    let rows = client.query(SEQUENCES, &[]).await.map_err(|source| failed("listing the sequences", &source))?;
    let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
    let mut values = BTreeMap::new();
    for some in names.chunks(SEQUENCES_AT_ONCE) {
        let one = |(index, name)| format!("SELECT {index} AS index, last_value, is_called FROM {name}");
        let sql = some.iter().enumerate().map(one).collect::<Vec<_>>().join(" UNION ALL ");
        let rows = client.query(&sql, &[]).await.map_err(|source| failed("reading the sequences", &source))?;
        for row in rows {
            let index: i32 = row.get("index");
            let name = usize::try_from(index).ok().and_then(|index| some.get(index));
            values.extend(name.map(|name| (name.clone(), (row.get("last_value"), row.get("is_called")))));
        }
    }
    Ok(values)
}

/// In rounds: a chunk of each, then of those that go on. So the server never holds more than one chunk of one object.
async fn count_large_objects(client: &Client) -> Result<LargeObjects, InventoryError> {
    let doing = || "reading the large objects".to_owned();
    let (mut all, mut more, mut offset) = (LargeObjects::default(), None::<Vec<u32>>, 0_i64);
    loop {
        let row = client.query_one(LARGE_OBJECTS, &[&more, &offset, &CHUNK]).await;
        let row = row.map_err(|source| failed(&doing(), &source))?;
        let (count, sum, rest): (i64, String, Vec<u32>) = (row.get(0), row.get(1), row.get(2));
        all.checksum = all.checksum.wrapping_add(modulo(&sum, doing)?);
        if offset == 0 {
            all.count = whole(count, doing)?;
        }
        if rest.is_empty() {
            return Ok(all);
        }
        more = Some(rest);
        offset += i64::from(CHUNK);
    }
}

/// A sum of 64-bit hashes, as PostgreSQL's `numeric` in text, modulo 2^64.
fn modulo(sum: &str, doing: impl Fn() -> String) -> Result<u64, InventoryError> {
    let sum: i128 = sum.parse().map_err(|_| unexpected(doing()))?;
    u64::try_from(sum.rem_euclid(1 << 64)).map_err(|_| unexpected(doing()))
}

fn whole(count: i64, doing: impl Fn() -> String) -> Result<u64, InventoryError> {
    u64::try_from(count).map_err(|_| unexpected(doing()))
}

fn unexpected(doing: String) -> InventoryError {
    InventoryError { doing, reason: "the server's answer is no sum of hashes".into(), missing: false }
}

/// The server's own words, without the detail: it quotes values.
fn failed(doing: &str, source: &tokio_postgres::Error) -> InventoryError {
    let reason = match source.as_db_error() {
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => shared::errors::chain(source),
    };
    let missing = source.code().is_some_and(|code| *code == SqlState::UNDEFINED_TABLE);
    InventoryError { doing: doing.to_owned(), reason, missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_wrap_around_at_64_bits() {
        let modulo = |sum| modulo(sum, String::new).ok();
        assert_eq!(modulo("0"), Some(0));
        assert_eq!(modulo("-1"), Some(u64::MAX));
        assert_eq!(modulo("18446744073709551617"), Some(1));
        assert_eq!(modulo("-36893488147419103233"), Some(u64::MAX));
        assert_eq!(modulo("1.5"), None);
    }
}
