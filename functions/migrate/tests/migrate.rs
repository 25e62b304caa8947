//! Migrations and roles, on databases of their own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use migrate::{Passwords, migrate};
use secrecy::SecretString;
use shared::{
    db::{Credentials, Database, connect_for_maintenance},
    migrations,
};
use testkit::TestDatabase;
use uuid::Uuid;

#[tokio::test]
async fn twice_changes_nothing_and_two_at_once_wait_for_each_other() {
    let database = TestDatabase::empty().await;
    let unchanged = Passwords::default();
    let run = || migrate(database.admin_url(), Credentials::Url, &unchanged);
    let (one, other) = tokio::join!(run(), run());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.applied.len() + other.applied.len(), migrations::ALL.len(), "{one:?} {other:?}");
    assert_eq!(one.schema_version, migrations::ALL.last().unwrap().version);
    assert!(run().await.unwrap().applied.is_empty());
}

/// RDS's master user is no superuser.
#[tokio::test]
async fn a_master_user_like_that_of_rds_can_migrate() {
    let database = TestDatabase::empty().await;
    let admin = database.admin().await;
    let name = format!("master_{}", Uuid::new_v4().simple());
    let name_of_database = database.admin_url().database;
    admin
        .batch_execute(&format!(
            "CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD 'a-password-for-the-test';
             ALTER DATABASE {name_of_database} OWNER TO {name};
             GRANT solo_owner TO {name} WITH ADMIN OPTION;
             GRANT solo_app, solo_reader, solo_restorer TO {name} WITH ADMIN OPTION"
        ))
        .await
        .unwrap();
    let url = database.admin_url().with_user(&name, Some(SecretString::from("a-password-for-the-test")));
    migrate(url, Credentials::Url, &Passwords::default()).await.unwrap();
    let owners = "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.text(owners).await, "solo_owner");
}

#[tokio::test]
async fn each_role_may_do_its_work_and_no_more() {
    let database = TestDatabase::new().await;
    let refused = async |role: &str, sql: &str| {
        let admin = database.admin().await;
        admin.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
        let result = admin.batch_execute(sql).await;
        result.err().and_then(|error| error.code().map(|code| code.code().to_owned()))
    };
    for sql in [
        "DELETE FROM executions",
        "TRUNCATE executions",
        "UPDATE payments SET amount_cents = 1",
        "DELETE FROM payments",
        "UPDATE attempts SET error = 'x'",
        "DELETE FROM attempts",
        "CREATE TABLE mine (id int)",
        "ALTER TABLE executions ADD COLUMN x int",
        "DROP TABLE payments",
        "DELETE FROM schema_migrations",
    ] {
        for role in ["solo_app", "solo_reader"] {
            assert_eq!(refused(role, sql).await.as_deref(), Some("42501"), "{role}: {sql}");
        }
    }
    for sql in ["INSERT INTO executions (id) VALUES (gen_random_uuid())", "UPDATE executions SET attempt = 0"] {
        assert_eq!(refused("solo_reader", sql).await.as_deref(), Some("42501"), "{sql}");
    }
    for sql in
        ["SELECT FROM executions", "SELECT FROM attempts", "SELECT FROM payments", "SELECT FROM schema_migrations"]
    {
        for role in ["solo_app", "solo_reader"] {
            assert_eq!(refused(role, sql).await, None, "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn a_changed_migration_is_noticed() {
    let database = TestDatabase::new().await;
    database.execute("UPDATE schema_migrations SET checksum = '1' WHERE version = 1").await;
    let error = migrate(database.admin_url(), Credentials::Url, &Passwords::default()).await.unwrap_err();
    assert!(error.to_string().contains("create_executions"), "{error}");
}

#[tokio::test]
async fn the_password_never_reaches_the_server() {
    // Of a role of its own: changing those of the other tests would lock them out.
    let database = TestDatabase::new().await;
    let stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'solo_app'";
    assert!(database.text(stored).await.starts_with("SCRAM-SHA-256$"));
    let app = Database::new(database.app_url(), Credentials::Url, &[]).unwrap();
    app.open().await.unwrap();
    let client = connect_for_maintenance(database.app_url(), Credentials::Url).await.unwrap();
    assert_eq!(client.query_one("SELECT current_user::text", &[]).await.unwrap().get::<_, String>(0), "solo_app");
}

/// The tables cannot hold a row that makes no sense.
#[tokio::test]
async fn impossible_executions_are_refused() {
    let database = TestDatabase::new().await;
    let admin = database.admin().await;
    let insert = |changes: &str| {
        format!(
            "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload,
                                     fingerprint, correlation_id, lease_until, next_attempt_at, finished_at, last_error)
             SELECT gen_random_uuid(), 'stripe', gen_random_uuid()::text, 'a', 1, x.status, 1, 1, '{{}}',
                    sha256('x'), 'c', x.lease, x.next, x.finished, x.error
               FROM (VALUES ({changes})) AS x (status, lease, next, finished, error)"
        )
    };
    for possible in [
        "'processing', now(), NULL::timestamptz, NULL::timestamptz, NULL",
        "'completed', NULL::timestamptz, NULL::timestamptz, now(), NULL",
        "'failed', NULL::timestamptz, now(), NULL::timestamptz, 'e'",
        "'dead', NULL::timestamptz, NULL::timestamptz, now(), 'e'",
    ] {
        admin.batch_execute(&insert(possible)).await.unwrap();
    }
    for impossible in [
        "'waiting', NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL",
        "'processing', NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL",
        "'completed', now(), NULL::timestamptz, now(), NULL",
        "'completed', NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL",
        "'failed', NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, 'e'",
        "'dead', NULL::timestamptz, NULL::timestamptz, now(), NULL",
    ] {
        let error = admin.batch_execute(&insert(impossible)).await.expect_err(impossible);
        assert_eq!(error.code().unwrap().code(), "23514", "{impossible}: {error}");
    }
}

/// A deploy was rolled back: the schema is newer than the code.
#[tokio::test]
async fn older_code_leaves_a_newer_schema_alone() {
    let database = TestDatabase::new().await;
    let newer =
        "INSERT INTO schema_migrations SELECT version + 1, 'of_the_future', applied_on, '1' FROM schema_migrations
                 ORDER BY version DESC LIMIT 1";
    database.execute(newer).await;
    let done = migrate(database.admin_url(), Credentials::Url, &Passwords::default()).await.unwrap();
    assert!(done.applied.is_empty());
    assert_eq!(done.schema_version, migrations::ALL.last().unwrap().version + 1);
}

/// What a restore leaves behind: everything belongs to the restorer, the database too.
#[tokio::test]
async fn a_restored_database_is_taken_into_service_and_the_restorers_others_stay_its_own() {
    let (restored, scratch) = (TestDatabase::new().await, TestDatabase::empty().await);
    let of = |database: &TestDatabase| database.admin_url().database;
    restored
        .execute(&format!(
            "REASSIGN OWNED BY solo_owner TO solo_restorer;
             ALTER DATABASE {} OWNER TO solo_restorer; ALTER DATABASE {} OWNER TO solo_restorer",
            of(&restored),
            of(&scratch)
        ))
        .await;
    // The backup's own run, as its snapshot shows it.
    let run =
        "INSERT INTO job_runs (id, job, stuck_at) VALUES (gen_random_uuid(), 'backup', now() + interval '15 minutes')";
    restored.execute(run).await;
    let job = "INSERT INTO jobs (name, period, grace, watched_since, last_success_at)
               VALUES ('backup', '1 day', '2 hours', now() - interval '90 days', now() - interval '30 days')";
    restored.execute(job).await;
    let name = format!("master_{}", Uuid::new_v4().simple());
    restored
        .execute(&format!(
            "CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD 'a-password-for-the-test';
             GRANT solo_owner, solo_app, solo_reader, solo_restorer TO {name} WITH ADMIN OPTION"
        ))
        .await;
    let url = restored.admin_url().with_user(&name, Some(SecretString::from("a-password-for-the-test")));
    migrate(url, Credentials::Url, &Passwords::default()).await.unwrap();
    let owners = "SELECT string_agg(DISTINCT relowner::regrole::text, ',') FROM pg_class
                   WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(restored.text(owners).await, "solo_owner");
    let owner = async |database: &TestDatabase| {
        database.text("SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()").await
    };
    assert_eq!(owner(&restored).await, name);
    assert_eq!(owner(&scratch).await, "solo_restorer");
    let ended = restored.text("SELECT outcome || ': ' || error FROM job_runs").await;
    assert!(ended.starts_with("failed: it was under way"), "{ended}");
    let watched = "SELECT count(*) FROM jobs WHERE watched_since > now() - interval '1 minute'";
    assert_eq!(restored.count(watched).await, 1, "no job is late because the backup is old");
    restored.execute("SET ROLE solo_app; SELECT FROM executions").await;
}

#[tokio::test]
async fn the_restorer_makes_databases_and_sees_nothing_of_ours() {
    let database = TestDatabase::new().await;
    let may = "SELECT concat_ws(' ', rolcanlogin, rolcreatedb, rolsuper, rolcreaterole, rolbypassrls, rolreplication,
                      (SELECT count(*) FROM pg_auth_members WHERE member = pg_roles.oid))
                 FROM pg_roles WHERE rolname = 'solo_restorer'";
    assert_eq!(database.text(may).await, "t t f f f f 0");
    let seen = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
                   AND has_table_privilege('solo_restorer', oid, 'SELECT')";
    assert_eq!(database.count(seen).await, 0);
}

#[tokio::test]
async fn the_reader_may_read_every_table_and_every_sequence_also_a_new_one() {
    let database = TestDatabase::new().await;
    database
        .execute("SET ROLE solo_owner; CREATE TABLE later (id bigserial); CREATE VIEW seen AS SELECT FROM later")
        .await;
    migrate(database.admin_url(), Credentials::Url, &Passwords::default()).await.unwrap();
    let unread = "SELECT coalesce(string_agg(oid::regclass::text, ', '), '') FROM pg_class
                   WHERE relnamespace = 'public'::regnamespace
                     AND NOT CASE WHEN relkind = 'S' THEN has_sequence_privilege('solo_reader', oid, 'SELECT')
                                  WHEN relkind IN ('r', 'p', 'v', 'm') THEN has_table_privilege('solo_reader', oid, 'SELECT')
                                  ELSE true END";
    assert_eq!(database.text(unread).await, "");
    assert_eq!(database.text("SELECT count(*)::text FROM pg_default_acl").await, "0");
}
