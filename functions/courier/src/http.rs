//! Calls over HTTP: no proxies, no redirects, no addresses that are not public, and everything bounded.
//!
//! Deliberately absent: kept connections. Lambda freezes environments, and a connection that was kept over a freeze is dead
//! in a way that looks like a failed attempt.

use std::{error::Error, sync::Arc, time::Duration};

use http::header::RETRY_AFTER;
use reqwest::{Client, Response, redirect, retry};
use shared::errors::chain;

use crate::{
    address::{NotAllowed, Reach},
    call::Call,
    resolver::{Filtered, Lookup},
    tracker::RATE_LIMITS,
    verdict::{Answer, REPORTED, Trouble},
    words::{blot, cut},
};

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How much of an answer's body is read, in bytes.
const READ: usize = 64 * 1024;
const USER_AGENT: &str = concat!("solo-os/", env!("CARGO_PKG_VERSION"));

pub struct Http {
    client: Client,
    reach: Reach,
}

impl Http {
    pub fn new(reach: Reach, lookup: Arc<dyn Lookup>) -> reqwest::Result<Self> {
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .dns_resolver(Arc::new(Filtered { lookup, reach }))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_WITHIN)
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client, reach })
    }

    /// Sends it once, and takes no longer than its time limit.
    pub async fn send(&self, call: &Call) -> Result<Answer, Trouble> {
        self.reach.check(&call.url)?;
        if !call.secrets.is_empty() && !self.reach.is_confidential(&call.url) {
            return Err(Trouble::Unfit("a secret would be readable on the way; use an https URL".into()));
        }
        let mut request = self.client.request(call.method.clone(), call.url.clone());
        request = request.headers(call.headers.clone()).timeout(call.time_limit);
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(|error| trouble(error, call))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let rate_limits = response.headers().get(RATE_LIMITS).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = blot(&String::from_utf8_lossy(&read(response).await), call.secret_values());
        Ok(Answer { status, retry_after, rate_limits, body: cut(&body.replace('\0', "\u{fffd}"), REPORTED) })
    }
}

/// The start of the body. That it breaks off, or does not end in time, changes nothing: the status has said what counts.
async fn read(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < READ {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk[..chunk.len().min(READ - body.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    body
}

fn trouble(error: reqwest::Error, call: &Call) -> Trouble {
    if let Some(refused) = cause::<NotAllowed>(&error) {
        return Trouble::from(refused.clone());
    }
    if error.is_timeout() {
        return Trouble::Passing(if error.is_connect() {
            format!("no connection within {} s", CONNECT_WITHIN.as_secs())
        } else {
            format!("no answer within {} ms", call.time_limit.as_millis())
        });
    }
    let builder = error.is_builder();
    let text = blot(&chain(&error.without_url()), call.secret_values());
    if builder { Trouble::Unfit(text) } else { Trouble::Passing(text) }
}

/// The error of that type among the causes.
fn cause<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
