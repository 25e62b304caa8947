//! TLS to the database: verified in full, or no connection.
//!
//! The embedded server has no TLS, so a small bridge speaks it in front: it answers PostgreSQL's `SSLRequest`, shakes
//! hands with a certificate of a test CA, and passes the rest on in the clear.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use shared::db::{Credentials, Database, DatabaseUrl, DbError, TlsMode};
use testkit::TestDatabase;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), issuer.pem()).unwrap();
        Self { issuer, file }
    }

    fn path(&self) -> PathBuf {
        self.file.path().to_owned()
    }

    /// A server's configuration with a certificate for `name`.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server in front of `database`, with TLS or, without an acceptor, refusing it. Its port.
async fn bridge(database: &DatabaseUrl, acceptor: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = (database.host.clone(), database.port);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                let mut request = [0; 8];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request[4..], 80_877_103_u32.to_be_bytes(), "an SSLRequest comes first");
                let Some(acceptor) = acceptor else { return client.write_all(b"N").await.unwrap() };
                client.write_all(b"S").await.unwrap();
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

async fn connect(database: &TestDatabase, port: u16, root_certificates: Option<PathBuf>) -> Result<(), DbError> {
    let url = DatabaseUrl {
        host: "localhost".into(),
        port,
        tls: TlsMode::Verified { root_certificates },
        ..database.app_url()
    };
    let database = Database::new(url, Credentials::Url, &[])?;
    let mut session = database.session().await?;
    session.query_opt("SELECT count(*) FROM executions", &[]).await.map(drop)
}

#[tokio::test]
async fn the_right_authority_and_the_right_name() {
    let (database, authority) = (TestDatabase::new().await, Authority::new());
    let port = bridge(&database.app_url(), Some(authority.acceptor("localhost"))).await;
    connect(&database, port, Some(authority.path())).await.unwrap();
}

#[tokio::test]
async fn another_authority_is_refused() {
    let (database, authority) = (TestDatabase::new().await, Authority::new());
    let port = bridge(&database.app_url(), Some(authority.acceptor("localhost"))).await;
    // Of the same name with another key, and the authorities of RDS.
    for trusted in [Some(Authority::new().path()), None] {
        let error = connect(&database, port, trusted).await.unwrap_err().to_string();
        assert!(error.contains("invalid peer certificate"), "{error}");
    }
}

#[tokio::test]
async fn another_host_name_is_refused() {
    let (database, authority) = (TestDatabase::new().await, Authority::new());
    let port = bridge(&database.app_url(), Some(authority.acceptor("db.example.com"))).await;
    let error = connect(&database, port, Some(authority.path())).await.unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let (database, authority) = (TestDatabase::new().await, Authority::new());
    let port = bridge(&database.app_url(), None).await;
    let error = connect(&database, port, Some(authority.path())).await.unwrap_err().to_string();
    assert!(error.contains("TLS"), "{error}");
}

#[test]
fn the_bundle_of_rds_is_read_and_a_bad_file_is_named() {
    let verified = |root_certificates| DatabaseUrl {
        tls: TlsMode::Verified { root_certificates },
        ..DatabaseUrl::parse("postgres://a@localhost/b").unwrap()
    };
    assert!(Database::new(verified(None), Credentials::Url, &[]).is_ok());
    for path in ["/does/not/exist.pem", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        let error = Database::new(verified(Some(path.into())), Credentials::Url, &[]).err().unwrap();
        assert!(error.to_string().contains(path), "{error}");
    }
}
