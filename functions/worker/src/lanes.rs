//! Lanes: what is due, run side by side within the connection budget and the invocation's time.

use std::{collections::VecDeque, time::Duration};

use futures_util::future::join_all;
use shared::{
    db::{Database, DbError},
    executions::{self, Due},
    metrics,
    runner::{Runner, State},
    telemetry::SPAN,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tracing::Instrument as _;

use crate::{MARGIN, Worker};

/// What each handler gets, as at the door: nothing begins when less is left.
pub(crate) const HANDLER_TIME: Duration = Duration::from_secs(30);
/// How much longer than the invocation a lease lasts.
const LEASE_MARGIN: Duration = Duration::from_secs(5).saturating_add(MARGIN);
/// Longer than the server lets a statement run.
const TAKE_WITHIN: Duration = Duration::from_secs(8);
/// So many are taken at once for each lane. Those that do not begin in time are given back.
const TAKEN_PER_LANE: u16 = 4;

/// What became of the executions that were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    pub completed: usize,
    pub failed: usize,
    pub dead: usize,
}

/// Taken, and not begun.
#[derive(Default)]
struct Waiting {
    due: VecDeque<Due>,
    /// The database had no more.
    exhausted: bool,
}

impl Worker {
    /// Runs everything that is due, as long as there is time for a whole handler. A lane that loses the database ends; the
    /// error is returned when the others are done.
    pub(crate) async fn run_due(&self, deadline: Instant) -> (Ran, Result<(), DbError>) {
        let (waiting, ran) = (Mutex::new(Waiting::default()), std::sync::Mutex::new(Ran::default()));
        let lanes = self.lanes.iter().map(|database| self.lane(database, &waiting, &ran, deadline));
        let mut result = join_all(lanes).await.into_iter().collect::<Result<(), _>>();
        let rest: Vec<Due> = waiting.into_inner().due.into();
        if !rest.is_empty() {
            tracing::info!(given_back = rest.len(), "no time is left for more");
            let given_back = async { executions::release(&mut self.lanes[0].session().await?, &rest).await };
            result = result.and(timeout(MARGIN / 2, given_back).await.unwrap_or_else(|_| Err(DbError::silent())));
        }
        (ran.into_inner().unwrap_or_default(), result)
    }

    async fn lane(
        &self,
        database: &Database,
        waiting: &Mutex<Waiting>,
        ran: &std::sync::Mutex<Ran>,
        deadline: Instant,
    ) -> Result<(), DbError> {
        while deadline.saturating_duration_since(Instant::now()) >= HANDLER_TIME {
            let next = timeout(TAKE_WITHIN, self.next(database, waiting, deadline)).await;
            let Some(due) = next.unwrap_or_else(|_| Err(DbError::silent()))? else { return Ok(()) };
            if deadline.saturating_duration_since(Instant::now()) < HANDLER_TIME {
                waiting.lock().await.due.push_front(due);
                return Ok(());
            }
            let runner = Runner { database, retry: self.config.retry, deadline: Instant::now() + HANDLER_TIME };
            let span = tracing::info_span!(target: SPAN, "retry", correlation_id = due.correlation_id(), execution_id = %due.id);
            // A server that accepts bytes and says nothing more would otherwise hold the lane until it is killed.
            let resumed = timeout(HANDLER_TIME, runner.resume(&due, &self.handlers).instrument(span)).await;
            let outcome = resumed.unwrap_or_else(|_| Err(DbError::silent()))?;
            if let Some(outcome) = &outcome {
                metrics::retried(&due, outcome);
            }
            let Ok(mut ran) = ran.lock() else { return Ok(()) };
            match outcome.map(|outcome| outcome.state) {
                Some(State::Completed | State::AlreadyCompleted | State::Ignored) => ran.completed += 1,
                Some(State::WillRetry { .. }) => ran.failed += 1,
                Some(State::Dead) => ran.dead += 1,
                Some(State::InProgress) | None => {}
            }
        }
        Ok(())
    }

    /// The next one to run. Whoever finds none waiting takes the next batch, for all lanes.
    async fn next(
        &self,
        database: &Database,
        waiting: &Mutex<Waiting>,
        deadline: Instant,
    ) -> Result<Option<Due>, DbError> {
        let mut waiting = waiting.lock().await;
        if waiting.due.is_empty() && !waiting.exhausted {
            let limit = TAKEN_PER_LANE * u16::try_from(self.lanes.len()).unwrap_or(1);
            let lease = deadline.saturating_duration_since(Instant::now()) + LEASE_MARGIN;
            let batch = executions::due(&mut database.session().await?, limit, lease).await?;
            waiting.exhausted = batch.len() < usize::from(limit);
            waiting.due = batch.into();
        }
        Ok(waiting.due.pop_front())
    }
}
