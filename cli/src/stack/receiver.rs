//! A local receiver: what courier sends to the channels of `solo.toml`, and to whoever else is given its address, ends
//! here and can be read. On the loopback address only; everything is bounded.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, OriginalUri, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

const LARGEST: usize = 512 * 1024;
/// Older ones are forgotten.
const KEPT: usize = 50_000;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    pub path: String,
    pub idempotency_key: Option<String>,
    pub body: Value,
}

/// What a request is answered with; called with each.
pub type Answering = fn(&Received) -> StatusCode;

/// Listens until it is dropped.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    answer: Answering,
}

impl Receiver {
    pub async fn start(answer: Answering) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { received: Mutex::default(), answer });
        let routes =
            Router::new().fallback(post(receive)).layer(DefaultBodyLimit::max(LARGEST)).with_state(Arc::clone(&shared));
        let listening = tokio::spawn(async move {
            // It ends only when it is aborted.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { port, shared, listening })
    }

    /// Where `name` may send to. (As long as a secret has to be.)
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/local-receiver-of-{name}", self.port)
    }

    /// What came so far, and was answered with success.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Ok(body) = serde_json::from_slice(&body) else { return StatusCode::BAD_REQUEST };
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let received = Received { path: uri.path().to_owned(), idempotency_key: key, body };
    let status = (shared.answer)(&received);
    if status.is_success() {
        let mut all = shared.received.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < KEPT {
            all.push(received);
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_keeps_what_is_json_and_refuses_the_rest() {
        let receiver = Receiver::start(|_| StatusCode::NO_CONTENT).await.unwrap();
        let client = reqwest::Client::new();
        for (body, status) in
            [(r#"{"a": 1}"#.to_owned(), 204), ("not json".into(), 400), ("x".repeat(LARGEST + 1), 413)]
        {
            let request = client.post(receiver.url("ops")).header("idempotency-key", "k").body(body);
            assert_eq!(request.send().await.unwrap().status().as_u16(), status);
        }
        let kept = receiver.received();
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].path.as_str(), kept[0].idempotency_key.as_deref()), ("/local-receiver-of-ops", Some("k")));
    }
}
