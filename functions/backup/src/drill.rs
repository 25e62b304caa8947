//! The job `drill`: restores a backup into a scratch database, proves that it is equal, and says how long that took. With
//! `keep_as`, the database stays, under that name: this is how a backup is restored in the cloud, where nobody else reaches the
//! server.
//!
//! The scratch database is dropped whatever happens; what a killed drill left is dropped by the next one. Deliberately absent: a look
//! at the free disk. A client of PostgreSQL cannot see it, so the size is logged, the alarm on free storage watches, and a full disk
//! fails the drill in those words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    clock,
    db::{Credentials, DatabaseUrl},
    jobs::Progress,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use crate::{
    Backup,
    manifest::Manifest,
    programs::Programs,
    restore::{RestoreError, Restored, Scratch, Source, Step, check_name, drop_left_behind, restore},
    store::Store,
};

/// What a drill is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Arguments {
    /// The newest one, unless said otherwise.
    #[serde(default)]
    pub backup: Option<String>,
    #[serde(default)]
    pub keep_as: Option<String>,
}

/// What was proven.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Done {
    pub backup: String,
    pub tables: usize,
    pub rows: u64,
    pub seconds: f64,
    pub restore_seconds: f64,
    /// The one that was kept.
    pub database: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("the backup {backup} was restored, and is not equal: {}", .differences.join("; "))]
    Different { backup: String, differences: Vec<String> },
    #[error("the backup {0} could not be restored and compared in the time that there was")]
    TooSlow(String),
    #[error("{problem}; and the scratch database could not be dropped: {source}")]
    NotDropped { problem: String, source: RestoreError },
}

/// Everything that a drill works with.
pub struct Drill<'a> {
    pub programs: &'a Programs,
    pub store: &'a Store,
    /// To any database of the server, with the login of a role that may make databases.
    pub server: &'a DatabaseUrl,
    /// When it has to be over, with what drops the database.
    pub deadline: Instant,
}

impl Backup {
    pub(crate) async fn drill(
        &self,
        event: &Value,
        progress: &Progress<'_>,
        deadline: Instant,
    ) -> Result<Done, lambda_runtime::Error> {
        let arguments: Arguments = serde_json::from_value(event.clone())?;
        let server = self.login(self.settings.restorer_secret_id.as_ref(), "RESTORER_LOGIN_SECRET_ID").await?;
        let (step, mut steps) = watch::channel(Step::default());
        let work = Drill { programs: self.programs().await?, store: &self.store, server: &server, deadline };
        let unique = u32::from_be_bytes(Uuid::new_v4().into_bytes()[..4].try_into()?);
        let mut drilling = Box::pin(work.run(&arguments, clock::now(), unique, &step));
        let telling = async {
            while steps.changed().await.is_ok() {
                let now = *steps.borrow_and_update();
                progress.tell(&now).await;
            }
        };
        let done = tokio::select! {
            done = &mut drilling => done?,
            // Nobody says anything any more; that is not the end.
            () = telling => drilling.await?,
        };
        Ok(done)
    }

    /// The stage's database, as another role than that of the records.
    async fn login(&self, secret_id: Option<&String>, variable: &str) -> Result<DatabaseUrl, lambda_runtime::Error> {
        let Some(id) = secret_id else {
            return Err(format!("{variable} is not set: this function is not the one that does this").into());
        };
        let login = Credentials::new(Some(id.clone()), &self.platform.secrets);
        Ok(login.complete(&self.settings.platform.database.url).await?)
    }
}

/// Kept back to drop the database.
const TO_DROP: std::time::Duration = std::time::Duration::from_secs(20);

impl Drill<'_> {
    /// `unique` is random: part of the scratch database's name.
    pub async fn run(
        &self,
        arguments: &Arguments,
        now: Timestamp,
        unique: u32,
        step: &watch::Sender<Step>,
    ) -> Result<Done, DrillError> {
        let began = Instant::now();
        if let Some(name) = &arguments.keep_as {
            check_name(self.server, name).await?;
        }
        let manifest = self.store.find(arguments.backup.as_deref()).await.map_err(RestoreError::from)?;
        for name in drop_left_behind(self.server, now).await? {
            tracing::warn!(name, "dropped what an earlier drill left behind");
        }
        tracing::info!(
            backup = manifest.id,
            bytes = manifest.archive.plain_bytes,
            "restoring; it takes about as much disk, and indexes"
        );
        let scratch = Scratch::create(self.server, &Scratch::name_at(now, unique)).await?;
        let deadline = self.deadline.checked_sub(TO_DROP).unwrap_or(self.deadline);
        let restored = match timeout_at(deadline, Box::pin(self.prove(&manifest, &scratch, step))).await {
            Ok(restored) => restored,
            Err(_) => Err(DrillError::TooSlow(manifest.id.clone())),
        };
        let (restored, database) = end(scratch, restored, arguments.keep_as.as_deref()).await?;
        Ok(Done {
            backup: manifest.id,
            tables: restored.tables,
            rows: restored.rows,
            seconds: began.elapsed().as_secs_f64(),
            restore_seconds: restored.restore_seconds,
            database,
            left_out: restored.left_out,
            notes: restored.comparison.notes,
        })
    }

    async fn prove(
        &self,
        manifest: &Manifest,
        scratch: &Scratch,
        step: &watch::Sender<Step>,
    ) -> Result<Restored, DrillError> {
        let source = Source::Store(self.store);
        let restored = restore(self.programs, manifest, source, &scratch.url(), step).await?;
        if restored.comparison.differences.is_empty() {
            return Ok(restored);
        }
        let mut differences = restored.comparison.differences;
        let more = differences.len().saturating_sub(10);
        differences.truncate(10);
        if more > 0 {
            differences.push(format!("{more} more"));
        }
        Err(DrillError::Different { backup: manifest.id.clone(), differences })
    }
}

/// Drops the database, whatever came of it; or gives it the name that it is to be kept under, which is returned.
async fn end(
    scratch: Scratch,
    restored: Result<Restored, DrillError>,
    keep_as: Option<&str>,
) -> Result<(Restored, Option<String>), DrillError> {
    let failed = match (restored, keep_as) {
        (Ok(restored), None) => {
            let problem = || format!("the backup is good ({} tables)", restored.tables);
            let dropped = scratch.drop_it().await;
            dropped.map_err(|source| DrillError::NotDropped { problem: problem(), source })?;
            return Ok((restored, None));
        }
        (Ok(restored), Some(name)) => match scratch.keep_as(name).await {
            Ok(()) => return Ok((restored, Some(name.to_owned()))),
            Err(error) => error.into(),
        },
        (Err(error), _) => error,
    };
    match scratch.drop_it().await {
        Ok(()) => Err(failed),
        Err(source) => Err(DrillError::NotDropped { problem: failed.to_string(), source }),
    }
}
