//! A migrated database of a test's own, cloned from the template that `solo test-stack` made.

use secrecy::SecretString;
use shared::db::{Credentials, DatabaseUrl, connect_for_maintenance};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::variable;

pub struct TestDatabase {
    name: String,
}

impl TestDatabase {
    /// Takes some 50 ms. The test stack drops it in the end, so that a failed test's data can be looked at until then.
    pub async fn new() -> Self {
        let name = Self::unused_name();
        let server = connect(server_url()).await;
        let create = format!("CREATE DATABASE {name} TEMPLATE {}", variable("SOLO_TEST_TEMPLATE"));
        server.batch_execute(&create).await.unwrap();
        Self { name }
    }

    /// The name of a database that is not there. The test stack drops it in the end, whoever makes it.
    pub fn unused_name() -> String {
        let unique = Uuid::new_v4().simple().to_string();
        // A name has 63 bytes at most; PostgreSQL would cut it.
        format!("{}{}", variable("SOLO_TEST_PREFIX"), &unique[..18])
    }

    /// Without anything in it, not even the migrations.
    pub async fn empty() -> Self {
        let name = Self::unused_name();
        connect(server_url()).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { name }
    }

    /// As the functions connect.
    pub fn app_url(&self) -> DatabaseUrl {
        self.url_of("solo_app", "SOLO_TEST_APP_PASSWORD")
    }

    /// As who may read everything; backups are taken so.
    pub fn reader_url(&self) -> DatabaseUrl {
        self.url_of("solo_reader", "SOLO_TEST_READER_PASSWORD")
    }

    /// As who may make databases; backups are restored so.
    pub fn restorer_url(&self) -> DatabaseUrl {
        self.url_of("solo_restorer", "SOLO_TEST_RESTORER_PASSWORD")
    }

    fn url_of(&self, user: &str, password: &str) -> DatabaseUrl {
        self.admin_url().with_user(user, Some(SecretString::from(variable(password))))
    }

    /// As the server's superuser.
    pub fn admin_url(&self) -> DatabaseUrl {
        server_url().with_database(&self.name)
    }

    /// A connection that may do anything.
    pub async fn admin(&self) -> Client {
        connect(self.admin_url()).await
    }

    /// One number.
    pub async fn count(&self, sql: &str) -> i64 {
        self.admin().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// One text.
    pub async fn text(&self, sql: &str) -> String {
        self.admin().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub async fn execute(&self, sql: &str) {
        self.admin().await.batch_execute(sql).await.unwrap();
    }
}

fn server_url() -> DatabaseUrl {
    let url = DatabaseUrl::parse(&variable("SOLO_TEST_SERVER")).unwrap();
    let user = url.user.clone().unwrap_or_else(|| "postgres".into());
    url.with_user(&user, Some(SecretString::from(variable("SOLO_TEST_PASSWORD"))))
}

async fn connect(url: DatabaseUrl) -> Client {
    connect_for_maintenance(url, Credentials::Url).await.unwrap()
}
