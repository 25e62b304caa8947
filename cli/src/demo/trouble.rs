//! The demo's second act: a handler that fails, a dead letter, a database that is gone, alerts. All of it really happens.
//!
//! Only the clock is faster than in the cloud: the tick fires every second instead of every minute, and a message that was
//! not handled comes again after 5 s instead of 95.

use std::time::Duration;

use anyhow::{Context as _, bail};
use ops::{By, Operation, Outcome, Replay, ReplayFilter};
use serde_json::Value;
use shared::config::SoloToml;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    send::{Sample, Sender},
    stack::{Backing, Shutdown},
    stage::{Door, Stage},
    ui,
};

const WITHIN: Duration = Duration::from_mins(1);
/// A mistake that a migration could make, and its mending.
const BREAK: &str = "REVOKE INSERT ON payments FROM solo_app";
const MEND: &str = "GRANT INSERT ON payments TO solo_app";
const SENT_WITHOUT_DATABASE: usize = 5;

/// One thing that was shown, and whether it came out as it should.
pub struct Shown {
    what: &'static str,
    outcome: String,
    expected: String,
}

impl Shown {
    pub fn new(what: &'static str, outcome: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { what, outcome: outcome.into(), expected: expected.into() }
    }

    /// What is not as it should be, in words.
    pub fn fault(&self) -> Option<String> {
        let Self { what, outcome, expected } = self;
        (outcome != expected).then(|| format!("{what}: expected {expected}, got {outcome}"))
    }
}

pub fn table(shown: &[Shown]) -> String {
    let mark = |shown: &Shown| if shown.fault().is_none() { "✓" } else { "✗" };
    let rows = shown.iter().map(|shown| vec![shown.what.to_owned(), shown.outcome.clone(), mark(shown).to_owned()]);
    ui::table(&["what went wrong", "what came of it", ""], rows.collect())
}

pub struct Scene<'s> {
    pub stage: &'s Stage,
    pub door: &'s Door,
    pub file: &'s SoloToml,
    pub backing: &'s mut Backing,
}

impl Scene<'_> {
    pub async fn play(&mut self, database: &Client) -> anyhow::Result<Vec<Shown>> {
        let mut shown = vec![self.fails_twice(database).await?];
        shown.extend(self.dies_and_is_replayed(database).await?);
        shown.push(digest(database, self.backing).await?);
        if self.backing.postgres().is_some() {
            shown.extend(self.database_gone().await?);
        } else {
            ui::note("not shown: the database stopped (DATABASE_URL names a server of your own)");
        }
        Ok(shown)
    }

    /// Tried again by itself, until the cause is mended.
    async fn fails_twice(&self, database: &Client) -> anyhow::Result<Shown> {
        database.batch_execute(BREAK).await?;
        let id = self.send_invoice("processing_failed").await?;
        wait_for(database, id, "2 failed").await?;
        database.batch_execute(MEND).await?;
        let attempts = wait_for(database, id, "3 completed").await?;
        Ok(Shown::new("a handler fails twice", attempts, "1 failed, 2 failed, 3 completed"))
    }

    async fn dies_and_is_replayed(&self, database: &Client) -> anyhow::Result<[Shown; 3]> {
        database.batch_execute(BREAK).await?;
        let id = self.send_invoice("processing_failed").await?;
        let dead = wait_for(database, id, "3 dead").await?;
        let title = received(self.backing, |title| title.starts_with("critical:")).await?;
        let alert = if title.contains("dead letters") { "critical alert received" } else { &title };
        database.batch_execute(MEND).await?;
        let by = By { actor: "demo".into(), reason: "the grant is back".into() };
        let what = ReplayFilter { ids: vec![id], ..ReplayFilter::default() };
        let replay = Replay { what, completed: false, unhandled: false, dry_run: false, confirmed: 0, by };
        let Outcome::Changed(changes) = self.stage.operate(Operation::Replay(replay)).await? else {
            bail!("a replay was not answered with what it changed")
        };
        let replayed = changes.changed.first().map_or("nothing", |changed| changed.what.as_str());
        let generation = replayed.rsplit(", ").next().unwrap_or_default();
        let attempts = wait_for(database, id, "1 completed").await?;
        Ok([
            Shown::new("a handler fails three times", dead, "1 failed, 2 failed, 3 dead"),
            Shown::new("somebody has to know", alert, "critical alert received"),
            Shown::new(
                "the cause is mended: solo replay",
                format!("{generation}: {attempts}"),
                "generation 2: 1 failed, 2 failed, 3 dead, 1 completed",
            ),
        ])
    }

    /// Events are taken all the same, and handled when it is back.
    async fn database_gone(&mut self) -> anyhow::Result<[Shown; 2]> {
        let url = self.backing.database.clone();
        self.backing.postgres().context("no server of our own")?.stop(Shutdown::Fast)?;
        let stripe = Sender::find("stripe", self.file)?;
        let mut answers = Vec::new();
        let mut keys = Vec::new();
        for _ in 0..SENT_WITHOUT_DATABASE {
            let event = stripe.sample("invoice.paid")?;
            let answer = stripe.send(self.door, &event, false).await?;
            answers.push(format!("{} {}", answer.status, word(&answer.body)));
            keys.push(key(&event)?);
        }
        answers.dedup();
        self.backing.postgres().context("no server of our own")?.start_again().await?;
        let database = shared::db::connect_for_maintenance(url, shared::db::Credentials::Url).await?;
        let done = "SELECT count(*) FROM executions WHERE status = 'completed' AND idempotency_key = ANY($1)";
        let all = i64::try_from(SENT_WITHOUT_DATABASE)?;
        let started = Instant::now();
        let mut completed = 0;
        while completed < all && started.elapsed() < WITHIN {
            sleep(Duration::from_millis(200)).await;
            completed = database.query_one(done, &[&keys]).await?.get(0);
        }
        Ok([
            Shown::new("PostgreSQL is stopped; 5 events come", answers.join(", "), "202 queued"),
            Shown::new("PostgreSQL is back", format!("{completed} of 5 completed"), "5 of 5 completed"),
        ])
    }

    /// The execution of a new invoice.
    async fn send_invoice(&self, expected: &str) -> anyhow::Result<Uuid> {
        let stripe = Sender::find("stripe", self.file)?;
        let answer = stripe.send(self.door, &stripe.sample("invoice.paid")?, false).await?;
        if word(&answer.body) != expected {
            bail!("{expected} was expected, and the answer is {} {}", answer.status, answer.body);
        }
        let body: Value = serde_json::from_str(&answer.body)?;
        Ok(body["execution_id"].as_str().unwrap_or_default().parse()?)
    }
}

/// Five warnings in one message.
async fn digest(database: &Client, backing: &Backing) -> anyhow::Result<Shown> {
    for number in 1..=5 {
        let key = format!("demo:{number}");
        let raise = "SELECT raise_alert($1, 'warning', 'something that can wait')";
        database.execute(raise, &[&key]).await?;
    }
    let title = received(backing, |title| title.contains("warning")).await?;
    Ok(Shown::new("five things that can wait", format!("one digest: {title}"), "one digest: 5 alerts: 5 warning"))
}

/// The title of the first message that fits, when it has arrived.
async fn received(backing: &Backing, fits: impl Fn(&str) -> bool) -> anyhow::Result<String> {
    let started = Instant::now();
    while started.elapsed() < WITHIN {
        let messages = backing.receiver.received();
        let mut titles = messages.iter().filter_map(|message| message.body["title"].as_str());
        if let Some(title) = titles.find(|title| fits(title)) {
            return Ok(title.to_owned());
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("no alert arrived at the local receiver within {} s", WITHIN.as_secs())
}

/// Its attempts, when the last of them is `last`.
async fn wait_for(database: &Client, id: Uuid, last: &str) -> anyhow::Result<String> {
    const ATTEMPTS: &str = "SELECT COALESCE(string_agg(attempt || ' ' || outcome, ', ' ORDER BY fence), 'none')
                              FROM attempts WHERE execution_id = $1";
    let started = Instant::now();
    loop {
        let attempts: String = database.query_one(ATTEMPTS, &[&id]).await?.get(0);
        if attempts.ends_with(last) {
            return Ok(attempts);
        }
        if started.elapsed() > WITHIN {
            bail!("{id} was to end with {last} and has {attempts} after {} s", WITHIN.as_secs());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

pub fn word(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body.get("error").or_else(|| body.get("status")).and_then(Value::as_str).unwrap_or("?").to_owned()
}

pub fn key(event: &Sample) -> anyhow::Result<String> {
    let body: Value = serde_json::from_slice(&event.body)?;
    Ok(body["id"].as_str().unwrap_or_default().to_owned())
}
