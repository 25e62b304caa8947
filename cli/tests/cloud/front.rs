//! What `AWS_ENDPOINT_URL` names: Lambda's invocations go to the operations, CloudFormation to the script, the rest to moto.
//! It is the stage's API as well, and refuses what it is told to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use ops::Environment;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{cloudformation::Stack, jobs};

/// How the `ops` function behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ops {
    Works,
    /// There is none.
    Missing,
    /// It ends with an error, as a function does whose database is out.
    Fails,
    Silent,
}

#[derive(Clone)]
pub struct Front {
    pub url: String,
    pub stack: Arc<Mutex<Stack>>,
    pub ops: Arc<Mutex<Ops>>,
    /// `METHOD path`, or the operation of a service that takes JSON, of requests that are refused as forbidden.
    pub forbidden: Arc<Mutex<Vec<String>>>,
    /// What `/health/ready` answers.
    pub ready: Arc<Mutex<u16>>,
    /// What `/health` answers.
    pub health: Arc<Mutex<(u16, &'static str)>>,
    /// The operations of services that take JSON, with what they were asked.
    pub called: Arc<Mutex<Vec<(String, Value)>>>,
    /// So many of those are refused, because there are too many.
    pub busy: Arc<Mutex<u32>>,
    /// The method and the path of all that was changed in Lambda.
    pub changed: Arc<Mutex<Vec<String>>>,
    /// The method, the path and the query of invocations that nobody waits for.
    pub asked: Arc<Mutex<Vec<String>>>,
    environment: Arc<Environment>,
    moto: String,
}

impl Front {
    pub async fn start(environment: Arc<Environment>, stack: Stack) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            stack: Arc::new(Mutex::new(stack)),
            ops: Arc::new(Mutex::new(Ops::Works)),
            forbidden: Arc::default(),
            ready: Arc::new(Mutex::new(200)),
            health: Arc::new(Mutex::new((200, r#"{"status": "healthy"}"#))),
            called: Arc::default(),
            busy: Arc::default(),
            changed: Arc::default(),
            asked: Arc::default(),
            environment,
            moto: testkit::variable("AWS_ENDPOINT_URL"),
        };
        let router = Router::new().fallback(answer).with_state(front.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        front
    }
}

async fn answer(State(front): State<Front>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap();
    let line = format!("{} {}", head.method, head.uri.path());
    let target = head.headers.get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
    let forbidden = |what: &String| front.forbidden.lock().unwrap().contains(what);
    if forbidden(&line) || target.as_ref().is_some_and(forbidden) {
        let headers = [("x-amzn-errortype", "AccessDeniedException")];
        return (StatusCode::FORBIDDEN, headers, r#"{"Message":"not allowed to do that"}"#).into_response();
    }
    if head.uri.path() == "/health/ready" {
        return StatusCode::from_u16(*front.ready.lock().unwrap()).unwrap().into_response();
    }
    if head.uri.path() == "/health" {
        let (code, text) = *front.health.lock().unwrap();
        return (StatusCode::from_u16(code).unwrap(), text).into_response();
    }
    if let Some(target) = target {
        if let Some(refused) = too_many(&front) {
            return refused;
        }
        front.called.lock().unwrap().push((target, serde_json::from_slice(&body).unwrap()));
    }
    if head.uri.path() == "/webhooks/stripe" {
        let signed = head.headers.contains_key("stripe-signature");
        return if signed { StatusCode::OK } else { StatusCode::UNAUTHORIZED }.into_response();
    }
    if head.headers.get("x-amz-invocation-type").is_some_and(|how| how == "Event") {
        front.asked.lock().unwrap().push(format!("{line}?{}", head.uri.query().unwrap_or_default()));
        tokio::spawn(jobs::function(Arc::clone(&front.environment), serde_json::from_slice(&body).unwrap()));
        return StatusCode::ACCEPTED.into_response();
    }
    if head.uri.path().ends_with("-ops/invocations") {
        return invoke(&front, &body).await;
    }
    let form = form(&body);
    if form.get("Version").is_some_and(|version| version == "2010-05-15") {
        let (status, text) = front.stack.lock().unwrap().answer(&form);
        return (StatusCode::from_u16(status).unwrap(), [("content-type", "text/xml")], text).into_response();
    }
    if head.method == "PUT" && line.contains("/aliases/") {
        front.changed.lock().unwrap().push(line);
    }
    let target = format!("{}{}", front.moto, head.uri.path_and_query().unwrap());
    let mut headers = head.headers;
    for name in ["host", "content-length"] {
        headers.remove(name);
    }
    let forwarded =
        reqwest::Client::new().request(head.method, target).headers(headers).body(body).send().await.unwrap();
    let status = forwarded.status();
    let kept = |name: &str| forwarded.headers().get(name).cloned();
    let (kind, error) = (kept("content-type"), kept("x-amzn-errortype"));
    let mut answer = (status, forwarded.bytes().await.unwrap()).into_response();
    for (name, value) in [("content-type", kind), ("x-amzn-errortype", error)] {
        value.and_then(|value| answer.headers_mut().insert(name, value));
    }
    answer
}

fn too_many(front: &Front) -> Option<Response> {
    let mut busy = front.busy.lock().unwrap();
    *busy = busy.checked_sub(1)?;
    let text = r#"{"__type": "com.amazonaws.logs#ThrottlingException", "message": "Rate exceeded"}"#;
    Some((StatusCode::BAD_REQUEST, text).into_response())
}

async fn invoke(front: &Front, body: &Bytes) -> Response {
    let mode = *front.ops.lock().unwrap();
    match mode {
        Ops::Works => {
            let answer = ops::perform(&front.environment, serde_json::from_slice(body).unwrap()).await;
            serde_json::to_string(&answer).unwrap().into_response()
        }
        Ops::Missing => {
            let headers = [("x-amzn-errortype", "ResourceNotFoundException")];
            (StatusCode::NOT_FOUND, headers, r#"{"Message":"Function not found"}"#).into_response()
        }
        Ops::Fails => {
            let text = r#"{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 30.00 seconds"}"#;
            ([("x-amz-function-error", "Unhandled")], text).into_response()
        }
        Ops::Silent => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
    }
}

fn form(body: &[u8]) -> BTreeMap<String, String> {
    let Ok(text) = std::str::from_utf8(body) else { return BTreeMap::new() };
    if !text.starts_with("Action=") {
        return BTreeMap::new();
    }
    let url = reqwest::Url::parse(&format!("http://form/?{text}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}
