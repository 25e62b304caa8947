//! The database: one connection per environment, opened during init, statements prepared once.
//!
//! A Lambda environment handles one event at a time, so it needs one connection and no pool; callers that share an
//! environment wait for each other at [`Database::session`]. A connection that may be in an unknown state (a panic, a
//! deadline, an open transaction that nobody ended) is dropped, never reused. Nothing is retried blindly in mid-write.

mod connect;
mod error;
mod release;
mod session;
mod stream;
mod url;

pub use connect::{ConnectError, Credentials, connect_for_maintenance, connect_with_hangup};
pub use error::DbError;
pub use release::Release;
pub use session::{Params, Session};
pub use stream::{Dialer, Stream};
pub use url::{DatabaseUrl, TlsMode, UrlFault};

use std::{collections::HashMap, time::Duration};

use tokio::{
    sync::Mutex,
    task::AbortHandle,
    time::{Instant, timeout},
};
use tokio_postgres::{Client, Statement};

use connect::Target;

/// An idle connection older than this is checked before it is used: the network forgets idle ones.
const CHECK_AFTER: Duration = Duration::from_secs(30);
const CHECK_WITHIN: Duration = Duration::from_millis(500);

/// One environment's way to the database.
pub struct Database {
    target: Target,
    warm: &'static [&'static str],
    slot: Mutex<Option<Connection>>,
}

/// An open connection and what was prepared on it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// Closes it at once.
    pub(crate) hangup: AbortHandle,
    pub(crate) statements: HashMap<&'static str, Statement>,
    pub(crate) last_used: Instant,
}

impl Database {
    /// Nothing is opened yet. `warm` are the statements to prepare with each new connection.
    pub fn new(
        url: DatabaseUrl,
        credentials: Credentials,
        warm: &'static [&'static str],
    ) -> Result<Self, ConnectError> {
        Ok(Self { target: Target::new(url, credentials)?, warm, slot: Mutex::new(None) })
    }

    /// Has its connections say which release they are of.
    #[must_use]
    pub fn of_release(mut self, release: Option<Release>) -> Self {
        self.target.release = release;
        self
    }

    /// Opens the connection if there is none, so that the first event does not wait for it. Call it during init.
    pub async fn open(&self) -> Result<(), DbError> {
        self.session().await.map(drop)
    }

    /// The connection, for as long as the session lives. Waits for its present user; opens or reopens it if need be.
    ///
    /// Fails with [`DbError::Unreachable`] when the server cannot be reached within 3 s.
    pub async fn session(&self) -> Result<Session<'_>, DbError> {
        let mut slot = self.slot.lock().await;
        let usable = match slot.as_ref() {
            None => false,
            Some(connection) => connection.is_usable().await,
        };
        if !usable {
            *slot = None;
            *slot = Some(self.target.connect(self.warm).await?);
        }
        Ok(Session::new(slot, &self.target))
    }
}

impl Connection {
    async fn is_usable(&self) -> bool {
        if self.client.is_closed() {
            return false;
        }
        if self.last_used.elapsed() < CHECK_AFTER {
            return true;
        }
        matches!(timeout(CHECK_WITHIN, self.client.check_connection()).await, Ok(Ok(())))
    }
}
