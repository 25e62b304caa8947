//! What a sender is told. The table of all answers is in `docs/architecture.md`.

use std::time::Duration;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::{
    config::OnFailure,
    events::Envelope,
    http::{CorrelationId, Inherited, Problem},
    runner::{Outcome, State},
    telemetry::{self, TraceParent},
};
use uuid::Uuid;

/// After how long a sender may try again while the database is out: longer than a lease, so that an event whose runner
/// lost its connection is not found "in progress" by its own repetition.
const DATABASE_WAIT: Duration = Duration::from_mins(1);
/// After how long a provider may try again that has no secret here yet.
pub(crate) const CONFIGURATION_WAIT: Duration = Duration::from_mins(5);
/// After how long a client may ask again about an event that is being handled.
const IN_PROGRESS_WAIT: Duration = Duration::from_secs(5);

/// To a webhook provider. 2xx means that the event is ours; `on_failure` may want it repeated all the same.
pub(crate) fn to_provider(outcome: Outcome, on_failure: OnFailure, event: &Envelope) -> Response {
    match outcome.state {
        State::Completed => accepted(StatusCode::OK, "ok", outcome.id, event, None),
        State::AlreadyCompleted => accepted(StatusCode::OK, "already_processed", outcome.id, event, None),
        State::Ignored => accepted(StatusCode::OK, "ignored", outcome.id, event, None),
        State::InProgress => accepted(StatusCode::ACCEPTED, "in_progress", outcome.id, event, None),
        State::WillRetry { .. } if on_failure == OnFailure::Refuse => {
            let detail = "The event is stored, and its handler failed. Send it again.";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "processing_failed", detail)
                .with("execution_id", outcome.id.to_string())
                .into_response()
        }
        State::WillRetry { at } => will_retry(outcome.id, at, event),
        State::Dead => accepted(StatusCode::ACCEPTED, "dead_lettered", outcome.id, event, None),
    }
}

/// To a first-party client.
pub(crate) fn to_client(outcome: Outcome, event: &Envelope) -> Result<Response, Problem> {
    if !outcome.same_payload {
        let detail = "This idempotency key came with other contents before. Use a new key for a new event.";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail));
    }
    Ok(match outcome.state {
        State::Completed => accepted(StatusCode::OK, "ok", outcome.id, event, None),
        State::AlreadyCompleted => {
            let first = json!({"status": "ok", "execution_id": outcome.id});
            accepted(StatusCode::OK, "duplicate", outcome.id, event, Some(("first", first)))
        }
        State::Ignored => accepted(StatusCode::OK, "ignored", outcome.id, event, None),
        State::InProgress => {
            let detail = "An event with this idempotency key is being handled. Ask again later.";
            return Err(Problem::new(StatusCode::CONFLICT, "in_progress", detail)
                .with("execution_id", outcome.id.to_string())
                .retry_after(IN_PROGRESS_WAIT));
        }
        State::WillRetry { at } => will_retry(outcome.id, at, event),
        State::Dead => accepted(StatusCode::ACCEPTED, "dead_lettered", outcome.id, event, None),
    })
}

/// To both: the event is ours, and is run when the queue's turn comes.
pub(crate) fn queued(event: &Envelope) -> Response {
    let body = json!({"status": "queued", "correlation_id": event.correlation_id});
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

pub(crate) fn unavailable() -> Problem {
    let detail = "The event could not be stored just now. Send it again later; nothing was done.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(DATABASE_WAIT)
}

pub(crate) fn invalid_payload(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_payload", detail)
}

fn will_retry(id: Uuid, at: Timestamp, event: &Envelope) -> Response {
    let next = Some(("next_attempt_at", Value::from(at.to_string())));
    accepted(StatusCode::ACCEPTED, "processing_failed", id, event, next)
}

fn accepted(code: StatusCode, status: &str, id: Uuid, event: &Envelope, more: Option<(&str, Value)>) -> Response {
    let mut body = json!({"status": status, "execution_id": id, "correlation_id": event.correlation_id});
    if let Some((name, value)) = more {
        body[name] = value;
    }
    (code, Json(body)).into_response()
}

/// What follows from the request is a part of its span, or of whatever the request is a part of.
pub(crate) fn trace_parent(extensions: &axum::http::Extensions) -> Option<TraceParent> {
    telemetry::here().or_else(|| extensions.get::<Inherited>()?.0)
}

/// The correlation id that [`shared::http::layered`] gave the request.
pub(crate) fn correlation_id(extensions: &axum::http::Extensions) -> &str {
    extensions.get::<CorrelationId>().map_or("", |id| id.0.as_str())
}
