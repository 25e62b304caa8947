//! The worker: what does not happen at the door.
//!
//! - A batch of the inbox (`drain.rs`): events that were queued, courier's reports, wake-ups.
//! - The tick, every minute (`tick.rs`): expired leases, retries that are due, the relay of the outbox, alerts.
//!
//! Several workers may run side by side, and any of them may be killed at any moment: rows are taken with `SKIP LOCKED`,
//! under leases and fences. Deliberately absent: anything that only works when there is one worker.

mod drain;
mod lanes;
mod tick;

pub use drain::{Batch, Drained, Record};
pub use tick::Ticked;

use std::{sync::Arc, time::Duration};

use lambda_runtime::Error;
use serde_json::{Value, json};
use shared::{
    alerts::Pager,
    aws::Services,
    config::{Config, Env, Fault, Faults},
    db::{ConnectError, Credentials, Database},
    executions,
    handlers::Handlers,
    inbox::Inbox,
    invocation,
    metrics::Known,
    queue::Queue,
};
use tokio::time::Instant;

/// The function's time in `template.yaml`, and the most that is ever counted on.
const INVOCATION: Duration = Duration::from_secs(90);
/// Kept back from it, to give back what was not begun, to tell of a failure, and to answer.
pub(crate) const MARGIN: Duration = Duration::from_secs(8);

/// What only the worker needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `WORKER_CONNECTIONS`: how many handlers run at once, each on a connection of its own. 1 to 16, 4 unless said
    /// otherwise; a small database bears 80 connections from all functions together.
    pub connections: usize,
}

impl Settings {
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let connections = env.bounded("WORKER_CONNECTIONS", 1..=16, &mut faults).unwrap_or(4);
        let connections = usize::try_from(connections)
            .map_err(|_| Faults::from(Fault::new("WORKER_CONNECTIONS", "is too large for this machine")))?;
        faults.into_result(Self { connections })
    }
}

/// What one environment holds from init on.
pub struct Worker {
    config: Config,
    /// One handler at a time on each. Never empty.
    lanes: Vec<Database>,
    inbox: Inbox,
    inbox_dead: Arc<dyn Queue>,
    outbound: Arc<dyn Queue>,
    pager: Pager,
    handlers: Handlers,
}

impl Worker {
    /// Opens nothing yet: a lane opens its connection when it first has something to do.
    pub fn new(
        config: Config,
        settings: &Settings,
        services: Services,
        handlers: Handlers,
    ) -> Result<Self, ConnectError> {
        let lanes = (0..settings.connections.max(1)).map(|_| {
            let login = Credentials::new(config.database.secret_id.clone(), &services.secrets);
            let database = Database::new(config.database.url.clone(), login, executions::WARM_WORKER)?;
            Ok(database.of_release(config.database.release.clone()))
        });
        Ok(Self {
            lanes: lanes.collect::<Result<_, ConnectError>>()?,
            inbox: services.inbox,
            inbox_dead: services.inbox_dead,
            pager: Pager::new(Arc::clone(&services.outbound), config.file.alerts.critical.clone()),
            outbound: services.outbound,
            handlers,
            config,
        })
    }

    /// The names that may stand in metrics.
    pub fn known(&self) -> Known {
        Known::of(&self.config.file, &self.handlers)
    }

    /// One invocation: a batch of the inbox (it has `Records`), or the tick. `deadline` is the Lambda context's.
    pub async fn invoke(&self, event: Value, deadline: u64) -> Result<Value, Error> {
        let deadline = Instant::now() + invocation::remaining(deadline, INVOCATION).saturating_sub(MARGIN);
        if event.get("Records").is_some() {
            let drained = self.drain(serde_json::from_value(event)?, deadline).await;
            return Ok(drained.answer());
        }
        match event.get("job").and_then(Value::as_str) {
            Some("tick") => Ok(json!(self.tick(deadline).await?)),
            // Without quoting it: what it is, only its sender knows.
            _ => Err("the worker takes batches of its queue and {\"job\": \"tick\"}".into()),
        }
    }
}
