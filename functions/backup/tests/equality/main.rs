//! A restored database is equal to the original: `pg_dump` writes the same bytes for both (on schemas where PostgreSQL can), and
//! every count and checksum is the same. Streamed as well as from a file in parallel; as a superuser, and as the restorer who is none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod generated;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use backup::{
    manifest::Manifest,
    restore::{Restored, Scratch, Source, Step, drop_database, restore},
};
use shared::db::{Credentials, DatabaseUrl, connect_for_maintenance};
use testkit::{TestBackups, TestDatabase};
use tokio::sync::watch;

/// How, and as whom.
#[derive(Clone, Copy, Debug)]
enum Way {
    StreamAsRestorer,
    ParallelAsRestorer,
    StreamAsSuperuser,
}

use Way::{ParallelAsRestorer, StreamAsRestorer, StreamAsSuperuser};

/// A backup of a database, and where it is.
struct Backed {
    original: TestDatabase,
    backups: TestBackups,
    manifest: Manifest,
    plain: tempfile::NamedTempFile,
}

impl Backed {
    /// By a superuser: nobody granted the reader anything there.
    async fn up(original: TestDatabase) -> Self {
        let as_superuser = original.admin_url();
        Self::up_as(original, &as_superuser).await
    }

    async fn up_as(original: TestDatabase, url: &DatabaseUrl) -> Self {
        let backups = TestBackups::create().await;
        let (manifest, archive) = support::take_into(&backups, url).await;
        let plain = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(plain.path(), archive).unwrap();
        Self { original, backups, manifest, plain }
    }

    /// Into a new database, which must be equal. Its URL as the superuser.
    async fn restore(&self, way: Way) -> (DatabaseUrl, Restored) {
        let server = match way {
            StreamAsSuperuser => self.original.admin_url(),
            _ => self.original.restorer_url(),
        };
        let name = TestDatabase::unused_name();
        let scratch = Scratch::create(&server, &name).await.unwrap();
        let (store, (step, _)) = (support::store(&self.backups).await, watch::channel(Step::default()));
        let source = match way {
            ParallelAsRestorer => Source::File { path: self.plain.path(), jobs: 3 },
            _ => Source::Store(&store),
        };
        let restored = restore(&support::programs().await, &self.manifest, source, &scratch.url(), &step).await;
        let restored = restored.unwrap_or_else(|error| panic!("{way:?}: {error}"));
        assert_eq!(restored.comparison.differences, Vec::<String>::new(), "{way:?}");
        (self.original.admin_url().with_database(&name), restored)
    }

    /// The bytes of both dumps are the same.
    async fn assert_identical(&self, restored: &DatabaseUrl) {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["original.sql", "restored.sql"].map(|name| directory.path().join(name));
        let original = support::sql_dump(&self.original.admin_url(), &one).await;
        let copy = support::sql_dump(restored, &other).await;
        assert!(original.len() > 1_000);
        if original != copy {
            let diff = std::process::Command::new("diff").arg(&one).arg(&other).output().unwrap();
            let diff = String::from_utf8_lossy(&diff.stdout).into_owned();
            panic!("the dumps differ:\n{}", diff.chars().take(3_000).collect::<String>());
        }
    }

    async fn prove(&self, ways: &[Way]) {
        for way in ways {
            let (url, _) = self.restore(*way).await;
            self.assert_identical(&url).await;
            drop_database(&self.original.admin_url(), &url.database).await.unwrap();
        }
    }
}

#[tokio::test]
async fn this_projects_schema_with_100_000_executions() {
    let original = TestDatabase::new().await;
    original.execute(include_str!("executions.sql")).await;
    let reader = original.reader_url();
    let backed = Backed::up_as(original, &reader).await;
    assert_eq!(backed.manifest.inventory.tables["public.executions"].rows, 100_000);
    backed.prove(&[StreamAsRestorer, ParallelAsRestorer]).await;
}

/// Each transaction leaves an execution with its attempt, and takes a number of a sequence. What is restored is of one moment: as
/// many of the one as of the other, and no number that comes twice.
#[tokio::test]
async fn what_is_written_meanwhile_is_in_the_copy_as_a_whole_or_not_at_all() {
    let original = TestDatabase::new().await;
    original.execute("CREATE SEQUENCE numbers; CREATE TABLE numbered (n bigint PRIMARY KEY); GRANT SELECT ON numbers, numbered TO solo_reader").await;
    original.execute(include_str!("executions.sql")).await;
    let (reader, writer) = (original.reader_url(), original.admin().await);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let mut written = 0;
        while !stopped.load(Ordering::Relaxed) {
            writer.batch_execute(WRITE).await.unwrap();
            written += 1;
        }
        written
    });
    let backed = Backed::up_as(original, &reader).await;
    stop.store(true, Ordering::Relaxed);
    let written: i64 = writing.await.unwrap();
    let (url, _) = backed.restore(StreamAsRestorer).await;
    let copy = connect_for_maintenance(url, Credentials::Url).await.unwrap();
    let row = copy
        .query_one(
            "SELECT (SELECT count(*) FROM numbered), (SELECT count(*) FROM executions WHERE source = 'writer'),
                    (SELECT count(*) FROM attempts WHERE error = 'of the writer'), (SELECT max(n) FROM numbered), nextval('numbers')",
            &[],
        )
        .await
        .unwrap();
    let [numbered, executions, attempts]: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!((numbered, executions), (executions, attempts));
    assert!(
        numbered > 0 && numbered < written,
        "{numbered} of {written} were in the snapshot: nothing was written meanwhile"
    );
    assert!(row.get::<_, i64>(4) > row.get::<_, Option<i64>>(3).unwrap(), "a number comes twice");
}

const WRITE: &str = "
    WITH numbered AS (INSERT INTO numbered SELECT nextval('numbers') RETURNING n),
    new AS (
        INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload, fingerprint,
                                correlation_id, finished_at)
        SELECT gen_random_uuid(), 'writer', n::text, 'x', 1, 'completed', 1, 1, '{}', sha256(n::text::bytea), n::text, now()
          FROM numbered
        RETURNING id
    )
    INSERT INTO attempts (execution_id, fence, attempt, started_at, finished_at, outcome, error)
    SELECT id, 1, 1, now(), now(), 'crashed', 'of the writer' FROM new";

#[tokio::test]
async fn an_awkward_schema() {
    let original = TestDatabase::empty().await;
    original.execute(include_str!("awkward.sql")).await;
    let backed = Backed::up(original).await;
    let inventory = &backed.manifest.inventory;
    assert!(inventory.tables.len() >= 20 && inventory.sequences.len() > 5, "{inventory:?}");
    assert_eq!(inventory.large_objects.count, 3);
    backed.prove(&[StreamAsRestorer, ParallelAsRestorer, StreamAsSuperuser]).await;
}

/// A dump distributes such rows anew, and a child that came before its parent's column has its columns in another order: the
/// contents are equal, the bytes of a dump need not be.
#[tokio::test]
async fn what_postgresql_itself_does_not_write_the_same_is_equal_all_the_same() {
    let original = TestDatabase::empty().await;
    original
        .execute(
            "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
             CREATE TABLE moods (id int, mood mood) PARTITION BY HASH (mood);
             CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 3, REMAINDER 0);
             CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 3, REMAINDER 1);
             CREATE TABLE moods_2 PARTITION OF moods FOR VALUES WITH (MODULUS 3, REMAINDER 2);
             INSERT INTO moods SELECT i, (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood FROM generate_series(1, 100) AS i;
             CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent);
             ALTER TABLE parent ADD COLUMN c int DEFAULT 3;
             INSERT INTO child SELECT i, i, i FROM generate_series(1, 10) AS i",
        )
        .await;
    let backed = Backed::up(original).await;
    assert_eq!(backed.manifest.inventory.tables["public.moods"].rows, 100);
    for way in [StreamAsRestorer, ParallelAsRestorer] {
        backed.restore(way).await;
    }
}

/// What only a superuser can make, and what would reach out of the copy.
#[tokio::test]
async fn what_a_restorer_cannot_make_is_left_out_and_told() {
    let original = TestDatabase::empty().await;
    original
        .execute(
            "CREATE EXTENSION pg_trgm; COMMENT ON EXTENSION pg_trgm IS 'a comment';
             CREATE TABLE kept (id int); INSERT INTO kept VALUES (1);
             CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
             CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch();
             CREATE PUBLICATION everything FOR ALL TABLES",
        )
        .await;
    let backed = Backed::up(original).await;
    let (_, restored) = backed.restore(StreamAsRestorer).await;
    let left_out = restored.left_out.join("; ");
    for what in ["COMMENT - EXTENSION pg_trgm", "EVENT TRIGGER - watch", "PUBLICATION - everything"] {
        assert!(left_out.contains(what), "{what}: {left_out}");
    }
    let (url, restored) = backed.restore(StreamAsSuperuser).await;
    assert!(restored.left_out.is_empty(), "{:?}", restored.left_out);
    backed.assert_identical(&url).await;
}

#[tokio::test]
async fn a_view_that_was_not_up_to_date_is_noted_and_no_fault() {
    let original = TestDatabase::empty().await;
    original
        .execute(
            "CREATE TABLE t (id int); CREATE MATERIALIZED VIEW v AS SELECT * FROM t; INSERT INTO t VALUES (1);
             CREATE MATERIALIZED VIEW empty AS SELECT * FROM t WITH NO DATA",
        )
        .await;
    let (_, restored) = Backed::up(original).await.restore(StreamAsRestorer).await;
    let notes = restored.comparison.notes;
    assert!(notes.len() == 1 && notes[0].starts_with("public.v has 1 rows instead of 0 (a materialized"), "{notes:?}");
}

#[tokio::test]
async fn a_database_with_anything_in_it_is_refused_and_left_as_it_was() {
    let original = TestDatabase::empty().await;
    original.execute("CREATE TABLE t (id int)").await;
    let backed = Backed::up(original).await;
    for there in [
        "CREATE TABLE other ()",
        "CREATE SCHEMA other",
        "CREATE TYPE other AS ENUM ()",
        "CREATE FUNCTION other() RETURNS int RETURN 1",
        "SELECT lo_create(0)",
    ] {
        let target = TestDatabase::empty().await;
        target.execute(there).await;
        let (store, (step, _)) = (support::store(&backed.backups).await, watch::channel(Step::default()));
        let programs = support::programs().await;
        let refused = restore(&programs, &backed.manifest, Source::Store(&store), &target.admin_url(), &step).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("is not empty: it has 1 objects"), "{there}: {refused}");
        assert_eq!(target.count("SELECT count(*) FROM pg_class WHERE relname = 't'").await, 0);
    }
    // Extensions do not count: a dump creates them where they are missing.
    let target = TestDatabase::empty().await;
    target.execute("CREATE EXTENSION pg_trgm").await;
    let (store, (step, _)) = (support::store(&backed.backups).await, watch::channel(Step::default()));
    let programs = support::programs().await;
    restore(&programs, &backed.manifest, Source::Store(&store), &target.admin_url(), &step).await.unwrap();
    let client = connect_for_maintenance(target.admin_url(), Credentials::Url).await.unwrap();
    client.batch_execute("SELECT FROM t").await.unwrap();
}
