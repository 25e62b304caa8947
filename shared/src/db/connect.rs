//! Opening a connection: bounded, with verified TLS when the URL asks for it, under the server-side limits that keep a
//! stuck runner from holding anything for long.

use std::{collections::HashMap, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject as _};
use secrecy::ExposeSecret as _;
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout},
};
use tokio_postgres::{CancelToken, Client, NoTls, config::SslMode, error::SqlState};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Connection, DatabaseUrl, Release, TlsMode};
use crate::{
    errors::chain,
    secrets::{DatabaseLogin, SecretSource, SecretsError},
};

/// The whole way to a usable connection: name, TCP, TLS, password.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);
const CANCEL_WITHIN: Duration = Duration::from_millis(500);

/// What the server enforces by itself on each of our connections: no statement over 5 s, and no transaction left open
/// for longer than an HTTP function may run (30 s).
const SERVER_LIMITS: &str = "-c statement_timeout=5s -c idle_in_transaction_session_timeout=30s -c lock_timeout=4s";

/// The certificate authorities of Amazon RDS, all regions. Not in any system's store; `make rds-ca` renews the file.
const RDS_AUTHORITIES: &[u8] = include_bytes!("../../data/rds-ca.pem");

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no connection to {0} within {CONNECT_WITHIN:?}")]
    TimedOut(String),
    #[error("{target} refused the connection: {reason}")]
    Refused {
        target: String,
        reason: String,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("the certificate authorities in {0} cannot be read: {1}")]
    RootCertificates(String, String),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("there is no way to {0}: {1}")]
    NoWay(String, String),
    #[error(transparent)]
    Secret(#[from] SecretsError),
}

/// Where the login comes from.
pub enum Credentials {
    /// The URL has all of it.
    Url,
    /// A secret of the form `{"username": ..., "password": ...}`, read when a connection is opened.
    Secret { id: String, source: Arc<dyn SecretSource> },
}

impl Credentials {
    /// From the secret when one is named, else from the URL.
    pub fn new(secret_id: Option<String>, source: &Arc<dyn SecretSource>) -> Self {
        secret_id.map_or(Self::Url, |id| Self::Secret { id, source: Arc::clone(source) })
    }

    /// `url` with the login in it, for what cannot ask for it by itself. Its password shows nowhere.
    pub async fn complete(&self, url: &DatabaseUrl) -> Result<DatabaseUrl, SecretsError> {
        match self {
            Self::Url => Ok(url.clone()),
            Self::Secret { id, source } => {
                let login = DatabaseLogin::parse(&source.fetch(id).await?)?;
                Ok(url.with_user(&login.username, Some(login.password)))
            }
        }
    }
}

/// For one-off work with other limits than an environment's (migrations): a plain client, the caller's to close.
///
/// No statement has a time limit; a lock is waited for 10 s at most, so that a queued `ALTER TABLE` does not hold up
/// everyone behind it for long.
pub async fn connect_for_maintenance(url: DatabaseUrl, credentials: Credentials) -> Result<Client, ConnectError> {
    connect_with_hangup(url, credentials).await.map(|(client, _)| client)
}

/// The same, and what closes the connection at once, whatever it waits for. A client that is dropped stays connected until
/// the statement under way is answered.
pub async fn connect_with_hangup(
    url: DatabaseUrl,
    credentials: Credentials,
) -> Result<(Client, AbortHandle), ConnectError> {
    let mut target = Target::new(url, credentials)?;
    target.limits = "-c lock_timeout=10s";
    let connection = target.connect(&[]).await?;
    Ok((connection.client, connection.hangup))
}

pub(crate) struct Target {
    url: DatabaseUrl,
    credentials: Credentials,
    tls: Option<MakeRustlsConnect>,
    limits: &'static str,
    pub(super) release: Option<Release>,
}

impl Target {
    pub(crate) fn new(url: DatabaseUrl, credentials: Credentials) -> Result<Self, ConnectError> {
        let tls = match &url.tls {
            TlsMode::Disabled => None,
            TlsMode::Verified { root_certificates } => {
                Some(MakeRustlsConnect::new(tls_config(root_certificates.as_deref())?))
            }
        };
        Ok(Self { url, credentials, tls, limits: SERVER_LIMITS, release: None })
    }

    /// Opens a connection and prepares `warm` on it. A login that the server refuses is read from its secret once more:
    /// it may have been rotated a moment ago.
    pub(crate) async fn connect(&self, warm: &'static [&'static str]) -> Result<Connection, ConnectError> {
        let attempt = async {
            match self.connect_once(warm).await {
                Err(ConnectError::Refused { source, .. })
                    if source.code() == Some(&SqlState::INVALID_PASSWORD)
                        && matches!(self.credentials, Credentials::Secret { .. }) =>
                {
                    tracing::warn!("the database refused the login; reading its secret again");
                    self.connect_once(warm).await
                }
                result => result,
            }
        };
        timeout(CONNECT_WITHIN, attempt).await.map_err(|_| ConnectError::TimedOut(self.url.to_string()))?
    }

    async fn connect_once(&self, warm: &'static [&'static str]) -> Result<Connection, ConnectError> {
        let config = self.config().await?;
        let (client, hangup) = match self.tls.clone() {
            None => config.connect(NoTls).await.map(|(client, driver)| spawn(client, driver)),
            Some(tls) => config.connect(tls).await.map(|(client, driver)| spawn(client, driver)),
        }
        .map_err(|source| self.refused(source))?;

        // Sent together, answered together: one round trip for all of them.
        let prepared = futures_util::future::try_join_all(warm.iter().map(|sql| client.prepare(sql)))
            .await
            .map_err(|source| self.refused(source))?;
        let statements: HashMap<_, _> = warm.iter().copied().zip(prepared).collect();
        Ok(Connection { client, hangup, statements, last_used: Instant::now() })
    }

    async fn config(&self) -> Result<tokio_postgres::Config, ConnectError> {
        let url = self.credentials.complete(&self.url).await?;
        let release = self.release.as_ref().map(|release| format!(" -c solo.release={release}")).unwrap_or_default();
        let mut config = tokio_postgres::Config::new();
        config
            .host(&url.host)
            .port(url.port)
            .dbname(&url.database)
            .application_name("solo-os")
            .options(format!("{}{release}", self.limits))
            .connect_timeout(CONNECT_WITHIN)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .ssl_mode(if self.tls.is_some() { SslMode::Require } else { SslMode::Disable });
        if let Some(user) = &url.user {
            config.user(user);
        }
        if let Some(password) = &url.password {
            config.password(password.expose_secret());
        }
        Ok(config)
    }

    fn refused(&self, source: tokio_postgres::Error) -> ConnectError {
        let reason = match source.as_db_error() {
            Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
            None => chain(&source),
        };
        ConnectError::Refused { target: self.url.to_string(), reason, source }
    }

    /// Asks the server to stop what the connection is doing. Best effort, within 500 ms.
    pub(crate) async fn cancel(&self, token: CancelToken) {
        let cancelled = timeout(CANCEL_WITHIN, async {
            match self.tls.clone() {
                None => token.cancel_query(NoTls).await,
                Some(tls) => token.cancel_query(tls).await,
            }
        })
        .await;
        if !matches!(cancelled, Ok(Ok(()))) {
            tracing::warn!(
                "a running statement could not be cancelled; the server ends it after its statement_timeout"
            );
        }
    }
}

fn spawn<S, T>(client: Client, driver: tokio_postgres::Connection<S, T>) -> (Client, AbortHandle)
where
    tokio_postgres::Connection<S, T>: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    let driving = tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::warn!(error = %chain(&error), "the database connection broke");
        }
    });
    (client, driving.abort_handle())
}

/// How TLS is verified, everywhere: the chain up to these authorities, and the host's name.
pub(super) fn tls_config(root_certificates: Option<&std::path::Path>) -> Result<ClientConfig, ConnectError> {
    let name = root_certificates.map_or_else(|| "the built-in bundle".into(), |path| path.display().to_string());
    let unreadable = |reason: String| ConnectError::RootCertificates(name.clone(), reason);
    let pem = match root_certificates {
        None => std::borrow::Cow::Borrowed(RDS_AUTHORITIES),
        Some(path) => std::fs::read(path).map_err(|error| unreadable(error.to_string()))?.into(),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(|error| unreadable(error.to_string()))?)?;
    }
    if roots.is_empty() {
        return Err(unreadable("it holds no certificate".into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
