//! What must hold of new versions before they get the traffic. Everything at once, each in bounded time, all faults together.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use serde_json::json;
use shared::secrets::Secrets;
use tokio::time::{Instant, timeout_at};

use crate::{config::Config, gateway, invoke::Invoke, operations, webhook::Probe};

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
    let (now, time) = (Instant::now(), time.saturating_sub(REMOVAL));
    let (one, all) = (now + time.min(ONE), now + time);
    let faults = tokio::join!(
        guarded("health", one, health(config, invoke)),
        guarded("worker", all, worker(config, invoke, one)),
        guarded("courier", one, courier(config, invoke)),
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

/// A tick that takes long has much to do, and has begun to do it: no fault.
async fn worker(config: &Config, invoke: &dyn Invoke, until: Instant) -> Vec<String> {
    match timeout_at(until, invoke.invoke(&config.versions.worker, json!({"job": "tick"}))).await {
        Ok(Ok(_)) => Vec::new(),
        Ok(Err(error)) => vec![format!("worker: {error}")],
        Err(_) => {
            tracing::warn!("the worker's tick is at work still; it is not waited for");
            Vec::new()
        }
    }
}

async fn courier(config: &Config, invoke: &dyn Invoke) -> Vec<String> {
    let answered = invoke.invoke(&config.versions.courier, json!({"Records": []})).await;
    answered.err().map(|error| format!("courier: {error}")).into_iter().collect()
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
