//! Looks at what the functions depend on: the database, the inbox queue, the bucket.
//!
//! | dependency | the look | what stands still without it |
//! |---|---|---|
//! | database | `SELECT 1` | everything: events wait in the queue |
//! | queue | `GetQueueAttributes` of the inbox | events wait for nobody: with the database out as well they are refused; `mode = "queued"` refuses at once |
//! | storage | `HeadBucket` | events that are too large for a queue message, while they have to be queued |
//!
//! Each look has 2 s at most, all of them run at the same time, and what was found is kept for a moment ([`Kept`]).
//!
//! No smoothing: a look says what is so now. Who decides that someone is woken does that (`infra/uptime.yaml`: three looks in a
//! row from three continents, three minutes long); an environment remembers too little of what others saw. One thing is tried
//! twice within its 2 s: a kept connection that turns out to be broken says something about a moment ago, so a new one is opened.

use std::{fmt::Display, sync::Arc, time::Duration};

use jiff::Timestamp;
use shared::{
    clock,
    db::{Database, DbError},
    objects::ObjectStore,
    queue::Queue,
};
use tokio::time::{Instant, timeout};

use crate::kept::Kept;

/// How long a dependency may take to answer.
pub const PROBE_WITHIN: Duration = Duration::from_secs(2);

pub const PROBE: &str = "SELECT 1";

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    pub fault: Option<Fault>,
    pub latency: Duration,
    /// When it began.
    pub at: Timestamp,
}

/// For whoever has the token. The log has the whole error; it names hosts and users, which a monitoring service need not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Silent,
    Failed,
}

impl Fault {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "no answer within 2 s",
            Self::Failed => "out of reach, or refused; the log has the error",
        }
    }
}

impl Probe {
    pub fn is_ok(&self) -> bool {
        self.fault.is_none()
    }
}

pub struct Probes {
    queue: Arc<dyn Queue>,
    storage: Arc<dyn ObjectStore>,
    of_database: Kept<Probe>,
    of_queue: Kept<Probe>,
    of_storage: Kept<Probe>,
}

impl Probes {
    pub fn new(queue: Arc<dyn Queue>, storage: Arc<dyn ObjectStore>, kept_for: Duration) -> Self {
        let kept = || Kept::new(kept_for, clock::now);
        Self { queue, storage, of_database: kept(), of_queue: kept(), of_storage: kept() }
    }

    pub async fn database(&self, database: &Database) -> Probe {
        // Boxed: the way to a connection is long.
        self.of_database.get(probed("database", Box::pin(ask(database)))).await
    }

    pub async fn queue(&self) -> Probe {
        self.of_queue.get(probed("queue", self.queue.check())).await
    }

    pub async fn storage(&self) -> Probe {
        self.of_storage.get(probed("storage", self.storage.check())).await
    }
}

async fn ask(database: &Database) -> Result<(), DbError> {
    match ask_once(database).await {
        Err(error) if error.is_unreachable() => ask_once(database).await,
        answer => answer,
    }
}

async fn ask_once(database: &Database) -> Result<(), DbError> {
    database.session().await?.query_opt(PROBE, &[]).await.map(drop)
}

async fn probed<E: Display>(dependency: &str, look: impl Future<Output = Result<(), E>>) -> Probe {
    let (at, asked) = (clock::now(), Instant::now());
    let fault = match timeout(PROBE_WITHIN, look).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            tracing::warn!(dependency, %error, "a dependency is out");
            // The client's own timer may be the first.
            Some(if asked.elapsed() < PROBE_WITHIN { Fault::Failed } else { Fault::Silent })
        }
        Err(_) => {
            tracing::warn!(dependency, "a dependency does not answer");
            Some(Fault::Silent)
        }
    };
    Probe { fault, latency: asked.elapsed(), at }
}
