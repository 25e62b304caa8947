//! What must be true in the end, whatever went wrong in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::Context as _;
use tokio_postgres::Client;

use super::load::{Event, Sent};
use crate::stack::Received;

/// Where executions and effects stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub unfinished_executions: i64,
    pub unfinished_effects: i64,
    pub messages: i64,
}

impl State {
    pub fn is_settled(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unfinished_executions, unfinished_effects, messages } = self;
        write!(
            f,
            "{unfinished_executions} executions, {unfinished_effects} effects and {messages} messages are under way"
        )
    }
}

pub async fn state(database: &Client, messages: i64) -> anyhow::Result<State> {
    let row = database
        .query_one(
            "SELECT (SELECT count(*) FROM executions WHERE status IN ('processing', 'failed')),
                    (SELECT count(*) FROM outbox WHERE finished_at IS NULL)",
            &[],
        )
        .await?;
    Ok(State { unfinished_executions: row.get(0), unfinished_effects: row.get(1), messages })
}

/// Every rule that does not hold, in words.
pub async fn faults(
    database: &Client,
    events: &[Event],
    sent: &Sent,
    effects: &[Received],
) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let rows = database.query("SELECT idempotency_key, status, COALESCE(last_error, '') FROM executions", &[]).await?;
    let executions: BTreeMap<String, (String, String)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();

    for event in events.iter().filter(|event| sent.accepted.contains(&event.key)) {
        let wanted = if event.is_misfit { "dead" } else { "completed" };
        match executions.get(&event.key) {
            None => faults.push(format!("{} was accepted and is nowhere", event.key)),
            Some((status, error)) if status != wanted => {
                faults.push(format!("{} is {status}, not {wanted}: {error}", event.key));
            }
            Some(_) => {}
        }
    }
    let count = async |sql: &'static str| -> anyhow::Result<i64> {
        Ok(database.query_one(sql, &[]).await.context("the final state cannot be read")?.get(0))
    };
    // Payments are unique by invoice; that each is there exactly once for its execution is what is asked here.
    for (sql, rule) in [
        (
            "SELECT count(*) FROM executions e WHERE e.status = 'completed'
                AND (SELECT count(*) FROM payments p WHERE p.execution_id = e.id) <> 1",
            "completed events without exactly one payment",
        ),
        (
            "SELECT count(*) FROM payments p LEFT JOIN executions e ON e.id = p.execution_id
              WHERE e.status IS DISTINCT FROM 'completed'",
            "payments of events that did not complete",
        ),
        (
            "SELECT count(*) FROM (SELECT FROM attempts WHERE outcome = 'completed' GROUP BY execution_id
                                   HAVING count(*) > 1) twice",
            "events that completed twice",
        ),
        (
            "SELECT count(*) FROM executions e WHERE e.status = 'completed' AND NOT EXISTS
                (SELECT FROM attempts a WHERE a.execution_id = e.id AND a.outcome = 'completed')",
            "completed events without a completed attempt",
        ),
        (
            "SELECT count(*) FROM outbox WHERE status <> 'delivered' AND effect ->> 'kind' = 'http'",
            "effects that were not delivered",
        ),
        (
            "SELECT count(*) FROM alerts WHERE severity = 'critical' AND resolved_at IS NULL AND sent_at IS NULL",
            "critical alerts that nobody was told of",
        ),
    ] {
        let found = count(sql).await?;
        if found != 0 {
            faults.push(format!("{found} {rule}"));
        }
    }
    faults.extend(effect_faults(database, effects).await?);
    Ok(faults)
}

/// Each payment's effect reached the other side, under one key.
async fn effect_faults(database: &Client, effects: &[Received]) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut keys_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for effect in effects {
        let invoice = effect.body["invoice_id"].as_str().unwrap_or_default().to_owned();
        keys_of.entry(invoice).or_default().insert(effect.idempotency_key.clone().unwrap_or_default());
    }
    for (invoice, keys) in keys_of.iter().filter(|(_, keys)| keys.len() != 1 || keys.contains("")) {
        faults.push(format!("the effect of {invoice} came under {} keys", keys.len()));
    }
    for row in database.query("SELECT invoice_id::text FROM payments", &[]).await? {
        let invoice: String = row.get(0);
        if !keys_of.contains_key(&invoice) {
            faults.push(format!("the effect of {invoice} never came"));
        }
    }
    Ok(faults)
}
