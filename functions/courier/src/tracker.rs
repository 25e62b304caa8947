//! Errors, told to a tracker that speaks Sentry's protocol: an event in an envelope
//! (<https://develop.sentry.dev/sdk/foundations/data-model/envelopes/>), to the place and with the key that the DSN has
//! (<https://develop.sentry.dev/sdk/foundations/transport/authentication/>).
//!
//! The grouping is ours: the event carries the fingerprint that the error has in the database. Its id is the outbox's, so that one which
//! is sent twice is one. Deliberately absent: breadcrumbs, requests, users, stack traces: what could be a payload, or is not known.

use std::time::Duration;

use aws_lc_rs::digest;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use shared::outbox::Sighting;
use url::Url;
use uuid::Uuid;

use crate::{
    call::Call,
    vault::Used,
    verdict::{Answer, LONGEST_WAIT, Trouble},
    words::{cut_chars, one_line},
};

pub(crate) const RATE_LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");
const AUTH: HeaderName = HeaderName::from_static("x-sentry-auth");
const CLIENT: &str = concat!("solo-os/", env!("CARGO_PKG_VERSION"));

/// The protocol's own limit for a tag's value, in characters.
const LONGEST_TAG: usize = 200;
/// Of the words of an error.
const LONGEST_MESSAGE: usize = 2_000;

/// An error on its way.
pub(crate) struct Report<'r> {
    pub sighting: &'r Sighting,
    /// The outbox's; the same for every attempt.
    pub id: Uuid,
    pub stage: &'r str,
    pub now: Timestamp,
}

/// Where events go, and with which key.
struct Dsn {
    envelope: Url,
    key: String,
}

pub(crate) fn call(report: &Report<'_>, dsn: &Used) -> Result<Call, Trouble> {
    let Dsn { envelope, key } = read(dsn)?;
    let mut call = Call::post_to(envelope, "application/x-sentry-envelope", self::envelope(report));
    let auth = format!("Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key={key}");
    let mut auth = HeaderValue::try_from(auth).map_err(|_| unfit(dsn))?;
    auth.set_sensitive(true);
    call.headers.insert(AUTH, auth);
    // The key by a name of its own: it is not what the secret's newest value is compared with.
    let key = Used { name: format!("{}'s key", dsn.name), value: SecretString::from(key) };
    call.secrets = vec![dsn.clone(), key];
    Ok(call)
}

/// `https://<key>@<host>/<prefix>/<project>` becomes `https://<host>/<prefix>/api/<project>/envelope/`. An old one has a second key
/// behind the first, which nobody asks for any more. What is wrong with it is said without it.
fn read(dsn: &Used) -> Result<Dsn, Trouble> {
    let problem = || unfit(dsn);
    let mut url = Url::parse(dsn.value.expose_secret().trim()).map_err(|_| problem())?;
    let key = url.username().to_owned();
    let path = url.path().trim_matches('/').to_owned();
    let (prefix, project) = path.rsplit_once('/').unwrap_or(("", &path));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() || !plain(&key) || !plain(project) {
        return Err(problem());
    }
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| problem())?;
    let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    url.set_path(&format!("{prefix}/api/{project}/envelope/"));
    url.set_query(None);
    url.set_fragment(None);
    Ok(Dsn { envelope: url, key })
}

fn unfit(dsn: &Used) -> Trouble {
    Trouble::Unfit(format!("the secret {} is not a DSN: https://<key>@<host>/<project>", dsn.name))
}

/// Three lines: about the envelope, about the event, the event.
fn envelope(report: &Report<'_>) -> String {
    let event = event(report).to_string();
    let about = json!({"event_id": report.id.simple().to_string(), "sent_at": report.now});
    let item = json!({"type": "event", "length": event.len(), "content_type": "application/json"});
    format!("{about}\n{item}\n{event}\n")
}

fn event(report: &Report<'_>) -> Value {
    let Report { sighting, id, stage, .. } = report;
    let level = if matches!(sighting.error.as_str(), "panic" | "crash") { "fatal" } else { "error" };
    let message = cut_chars(&sighting.message, LONGEST_MESSAGE);
    let mut event = json!({
        "event_id": id.simple().to_string(),
        "timestamp": sighting.last_seen,
        "level": level,
        "platform": "native",
        "logger": "solo-os",
        "environment": stage,
        "transaction": cut_chars(&one_line(&sighting.culprit), LONGEST_TAG),
        "fingerprint": [sighting.fingerprint],
        "tags": tags(sighting),
        "contexts": {"trace": trace(sighting, *id)},
        "extra": {
            "title": sighting.title, "times": sighting.count, "first_seen": sighting.first_seen,
            "regressions": sighting.regressions, "show": format!("solo errors show {}", sighting.fingerprint),
        },
        "exception": {"values": [{"type": sighting.error, "value": message}]},
    });
    if let Some(release) = &sighting.release {
        event["release"] = release.as_str().into();
    }
    event
}

/// Those that there are: one line each, as long as the tracker takes.
fn tags(sighting: &Sighting) -> Value {
    let execution_id = sighting.execution_id.map(|id| id.to_string());
    let culprit = if sighting.error == "job" { "job" } else { "handler" };
    let all = [
        (culprit, Some(sighting.culprit.as_str())),
        ("kind", Some(sighting.error.as_str())),
        ("source", sighting.source.as_deref()),
        ("event_type", sighting.event_type.as_deref()),
        ("execution_id", execution_id.as_deref()),
        ("correlation_id", sighting.correlation_id.as_deref()),
    ];
    let fit = |text: &str| cut_chars(&one_line(text), LONGEST_TAG);
    let there = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), fit(value?))));
    there
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name, value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Errors of one correlation id are of one trace. An id that is a UUID is the trace's own; of any other it follows.
fn trace(sighting: &Sighting, id: Uuid) -> Value {
    let correlation = sighting.correlation_id.as_deref().unwrap_or(&sighting.fingerprint);
    let trace_id = correlation.parse::<Uuid>().unwrap_or_else(|_| {
        let hash = digest::digest(&digest::SHA256, correlation.as_bytes());
        Uuid::from_slice(&hash.as_ref()[..16]).unwrap_or(id)
    });
    let span_id = format!("{:016x}", id.as_u64_pair().1);
    json!({"type": "trace", "trace_id": trace_id.simple().to_string(), "span_id": span_id})
}

/// For how long the tracker wants no more errors: `60:error;transaction:key, 2700::organization`, the longest of those that speak of
/// errors or of everything (<https://develop.sentry.dev/sdk/expected-features/rate-limiting/>). An answer that was taken may say so,
/// too. An hour at most.
pub(crate) fn pause(answer: &Answer) -> Option<Duration> {
    let limits = answer.rate_limits.as_deref()?.split(',').filter_map(|limit| {
        let mut parts = limit.trim().split(':');
        let seconds: u64 = parts.next()?.trim().parse().ok()?;
        let about = parts.next().unwrap_or_default();
        let ours = about.is_empty() || about.split(';').any(|category| matches!(category, "error" | "default"));
        ours.then(|| Duration::from_secs(seconds).min(LONGEST_WAIT))
    });
    limits.max().filter(|pause| !pause.is_zero())
}

#[cfg(test)]
mod tests;
