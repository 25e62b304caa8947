//! The bucket of backups of a stage, and the programs of PostgreSQL on this machine.

use anyhow::Context as _;
use backup::{programs::Programs, store::Store};
use shared::config::Env;

use crate::{
    project::Project,
    stack,
    stage::{Stage, value},
};

/// With the caller's own identity.
pub async fn store(stage: &Stage) -> anyhow::Result<Store> {
    match stage {
        Stage::Dev(dev) => {
            let config = stack::sdk_config(value(dev.values(), "AWS_ENDPOINT_URL")?);
            Ok(Store::new(&config, value(dev.values(), "BACKUPS_BUCKET")?))
        }
        Stage::Cloud(cloud) => Ok(Store::new(cloud.config(), cloud.outputs().await?.get("BackupsBucket")?)),
    }
}

/// Those that `PG_PROGRAMS` names, or those of `make setup`.
pub async fn programs() -> anyhow::Result<Programs> {
    let directory = match Env::of_process().optional("PG_PROGRAMS") {
        Some(named) => named.into(),
        None => Project::find()?.postgres_dir()?.join("bin"),
    };
    Programs::find(Some(&directory)).await.context("the programs of PostgreSQL cannot be used")
}

/// `412.3 MB`.
pub fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
