//! A private Unix socket that leads to the database server. The PostgreSQL programs in the package are built without TLS: they
//! speak to the socket, and the bridge speaks to the server, over verified TLS where its URL asks for it.
//!
//! The socket is in a directory that only this user may enter. The login is not the bridge's: it passes through.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use shared::db::{ConnectError, DatabaseUrl, Dialer};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

use crate::private;

/// What is passed on at once.
const BUFFER: usize = 128 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("no private socket can be made in the temporary directory: {0}")]
    Socket(#[from] std::io::Error),
}

/// As long as it lives, programs reach the server through it. Dropped, it takes their connections with it.
pub struct Bridge {
    directory: TempDir,
    fault: Arc<Mutex<Option<String>>>,
    _tasks: JoinSet<()>,
}

impl Bridge {
    /// Connects to the server once, so that what is wrong with the way there is said here and now.
    pub async fn to(url: DatabaseUrl) -> Result<Self, BridgeError> {
        let dialer = Dialer::new(url)?;
        drop(dialer.dial().await?);
        let directory = private::directory("solo-bridge-")?;
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432"))?;
        let fault = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::new(dialer), Arc::clone(&fault)));
        Ok(Self { directory, fault, _tasks: tasks })
    }

    /// What a program takes as its host (`PGHOST`), with the port 5432.
    pub fn host(&self) -> &Path {
        self.directory.path()
    }

    /// Why the latest connection that broke did. A program only sees that it was closed.
    pub fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: UnixListener, dialer: Arc<Dialer>, fault: Arc<Mutex<Option<String>>>) {
    // Dropped with this task, and its connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let (dialer, fault) = (Arc::clone(&dialer), Arc::clone(&fault));
                    connections.spawn(async move {
                        if let Err(reason) = pass(client, &dialer).await {
                            tracing::warn!(reason, "a connection through the bridge broke");
                            *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the bridge takes no more connections");
                    return;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(mut client: UnixStream, dialer: &Dialer) -> Result<(), String> {
    let mut server = dialer.dial().await.map_err(|error| error.to_string())?;
    let passed = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await;
    passed.map(drop).map_err(|error| error.to_string())
}
