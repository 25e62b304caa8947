//! `DATABASE_URL`, parsed once: where the server is, who connects, and whether TLS is asked for.

use std::{fmt, path::PathBuf};

use secrecy::SecretString;
use url::Url;

/// A `postgres://user[:password]@host[:port]/database[?sslmode=...&sslrootcert=...]` URL.
///
/// Its `Debug` and `Display` never show the password.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub tls: TlsMode,
}

/// `sslmode` in the URL. Where libpq has six shades, there are two here: none, and fully verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// `sslmode=disable`, or no `sslmode` and a server on this machine.
    Disabled,
    /// `sslmode=require`, `verify-ca` or `verify-full`, or none given and a server elsewhere: the certificate's chain
    /// and host name are verified, against `sslrootcert` when given, else against the certificate authorities of
    /// Amazon RDS.
    Verified { root_certificates: Option<PathBuf> },
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UrlFault {
    #[error("is not a URL of the form postgres://user@host:5432/database")]
    Malformed,
    #[error("names no host")]
    NoHost,
    #[error("names no database after the host")]
    NoDatabase,
    #[error("has the parameter {0:?}, which is not known here (sslmode and sslrootcert are)")]
    UnknownParameter(String),
    #[error("has sslmode={0:?}; it takes disable, require or verify-full")]
    UnknownTlsMode(String),
}

impl DatabaseUrl {
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        let url = Url::parse(text).map_err(|_| UrlFault::Malformed)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(UrlFault::Malformed);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(UrlFault::NoHost)?;
        let host = decode(host.trim_start_matches('[').trim_end_matches(']'))?;
        let database = decode(url.path().trim_start_matches('/'))?;
        if database.is_empty() {
            return Err(UrlFault::NoDatabase);
        }
        let user = Some(decode(url.username())?).filter(|user| !user.is_empty());
        let password = url.password().map(decode).transpose()?.map(SecretString::from);
        let tls = parse_tls(&url, &host)?;
        Ok(Self { host, port: url.port().unwrap_or(5432), database, user, password, tls })
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// The same server and database, as someone else.
    #[must_use]
    pub fn with_user(&self, user: &str, password: Option<SecretString>) -> Self {
        Self { user: Some(user.to_owned()), password, ..self.clone() }
    }
}

fn parse_tls(url: &Url, host: &str) -> Result<TlsMode, UrlFault> {
    let (mut mode, mut root_certificates) = (None, None);
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "sslmode" => mode = Some(value.into_owned()),
            "sslrootcert" => root_certificates = Some(PathBuf::from(value.as_ref())),
            _ => return Err(UrlFault::UnknownParameter(name.into_owned())),
        }
    }
    match mode.as_deref() {
        Some("disable") => Ok(TlsMode::Disabled),
        None if is_local(host) && root_certificates.is_none() => Ok(TlsMode::Disabled),
        None | Some("require" | "verify-ca" | "verify-full") => Ok(TlsMode::Verified { root_certificates }),
        Some(other) => Err(UrlFault::UnknownTlsMode(other.to_owned())),
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn decode(text: &str) -> Result<String, UrlFault> {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| UrlFault::Malformed)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_deref().map(|user| format!("{user}@")).unwrap_or_default();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "postgres://{user}{host}:{}/{}", self.port, self.database)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn reads_every_part() {
        let url = DatabaseUrl::parse("postgres://ann:p%40ss@db.example.com:6432/shop?sslmode=verify-full").unwrap();
        assert_eq!(url.to_string(), "postgres://ann@db.example.com:6432/shop");
        assert_eq!(url.password.as_ref().unwrap().expose_secret(), "p@ss");
        assert_eq!(url.tls, TlsMode::Verified { root_certificates: None });
        assert!(!format!("{url:?} {url}").contains("p@ss"));
    }

    #[test]
    fn tls_is_left_out_only_on_this_machine_or_when_told() {
        for local in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(DatabaseUrl::parse(&format!("postgres://{local}/a")).unwrap().tls, TlsMode::Disabled);
        }
        let elsewhere = DatabaseUrl::parse("postgres://10.0.0.1/a").unwrap();
        assert_eq!(elsewhere.tls, TlsMode::Verified { root_certificates: None });
        assert_eq!(DatabaseUrl::parse("postgres://10.0.0.1/a?sslmode=disable").unwrap().tls, TlsMode::Disabled);
    }

    #[test]
    fn says_what_is_wrong() {
        let fault = |text: &str| DatabaseUrl::parse(text).unwrap_err();
        assert_eq!(fault("mysql://localhost/a"), UrlFault::Malformed);
        assert_eq!(fault("not a url"), UrlFault::Malformed);
        assert_eq!(fault("postgres:///a"), UrlFault::NoHost);
        assert_eq!(fault("postgres://localhost"), UrlFault::NoDatabase);
        assert_eq!(fault("postgres://localhost/a?sslmode=prefer"), UrlFault::UnknownTlsMode("prefer".into()));
        assert_eq!(fault("postgres://localhost/a?options=x"), UrlFault::UnknownParameter("options".into()));
    }
}
