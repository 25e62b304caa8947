//! Errors, told to a tracker that speaks Sentry's protocol: an event in an envelope
//! (<https://develop.sentry.dev/sdk/foundations/data-model/envelopes/>), to the place and with the key that the DSN has
//! (<https://develop.sentry.dev/sdk/foundations/transport/authentication/>). Both are `sentry-types`', the tracker's own library for it.
//!
//! The grouping is ours: the event carries the fingerprint that the error has in the database. Its id is the outbox's, so that one which
//! is sent twice is one. Deliberately absent: breadcrumbs, requests, users, stack traces: what could be a payload, or is not known.

use std::{collections::BTreeMap, time::Duration};

use aws_lc_rs::digest;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sentry_types::{
    Dsn,
    protocol::v7::{Context, Envelope, EnvelopeHeaders, Event, Exception, Level, SpanId, TraceContext, TraceId, Value},
};
use shared::outbox::Sighting;
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

pub(crate) fn call(report: &Report<'_>, secret: &Used) -> Result<Call, Trouble> {
    let dsn = read(secret)?;
    let mut call = Call::post_to(dsn.envelope_api_url(), "application/x-sentry-envelope", envelope(report)?);
    let mut auth = HeaderValue::try_from(dsn.to_auth(Some(CLIENT)).to_string()).map_err(|_| unfit(secret))?;
    auth.set_sensitive(true);
    call.headers.insert(AUTH, auth);
    // By names of their own: they are not what the secret's newest value is compared with.
    let named = |key: &str| Used { name: format!("{}'s key", secret.name), value: SecretString::from(key) };
    call.secrets = [Some(dsn.public_key()), dsn.secret_key()].into_iter().flatten().map(named).collect();
    call.secrets.push(secret.clone());
    Ok(call)
}

/// What is wrong with it is said without it.
fn read(secret: &Used) -> Result<Dsn, Trouble> {
    secret.value.expose_secret().trim().parse().map_err(|_| unfit(secret))
}

fn unfit(secret: &Used) -> Trouble {
    Trouble::Unfit(format!("the secret {} is not a DSN: https://<key>@<host>/<project>", secret.name))
}

fn envelope(report: &Report<'_>) -> Result<String, Trouble> {
    let about = EnvelopeHeaders::new().with_event_id(report.id).with_sent_at(report.now.into());
    let mut envelope = Envelope::new().with_headers(about);
    envelope.add_item(event(report));
    let mut text = Vec::new();
    let written = envelope.to_writer(&mut text).map_err(|error| error.to_string());
    let text = written.and_then(|()| String::from_utf8(text).map_err(|error| error.to_string()));
    text.map_err(|error| Trouble::Unfit(format!("the error cannot be written for the tracker: {error}")))
}

fn event(report: &Report<'_>) -> Event<'static> {
    let Report { sighting, id, stage, .. } = report;
    let fatal = matches!(sighting.error.as_str(), "panic" | "crash");
    let exception = Exception {
        ty: sighting.error.clone(),
        value: Some(cut_chars(&sighting.message, LONGEST_MESSAGE)),
        ..Exception::default()
    };
    Event {
        event_id: *id,
        timestamp: sighting.last_seen.into(),
        level: if fatal { Level::Fatal } else { Level::Error },
        platform: "native".into(),
        logger: Some("solo-os".to_owned()),
        environment: Some((*stage).to_owned().into()),
        release: sighting.release.clone().map(Into::into),
        transaction: Some(cut_chars(&one_line(&sighting.culprit), LONGEST_TAG)),
        fingerprint: vec![sighting.fingerprint.clone().into()].into(),
        tags: tags(sighting),
        contexts: [("trace".to_owned(), trace(sighting, *id))].into(),
        extra: extra(sighting),
        exception: vec![exception].into(),
        ..Event::default()
    }
}

fn extra(sighting: &Sighting) -> BTreeMap<String, Value> {
    let all: [(&str, Value); 5] = [
        ("title", sighting.title.as_str().into()),
        ("times", sighting.count.into()),
        ("first_seen", sighting.first_seen.to_string().into()),
        ("regressions", sighting.regressions.into()),
        ("show", format!("solo errors show {}", sighting.fingerprint).into()),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Those that there are: one line each, as long as the tracker takes.
fn tags(sighting: &Sighting) -> BTreeMap<String, String> {
    let execution_id = sighting.execution_id.map(|id| id.to_string());
    // A crash may be of either; what failed at an event has its source.
    let culprit = if sighting.source.is_none() { "job" } else { "handler" };
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
    there.filter(|(_, value)| !value.is_empty()).collect()
}

/// Errors of one correlation id are of one trace. An id that is a UUID is the trace's own; of any other it follows.
fn trace(sighting: &Sighting, id: Uuid) -> Context {
    let correlation = sighting.correlation_id.as_deref().unwrap_or(&sighting.fingerprint);
    let trace_id = correlation.parse::<Uuid>().unwrap_or_else(|_| {
        let hash = digest::digest(&digest::SHA256, correlation.as_bytes());
        Uuid::from_slice(&hash.as_ref()[..16]).unwrap_or(id)
    });
    TraceContext {
        trace_id: TraceId::from(*trace_id.as_bytes()),
        span_id: SpanId::from(id.as_u64_pair().1.to_be_bytes()),
        ..TraceContext::default()
    }
    .into()
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
