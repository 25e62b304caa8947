//! The runner: takes a verified event through claim, handler, finish or failure, and tells what became of it.
//!
//! It holds the promise of the whole system: the handler's writes happen exactly once, whoever dies when. The walk with
//! its crash points is in `docs/architecture.md`.

mod duplicate;
mod failed;
mod outcome;

pub use outcome::{Outcome, State};

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    alerts::{self, Severity},
    clock,
    db::{Database, DbError, Session},
    errors::Kind,
    events::Envelope,
    executions::{self, Claim, Due, Failed, Failure, Owned, Settled, Status, Terms},
    handlers::{Context, HandlerError, Handlers, Ready, Resolution},
    metrics, replays,
    retry::RetryPolicy,
    telemetry::STEP,
};
use duplicate::duplicate;
use failed::{panicked, timed_out};

/// Kept back from the invocation's time, to record a failure and to answer.
const RESERVE: Duration = Duration::from_secs(3);
/// A server that is alive ends a statement after 5 s by itself. One that says nothing at all is given up soon after.
const STORE_WITHIN: Duration = Duration::from_secs(6);
/// How much longer than the invocation its lease lasts: clocks differ, and a killed process is not gone at once.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Runs events. Cheap to make: one for each delivery.
pub struct Runner<'r> {
    pub database: &'r Database,
    pub retry: RetryPolicy,
    /// When the invocation ends. The handler is stopped 3 s earlier.
    pub deadline: Instant,
}

impl Runner<'_> {
    /// Delivers an event to what [`crate::handlers::Handlers::resolve`] made of it.
    ///
    /// An error means that the database could not be asked, or did not answer: nothing is known to have happened, and
    /// delivering the event again is safe.
    pub async fn deliver(&self, event: &Envelope, resolution: Resolution) -> Result<Outcome, DbError> {
        let ready = match resolution {
            Resolution::Ready(ready) => ready,
            Resolution::Unhandled { .. } => return self.settle(event, Settled::Unhandled).await,
            Resolution::Invalid(invalid) => {
                let (error, fields) = (invalid.to_string(), invalid.fields());
                tracing::warn!(fields, "the data does not fit its type");
                return self.settle(event, Settled::Dead { error: &error, fields: &fields }).await;
            }
        };
        let mut session = self.database.session().await?;
        let terms = Terms {
            lease: self.deadline.saturating_duration_since(Instant::now()) + LEASE_MARGIN,
            max_attempts: self.retry.max_attempts,
            rerun_after_crash: ready.job.rerun_after_crash(),
        };
        let claim = executions::claim(&mut session, event, ready.job.name(), terms);
        let claim = claim.instrument(tracing::info_span!(target: STEP, "claim"));
        match timeout(STORE_WITHIN, claim).await.unwrap_or_else(|_| Err(DbError::silent()))? {
            Claim::Owned(owned) => {
                tracing::Span::current().record("execution_id", tracing::field::display(owned.id));
                metrics::claimed(event, &owned);
                if owned.fence == 1 {
                    replays::flag(&mut session, event, owned.id).await;
                }
                session.begin().await?;
                self.attempt(session, event, owned, ready).await
            }
            Claim::Existing(existing) => duplicate(session, Some(event), existing, Some(terms)).await,
        }
    }

    /// Runs an execution that was due and is this runner's already. `None` when its lease was lost before it began.
    pub async fn resume(&self, due: &Due, handlers: &Handlers) -> Result<Option<Outcome>, DbError> {
        let envelope = due.envelope();
        let resolution = envelope.as_ref().map(|event| handlers.resolve(event));
        let mut session = self.database.session().await?;
        let unfit = match (&envelope, resolution) {
            (Ok(event), Ok(Resolution::Ready(ready))) => {
                let (name, rerun) = (ready.job.name(), ready.job.rerun_after_crash());
                let started = executions::start(&mut session, due, Some(name), rerun).await?;
                let Some(owned) = started else { return Ok(None) };
                return self.attempt(session, event, owned, ready).await.map(Some);
            }
            (_, Ok(Resolution::Unhandled { known_type: true })) => return self.ask_nothing(session, due).await,
            (_, Ok(Resolution::Invalid(invalid))) => Failure::of_data(&invalid),
            (Ok(event), _) => {
                let error = format!("no handler takes {} from {}", event.event_type, event.source);
                Failure::unfit(error, None)
            }
            (Err(error), _) => Failure::unfit(error.to_string(), None),
        };
        let Some(owned) = executions::start(&mut session, due, Some(""), true).await? else { return Ok(None) };
        session.rollback().await?;
        self.failed(session, &owned, &unfit).await.map(Some)
    }

    /// An event that asks for nothing is done. It has no handler then, whoever failed with it before: nobody handled it.
    async fn ask_nothing(&self, mut session: Session<'_>, due: &Due) -> Result<Option<Outcome>, DbError> {
        let Some(owned) = executions::start(&mut session, due, None, true).await? else { return Ok(None) };
        executions::finish(&mut session, &owned).await?;
        Ok(Some(Outcome::new(due.id, State::Ignored)))
    }

    async fn settle(&self, event: &Envelope, as_: Settled<'_>) -> Result<Outcome, DbError> {
        let mut session = self.database.session().await?;
        let settle = executions::settle(&mut session, event, as_);
        let id = match timeout(STORE_WITHIN, settle).await.unwrap_or_else(|_| Err(DbError::silent()))? {
            Claim::Existing(existing) => return duplicate(session, Some(event), existing, None).await,
            Claim::Owned(owned) => owned.id,
        };
        tracing::Span::current().record("execution_id", tracing::field::display(id));
        replays::flag(&mut session, event, id).await;
        Ok(match as_ {
            Settled::Unhandled => {
                tracing::info!("stored; no handler takes it");
                Outcome::new(id, State::Ignored)
            }
            Settled::Dead { .. } => {
                // The error quotes what does not fit; the log must not.
                log_dead(id, "its data does not fit its type; the execution says where");
                Outcome::new(id, State::Dead)
            }
        })
    }

    async fn attempt<'s>(
        &'s self,
        session: Session<'s>,
        event: &'s Envelope,
        owned: Owned,
        Ready { job, flags }: Ready,
    ) -> Result<Outcome, DbError> {
        let (started, rerun, handler) = (Instant::now(), job.rerun_after_crash(), job.name());
        let mut context = Context::new(session, event, owned.id, flags);
        let handler_deadline = self.deadline.checked_sub(RESERVE).unwrap_or(started);
        let span = tracing::info_span!(target: STEP, "handler", handler);
        let run = AssertUnwindSafe(job.run(&mut context)).catch_unwind().instrument(span);
        let ran = timeout_at(handler_deadline, run).await;
        let (mut session, effects) = context.into_parts();

        let (session, failure) = match ran {
            Ok(Ok(Ok(()))) => match finish(&mut session, &owned).await {
                Ok(()) => {
                    let took = started.elapsed();
                    metrics::handled(event, handler, took);
                    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                    tracing::info!(attempt = owned.attempt, duration_ms = millis, "completed");
                    return Ok(Outcome { wake: effects, ..Outcome::new(owned.id, State::Completed) });
                }
                Err(DbError::NotOwned) => return self.lost(session, &owned).await,
                Err(error) => (self.reopen(session).await?, HandlerError::from(error).crashed(Kind::Handler, rerun)),
            },
            Ok(Ok(Err(error))) => match session.rollback().await {
                Ok(()) => (session, error.into()),
                Err(_) => (self.reopen(session).await?, error.into()),
            },
            Ok(Err(panic)) => (self.reopen(session).await?, panicked(panic.as_ref()).crashed(Kind::Panic, rerun)),
            Err(_) => {
                let limit = handler_deadline.saturating_duration_since(started);
                (self.reopen(session).await?, timed_out(limit).crashed(Kind::Timeout, rerun))
            }
        };
        self.failed(session, &owned, &failure).await
    }

    /// A new connection in place of one whose state is unknown. What it was doing on the server is cancelled.
    async fn reopen<'s>(&'s self, session: Session<'s>) -> Result<Session<'s>, DbError> {
        session.abandon().await;
        self.database.session().await
    }

    async fn failed<'s>(
        &'s self,
        mut session: Session<'s>,
        owned: &Owned,
        failure: &Failure,
    ) -> Result<Outcome, DbError> {
        let id = owned.id;
        match executions::fail(&mut session, owned, failure, &self.retry, clock::fraction()).await? {
            Some(Failed::RetryAt(at)) => {
                tracing::warn!(attempt = owned.attempt, next_attempt_at = %at, error = failure.told(), "failed");
                Ok(Outcome::new(id, State::WillRetry { at }))
            }
            Some(Failed::Dead) => {
                log_dead(id, failure.told());
                Ok(Outcome::new(id, State::Dead))
            }
            None => self.lost(session, owned).await,
        }
    }

    /// The execution is not ours any more, or its commit went through although the answer did not reach us.
    async fn lost<'s>(&'s self, mut session: Session<'s>, owned: &Owned) -> Result<Outcome, DbError> {
        let existing = executions::find(&mut session, owned.id)
            .await?
            .ok_or(DbError::Unexpected("an execution disappeared while it was running"))?;
        if existing.status == Status::Completed && existing.fence == owned.fence {
            tracing::info!(attempt = owned.attempt, "completed; the answer to its commit was lost");
            // Whether there are effects is not known any more.
            return Ok(Outcome { wake: true, ..Outcome::new(owned.id, State::Completed) });
        }
        tracing::warn!(status = ?existing.status, "the lease was lost before the attempt ended; nothing was changed");
        duplicate(session, None, existing, None).await
    }
}

async fn finish(session: &mut Session<'_>, owned: &Owned) -> Result<(), DbError> {
    executions::finish(session, owned).instrument(tracing::info_span!(target: STEP, "finish")).await
}

/// The alert itself is raised by the statement that buries the execution.
fn log_dead(id: Uuid, error: &str) {
    let error = executions::shorten(error);
    alerts::log(Severity::Critical, "dead_letter", &format!("execution {id} went to the dead letters: {error}"));
}
