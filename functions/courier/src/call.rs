//! A request with everything in it, secrets too. It has no `Debug`: nothing can log it by accident.

use std::{collections::BTreeMap, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{self, CONTENT_TYPE},
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use shared::{
    http::CORRELATION_ID,
    outbox::{Body, HttpRequest, Ping, Text},
    telemetry::{TRACE_PARENT, TraceParent},
};
use url::Url;

use crate::{
    vault::{Used, Vault},
    verdict::Trouble,
};

/// A channel's own requests. An effect over HTTP says its own.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(10);
/// A ping must not hold up others.
pub(crate) const PING_LIMIT: Duration = Duration::from_secs(5);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What follows from the URL, the body and the connection. One that says otherwise could make two requests of one.
const OURS: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

#[derive(Clone)]
pub struct Call {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<String>,
    pub time_limit: Duration,
    /// What is in it, to be blotted out of all that is said of it.
    pub secrets: Vec<Used>,
}

impl Call {
    /// A POST of a channel's. The URL is one, as it is checked here, though it was a secret.
    pub fn post(url: &Used, content_type: &'static str, body: String) -> Result<Self, Trouble> {
        let address = secret_url(url)?;
        let mut secrets = vec![url.clone()];
        // The part that is secret, as other software quotes it.
        let path = address.path().trim_matches('/');
        if path.len() >= 16 {
            secrets.push(Used { name: url.name.clone(), value: path.into() });
        }
        Ok(Self { secrets, ..Self::post_to(address, content_type, body) })
    }

    /// A POST to what the secret base URL leads to. The run goes into the query.
    pub fn ping(base: &Used, ping: &Ping) -> Result<Self, Trouble> {
        let body = ping.body.clone().unwrap_or_default();
        let mut call = Self { time_limit: PING_LIMIT, ..Self::post(base, "text/plain; charset=utf-8", body)? };
        match call.url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(ping.path.split('/')),
            Err(()) => return Err(Trouble::Unfit(format!("the secret {} is no base of URLs", base.name))),
        };
        if let Some(run) = ping.run {
            call.url.query_pairs_mut().append_pair("rid", &run.to_string());
        }
        Ok(call)
    }

    /// A POST to a URL that is no secret.
    pub fn post_to(url: Url, content_type: &'static str, body: String) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { method: Method::POST, url, headers, body: Some(body), time_limit: TIME_LIMIT, secrets: Vec::new() }
    }

    /// A header whose value has `secret` in it.
    pub fn secret_header(&mut self, name: HeaderName, prefix: &str, secret: Used) -> Result<(), Trouble> {
        self.headers.insert(name, hidden(prefix, &secret)?);
        self.secrets.push(secret);
        Ok(())
    }

    /// The effect, with its secrets looked up.
    pub async fn of_request(request: &HttpRequest, vault: &Vault) -> Result<Self, Trouble> {
        let unfit = |problem: String| Trouble::Unfit(problem);
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| unfit(format!("{:?} is not a method", request.method)))?;
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(unfit(format!("{method} is not for an effect")));
        }
        let (body, content_type) = match &request.body {
            None => (None, None),
            Some(Body::Json(json)) => (Some(json.to_string()), Some("application/json")),
            Some(Body::Text { content_type, text }) => (Some(text.clone()), Some(content_type.as_str())),
        };
        let mut call = Self {
            method,
            url: request.url.clone(),
            headers: HeaderMap::new(),
            body,
            time_limit: request.time_limit(),
            secrets: Vec::new(),
        };
        if let Some(content_type) = content_type {
            let value = HeaderValue::try_from(content_type)
                .map_err(|_| unfit(format!("{content_type:?} is not a content type")))?;
            call.headers.insert(CONTENT_TYPE, value);
        }
        call.add_headers(&request.headers, vault).await?;
        Ok(call)
    }

    async fn add_headers(&mut self, headers: &BTreeMap<String, Text>, vault: &Vault) -> Result<(), Trouble> {
        for (name, text) in headers {
            let problem = || Trouble::Unfit(format!("{name:?} is not a header with a value that can be sent"));
            let name = HeaderName::try_from(name).map_err(|_| problem())?;
            if OURS.contains(&name) {
                return Err(Trouble::Unfit(format!("the header {name} is not an effect's to set")));
            }
            match text {
                Text::Plain(value) => {
                    self.headers.insert(name, HeaderValue::try_from(value).map_err(|_| problem())?);
                }
                Text::Secret { name: secret, prefix } => self.secret_header(name, prefix, vault.one(secret).await?)?,
            }
        }
        Ok(())
    }

    /// Adds what every call has, where it has nothing of its own: `part` tells a message's several calls apart.
    pub fn label(&mut self, idempotency_key: &str, part: usize, correlation_id: &str) {
        let key = if part == 0 { idempotency_key.to_owned() } else { format!("{idempotency_key}-{part}") };
        for (name, value) in [(IDEMPOTENCY_KEY, key.as_str()), (CORRELATION_ID, correlation_id)] {
            if let Ok(value) = HeaderValue::try_from(plain(value)) {
                self.headers.entry(name).or_insert(value);
            }
        }
    }

    /// Says where in its trace the call is, unless the request says it itself.
    pub fn place(&mut self, trace_parent: TraceParent) {
        if let Ok(value) = HeaderValue::try_from(trace_parent.to_string()) {
            self.headers.entry(TRACE_PARENT).or_insert(value);
        }
    }

    pub fn secret_values(&self) -> impl Iterator<Item = &SecretString> {
        self.secrets.iter().map(|used| &used.value)
    }
}

/// A secret that is a URL. What is wrong with it is said without it.
pub(crate) fn secret_url(secret: &Used) -> Result<Url, Trouble> {
    let url = Url::parse(secret.value.expose_secret().trim()).ok();
    url.filter(|url| matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| Trouble::Unfit(format!("the secret {} is not an https URL", secret.name)))
}

fn hidden(prefix: &str, secret: &Used) -> Result<HeaderValue, Trouble> {
    let text = format!("{prefix}{}", secret.value.expose_secret());
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Trouble::Unfit(format!("the secret {} cannot stand in a header", secret.name)))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a header can carry, and the same text always in the same way: all but printable ASCII is percent-encoded.
fn plain(text: &str) -> String {
    const UNFIT: &AsciiSet = CONTROLS;
    utf8_percent_encode(text, UNFIT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::post_to("https://example.com/".parse().unwrap(), "application/json", String::new())
    }

    #[test]
    fn the_key_is_the_message_s_unless_the_request_has_its_own() {
        let mut first = call();
        first.label("order-7 ž\n", 0, "corr");
        assert_eq!(first.headers[IDEMPOTENCY_KEY], "order-7 %C5%BE%0A");
        assert_eq!(first.headers[CORRELATION_ID], "corr");
        let mut third = call();
        third.label("order-7", 2, "corr");
        assert_eq!(third.headers[IDEMPOTENCY_KEY], "order-7-2");
        let mut own = call();
        own.headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_static("mine"));
        own.label("order-7", 0, "corr");
        assert_eq!(own.headers[IDEMPOTENCY_KEY], "mine");
    }

    #[test]
    fn a_secret_that_is_no_url_is_not_quoted() {
        for wrong in ["hooks.example.com/T0/B0", "ftp://example.com/s3cret", "https://me:s3cret@example.com/"] {
            let used = Used { name: "OPS_URL".into(), value: wrong.into() };
            let Err(Trouble::Unfit(error)) = Call::post(&used, "text/plain", String::new()) else { panic!("{wrong}") };
            assert_eq!(error, "the secret OPS_URL is not an https URL");
        }
    }
}
