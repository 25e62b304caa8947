//! What must hold of new versions before they get the traffic. Everything at once, each in bounded time, all faults together.
//!
//! Deliberately absent: the worker's tick. It would do everything that is due with a version that nobody has tried.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use serde_json::json;
use shared::secrets::Secrets;
use tokio::time::{Instant, timeout_at};

use crate::{
    config::Config,
    gateway,
    invoke::{Invoke, InvokeError},
    operations,
    webhook::Probe,
};

/// For one invocation, a slow start included.
const ONE: Duration = Duration::from_secs(30);
/// Kept back for the removal of what the checks left.
const REMOVAL: Duration = Duration::from_secs(10);

/// The faults; none is a pass. Takes no longer than `time`.
pub async fn run(
    config: &Config,
    invoke: &dyn Invoke,
    secrets: &Secrets,
    deployment_id: &str,
    time: Duration,
) -> Vec<String> {
    config.versions.tell(deployment_id);
    let (now, time) = (Instant::now(), time.saturating_sub(REMOVAL));
    let (one, all) = (now + time.min(ONE), now + time);
    let faults = tokio::join!(
        guarded("health", one, health(config, invoke)),
        guarded("worker", one, batch("worker", &config.versions.worker, invoke)),
        guarded("courier", one, batch("courier", &config.versions.courier, invoke)),
        guarded("ops", one, ops(config, invoke)),
        webhooks(config, invoke, secrets, deployment_id, all),
    );
    let (health, worker, courier, ops, webhooks) = faults;
    [health, worker, courier, ops, webhooks].concat()
}

/// The database is there, with the schema and the login that the version expects.
async fn health(config: &Config, invoke: &dyn Invoke) -> Vec<String> {
    let event = gateway::request("GET", "/health/ready", &[], b"");
    match invoke.invoke(&config.versions.health, event).await {
        Err(error) => vec![format!("health: {error}")],
        Ok(payload) => match gateway::answer(&payload) {
            Some(answer) if answer.status == 200 => Vec::new(),
            Some(answer) => vec![format!("health: /health/ready says {} {}", answer.status, answer.word())],
            None => vec!["health: its answer is none to API Gateway".into()],
        },
    }
}

/// An empty batch: it starts, its configuration is good, and it does nothing. Its queue may keep a function as busy as it may
/// be for hours, and a deploy does not wait for that.
async fn batch(name: &str, version: &str, invoke: &dyn Invoke) -> Vec<String> {
    match invoke.invoke(version, json!({"Records": []})).await {
        Ok(_) => Vec::new(),
        Err(error @ InvokeError::Throttled(_)) => {
            tracing::warn!(function = name, version, %error, "busy, not tested");
            Vec::new()
        }
        Err(error) => vec![format!("{name}: {error}")],
    }
}

async fn ops(config: &Config, invoke: &dyn Invoke) -> Vec<String> {
    let list = json!({"operation": "list_executions", "limit": 1});
    match operations::ask(invoke, &config.versions.ops, list).await {
        Ok((outcome, _)) if outcome == "executions" => Vec::new(),
        Ok((outcome, _)) => vec![format!("ops: a list was answered with {outcome}")],
        Err(fault) => vec![format!("ops: {fault}")],
    }
}

async fn webhooks(
    config: &Config,
    invoke: &dyn Invoke,
    secrets: &Secrets,
    deployment_id: &str,
    until: Instant,
) -> Vec<String> {
    let secrets = match timeout_at(until, secrets.get()).await {
        Ok(Ok(secrets)) => secrets,
        Ok(Err(error)) => return vec![format!("webhooks: {error}")],
        Err(_) => return vec!["webhooks: the app's secret was not read in time".into()],
    };
    let Some(probe) = Probe::choose(config, invoke, &secrets, deployment_id) else {
        tracing::warn!("no provider that is on has a secret to sign with; webhooks go untested");
        return Vec::new();
    };
    let mut faults = guarded("webhooks", until, probe.exercise()).await;
    faults.extend(guarded("ops", Instant::now() + REMOVAL, probe.remove()).await);
    faults
}

/// A check that panics, or is not done in time, has failed.
async fn guarded(name: &str, until: Instant, check: impl Future<Output = Vec<String>>) -> Vec<String> {
    let began = Instant::now();
    match timeout_at(until, AssertUnwindSafe(check).catch_unwind()).await {
        Ok(Ok(faults)) => faults,
        Ok(Err(_)) => vec![format!("{name}: its check panicked")],
        Err(_) => vec![format!("{name}: not done within {} s", began.elapsed().as_secs())],
    }
}
