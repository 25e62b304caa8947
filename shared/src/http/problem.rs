//! Errors as problem documents (RFC 9457), with a stable `error` code for programs and a `detail` for people.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// One error answer. The correlation id is added on the way out.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    error: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    members: Map<String, Value>,
}

impl Problem {
    pub fn new(status: StatusCode, error: &'static str, detail: impl Into<String>) -> Self {
        Self { status, error, detail: detail.into(), retry_after: None, members: Map::new() }
    }

    /// What the outside learns of a fault of ours: nothing but where to look it up.
    pub fn internal() -> Self {
        let detail = "Something went wrong here. The correlation id leads to it in the logs.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail)
    }

    /// Adds a `Retry-After` header, in whole seconds, at least 1.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds a member of its own to the document.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn error(&self) -> &'static str {
        self.error
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a response that carries a [`Problem`]; any other goes through as it is.
pub(super) fn render(mut response: Response, correlation_id: &str) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let mut document = json!({
        "type": "about:blank",
        "title": problem.status.canonical_reason().unwrap_or("Error"),
        "status": problem.status.as_u16(),
        "error": problem.error,
        "detail": problem.detail,
        "correlation_id": correlation_id,
    });
    if let Some(object) = document.as_object_mut() {
        object.extend(problem.members);
    }
    *response.body_mut() = Body::from(document.to_string());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(header::CONTENT_LENGTH);
    if let Some(wait) = problem.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}
