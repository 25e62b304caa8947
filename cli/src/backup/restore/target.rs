//! The database that is restored into, and the way to it.

use anyhow::{Context as _, bail};
use backup::restore::{self, RestoreError};
use secrecy::SecretString;
use shared::{
    clock,
    config::Env,
    db::{Credentials, DatabaseUrl, connect_for_maintenance},
};

use crate::stage::{Stage, value};

/// Where it goes.
pub struct Target {
    /// With the login of who restores.
    pub url: DatabaseUrl,
    pub into: Into,
    /// The server's master user, when the database goes into service right away.
    pub service: Option<DatabaseUrl>,
}

pub enum Into {
    /// It is there, and has to be empty.
    Existing,
    /// It is made, and dropped when the restore fails. `maintenance` leads to its server. With a name in `then`, it gets that one when
    /// it has proven to be equal.
    New { maintenance: DatabaseUrl, then: Option<String> },
}

/// `--to`.
pub fn elsewhere(text: &str, into_new: Option<&str>) -> anyhow::Result<Target> {
    let mut url = DatabaseUrl::parse(text).map_err(|fault| anyhow::anyhow!("--to {fault}"))?;
    if url.password.is_none() {
        url.password = Env::of_process().optional("PGPASSWORD").map(SecretString::from);
    }
    Ok(match into_new {
        Some(name) => Target {
            into: Into::New { maintenance: url.clone(), then: None },
            url: url.with_database(name),
            service: None,
        },
        None => Target { url, into: Into::Existing, service: None },
    })
}

/// The dev server. Its own database goes into service again.
pub async fn local(stage: &Stage, into_new: Option<&str>) -> anyhow::Result<Target> {
    let Stage::Dev(dev) = stage else { bail!("this is not the local stack") };
    let url = |name| anyhow::Ok(DatabaseUrl::parse(value(dev.values(), name)?)?);
    let (master, restorer) = (url("DATABASE_URL")?, url("RESTORER_DATABASE_URL")?);
    let maintenance = restorer.with_database("postgres");
    if let Some(name) = into_new {
        return Ok(Target {
            url: restorer.with_database(name),
            into: Into::New { maintenance, then: None },
            service: None,
        });
    }
    let client = connect_for_maintenance(master.with_database("postgres"), Credentials::Url).await?;
    let there = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&master.database]).await?;
    if there.is_some() {
        return Ok(Target { url: restorer, into: Into::Existing, service: Some(master) });
    }
    // The functions take to the name as soon as it is there: the copy gets it when it is equal.
    let working = clock::now().strftime("solo_restored_%Y%m%dt%H%M%Sz").to_string();
    let into = Into::New { maintenance, then: Some(master.database.clone()) };
    Ok(Target { url: restorer.with_database(&working), into, service: Some(master) })
}

/// What would keep it from working, before anything is asked or made.
pub async fn look(target: &Target) -> anyhow::Result<()> {
    match &target.into {
        Into::New { maintenance, .. } => restore::check_name(maintenance, &target.url.database).await.map(drop)?,
        Into::Existing => {
            let client = connect_for_maintenance(target.url.clone(), Credentials::Url).await;
            let client = client.with_context(|| {
                format!("there is no way into {}; --into-new NAME makes a database on that server", target.url)
            })?;
            match restore::check_empty(&client, &target.url.database).await {
                Err(error @ RestoreError::NotEmpty { .. }) => {
                    return Err(error).context("nothing was changed; --into-new NAME restores beside it");
                }
                other => other?,
            }
        }
    }
    Ok(())
}

/// Who restores into a database has to own it; going into service gives it back.
pub async fn give_to_restorer(target: &Target) -> anyhow::Result<()> {
    let Some(master) = &target.service else { return Ok(()) };
    let client = connect_for_maintenance(master.clone(), Credentials::Url).await?;
    let give = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO solo_restorer', current_database()); END $$";
    client.batch_execute(give).await.context("the database could not be given to solo_restorer")
}
