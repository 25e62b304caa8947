//! The way to read: as the role that may do nothing else, in transactions that may do nothing else either.

use std::{ops::Deref, sync::Arc, time::Duration};

use shared::{
    db::{ConnectError, Credentials, DatabaseUrl, connect_with_hangup},
    errors,
    secrets::SecretSource,
};
use tokio::task::AbortHandle;
use tokio_postgres::Client;

pub(crate) struct Reader {
    url: DatabaseUrl,
    secret_id: String,
    secrets: Arc<dyn SecretSource>,
}

/// A connection that ends when it is dropped, whatever the server is still doing for it.
pub(crate) struct Reading {
    client: Client,
    hangup: AbortHandle,
}

impl Reader {
    pub(crate) fn new(url: DatabaseUrl, secret_id: String, secrets: &Arc<dyn SecretSource>) -> Self {
        Self { url, secret_id, secrets: Arc::clone(secrets) }
    }

    pub(crate) async fn connect(&self) -> Result<Reading, ConnectError> {
        let login = Credentials::new(Some(self.secret_id.clone()), &self.secrets);
        let (client, hangup) = connect_with_hangup(self.url.clone(), login).await?;
        Ok(Reading { client, hangup })
    }
}

impl Reading {
    /// Opens a transaction that cannot write and sees one moment. No statement in it takes longer than `longest`, and the server
    /// ends one that is left open.
    pub(crate) async fn begin(&self, longest: Duration) -> Result<(), tokio_postgres::Error> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
             SET LOCAL statement_timeout = {};
             SET LOCAL idle_in_transaction_session_timeout = '60s'",
            longest.as_millis().max(1)
        );
        self.client.batch_execute(&begin).await
    }

    pub(crate) async fn end(&self) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute("ROLLBACK").await
    }
}

impl Deref for Reading {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.hangup.abort();
    }
}

/// The server's own words, without the detail, which may quote values.
pub(crate) fn words(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| errors::chain(error), |db| format!("{} (SQLSTATE {})", db.message(), db.code().code()))
}
