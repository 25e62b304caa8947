//! A stage of a test's own: database, bucket, login, and the function in it.

use std::{io::Read as _, path::Path};

use aws_sdk_s3::Client;
use backup::{Backup, Settings, manifest::Manifest, programs::Programs, upload::Patience};
use serde_json::{Value, json};
use shared::{config::Env, db::DatabaseUrl};
use testkit::{TestDatabase, TestQueues, TestSecrets, admin_config};
use tokio::time::Duration;
use uuid::Uuid;

pub struct World {
    pub database: TestDatabase,
    pub bucket: String,
    queues: TestQueues,
    app: TestSecrets,
    reader: TestSecrets,
    s3: Client,
}

impl World {
    pub async fn new() -> Self {
        let config = admin_config().await;
        let s3 = Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
        let bucket = format!("test-{}-backups", Uuid::new_v4().simple());
        s3.create_bucket().bucket(&bucket).send().await.unwrap();
        let (database, queues) = (TestDatabase::new().await, TestQueues::create().await);
        Self {
            database,
            bucket,
            queues,
            app: TestSecrets::app_login().await,
            reader: TestSecrets::reader_login().await,
            s3,
        }
    }

    /// As the function's settings; the database through `url`.
    pub fn variables(&self, url: &DatabaseUrl) -> Vec<(&'static str, String)> {
        let url = DatabaseUrl { user: None, password: None, ..url.clone() };
        let tls = match &url.tls {
            shared::db::TlsMode::Disabled => String::new(),
            shared::db::TlsMode::Verified { root_certificates } => {
                format!("?sslmode=verify-full&sslrootcert={}", root_certificates.as_ref().unwrap().display())
            }
        };
        vec![
            ("DATABASE_URL", format!("{url}{tls}")),
            ("DATABASE_SECRET_ID", self.app.id.clone()),
            ("READER_LOGIN_SECRET_ID", self.reader.id.clone()),
            ("OUTBOUND_QUEUE_URL", self.queues.config.outbound_url.clone()),
            ("BACKUPS_BUCKET", self.bucket.clone()),
            ("PG_PROGRAMS", testkit::variable("PG_PROGRAMS")),
            ("RELEASE", "abc1234".into()),
        ]
    }

    pub fn settings(&self, url: &DatabaseUrl) -> Settings {
        settings(&self.variables(url))
    }

    /// How many rows the archive has of a table, by PostgreSQL's own word.
    pub async fn rows_in(&self, plain: &[u8], table: &str) -> u64 {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), plain).unwrap();
        let programs = Programs::find(Some(testkit::variable("PG_PROGRAMS").as_ref())).await.unwrap();
        let mut restore = programs.pg_restore();
        restore.args(["--data-only", "--file=-", "--table", table]).arg(file.path());
        let output = restore.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().skip_while(|line| !line.starts_with("COPY ")).skip(1);
        lines.take_while(|line| *line != "\\.").count() as u64
    }

    pub async fn backup(&self) -> Backup {
        Backup::new(self.settings(&self.database.app_url())).await.unwrap()
    }

    /// The keys of what is in the bucket.
    pub async fn keys(&self) -> Vec<String> {
        let listed = self.s3.list_objects_v2().bucket(&self.bucket).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// The keys of uploads that were begun and neither finished nor aborted.
    pub async fn uploads(&self) -> Vec<String> {
        let listed = self.s3.list_multipart_uploads().bucket(&self.bucket).send().await.unwrap();
        listed.uploads().iter().map(|upload| upload.key().unwrap().to_owned()).collect()
    }

    pub async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.s3.get_object().bucket(&self.bucket).key(key).send().await.unwrap();
        got.body.collect().await.unwrap().to_vec()
    }

    /// The manifests in the bucket, each held against its archive. The archives, decompressed.
    pub async fn good_backups(&self) -> Vec<(Manifest, Vec<u8>)> {
        let mut all = Vec::new();
        for key in self.keys().await.iter().filter(|key| is_manifest(key)) {
            let manifest: Manifest = serde_json::from_slice(&self.get(key).await).unwrap();
            let stored = self.get(&manifest.archive.key).await;
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &stored);
            assert_eq!(hex::encode(digest), manifest.archive.sha256);
            assert_eq!(stored.len() as u64, manifest.archive.bytes);
            let mut plain = Vec::new();
            zstd::Decoder::new(&stored[..]).unwrap().read_to_end(&mut plain).unwrap();
            assert_eq!(plain.len() as u64, manifest.archive.plain_bytes);
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &plain);
            assert_eq!(manifest.archive.plain_sha256, Some(hex::encode(digest)));
            all.push((manifest, plain));
        }
        all
    }

    /// No backup, no upload; and an alert that says why in these words. An archive without a manifest may be there.
    pub async fn none_and_an_alert(&self, words: &str) {
        let keys = self.keys().await;
        assert!(!keys.iter().any(|key| is_manifest(key)), "there is a manifest: {keys:?}");
        assert_eq!(self.uploads().await, [""; 0], "an upload was left behind");
        let said = self.alert().await;
        assert!(said.contains(words), "{said}");
        let failed = "SELECT count(*) FROM job_runs WHERE job = 'backup' AND outcome = 'failed'";
        assert_eq!(self.database.count(failed).await, 1);
    }

    pub async fn alert(&self) -> String {
        let open = "SELECT COALESCE(string_agg(message, '; '), '') FROM alerts
                     WHERE key = 'job_failed:backup' AND resolved_at IS NULL";
        self.database.text(open).await
    }
}

pub fn settings(variables: &[(&'static str, String)]) -> Settings {
    let pairs: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut settings = Settings::load(&Env::of(&pairs)).unwrap();
    settings.patience = Patience { attempt: Duration::from_secs(3), attempts: 3 };
    settings
}

fn is_manifest(key: &str) -> bool {
    Path::new(key).extension() == Some("json".as_ref())
}

/// Milliseconds since 1970, so far from now.
pub fn deadline(after: Duration) -> u64 {
    let now = shared::clock::now().as_millisecond();
    u64::try_from(now).unwrap() + u64::try_from(after.as_millis()).unwrap()
}

pub async fn run(backup: &Backup) -> Result<Value, String> {
    let answer = backup.invoke(json!({"job": "backup"}), deadline(Duration::from_mins(3))).await;
    answer.map_err(|error| error.to_string())
}

/// A table whose archive has so many megabytes: noise, repeated further apart than zstd looks back.
pub fn table(megabytes: u32) -> String {
    format!(
        "CREATE TABLE noise (id int, data bytea); GRANT SELECT ON noise TO solo_reader; ALTER TABLE noise ALTER data SET STORAGE EXTERNAL;
         INSERT INTO noise SELECT i, (SELECT string_agg(uuid_send(gen_random_uuid()), '') FROM generate_series(1, 256) j WHERE i > 0)
                             FROM generate_series(1, 256) i;
         INSERT INTO noise SELECT id + 256 * r, data FROM noise, generate_series(1, {megabytes} - 1) r"
    )
}
