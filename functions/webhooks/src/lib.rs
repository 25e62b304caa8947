//! `POST /webhooks/{provider}` and `POST /events`: receives events and runs each exactly once.
//!
//! This crate decides on HTTP only: who is believed, and what they are told. What happens to an event is
//! [`shared::runner`]'s.

mod answer;
mod events;
mod webhooks;

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::Request, http::Extensions, routing::post};
use shared::{
    config::Config,
    db::{ConnectError, Credentials, Database, DbError},
    events::Envelope,
    executions,
    handlers::{Handlers, Resolution},
    http::{ClientLimiter, Deadline, Problem, client_address, too_many},
    runner::{Outcome, Runner},
    secrets::{SecretSource, Secrets, SecretsError},
};
use tokio::time::{Instant, timeout_at};

/// Kept back from the invocation's time to answer in.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// What one environment holds from init on.
pub struct Environment {
    config: Config,
    database: Database,
    secrets: Secrets,
    handlers: Handlers,
    limiter: ClientLimiter,
}

impl Environment {
    pub fn new(config: Config, source: Arc<dyn SecretSource>, handlers: Handlers) -> Result<Self, ConnectError> {
        let file = config.file.clone();
        let check = move |name: &str, secret: &_| file.check_secret(name, secret);
        let login = Credentials::new(config.database.secret_id.clone(), &source);
        Ok(Self {
            database: Database::new(config.database.url.clone(), login, executions::WARM)?,
            secrets: Secrets::new(source, config.app_secret_id.clone()).checked(check),
            handlers,
            limiter: ClientLimiter::new(&config.file.limits),
            config,
        })
    }

    /// Fetches the secrets and opens the database connection, at the same time. Init has the CPU of a large function.
    ///
    /// Secrets that cannot be read or are unfit are an error: without them nothing can be believed. A database that is
    /// out is not: the first event tries again.
    pub async fn warm_up(&self) -> Result<(), SecretsError> {
        let (secrets, database) = tokio::join!(self.secrets.get(), self.database.open());
        if let Err(error) = database {
            tracing::warn!(%error, "no database yet");
        }
        secrets.map(drop)
    }

    /// Runs the event, within what is left of the invocation.
    async fn run(&self, event: &Envelope, as_: Resolution, extensions: &Extensions) -> Result<Outcome, Problem> {
        let deadline = extensions.get::<Deadline>().map_or_else(Instant::now, |deadline| deadline.0);
        let runner = Runner { database: &self.database, retry: self.config.retry, deadline };
        // A server that accepts bytes and says nothing more would otherwise hold the invocation until it is killed.
        let delivered =
            timeout_at(deadline.checked_sub(ANSWER_WITHIN).unwrap_or(deadline), runner.deliver(event, as_)).await;
        delivered.unwrap_or(Err(DbError::Unexpected("the database did not answer in time"))).map_err(|error| {
            tracing::error!(%error, "the event could not be stored or run");
            match error {
                error if error.is_unfit_data() => {
                    answer::invalid_payload("The event has a value that cannot be stored.")
                }
                DbError::Unreachable(_) | DbError::Unexpected(_) => answer::unavailable(),
                DbError::Statement(_) | DbError::NotOwned => Problem::internal(),
            }
        })
    }

    /// Whether this client may send another request now.
    fn admit(&self, request: &Request) -> Result<(), Problem> {
        self.limiter.check(client_address(request)).map_err(too_many)
    }
}

/// The routes, without the layers of [`shared::http::layered`].
pub fn router(environment: Arc<Environment>) -> Router {
    Router::new()
        .route("/webhooks/{provider}", post(webhooks::receive))
        .route("/events", post(events::receive))
        .with_state(environment)
}
