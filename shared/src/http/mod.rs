//! What every HTTP function does the same way: correlation ids, security headers, problem documents, limits.

pub mod gateway;
mod limiter;
mod problem;

pub use limiter::{ClientLimiter, client_address, too_many};
pub use problem::Problem;

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use lambda_http::RequestExt as _;
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use crate::{
    clock, invocation,
    metrics::Meter,
    telemetry::{self, SPAN, TraceParent},
};

pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const LONGEST_CORRELATION_ID: usize = 128;

/// The time of an HTTP function when nothing else is known (outside of Lambda), and the most that is ever counted on.
const INVOCATION: Duration = Duration::from_secs(30);

/// What OWASP recommends for an API (<https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html>).
const SECURITY_HEADERS: [(HeaderName, &str); 8] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "deny"),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
];

/// The id that ties together all log lines, rows and calls of one request. In a request's extensions.
#[derive(Clone, Debug)]
pub struct CorrelationId(pub String);

/// The place in its trace that a request came with. In a request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Inherited(pub Option<TraceParent>);

/// When the invocation ends. In a request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Puts the common layers around `router`. A panic in a route is answered with 500; an unknown path with 404 and a
/// wrong method with 405, both as problem documents.
pub fn layered(router: Router) -> Router {
    router
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path.") })
        .method_not_allowed_fallback(|| async {
            let detail = "This path does not take this method; see the Allow header.";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(edge))
}

/// Each request to `router` is an invocation to `meter`.
pub fn metered(router: Router, meter: Meter) -> Router {
    router.layer(from_fn_with_state(Arc::new(meter), measure))
}

async fn measure(State(meter): State<Arc<Meter>>, request: Request, next: Next) -> Response {
    let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
    meter.invocation(&request_id, next.run(request)).await
}

/// The whole body, unless it is larger than `limit` bytes (413) or breaks off (400).
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        use std::error::Error as _;
        if error.source().is_some_and(<dyn std::error::Error + 'static>::is::<http_body_util::LengthLimitError>) {
            let detail = format!("The body is larger than {limit} bytes.");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail);
        }
        Problem::new(StatusCode::BAD_REQUEST, "invalid_payload", "The body could not be read to its end.")
    })
}

/// The token of `Authorization: Bearer <token>` (RFC 6750).
pub fn bearer_token(headers: &axum::http::HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn edge(mut request: Request, next: Next) -> Response {
    let correlation_id = correlation_id(&request);
    let trace_parent = TraceParent::of_headers(request.headers());
    let span = tracing::info_span!(
        target: SPAN,
        "request",
        correlation_id,
        method = %request.method(),
        path = request.uri().path().chars().take(256).collect::<String>(),
        execution_id = tracing::field::Empty,
    );
    let span = telemetry::continued(span, trace_parent);
    let deadline = Deadline(Instant::now() + remaining(&request));
    request.extensions_mut().insert(CorrelationId(correlation_id.clone()));
    request.extensions_mut().insert(deadline);
    request.extensions_mut().insert(Inherited(trace_parent));

    let response = next.run(request).instrument(span).await;
    let mut response = problem::render(response, &correlation_id);
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::try_from(correlation_id) {
        headers.insert(CORRELATION_ID, value);
    }
    response
}

/// The caller's own, when it is short and plain enough for logs and headers; else a new one.
fn correlation_id(request: &Request) -> String {
    request
        .headers()
        .get(CORRELATION_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=LONGEST_CORRELATION_ID).contains(&id.len()))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte)))
        .map_or_else(|| clock::new_id().to_string(), str::to_owned)
}

/// What is left of the invocation, by the Lambda context; 30 s at most.
fn remaining(request: &Request) -> Duration {
    let deadline = request.lambda_context_ref().map_or(0, |context| context.deadline);
    invocation::remaining(deadline, INVOCATION)
}

fn panicked(_panic: Box<dyn Any + Send>) -> Response {
    tracing::error!("a route panicked");
    Problem::internal().into_response()
}
