//! What the stage says of itself over HTTP, as everyone may ask.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

/// An answer of ours is far smaller.
const LARGEST: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// `healthy`, `degraded` or `unhealthy`; by its code when it says nothing that is understood.
    pub status: String,
    pub code: u16,
    pub took_ms: u64,
    pub url: String,
}

/// How the problem begins when nobody was asked.
pub const NOBODY_ASKED: &str = "its address is not known";

/// `url` is the API's.
pub async fn ask(url: &str) -> anyhow::Result<Health> {
    let url = format!("{url}/health");
    let client = reqwest::Client::builder().connect_timeout(Duration::from_secs(3)).build()?;
    let asked = Instant::now();
    let sent = client.get(&url).send().await;
    let mut answer =
        sent.map_err(|error| anyhow::anyhow!(shared::errors::chain(&error))).context("it does not answer")?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        anyhow::ensure!(body.len() <= LARGEST, "it answers with more than {LARGEST} bytes");
    }
    let took_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
    let code = answer.status().as_u16();
    Ok(Health { status: status(code, &body), code, took_ms, url })
}

fn status(code: u16, body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    match said["status"].as_str() {
        Some(status @ ("healthy" | "degraded" | "unhealthy")) => status.to_owned(),
        _ if code == 200 => "healthy".to_owned(),
        _ => format!("answers {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_it_says_or_else_its_code() {
        assert_eq!(status(200, br#"{"status": "degraded"}"#), "degraded");
        assert_eq!(status(503, br#"{"status": "unhealthy"}"#), "unhealthy");
        assert_eq!(status(200, b""), "healthy");
        assert_eq!(status(502, b"{\"message\": \"Internal Server Error\"}"), "answers 502");
        assert_eq!(status(429, br#"{"status": 429}"#), "answers 429");
    }
}
