//! `POST /events`: first-party events, by a bearer token and an idempotency key of the client's.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use shared::{
    config::Mode,
    events::{Envelope, FIRST_PARTY, InvalidPayload, MAX_KEY},
    handlers::Resolution,
    http::{Problem, bearer_token, read_body},
    metrics::{self, About, Metric},
    secrets::is_one_of,
    telemetry::STEP,
};
use tracing::Instrument as _;

use crate::{Delivered, Environment, answer, webhooks::no_secrets};

/// The first is the older habit, the second the name in the IETF's draft
/// (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>).
const KEY_HEADERS: [&str; 2] = ["x-idempotency-key", "idempotency-key"];

pub(crate) async fn receive(State(environment): State<Arc<Environment>>, request: Request) -> Response {
    let received = async {
        environment.admit(&request)?;
        let verify = tracing::info_span!(target: STEP, "verify");
        authenticate(&environment, request.headers()).instrument(verify).await?;
        handle(&environment, request).await
    };
    received.await.unwrap_or_else(|problem: Problem| {
        metrics::count(Metric::Rejected, About::Refusal(FIRST_PARTY, problem.error()), 1);
        let unauthorized = problem.status() == StatusCode::UNAUTHORIZED;
        let mut response = problem.into_response();
        if unauthorized {
            // RFC 9110, section 11.6.1: a 401 names the scheme that it wants.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    })
}

async fn authenticate(environment: &Environment, headers: &HeaderMap) -> Result<(), Problem> {
    let unauthorized = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", detail);
    let token = bearer_token(headers).ok_or_else(|| unauthorized("Send the header Authorization: Bearer <token>."))?;
    let secrets = match environment.secrets.get().await {
        Ok(secrets) => secrets,
        Err(error) => return Err(no_secrets(environment, &error).await),
    };
    if is_one_of(token, secrets.events_tokens()) {
        return Ok(());
    }
    match environment.secrets.refetch().await {
        Some(secrets) if is_one_of(token, secrets.events_tokens()) => Ok(()),
        _ => {
            tracing::warn!("refused: the bearer token is not one of ours");
            Err(unauthorized("The bearer token is not valid."))
        }
    }
}

async fn handle(environment: &Environment, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let key = idempotency_key(&parts.headers)?;
    let body = read_body(body, environment.config.file.limits.body_bytes).await?;
    let event = Envelope::first_party(&key, &body)
        .map_err(|invalid| invalid_payload(&invalid))?
        .correlated(answer::correlation_id(&parts.extensions))
        .traced(answer::trace_parent(&parts.extensions));

    let resolution = environment.handlers.resolve(&event);
    match &resolution {
        Resolution::Unhandled { known_type: false } => {
            let known: Vec<_> =
                environment.handlers.routes().into_iter().filter(|(source, _)| *source == event.source).collect();
            let types: Vec<_> = known.into_iter().map(|(_, event_type)| event_type).collect();
            let detail = format!("There is no handler for {:?} here.", event.event_type);
            return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_event_type", detail).with("known_types", types));
        }
        Resolution::Invalid(invalid) => return Err(invalid_payload(&inside_data(invalid))),
        Resolution::Ready(_) | Resolution::Unhandled { known_type: true } => {}
    }
    match environment.deliver(&event, resolution, Mode::Direct, &parts.extensions).await? {
        Delivered::Ran(outcome) => answer::to_client(outcome, &event),
        Delivered::Queued => Ok(answer::queued(&event)),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut keys = KEY_HEADERS.iter().flat_map(|name| headers.get_all(*name));
    let missing = || {
        let detail =
            "Send a header Idempotency-Key (or X-Idempotency-Key), the same with every repetition of one event.";
        Problem::new(StatusCode::BAD_REQUEST, "missing_idempotency_key", detail)
    };
    let key = keys.next().ok_or_else(missing)?;
    if keys.any(|other| other != key) {
        let detail = "The request has several idempotency keys. Send one.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail));
    }
    match key.to_str().map(str::trim) {
        Ok("") => Err(missing()),
        Ok(key) if key.len() <= MAX_KEY => Ok(key.to_owned()),
        _ => {
            let detail = format!("An idempotency key has 1 to {MAX_KEY} visible ASCII characters.");
            Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail))
        }
    }
}

fn invalid_payload(invalid: &InvalidPayload) -> Problem {
    answer::invalid_payload("The event does not fit its schema; see errors.").with("errors", json!(invalid.errors))
}

/// A type looks at `data` only; the sender at the whole body.
fn inside_data(invalid: &InvalidPayload) -> InvalidPayload {
    let mut invalid = invalid.clone();
    for error in &mut invalid.errors {
        if error.field != "/version" {
            error.field = format!("/data{}", error.field);
        }
    }
    invalid
}
