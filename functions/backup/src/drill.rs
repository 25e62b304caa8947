//! The job `drill`: restores a backup into a scratch database, proves that it is equal, and says how long that took. With
//! `keep_as`, the database stays, under that name: this is how a backup is restored in the cloud, where nobody else reaches the
//! server.
//!
//! The scratch database is dropped whatever happens; what a killed drill left is dropped by the next one. The one exception: with
//! `keep_as`, a copy that is complete and differs stays, under that name, and the run fails. After a disaster it may be the best
//! that there is.
//!
//! Without an id, the newest backup is meant. When something newer is broken, the drill fails at once: an older one proves nothing
//! about tonight.

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
    room,
    store::{Listing, Store, StoreError, in_words},
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
    #[error("{problem}. It is kept as the database {name}, for you to look at")]
    DifferentKept { problem: String, name: String },
    #[error("what is newer than {newest} is no backup: {broken}. To drill an older one, name it")]
    NewestBroken { newest: String, broken: String },
    #[error("the backup {0} could not be restored and compared in the time that there was")]
    TooSlow(String),
    #[error("{problem}; and it could not be kept: {source}")]
    NotKept { problem: String, source: RestoreError },
    #[error("{problem}; and the scratch database could not be dropped: {source}")]
    NotDropped { problem: String, source: RestoreError },
}

/// Everything that a drill works with.
pub struct Drill<'a> {
    pub programs: &'a Programs,
    pub store: &'a Store,
    /// To any database of the server, with the login of a role that may make databases.
    pub server: &'a DatabaseUrl,
    /// The server's disk; `None`, and nobody looks whether a copy fits.
    pub storage_gb: Option<u64>,
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
        let storage_gb = self.settings.storage_gb;
        let programs = self.programs().await?;
        let work = Drill { programs, store: &self.store, server: &server, storage_gb, deadline };
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
const TO_DROP: std::time::Duration = std::time::Duration::from_mins(1);

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
        let manifest = self.choose(arguments.backup.as_deref()).await?;
        for name in drop_left_behind(self.server, now).await? {
            tracing::warn!(name, "dropped what an earlier drill left behind");
        }
        if let Some(gb) = self.storage_gb {
            room::check(self.server, &manifest, gb).await?;
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

    /// The one that was asked for, or the newest, unless something newer is broken.
    async fn choose(&self, id: Option<&str>) -> Result<Manifest, DrillError> {
        if let Some(id) = id {
            return Ok(self.store.manifest(id).await.map_err(RestoreError::from)?);
        }
        let Listing { backups, mut broken, .. } = self.store.list().await.map_err(RestoreError::from)?;
        let newest = backups.into_iter().next();
        broken.retain(|broken| newest.as_ref().is_none_or(|newest| broken.id > newest.id));
        match newest {
            Some(newest) if broken.is_empty() => Ok(newest),
            None if broken.is_empty() => Err(RestoreError::from(StoreError::Empty).into()),
            newest => Err(DrillError::NewestBroken {
                newest: newest.map_or_else(|| "nothing".into(), |newest| newest.id),
                broken: in_words(&broken),
            }),
        }
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
        (Err(error @ DrillError::Different { .. }), Some(name)) => match scratch.keep_as(name).await {
            Ok(()) => return Err(DrillError::DifferentKept { problem: error.to_string(), name: name.to_owned() }),
            Err(naming) => DrillError::NotKept { problem: error.to_string(), source: naming },
        },
        (Err(error), _) => error,
    };
    match scratch.drop_it().await {
        Ok(()) => Err(failed),
        Err(source) => Err(DrillError::NotDropped { problem: failed.to_string(), source }),
    }
}
