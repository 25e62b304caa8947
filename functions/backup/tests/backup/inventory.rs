//! What is counted, and when two databases count as equal.

use backup::{
    inventory::{InventoryError, take_inventory},
    manifest::Inventory,
};
use testkit::TestDatabase;
use tokio_postgres::Client;

async fn taken(client: &Client) -> Result<Inventory, InventoryError> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.unwrap();
    let taken = take_inventory(client).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    taken
}

async fn inventory(sql: &str) -> Inventory {
    let database = TestDatabase::empty().await;
    database.execute(sql).await;
    taken(&database.admin().await).await.unwrap()
}

#[tokio::test]
async fn everything_that_a_dump_has_is_counted_and_nothing_else() {
    let taken = inventory(
        r#"CREATE SCHEMA "Odd schéma";
           CREATE TABLE "Odd schéma"."Tä ""ble" ("É" int PRIMARY KEY, "select" text, t jsonb);
           INSERT INTO "Odd schéma"."Tä ""ble" VALUES (1, 'a', '{"b": [1, 2.50, null]}'), (2, NULL, NULL);
           CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
           CREATE TABLE empty (a int);
           CREATE TABLE made (a int, s int GENERATED ALWAYS AS (a * 2) STORED, v int GENERATED ALWAYS AS (1 / a) VIRTUAL,
                              i int GENERATED ALWAYS AS IDENTITY (START 7));
           INSERT INTO made (a) VALUES (0), (1);
           CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent);
           INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
           CREATE TABLE parts (a int) PARTITION BY RANGE (a);
           CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
           CREATE TABLE parts_2 PARTITION OF parts DEFAULT; INSERT INTO parts VALUES (1), (100), (101);
           CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
           CREATE TABLE moods (m mood) PARTITION BY HASH (m);
           CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
           CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
           INSERT INTO moods VALUES ('sad'), ('ok'), ('happy');
           CREATE UNLOGGED TABLE unlogged (a int); INSERT INTO unlogged VALUES (1);
           CREATE MATERIALIZED VIEW shown AS SELECT a FROM parent;
           CREATE MATERIALIZED VIEW unshown AS SELECT a FROM parent WITH NO DATA;
           CREATE VIEW plain AS SELECT 1; CREATE TEMPORARY TABLE passing (a int);
           CREATE TABLE odd (p point, j json, b bit(3), r int4range, c regclass, m mood, ms mood[], y money, n interval);
           INSERT INTO odd VALUES ('(1,2)', '{"a":1}', '101', '[1,5)', 'moods', 'ok', '{sad,NULL}', '1.20', '1 mon');
           SELECT lo_from_bytea(0, ''), lo_from_bytea(0, repeat('x', 3000000)::bytea), lo_from_bytea(0, '\x00')"#,
    )
    .await;
    let rows: Vec<(&str, u64)> = taken.tables.iter().map(|(name, table)| (name.as_str(), table.rows)).collect();
    let expected = [
        (r#""Odd schéma"."Tä ""ble""#, 2),
        ("public.child", 1),
        ("public.empty", 0),
        ("public.made", 2),
        ("public.moods", 3),
        ("public.nothing", 2),
        ("public.odd", 1),
        ("public.parent", 1),
        ("public.parts_1", 1),
        ("public.parts_2", 2),
        ("public.unlogged", 1),
    ];
    assert_eq!(rows, expected);
    let views: Vec<(&str, u64)> = taken.views.iter().map(|(name, table)| (name.as_str(), table.rows)).collect();
    assert_eq!(views, [("public.shown", 2), ("public.unshown", 0)]);
    assert_eq!(taken.sequences["public.made_i_seq"].after, (8, true));
    assert_eq!(taken.large_objects.count, 3);
}

#[tokio::test]
async fn a_change_of_any_kind_changes_the_checksum() {
    let rows = |values: &str| format!("CREATE TABLE t (a int, b text, c jsonb); INSERT INTO t VALUES {values}");
    let original = inventory(&rows("(1, 'x', '[1]'), (2, 'y', NULL)")).await.tables["public.t"];
    for (what, values) in [
        ("a value", "(1, 'x', '[1]'), (2, 'z', NULL)"),
        ("two rows that swapped a value", "(1, 'y', '[1]'), (2, 'x', NULL)"),
        ("a null that was none", "(1, 'x', '[1]'), (2, 'y', 'null')"),
        ("a value within JSON", "(1, 'x', '[2]'), (2, 'y', NULL)"),
        ("one row twice, another not at all", "(1, 'x', '[1]'), (1, 'x', '[1]')"),
    ] {
        let changed = inventory(&rows(values)).await.tables["public.t"];
        assert_eq!(changed.rows, original.rows);
        assert_ne!(changed.checksum, original.checksum, "{what}");
    }
    for (what, sql) in [
        ("other rows' order", rows("(2, 'y', NULL), (1, 'x', '[1]')")),
        (
            "other columns' order",
            "CREATE TABLE t (c jsonb, b text, a int); INSERT INTO t VALUES ('[1]', 'x', 1), (NULL, 'y', 2)".into(),
        ),
        (
            "a dropped column",
            format!("{}; ALTER TABLE t ADD d int; ALTER TABLE t DROP d", rows("(1, 'x', '[1]'), (2, 'y', NULL)")),
        ),
    ] {
        assert_eq!(inventory(&sql).await.tables["public.t"], original, "{what}");
    }
}

#[tokio::test]
async fn values_count_by_what_they_say_and_not_by_numbers_of_their_database() {
    // Other types come first, so that the enum and the table have other numbers.
    let sql = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
               CREATE TYPE pair AS (m mood, n int);
               CREATE TABLE t (m mood, ms mood[], c regclass, p pair, d positive, y money, f float8, b bytea,
                               r tstzrange, ds date[], n interval, fs float8[], bs bytea[]);
               INSERT INTO t VALUES ('ok', '{ok,sad}', 'pg_class', '(sad,1)', 5, '1.20', 0.1, '\\xff',
                                     '[2026-01-02 03:04:05+00,]', '{2026-02-01}', '1 mon 2 days', '{0.1,0.2}', ARRAY['\\xff'::bytea]),
                                    ('sad', '{}', 't', NULL, NULL, NULL, 'NaN', '', NULL, NULL, NULL, NULL, NULL)";
    let one = inventory(sql).await;
    let shifted = format!("CREATE TYPE other AS ENUM ('a', 'b', 'c'); DROP TYPE other; {sql}");
    let database = TestDatabase::empty().await;
    database.execute(&shifted).await;
    let client = database.admin().await;
    // Nothing that a session is set to matters.
    client
        .batch_execute(
            "SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'; SET bytea_output = 'escape'; SET extra_float_digits = -5;
             SET search_path = public; SET IntervalStyle = 'iso_8601'",
        )
        .await
        .unwrap();
    assert_eq!(taken(&client).await.unwrap(), one);
}

#[tokio::test]
async fn large_objects_count_by_their_number_and_every_byte() {
    let of =
        |first: &str, second: &str| format!("SELECT lo_from_bytea(10001, {first}), lo_from_bytea(10002, {second})");
    let long = "repeat('x', 2097152)::bytea";
    let original = inventory(&of(long, "'a'")).await.large_objects;
    assert_eq!(inventory(&of(long, "'a'")).await.large_objects, original);
    for (first, second) in [
        ("(repeat('x', 2097151) || 'y')::bytea", "'a'"),
        ("repeat('x', 2097153)::bytea", "'a'"),
        ("'a'", long),
        (long, "'b'"),
    ] {
        assert_ne!(inventory(&of(first, second)).await.large_objects.checksum, original.checksum);
    }
}

#[tokio::test]
async fn what_may_not_be_read_fails_and_does_not_count_as_nothing() {
    let database = TestDatabase::new().await;
    database
        .execute(
            "CREATE TABLE tenants (a int); INSERT INTO tenants VALUES (1); ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO solo_reader; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO solo_reader",
        )
        .await;
    let client = database.admin().await;
    client.batch_execute("SET ROLE solo_reader").await.unwrap();
    let error = taken(&client).await.unwrap_err().to_string();
    assert!(error.contains("public.tenants") && error.contains("row-level security"), "{error}");

    database.execute("DROP TABLE tenants; CREATE TABLE hidden (a int)").await;
    let error = taken(&client).await.unwrap_err().to_string();
    assert!(error.contains("public.hidden") && error.contains("permission denied"), "{error}");

    database.execute("DROP TABLE hidden").await;
    taken(&client).await.unwrap();
    database.execute("SELECT lo_from_bytea(0, 'secret')").await;
    let error = taken(&client).await.unwrap_err().to_string();
    assert!(error.contains("large object"), "{error}");
}
