//! The way to the server without a client on it: for programs that speak PostgreSQL's protocol themselves and no TLS.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    ConnectError, DatabaseUrl, TlsMode,
    connect::{CONNECT_WITHIN, tls_config},
};
use crate::errors::chain;

/// `SSLRequest` (<https://www.postgresql.org/docs/current/protocol-message-formats.html>): a length, a magic number.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Connects to one server again and again, under the rules of its URL.
pub struct Dialer {
    url: DatabaseUrl,
    tls: Option<TlsConnector>,
}

impl Dialer {
    /// Reads the certificate authorities; connects to nothing yet.
    pub fn new(url: DatabaseUrl) -> Result<Self, ConnectError> {
        let tls = match &url.tls {
            TlsMode::Disabled => None,
            TlsMode::Verified { root_certificates } => {
                Some(TlsConnector::from(Arc::new(tls_config(root_certificates.as_deref())?)))
            }
        };
        Ok(Self { url, tls })
    }

    /// A connection on which nothing was said yet: after the TLS handshake, where there is one, and before the login.
    pub async fn dial(&self) -> Result<Stream, ConnectError> {
        let target = || self.url.to_string();
        let dialed = timeout(CONNECT_WITHIN, self.dial_once()).await;
        dialed.map_err(|_| ConnectError::TimedOut(target()))?.map_err(|reason| ConnectError::NoWay(target(), reason))
    }

    async fn dial_once(&self) -> Result<Stream, String> {
        let words = |error: io::Error| chain(&error);
        let mut tcp = TcpStream::connect((self.url.host.as_str(), self.url.port)).await.map_err(words)?;
        tcp.set_nodelay(true).map_err(words)?;
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        tcp.write_all(&SSL_REQUEST).await.map_err(words)?;
        // One byte, and no more: what a server sends before the handshake must not be taken for what it says after it.
        if tcp.read_u8().await.map_err(words)? != b'S' {
            return Err("the server does not speak TLS".into());
        }
        let name = ServerName::try_from(self.url.host.clone()).map_err(|error| chain(&error))?;
        let stream = tls.connect(name, tcp).await.map_err(words)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// A connection to the server.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
