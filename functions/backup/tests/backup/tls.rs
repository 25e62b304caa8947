//! The way to a server that wants TLS: verified in full, or none.
//!
//! The embedded server has no TLS, so a small server speaks it in front: it answers PostgreSQL's `SSLRequest`, shakes hands with
//! a certificate of a test CA, and passes the rest on in the clear. It takes nothing but TLS.

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use backup::bridge::Bridge;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use shared::db::{DatabaseUrl, TlsMode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs::default_provider, pki_types::PrivatePkcs8KeyDer},
};

use crate::{
    victim::Victim,
    world::{World, run, settings, table},
};

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
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server in front of `database`, with TLS or, without an acceptor, refusing it. Its port.
async fn front(database: &DatabaseUrl, acceptor: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = (database.host.clone(), database.port);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                let mut request = [0; 8];
                if client.read_exact(&mut request).await.is_err() || request[4..] != 80_877_103_u32.to_be_bytes() {
                    return;
                }
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

fn url(database: &DatabaseUrl, port: u16, tls: TlsMode) -> DatabaseUrl {
    DatabaseUrl { host: "localhost".into(), port, tls, ..database.clone() }
}

async fn refusal(url: DatabaseUrl) -> String {
    Bridge::to(url).await.err().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_authority_and_the_right_name_make_a_backup() {
    let (world, authority) = (World::new().await, Authority::new());
    world.database.execute(&table(20)).await;
    let port = front(&world.database.app_url(), Some(authority.acceptor("localhost"))).await;
    let tls = TlsMode::Verified { root_certificates: Some(authority.path()) };
    let url = url(&world.database.app_url(), port, tls);
    let said = Victim::start(&world, &url, &testkit::variable("AWS_ENDPOINT_URL")).end().await;
    assert!(said["error"].is_null(), "{said}");
    let (manifest, plain) = world.good_backups().await.remove(0);
    assert_eq!(world.rows_in(&plain, "noise").await, manifest.inventory.tables["public.noise"].rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_is_refused() {
    let (world, authority) = (World::new().await, Authority::new());
    let database = world.database.app_url();
    let port = front(&database, Some(authority.acceptor("localhost"))).await;
    // Of the same name with another key, and the authorities of RDS.
    for root_certificates in [Some(Authority::new().path()), None] {
        let said = refusal(url(&database, port, TlsMode::Verified { root_certificates })).await;
        assert!(said.contains("invalid peer certificate"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_name_is_refused() {
    let (world, authority) = (World::new().await, Authority::new());
    let database = world.database.app_url();
    let port = front(&database, Some(authority.acceptor("db.example.com"))).await;
    let said = refusal(url(&database, port, TlsMode::Verified { root_certificates: Some(authority.path()) })).await;
    assert!(said.contains("not valid for name"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused() {
    let (world, authority) = (World::new().await, Authority::new());
    let database = world.database.app_url();
    let port = front(&database, None).await;
    let said = refusal(url(&database, port, TlsMode::Verified { root_certificates: Some(authority.path()) })).await;
    assert!(said.contains("does not speak TLS"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_tls_gets_no_backup_without_it() {
    let (world, authority) = (World::new().await, Authority::new());
    let database = world.database.app_url();
    let port = front(&database, Some(authority.acceptor("localhost"))).await;
    let backup =
        backup::Backup::new(settings(&world.variables(&url(&database, port, TlsMode::Disabled)))).await.unwrap();
    run(&backup).await.unwrap_err();
    assert_eq!(world.keys().await, [""; 0]);
}
