//! `GET /health`, `/health/live`, `/health/ready`.
//!
//! | path | touches | answers |
//! |---|---|---|
//! | `/health/live` | nothing outside the process | 200 |
//! | `/health/ready` | the database | 200, or 503 when it is out |
//! | `/health` | the database | 200 or 503 with the status; version, uptime and latencies with the health token |
//!
//! Each client address may ask so often as `[limits]` in `solo.toml` says; more is answered with 429.
//!
//! Deliberately absent for now: queue and storage probes, memory, the latest deployment.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};
use shared::{
    config::Config,
    db::{ConnectError, Credentials, Database, DbError},
    http::{ClientLimiter, Problem, bearer_token, client_address, too_many},
    secrets::{SecretSource, Secrets, is_one_of},
};
use tokio::time::{Instant, timeout};

/// How long a dependency may take to answer (R14).
const PROBE_WITHIN: Duration = Duration::from_secs(2);
const PROBE: &str = "SELECT 1";

/// What one environment holds from init on.
pub struct Environment {
    database: Database,
    secrets: Secrets,
    limiter: ClientLimiter,
    started: Instant,
}

impl Environment {
    pub fn new(config: Config, source: Arc<dyn SecretSource>) -> Result<Self, ConnectError> {
        let limiter = ClientLimiter::new(&config.file.limits);
        let login = Credentials::new(config.database.secret_id, &source);
        Ok(Self {
            database: Database::new(config.database.url, login, &[PROBE])?,
            secrets: Secrets::new(source, config.app_secret_id),
            limiter,
            started: Instant::now(),
        })
    }

    /// Opens the connection ahead of the first probe. Failing is what probes are for.
    pub async fn warm_up(&self) {
        if let Err(error) = self.database.open().await {
            tracing::warn!(%error, "no database yet");
        }
    }

    async fn probe_database(&self) -> Probe {
        let asked = Instant::now();
        let answer = timeout(PROBE_WITHIN, async {
            let mut session = self.database.session().await?;
            session.query_opt(PROBE, &[]).await.map(drop)
        })
        .await
        .unwrap_or_else(|_| Err(DbError::Unexpected("no answer within 2 s")));
        if let Err(error) = &answer {
            tracing::warn!(%error, "the database is out");
        }
        Probe { ok: answer.is_ok(), latency: asked.elapsed() }
    }

    async fn may_see_details(&self, headers: &HeaderMap) -> bool {
        let Some(token) = bearer_token(headers) else { return false };
        match self.secrets.get().await {
            Ok(secrets) => is_one_of(token, secrets.health_tokens()),
            Err(error) => {
                tracing::warn!(%error, "the health token cannot be checked");
                false
            }
        }
    }
}

struct Probe {
    ok: bool,
    latency: Duration,
}

/// The routes, without the layers of [`shared::http::layered`].
pub fn router(environment: Arc<Environment>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(async || Json(json!({"status": "healthy"}))))
        .route("/health/ready", get(ready))
        .with_state(environment)
}

async fn ready(State(environment): State<Arc<Environment>>, request: Request) -> Result<Response, Problem> {
    environment.limiter.check(client_address(&request)).map_err(too_many)?;
    let database = environment.probe_database().await;
    Ok(answer(&database, status(&database)))
}

async fn health(State(environment): State<Arc<Environment>>, request: Request) -> Result<Response, Problem> {
    environment.limiter.check(client_address(&request)).map_err(too_many)?;
    let detailed = environment.may_see_details(request.headers());
    let (database, detailed) = tokio::join!(environment.probe_database(), detailed);
    let mut body = status(&database);
    if detailed {
        body["version"] = json!(env!("CARGO_PKG_VERSION"));
        body["uptime_seconds"] = json!(environment.started.elapsed().as_secs());
        body["dependencies"] = json!({"database": {
            "status": if database.ok { "ok" } else { "fail" },
            "latency_ms": u64::try_from(database.latency.as_millis()).unwrap_or(u64::MAX),
        }});
    }
    Ok(answer(&database, body))
}

fn status(database: &Probe) -> Value {
    json!({"status": if database.ok { "healthy" } else { "unhealthy" }})
}

fn answer(database: &Probe, body: Value) -> Response {
    let code = if database.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(body)).into_response()
}
