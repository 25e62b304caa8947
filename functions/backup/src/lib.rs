//! The jobs backup, prune, drill. Three functions of this one binary run them, under three roles: who writes backups cannot
//! remove them. The CLI shares what reads, verifies and restores them.

mod back_up;
pub mod bridge;
pub mod compare;
pub mod compress;
pub mod drill;
pub mod dump;
pub mod inventory;
pub mod manifest;
pub mod pace;
mod private;
pub mod programs;
pub mod prune;
pub mod restore;
pub mod retention;
mod room;
pub mod snapshot;
pub mod store;
pub mod stream;
pub mod unpack;
pub mod upload;
pub mod verify;

use std::{fmt::Display, path::PathBuf};

use lambda_runtime::Error;
use programs::Programs;
use serde::Serialize;
use serde_json::Value;
use shared::{
    config::{Env, Faults},
    db::ConnectError,
    jobs::{self, Platform},
};
use store::Store;
use tokio::sync::OnceCell;

pub use back_up::BackUpError;

/// What this function needs to know at start.
#[derive(Clone, Debug)]
pub struct Settings {
    pub platform: jobs::Settings,
    /// `BACKUPS_BUCKET`.
    pub bucket: String,
    /// `READER_LOGIN_SECRET_ID`: that of `solo_reader`, who dumps.
    pub reader_secret_id: Option<String>,
    /// `RESTORER_LOGIN_SECRET_ID`: that of `solo_restorer`, who restores.
    pub restorer_secret_id: Option<String>,
    /// `DATABASE_STORAGE_GB`: the disk of the server. Without it, nobody looks whether a drill fits.
    pub storage_gb: Option<u64>,
    /// `RELEASE`: the commit that this is, for the manifest.
    pub release: Option<String>,
    /// `PG_PROGRAMS`: a directory with `pg_dump` and `pg_restore`, instead of the embedded ones.
    pub programs: Option<PathBuf>,
    /// How long the bucket is waited for.
    pub patience: upload::Patience,
}

impl Settings {
    pub fn load(env: &Env) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let platform = jobs::Settings::read(env, &mut faults);
        let bucket = env.required("BACKUPS_BUCKET", "the name of the bucket of backups", &mut faults);
        let storage_gb = env.bounded("DATABASE_STORAGE_GB", 1..=65_536, &mut faults);
        let (Some(platform), Some(bucket)) = (platform, bucket) else { return Err(faults) };
        faults.into_result(Self {
            platform,
            bucket,
            reader_secret_id: env.optional("READER_LOGIN_SECRET_ID"),
            restorer_secret_id: env.optional("RESTORER_LOGIN_SECRET_ID"),
            storage_gb,
            release: env.optional("RELEASE"),
            programs: env.optional("PG_PROGRAMS").map(PathBuf::from),
            patience: upload::Patience::default(),
        })
    }
}

/// What one environment holds from init on.
pub struct Backup {
    settings: Settings,
    platform: Platform,
    programs: OnceCell<Programs>,
    store: Store,
}

impl Backup {
    /// Nothing is called yet.
    pub async fn new(settings: Settings) -> Result<Self, ConnectError> {
        let platform = Platform::new(settings.platform.clone()).await?;
        let store = Store::new(&platform.aws, &settings.bucket);
        Ok(Self { settings, platform, programs: OnceCell::new(), store })
    }

    /// One invocation: `{"job": ...}`. `deadline` is the Lambda context's.
    pub async fn invoke(&self, event: Value, deadline: u64) -> Result<Value, Error> {
        let known = ["backup", "prune", "drill"];
        self.platform
            .invoke(&event, &known, deadline, async |job, progress, deadline| match job.name {
                // Boxed: the compiler gives up on futures of this depth.
                "backup" => outcome(Box::pin(self.back_up(event.get("actor").is_some(), progress, deadline)).await),
                "prune" => outcome(Box::pin(self.prune()).await),
                "drill" => outcome(Box::pin(self.drill(&event, progress, deadline)).await),
                other => Err(format!("{other} is not a job of this function")),
            })
            .await
    }
}

fn outcome<T: Serialize, E: Display>(ended: Result<T, E>) -> Result<Value, String> {
    let done = ended.map_err(|error| error.to_string())?;
    serde_json::to_value(done).map_err(|error| error.to_string())
}
