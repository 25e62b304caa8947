//! What an effect can be: a request over HTTP, a message to a person, a ping, an error for the tracker.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::Sighting;
use crate::alerts::Severity;

/// The largest effect that is stored, in bytes of JSON: it must fit into a message of the queue.
const LARGEST: usize = 200_000;
/// How long the other side may take for its whole answer, unless the request says otherwise.
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    Http(HttpRequest),
    Notify(Notification),
    Ping(Ping),
    Error(Box<Sighting>),
}

/// An effect that could never be performed. Permanent: the handler's event goes to the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the effect cannot be sent: {0}")]
pub struct UnfitEffect(String);

/// A request to someone else's API. It may be sent more than once, always with the same `Idempotency-Key` header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: String,
    pub url: Url,
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    #[serde(default)]
    pub body: Option<Body>,
    /// For the whole answer, in milliseconds; 1 to 30,000.
    pub timeout_ms: u64,
}

/// A text, or the name of a secret whose value takes its place when the request is sent. The value is never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    Plain(String),
    Secret {
        /// A name in the app's secret: `CRM_TOKEN`.
        name: String,
        /// What stands before the value: `Bearer `.
        #[serde(default)]
        prefix: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    Json(Value),
    Text { content_type: String, text: String },
}

/// A message to people, through a channel of `solo.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// A name under `[channels]`.
    pub channel: String,
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// Plain text below it; may be empty.
    #[serde(default)]
    pub text: String,
    /// The alerts that it tells of.
    #[serde(default)]
    pub items: Vec<Item>,
}

/// A run of a job, told of to a service that expects it. Best effort: one that does not arrive raises no alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The name of the secret with the base URL. The URL is never stored.
    pub secret: String,
    /// What is added to it: `backup`, `backup/start`, `backup/fail`.
    pub path: String,
    /// For the query: `?rid=`.
    #[serde(default)]
    pub run: Option<Uuid>,
    /// One line.
    #[serde(default)]
    pub body: Option<String>,
}

/// One alert in a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub key: String,
    pub severity: Severity,
    pub message: String,
    pub occurrences: u32,
    pub first: Timestamp,
    pub last: Timestamp,
    /// The condition is over.
    #[serde(default)]
    pub resolved: bool,
}

impl Ping {
    /// It says that a run began: after the run's end it would be wrong.
    pub fn is_start(&self) -> bool {
        self.path.ends_with("/start")
    }
}

impl HttpRequest {
    pub fn new(method: &str, url: Url) -> Self {
        let timeout_ms = u64::try_from(USUAL_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
        Self { method: method.to_owned(), url, headers: BTreeMap::new(), body: None, timeout_ms }
    }

    /// A POST of JSON.
    pub fn post(url: Url, json: Value) -> Self {
        Self { body: Some(Body::Json(json)), ..Self::new("POST", url) }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), Text::Plain(value.to_owned()));
        self
    }

    /// A header whose value is a secret, looked up by name when the request is sent.
    #[must_use]
    pub fn secret_header(mut self, name: &str, prefix: &str, secret: &str) -> Self {
        let value = Text::Secret { name: secret.to_owned(), prefix: prefix.to_owned() };
        self.headers.insert(name.to_ascii_lowercase(), value);
        self
    }

    /// 30 s at most.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = u64::try_from(timeout.min(LONGEST_TIMEOUT).as_millis()).unwrap_or(u64::MAX).max(1);
        self
    }

    /// As a duration, brought into its bounds.
    pub fn time_limit(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.max(1)).min(LONGEST_TIMEOUT)
    }
}

impl Effect {
    /// The host, the channel, `ping`, or `tracker`.
    pub fn destination(&self) -> String {
        match self {
            Self::Http(request) => request.url.host_str().unwrap_or_default().to_owned(),
            Self::Notify(notification) => notification.channel.clone(),
            // As in the statements that store them (shared/src/jobs/sql).
            Self::Ping(_) => "ping".into(),
            Self::Error(_) => "tracker".into(),
        }
    }

    /// Refuses what could never be sent: no HTTP URL, a login in the URL, no host, a method or header that is none, more
    /// than 200,000 bytes. That a host is a public one is looked at when it is called.
    pub fn check(&self) -> std::result::Result<(), UnfitEffect> {
        let unfit = |problem: String| Err(UnfitEffect(problem));
        if let Self::Http(request) = self {
            if !matches!(request.url.scheme(), "https" | "http") || request.url.host_str().is_none() {
                return unfit("its URL is not an http or https one".into());
            }
            if !request.url.username().is_empty() || request.url.password().is_some() {
                return unfit("its URL has a login in it; use a header with a secret's name".into());
            }
            if http::Method::from_bytes(request.method.as_bytes()).is_err() {
                return unfit(format!("{:?} is not a method", request.method));
            }
            for (name, value) in &request.headers {
                let plain = match value {
                    Text::Plain(text) => text,
                    Text::Secret { prefix, .. } => prefix,
                };
                if http::HeaderName::try_from(name).is_err() || http::HeaderValue::try_from(plain).is_err() {
                    return unfit(format!("{name:?} is not a header with a value that can be sent"));
                }
            }
        }
        match serde_json::to_vec(self).map(|json| json.len()) {
            Ok(0..=LARGEST) => Ok(()),
            Ok(bytes) => unfit(format!("it has {bytes} bytes; {LARGEST} fit")),
            Err(error) => unfit(error.to_string()),
        }
    }
}

impl From<HttpRequest> for Effect {
    fn from(request: HttpRequest) -> Self {
        Self::Http(request)
    }
}

impl From<Ping> for Effect {
    fn from(ping: Ping) -> Self {
        Self::Ping(ping)
    }
}

impl From<Notification> for Effect {
    fn from(notification: Notification) -> Self {
        Self::Notify(notification)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn post(url: &str) -> HttpRequest {
        HttpRequest::post(url.parse().unwrap(), json!({}))
    }

    #[test]
    fn what_could_never_be_sent_is_refused_at_once() {
        let good =
            Effect::from(post("https://api.example.com/x").secret_header("Authorization", "Bearer ", "CRM_TOKEN"));
        assert_eq!(good.check(), Ok(()));
        let large = HttpRequest::post("https://example.com".parse().unwrap(), json!("x".repeat(LARGEST)));
        for bad in [
            post("ftp://example.com/"),
            post("mailto:founder@example.com"),
            post("https://user:password@example.com/"),
            post("https://example.com").header("bad name", "x"),
            post("https://example.com").header("name", "a\nb"),
            HttpRequest { method: "NO SPACE".into(), ..post("https://example.com") },
            large,
        ] {
            assert!(Effect::from(bad.clone()).check().is_err(), "{bad:?}");
        }
    }

    /// Stored in rows and sent in messages: a later version must read them.
    #[test]
    fn the_stored_form() {
        let effect = Effect::from(post("https://example.com/").secret_header("authorization", "Bearer ", "CRM_TOKEN"));
        assert_eq!(
            serde_json::to_value(&effect).unwrap(),
            json!({
                "kind": "http", "method": "POST", "url": "https://example.com/", "timeout_ms": 10_000,
                "headers": {"authorization": {"secret": {"name": "CRM_TOKEN", "prefix": "Bearer "}}},
                "body": {"json": {}},
            })
        );
        assert_eq!(effect.destination(), "example.com");
        let ping = Ping { secret: "PING_URL".into(), path: "backup/start".into(), run: Some(Uuid::nil()), body: None };
        assert_eq!(
            serde_json::to_value(Effect::from(ping)).unwrap(),
            json!({
                "kind": "ping", "secret": "PING_URL", "path": "backup/start",
                "run": "00000000-0000-0000-0000-000000000000", "body": null,
            })
        );
    }
}
