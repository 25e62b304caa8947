//! A proxy in front of the bucket that answers as S3 does on a bad day.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse as _, Response},
};
use tokio::{net::TcpListener, sync::mpsc};

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// It is answered so, and goes no further.
    Refused(u16, &'static str),
    /// It goes further after a while.
    Slow(Duration),
    /// It is taken, and never answered.
    Hang,
    /// It happens, and its answer is another.
    Lost,
    /// It happens, and is never answered.
    Happens,
}

type Choose = dyn Fn(&'static str, usize) -> Fault + Send + Sync;

pub struct BucketProxy {
    pub url: String,
    /// Each request as it arrives, before anything becomes of it: what it is, and the how manieth of its kind.
    pub arrivals: mpsc::UnboundedReceiver<(&'static str, usize)>,
}

struct Shared {
    choose: Box<Choose>,
    counts: Mutex<BTreeMap<&'static str, usize>>,
    arrivals: mpsc::UnboundedSender<(&'static str, usize)>,
    client: reqwest::Client,
    target: String,
}

impl BucketProxy {
    /// `choose` gets what a request is (`begin`, `part`, `complete`, `abort`, `put`, `head`) and the how manieth, from 1.
    pub async fn start(choose: impl Fn(&'static str, usize) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, arrivals) = mpsc::unbounded_channel();
        let shared = Shared {
            choose: Box::new(choose),
            counts: Mutex::default(),
            arrivals: sender,
            client: reqwest::Client::new(),
            target: testkit::variable("AWS_ENDPOINT_URL"),
        };
        let app = axum::Router::new().fallback(answer).with_state(Arc::new(shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, arrivals }
    }
}

fn kind(request: &Request) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    match *request.method() {
        Method::HEAD => "head",
        Method::DELETE => "abort",
        Method::PUT if query.contains("partNumber=") => "part",
        Method::PUT => "put",
        Method::POST if query.contains("uploadId=") => "complete",
        _ => "begin",
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let kind = kind(&request);
    let number = {
        let mut counts = shared.counts.lock().unwrap();
        let count = counts.entry(kind).or_default();
        *count += 1;
        *count
    };
    let _ = shared.arrivals.send((kind, number));
    match (shared.choose)(kind, number) {
        Fault::None => forward(&shared, request).await,
        Fault::Slow(how_long) => {
            tokio::time::sleep(how_long).await;
            forward(&shared, request).await
        }
        Fault::Hang => std::future::pending().await,
        Fault::Refused(status, code) => {
            // All of it is read first, as S3 does.
            let _ = to_bytes(request.into_body(), usize::MAX).await;
            refused(status, code)
        }
        Fault::Happens => {
            forward(&shared, request).await;
            std::future::pending().await
        }
        Fault::Lost => {
            forward(&shared, request).await;
            refused(500, "InternalError")
        }
    }
}

fn refused(status: u16, code: &str) -> Response {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as the test wants it</Message></Error>");
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

async fn forward(shared: &Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let url = format!("{}{}", shared.target, parts.uri);
    let Ok(body) = to_bytes(body, usize::MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
    let sent = shared.client.request(parts.method, url).headers(parts.headers).body(body).send().await.unwrap();
    let mut response = Response::builder().status(sent.status());
    *response.headers_mut().unwrap() = sent.headers().clone();
    response.headers_mut().unwrap().remove("transfer-encoding");
    response.body(Body::from(sent.bytes().await.unwrap())).unwrap()
}
