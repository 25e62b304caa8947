//! `POST /webhooks/{provider}`: verify, answer a challenge, parse, deliver.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use shared::{
    alerts::Severity,
    clock,
    config::ProviderConfig,
    events::Envelope,
    http::{Problem, read_body},
    metrics::{self, About, Metric},
    providers::{Provider, Refusal},
    secrets::{SecretsError, webhook_secret},
    telemetry::STEP,
};
use tracing::Instrument as _;

use crate::{Delivered, Environment, answer};

pub(crate) async fn receive(
    State(environment): State<Arc<Environment>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    // Not UTF-8: surely no provider.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let received = handle(&environment, &name, request).await;
    received.inspect_err(|problem| metrics::count(Metric::Rejected, About::Refusal(&name, problem.error()), 1))
}

async fn handle(environment: &Environment, name: &str, request: Request) -> Result<Response, Problem> {
    environment.admit(&request)?;
    let (provider, settings) = find(environment, name)?;
    let (parts, body) = request.into_parts();
    let body = read_body(body, environment.config.file.limits.body_bytes).await?;

    let verify = tracing::info_span!(target: STEP, "verify");
    believe(environment, provider, settings, &parts.headers, &body).instrument(verify).await?;
    if let Some(answer) = provider.challenge(&body) {
        return Ok(Json(answer).into_response());
    }
    let event = provider.parse(&parts.headers, &body).map_err(|malformed| {
        tracing::warn!(provider = name, %malformed, "an authentic body is no event");
        answer::invalid_payload(malformed.to_string())
    })?;
    let event =
        event.correlated(answer::correlation_id(&parts.extensions)).traced(answer::trace_parent(&parts.extensions));
    deliver(environment, &event, settings, &parts.extensions).await
}

fn find<'e>(environment: &'e Environment, name: &str) -> Result<(&'e dyn Provider, &'e ProviderConfig), Problem> {
    environment.config.file.provider(name).filter(|(_, settings)| settings.enabled).ok_or_else(|| {
        let detail = "There is no such webhook provider here, or it is switched off.";
        Problem::new(StatusCode::NOT_FOUND, "unknown_provider", detail)
    })
}

/// Verifies the signature, with secrets read anew once when it fits none: they may just have been rotated.
async fn believe(
    environment: &Environment,
    provider: &dyn Provider,
    settings: &ProviderConfig,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Problem> {
    let secrets = match environment.secrets.get().await {
        Ok(secrets) => secrets,
        Err(error) => return Err(no_secrets(environment, &error).await),
    };
    let active = secrets.webhook(provider.name());
    if active.is_empty() {
        return Err(not_configured(environment, provider).await);
    }
    let now = clock::now();
    let verified = match provider.verify(headers, body, active, now, settings.tolerance) {
        Err(Refusal::NoMatch(header)) => match environment.secrets.refetch().await {
            Some(secrets) => provider.verify(headers, body, secrets.webhook(provider.name()), now, settings.tolerance),
            None => Err(Refusal::NoMatch(header)),
        },
        verified => verified,
    };
    verified.map_err(|refusal| {
        tracing::warn!(provider = provider.name(), %refusal, "refused");
        let error = match refusal {
            Refusal::OutsideTolerance(..) => "timestamp_outside_tolerance",
            _ => "invalid_signature",
        };
        Problem::new(StatusCode::UNAUTHORIZED, error, sentence(&refusal.to_string()))
    })
}

async fn deliver(
    environment: &Environment,
    event: &Envelope,
    settings: &ProviderConfig,
    extensions: &axum::http::Extensions,
) -> Result<Response, Problem> {
    tracing::debug!(source = event.source, event_type = event.event_type, key = event.key, "verified");
    let resolution = environment.handlers.resolve(event);
    let outcome = match environment.deliver(event, resolution, settings.mode, extensions).await? {
        Delivered::Ran(outcome) => outcome,
        Delivered::Queued => return Ok(answer::queued(event)),
    };
    if !outcome.same_payload {
        let key = format!("payload_changed:{}", event.source);
        let message = format!("{} came again from {} with other data; the first is kept", event.key, event.source);
        environment.alert(Severity::Warning, &key, &message).await;
    }
    Ok(answer::to_provider(outcome, settings.on_failure, event))
}

/// A provider that is switched on without a secret believes nobody.
async fn not_configured(environment: &Environment, provider: &dyn Provider) -> Problem {
    let name = provider.name();
    let secret = webhook_secret(name);
    let message = format!(
        "webhooks of {name} are refused: the app's secret has no {secret}; add it, or switch {name} off in solo.toml"
    );
    environment.alert(Severity::Critical, &format!("provider_not_configured:{name}"), &message).await;
    let detail = "This provider is not set up yet. Send the event again later.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "provider_not_configured", detail)
        .retry_after(answer::CONFIGURATION_WAIT)
}

pub(crate) async fn no_secrets(environment: &Environment, error: &SecretsError) -> Problem {
    let message = format!("nobody can be believed: {error}");
    environment.pager.page("secrets_unavailable", &message).await;
    answer::unavailable()
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).chain(std::iter::once('.')).collect()
}
