//! The demo's third act: a backup is taken, the database is dropped while events come in, and is restored from it.
//!
//! The functions work all the while. So the copy is made under another name, proven equal, and gets the database's name only then.

use std::time::Duration;

use anyhow::{Context as _, bail};
use backup::{
    programs::Programs,
    restore::{Scratch, Source, Step, drop_database, restore},
    store::Store,
};
use migrate::{Passwords, migrate};
use ops::JobRun;
use serde_json::Map;
use shared::{
    clock,
    config::SoloToml,
    db::{Credentials, DatabaseUrl, connect_for_maintenance},
    jobs,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::trouble::{Shown, key, word};
use crate::{
    jobs::follow,
    send::Sender,
    stack::{self, Backing},
    stage::{Door, Stage},
    ui,
};

const WITHIN: Duration = Duration::from_mins(1);

pub struct Recovery<'r> {
    pub stage: &'r Stage,
    pub door: &'r Door,
    pub file: &'r SoloToml,
    pub backing: &'r Backing,
}

impl Recovery<'_> {
    pub async fn play(&self) -> anyhow::Result<Vec<Shown>> {
        let backup = self.run("backup").await?;
        let drill = self.run("drill").await?;
        let store = Store::new(&stack::sdk_config(&self.backing.aws_endpoint), stack::BACKUPS_BUCKET);
        let lost = &self.backing.database;
        drop_database(&lost.with_database("postgres"), &lost.database).await?;
        let (answer, event) = self.send_invoice().await?;
        let equal = self.restore(&store).await?;
        let completed = self.wait_for(&event).await?;
        Ok(vec![
            Shown::new("a backup: solo backup run", backup, "succeeded"),
            Shown::new("does it restore? solo backup drill", drill, "succeeded"),
            Shown::new("the database is dropped; an event comes", answer, "202 queued"),
            Shown::new("restored from the backup", equal, "every table equal"),
            Shown::new("the event that came meanwhile", completed, "completed"),
        ])
    }

    /// As `solo jobs run` does it. How it ended.
    async fn run(&self, name: &str) -> anyhow::Result<String> {
        let job = jobs::find(name).with_context(|| format!("there is no job {name}"))?;
        let JobRun { result, error, outcome, .. } = follow(self.stage, job, Map::new(), |_| {}).await?;
        let number = |field: &str| result.as_ref().and_then(|result| result[field].as_f64()).unwrap_or_default();
        ui::note(&format!(
            "{name}: {} rows of {} tables in {:.1} s",
            number("rows"),
            number("tables"),
            number("seconds")
        ));
        let outcome = outcome.context("the run has not ended")?;
        Ok(error.map_or(outcome.clone(), |error| format!("{outcome}: {error}")))
    }

    /// From the newest backup, as the role that may make databases and nothing else; then into service, as a deployment does it.
    async fn restore(&self, store: &Store) -> anyhow::Result<String> {
        let master = &self.backing.database;
        let restorer = master.with_user("solo_restorer", Some(self.backing.keys.restorer_password.clone()));
        let programs = Programs::find(Some(&self.backing.programs)).await?;
        let manifest = store.find(None).await?;
        let scratch = Scratch::create(&restorer.with_database("postgres"), &Scratch::name_at(clock::now(), 0)).await?;
        let (step, _) = watch::channel(Step::default());
        let restored = restore(&programs, &manifest, Source::Store(store), &scratch.url(), &step).await?;
        let differences = restored.comparison.differences;
        if !differences.is_empty() {
            scratch.drop_it().await?;
            bail!("the copy differs, and was not put into service: {}", differences.join("; "));
        }
        scratch.keep_as(&master.database).await?;
        migrate(master.clone(), Credentials::Url, &Passwords::default()).await?;
        Ok("every table equal".into())
    }

    /// The answer, and the event's key.
    async fn send_invoice(&self) -> anyhow::Result<(String, String)> {
        let stripe = Sender::find("stripe", self.file)?;
        let event = stripe.sample("invoice.paid")?;
        let answer = stripe.send(self.door, &event, false).await?;
        Ok((format!("{} {}", answer.status, word(&answer.body)), key(&event)?))
    }

    async fn wait_for(&self, event: &str) -> anyhow::Result<String> {
        const STATUS: &str = "SELECT status FROM executions WHERE source = 'stripe' AND idempotency_key = $1";
        let url: DatabaseUrl = self.backing.database.clone();
        let database = connect_for_maintenance(url, Credentials::Url).await?;
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            if let Some(row) = database.query_opt(STATUS, &[&event]).await?
                && row.get::<_, &str>(0) == "completed"
            {
                return Ok("completed".into());
            }
            sleep(Duration::from_millis(200)).await;
        }
        bail!("the event {event} was not handled within {} s after the restore", WITHIN.as_secs())
    }
}
