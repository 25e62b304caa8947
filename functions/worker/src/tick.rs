//! The tick: what time alone brings about.

use serde::Serialize;
use shared::{
    alerts, clock,
    db::{DbError, Session},
    errors, executions,
    jobs::{self, Watched},
    outbox, telemetry,
};
use tokio::time::{Instant, timeout_at};

use crate::Worker;

/// Rows in one statement. A tick repeats while statements come back full.
const SWEPT_AT_ONCE: u16 = 500;
const RELAYED_AT_ONCE: u16 = 100;

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ticked {
    /// Executions whose runner was gone: due again, or dead.
    pub swept: usize,
    /// Executions that were due, by what became of them.
    pub completed: usize,
    pub failed: usize,
    pub dead: usize,
    /// Effects that were put on courier's queue. Without pings: a tick that tells that one was here is idle all the same.
    pub relayed: usize,
    /// Alerts that were put into messages.
    pub alerts: usize,
}

impl Worker {
    /// Does everything that is due, and stops early rather than being killed.
    pub async fn tick(&self, deadline: Instant) -> Result<Ticked, DbError> {
        let ticked = timeout_at(deadline, self.tick_once(deadline)).await.unwrap_or_else(|_| Err(DbError::silent()));
        if ticked.is_ok() {
            telemetry::job_succeeded("tick");
        }
        match &ticked {
            Ok(done) if *done != Ticked::default() => tracing::info!(
                swept = done.swept,
                completed = done.completed,
                failed = done.failed,
                dead = done.dead,
                relayed = done.relayed,
                alerts = done.alerts,
                "ticked"
            ),
            Ok(_) => tracing::debug!("ticked; nothing was due"),
            Err(error) => self.pager.page("database_failed", &format!("the worker cannot work: {error}")).await,
        }
        ticked
    }

    async fn tick_once(&self, deadline: Instant) -> Result<Ticked, DbError> {
        let began = Instant::now();
        let mut ticked = Ticked { swept: self.sweep(deadline).await?, ..Ticked::default() };
        // What waits for people and for others first: retries may take all the time there is. A job that is late is told of in
        // the same tick; that its record cannot be read is no reason to send nothing.
        let watched = self.watch().await;
        let sent = self.send(deadline, &mut ticked).await;
        let (ran, result) = self.run_due(deadline).await;
        (ticked.completed, ticked.failed, ticked.dead) = (ran.completed, ran.failed, ran.dead);
        watched.and(sent).and(result)?;
        if ran.completed + ran.dead > 0 {
            self.send(deadline, &mut ticked).await?;
        }
        let did = (ticked != Ticked::default()).then_some(&ticked);
        let ping = self.config.file.jobs.ping.as_deref();
        jobs::ticked(&mut self.lanes[0].session().await?, began.elapsed(), did, ping).await?;
        Ok(ticked)
    }

    async fn watch(&self) -> Result<(), DbError> {
        let watched = jobs::watch(&mut self.lanes[0].session().await?, jobs::ALL, clock::now()).await?;
        if watched != Watched::default() {
            tracing::warn!(stuck = watched.stuck, late = watched.late, "jobs are stuck or late");
        }
        Ok(())
    }

    async fn sweep(&self, deadline: Instant) -> Result<usize, DbError> {
        let mut session = self.lanes[0].session().await?;
        let mut all = 0;
        while Instant::now() < deadline {
            let once = self.handlers.once();
            let swept = executions::sweep(&mut session, SWEPT_AT_ONCE, &self.config.retry, once).await?;
            all += swept.all();
            if swept.all() < usize::from(SWEPT_AT_ONCE) {
                break;
            }
        }
        Ok(all)
    }

    /// Alerts and what is new about errors into messages, and messages and effects to courier's queue.
    pub(crate) async fn send(&self, deadline: Instant, ticked: &mut Ticked) -> Result<(), DbError> {
        let mut session = self.lanes[0].session().await?;
        let flushed = alerts::flush(&mut session, &self.config.file.alerts, clock::now()).await?;
        ticked.alerts += flushed.critical + flushed.digested;
        match errors::flush(&mut session, self.config.file.errors.tracker.as_deref()).await {
            Err(error) if error.is_unreachable() => return Err(error),
            // Nobody else's messages wait for the tracker's.
            Err(error) => {
                tracing::error!(%error, "the tracker is not told of what is new");
                drop(session);
                session = self.lanes[0].session().await?;
            }
            Ok(_) => {}
        }
        ticked.relayed += self.relay(&mut session, deadline).await?;
        Ok(())
    }

    /// A queue that does not take them leaves them due: that is no reason to stop the tick.
    async fn relay(&self, session: &mut Session<'_>, deadline: Instant) -> Result<usize, DbError> {
        let mut all = 0;
        while Instant::now() < deadline {
            match outbox::relay(session, &*self.outbound, RELAYED_AT_ONCE).await {
                Ok(relayed) => {
                    all += relayed.sent - relayed.pings;
                    if relayed.sent + relayed.given_up < usize::from(RELAYED_AT_ONCE) {
                        break;
                    }
                }
                Err(outbox::RelayError::Database(error)) => return Err(error),
                Err(outbox::RelayError::Queue(error)) => {
                    tracing::error!(%error, "effects wait in the outbox");
                    break;
                }
            }
        }
        Ok(all)
    }
}
