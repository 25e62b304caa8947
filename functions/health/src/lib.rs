//! `GET /health`, `/health/live`, `/health/ready`, `/metrics`.
//!
//! | path | touches | answers |
//! |---|---|---|
//! | `/health/live` | nothing outside of the process | 200 |
//! | `/health/ready` | the database | 200, or 503 when it is out |
//! | `/health` | database, queue, bucket, all at once | 200, or 503 when the database is out; the details with the health token |
//! | `/metrics` | the database | 200 with the health token, 401 without |
//!
//! No answer takes longer than 2 s, whatever hangs (that of `/metrics` 4 s: it looks first, and reads then;
//! and the first one of an environment may wait 1 s for the connection). What was found is kept for 2 s in each environment, and answers say so
//! (`Cache-Control: max-age`): asking often puts no load on anything. Each client address may ask so often as `[limits]` in
//! `solo.toml` says; more is answered with 429.
//!
//! An environment answers one request at a time, so one connection to the database serves all of this.

mod answer;
mod deployment;
mod exposition;
mod kept;
mod memory;
mod metrics;
mod probes;
mod settings;

pub use settings::{Services, Settings};

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
    routing::get,
};
use shared::{
    clock,
    db::{ConnectError, Credentials, Database},
    http::{ClientLimiter, Problem, bearer_token, client_address, too_many},
    secrets::{Secrets, SecretsError, is_one_of},
};
use tokio::time::{Instant, timeout, timeout_at};

use answer::{About, Audience, Found, Status};
use deployment::LastDeployment;
use kept::Kept;
use memory::Memory;
use metrics::Figures;
use probes::{PROBE, PROBE_WITHIN, Probe, Probes};

/// For the connection that is opened during init.
const WARM_WITHIN: Duration = Duration::from_secs(1);

/// What one environment holds from init on.
pub struct Environment {
    settings: Settings,
    database: Database,
    secrets: Secrets,
    limiter: ClientLimiter,
    probes: Probes,
    deployment: Kept<LastDeployment>,
    figures: Kept<Figures>,
    started: Instant,
}

/// What the bearer token of a request is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Valid,
    /// Or missing.
    Invalid,
    /// The secrets manager is out.
    Unknown,
}

impl Environment {
    /// Nothing is called yet.
    pub fn new(settings: Settings, services: Services) -> Result<Self, ConnectError> {
        let login = Credentials::new(settings.database.secret_id.clone(), &services.secrets);
        Ok(Self {
            database: Database::new(settings.database.url.clone(), login, &[PROBE])?,
            secrets: Secrets::refreshed(services.secrets, settings.app_secret_id.clone(), settings.refresh),
            limiter: ClientLimiter::new(&settings.file.limits),
            probes: Probes::new(services.queue, services.storage, settings.kept_for),
            deployment: Kept::new(settings.kept_for, clock::now),
            figures: Kept::new(settings.kept_for, clock::now),
            started: Instant::now(),
            settings,
        })
    }

    /// Opens the connection ahead of the first probe. Failing is what probes are for, and so is waiting: a database that says nothing
    /// does not keep the first answer back for long.
    pub async fn warm_up(&self) {
        match timeout(WARM_WITHIN, self.database.open()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "no database yet"),
            Err(_) => tracing::warn!("no database yet: it does not answer"),
        }
    }

    /// A token that is none of ours may be one that was set a moment ago, so the secrets are read once more, every 30 s at most.
    async fn token(&self, headers: &HeaderMap) -> Token {
        let Some(token) = bearer_token(headers) else { return Token::Invalid };
        let checked = timeout(PROBE_WITHIN, async {
            if is_one_of(token, self.secrets.get().await?.health_tokens()) {
                return Ok::<_, SecretsError>(Token::Valid);
            }
            let read = self.secrets.refetch().await;
            let valid = read.is_some_and(|secrets| is_one_of(token, secrets.health_tokens()));
            Ok(if valid { Token::Valid } else { Token::Invalid })
        });
        match checked.await {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the health token cannot be checked");
                Token::Unknown
            }
            Err(_) => {
                tracing::warn!("the health token cannot be checked: the secrets manager does not answer");
                Token::Unknown
            }
        }
    }

    /// With the database that was found to answer, until `end`.
    async fn last_deployment(&self, end: Instant) -> LastDeployment {
        let look = async {
            let read = Box::pin(LastDeployment::read(&self.database)).await;
            read.inspect_err(|error| tracing::warn!(%error, "the last deployment cannot be read")).unwrap_or_default()
        };
        timeout_at(end, self.deployment.get(look)).await.unwrap_or_default()
    }

    /// The database, and what only the database and the token together tell. At the same time as the other probes.
    async fn database(&self, headers: &HeaderMap) -> (Probe, Token, LastDeployment) {
        let end = Instant::now() + PROBE_WITHIN;
        let (probe, token) = tokio::join!(self.probes.database(&self.database), self.token(headers));
        let asks = token == Token::Valid && probe.is_ok();
        (probe, token, if asks { self.last_deployment(end).await } else { LastDeployment::Unknown })
    }
}

/// The routes, without the layers of [`shared::http::layered`].
pub fn router(environment: Arc<Environment>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(async || answer::alive()))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics::metrics))
        .with_state(environment)
}

async fn ready(State(environment): State<Arc<Environment>>, request: Request) -> Result<Response, Problem> {
    environment.limiter.check(client_address(&request)).map_err(too_many)?;
    let database = environment.probes.database(&environment.database).await;
    Ok(answer::brief(Status::of_database(&database), environment.settings.kept_for))
}

async fn health(State(environment): State<Arc<Environment>>, request: Request) -> Result<Response, Problem> {
    environment.limiter.check(client_address(&request)).map_err(too_many)?;
    let Environment { settings, probes, .. } = &*environment;
    let headers = request.headers();
    let ((database, token, last_deployment), queue, storage) =
        tokio::join!(environment.database(headers), probes.queue(), probes.storage());
    let found = Found { database, queue, storage, memory: Memory::now(settings.memory_limit) };
    let status = found.status();
    if token != Token::Valid {
        return Ok(answer::brief(status, settings.kept_for));
    }
    let (release, uptime) = (settings.release.as_deref(), environment.started.elapsed());
    let body = answer::details(&found, &About { release, uptime, last_deployment });
    Ok(answer::whole(status, &body, Audience::Caller, settings.kept_for))
}
