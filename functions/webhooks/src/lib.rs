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
    alerts::{self, Pager, Severity},
    aws::Services,
    config::{Config, Mode},
    db::{ConnectError, Credentials, Database, DbError},
    events::Envelope,
    executions,
    handlers::{Handlers, Resolution},
    http::{ClientLimiter, Deadline, Problem, client_address, too_many},
    inbox::{Inbox, Message, QueuedEvent},
    metrics::{self, About, Known, Metric},
    runner::{Outcome, Runner},
    secrets::{Secrets, SecretsError},
};
use tokio::time::{Instant, timeout, timeout_at};

/// Kept back from the invocation's time, to hand the event to the queue when the database fails, and to answer.
const HAND_OVER: Duration = Duration::from_secs(5);
/// Waking the worker saves it less than a minute; more than this is not spent on it.
const WAKE_WITHIN: Duration = Duration::from_millis(500);

/// What one environment holds from init on.
pub struct Environment {
    config: Config,
    database: Database,
    secrets: Secrets,
    inbox: Inbox,
    pager: Pager,
    handlers: Handlers,
    limiter: ClientLimiter,
}

/// Where an event is now.
pub(crate) enum Delivered {
    Ran(Outcome),
    /// On the queue; the worker runs it.
    Queued,
}

impl Environment {
    pub fn new(config: Config, services: Services, handlers: Handlers) -> Result<Self, ConnectError> {
        let file = config.file.clone();
        let check = move |name: &str, secret: &_| file.check_secret(name, secret);
        let login = Credentials::new(config.database.secret_id.clone(), &services.secrets);
        Ok(Self {
            database: Database::new(config.database.url.clone(), login, executions::WARM)?
                .of_release(config.database.release.clone()),
            secrets: Secrets::new(services.secrets, config.app_secret_id.clone()).checked(check),
            inbox: services.inbox,
            pager: Pager::new(services.outbound, config.file.alerts.critical.clone()),
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

    /// The names that may stand in metrics.
    pub fn known(&self) -> Known {
        Known::of(&self.config.file, &self.handlers)
    }

    /// Runs the event, or puts it on the queue: as its sender's mode says, and when the database fails.
    async fn deliver(
        &self,
        event: &Envelope,
        as_: Resolution,
        mode: Mode,
        extensions: &Extensions,
    ) -> Result<Delivered, Problem> {
        metrics::count(Metric::Received, About::Event(&event.source, &event.event_type), 1);
        if mode == Mode::Queued {
            return self.queue(event).await;
        }
        match self.run(event, as_, extensions).await {
            Ok(outcome) => {
                metrics::settled(&event.source, &event.event_type, event.occurred_at, &outcome);
                if outcome.wake {
                    self.wake().await;
                }
                Ok(Delivered::Ran(outcome))
            }
            Err(error) if error.is_unfit_data() => {
                tracing::warn!(%error, "the event has a value that cannot be stored");
                Err(answer::invalid_payload("The event has a value that cannot be stored."))
            }
            // What was under way may or may not have happened. The claim makes it safe to hand over all the same.
            Err(error) => {
                tracing::error!(%error, "the event could not be stored or run; it goes to the queue");
                let queued = self.queue(event).await?;
                self.pager.page("database_failed", &format!("events are queued, the database fails: {error}")).await;
                Ok(queued)
            }
        }
    }

    /// Runs the event, within what is left of the invocation.
    async fn run(&self, event: &Envelope, as_: Resolution, extensions: &Extensions) -> Result<Outcome, DbError> {
        let end = extensions.get::<Deadline>().map_or_else(Instant::now, |deadline| deadline.0);
        let deadline = end.checked_sub(HAND_OVER).unwrap_or(end);
        let runner = Runner { database: &self.database, retry: self.config.retry, deadline };
        // A server that accepts bytes and says nothing more would otherwise hold the invocation until it is killed.
        let delivered = timeout_at(deadline, runner.deliver(event, as_)).await;
        delivered.unwrap_or_else(|_| Err(DbError::silent()))
    }

    async fn queue(&self, event: &Envelope) -> Result<Delivered, Problem> {
        match self.inbox.put(&Message::Event(QueuedEvent::from(event))).await {
            Ok(()) => {
                tracing::info!("queued");
                metrics::count(Metric::Queued, About::Event(&event.source, &event.event_type), 1);
                Ok(Delivered::Queued)
            }
            Err(error) => {
                let message = format!("events are refused: {error}");
                alerts::log(Severity::Critical, "events_refused", &message);
                Err(answer::unavailable())
            }
        }
    }

    async fn wake(&self) {
        if timeout(WAKE_WITHIN, self.inbox.wake()).await.is_err() {
            tracing::warn!("the worker was not woken in time; its next tick does the work");
        }
    }

    /// Raises an alert, unless this environment did so a moment ago. Never fails the request: the log has it anyway.
    async fn alert(&self, severity: Severity, key: &str, message: &str) {
        if !self.pager.is_news(key) {
            return alerts::log(severity, key, message);
        }
        let raised = async { alerts::raise(&mut self.database.session().await?, severity, key, message).await };
        match raised.await {
            Ok(()) if severity == Severity::Critical => self.wake().await,
            Ok(()) => {}
            Err(error) => {
                tracing::error!(%error, "the alert could not be stored");
                self.pager.forget(key);
                if severity == Severity::Critical {
                    self.pager.page(key, message).await;
                }
            }
        }
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
