//! Restoring: into a server that this machine reaches, or, in the cloud, through the function that does drills.

mod target;

use std::{
    io::{BufRead as _, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use backup::{
    manifest::Manifest,
    restore::{self, RestoreError, Restored, Scratch, Source, Step},
    store::Store,
};
use migrate::{Passwords, migrate};
use serde_json::{Map, json};
use shared::db::{Credentials, DatabaseUrl};
use tokio::sync::watch;

use super::{StageArguments, Which, fetch, jobs, progress::Bar, source};
use crate::{
    stage::{Cloud, Stage},
    ui,
};
use target::{Into, Target, elsewhere, give_to_restorer, local, look};

#[derive(clap::Args)]
pub struct Restore {
    #[command(flatten)]
    which: Which,
    /// Restore into a new database of this name. Needed when the other one has anything in it.
    #[arg(long, value_name = "NAME")]
    into_new: Option<String>,
    /// Restore into this server, `postgres://user@host/database`, instead of the stage's. The password: `PGPASSWORD`.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The archive, as `solo backup fetch` got it.
    #[arg(long)]
    file: Option<PathBuf>,
    /// How many tables at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    stage: StageArguments,
}

pub async fn restore(arguments: Restore) -> anyhow::Result<ExitCode> {
    let stage = Stage::open(arguments.stage.stage).await?;
    let store = source::store(&stage).await?;
    let manifest = store.find(arguments.which.id()).await?;
    let target = match (&arguments.to, &stage) {
        (Some(url), _) => elsewhere(url, arguments.into_new.as_deref())?,
        (None, Stage::Dev(_)) => local(&stage, arguments.into_new.as_deref()).await?,
        (None, Stage::Cloud(cloud)) => return in_cloud(&stage, cloud, &manifest, &arguments).await,
    };
    look(&target).await?;
    announce(&manifest, &target.url.to_string(), &target);
    agree(arguments.yes)?;
    let restored = carry_out(&arguments, &store, &manifest, &target).await?;
    report(&manifest, &target, &restored)?;
    if let Some(master) = &target.service {
        migrate(master.clone(), Credentials::Url, &Passwords::default())
            .await
            .context("it is restored, but not in service")?;
        anstream::println!("It belongs to solo_owner now, as before: the functions use it.");
    } else {
        anstream::println!("It belongs to {}.{}", user(&target.url), into_service(&target.url));
    }
    Ok(ExitCode::SUCCESS)
}

fn announce(manifest: &Manifest, place: &str, target: &Target) {
    let rows: u64 = manifest.inventory.tables.values().map(|table| table.rows).sum();
    ui::heading("Restore");
    anstream::println!(
        "  what    {}, {} rows of {} tables, {}",
        manifest.id,
        rows,
        manifest.inventory.tables.len(),
        source::size(manifest.archive.plain_bytes)
    );
    match &target.into {
        Into::New { then: Some(name), .. } => {
            anstream::println!("  where   {place}, a new database; called {name} when it is equal");
        }
        Into::New { .. } => anstream::println!("  where   {place}, a new database; dropped again when this fails"),
        Into::Existing => anstream::println!("  where   {place}, which is there, and empty"),
    }
    anstream::println!("  then    ANALYZE, and every table is compared with the manifest\n");
}

fn agree(yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("nobody can be asked here; say --yes if that is meant. Nothing was changed");
    }
    anstream::eprint!("Go on? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "yes") { Ok(()) } else { bail!("nothing was changed") }
}

/// The archive is proven to be whole before the database is touched.
async fn carry_out(
    arguments: &Restore,
    store: &Store,
    manifest: &Manifest,
    target: &Target,
) -> anyhow::Result<Restored> {
    let programs = source::programs().await?;
    let fetched = match &arguments.file {
        Some(file) => {
            fetch::check(file, manifest)?;
            None
        }
        None => Some(fetch::unpack(store, manifest, &std::env::temp_dir()).await?),
    };
    let path = fetched.as_ref().map(tempfile::NamedTempFile::path).or(arguments.file.as_deref());
    let path = path.context("there is no archive")?;
    let scratch = match &target.into {
        Into::New { maintenance, .. } => Some(Scratch::create(maintenance, &target.url.database).await?),
        Into::Existing => {
            give_to_restorer(target).await?;
            None
        }
    };
    let (step, mut steps) = watch::channel(Step::default());
    let bar = Bar::new()?;
    let showing = async {
        while steps.changed().await.is_ok() {
            let Step { phase, bytes, expected_bytes } = *steps.borrow_and_update();
            bar.at(phase, bytes, expected_bytes);
        }
        std::future::pending::<()>().await;
    };
    let source = Source::File { path, jobs: arguments.jobs };
    let restored = tokio::select! {
        restored = restore::restore(&programs, manifest, source, &target.url, &step) => restored.map_err(anyhow::Error::from),
        () = showing => bail!("the progress ended"),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(anyhow::anyhow!("it was interrupted"))
        }
    };
    bar.end();
    match (restored, scratch) {
        (Ok(restored), scratch) => {
            if let (Some(scratch), Into::New { then: Some(name), .. }) = (&scratch, &target.into)
                && restored.comparison.differences.is_empty()
            {
                let kept = || format!("it is restored and equal, as the database {}, and not in service", target.url.database);
                scratch.keep_as(name).await.with_context(kept)?;
            }
            Ok(restored)
        }
        (Err(error), Some(scratch)) => {
            scratch.drop_it().await.context("the new database could not be dropped")?;
            Err(error.context("nothing was restored, and the new database was dropped"))
        }
        (Err(error), None) => Err(error.context(format!(
            "the database {} may have a part of the backup in it: drop it and make it again, or restore with --into-new",
            target.url.database
        ))),
    }
}

/// A database that is complete and differs is for a person to look at: it is kept.
fn report(manifest: &Manifest, target: &Target, restored: &Restored) -> anyhow::Result<()> {
    let Restored { tables, rows, restore_seconds, compare_seconds, left_out, comparison } = restored;
    jobs::tell(&json!({"left_out": left_out, "notes": comparison.notes}));
    if comparison.differences.is_empty() {
        anstream::println!(
            "Restored {} into {}: {rows} rows of {tables} tables are equal to the manifest ({restore_seconds:.1} s, compared in \
             {compare_seconds:.1} s).",
            manifest.id,
            target.url.database
        );
        return Ok(());
    }
    for difference in &comparison.differences {
        anstream::println!("  differs: {}", ui::plain(difference));
    }
    bail!(
        "{} was restored into {}, and is not equal to its manifest in {} places. The database is kept, for you to look at; do not \
         put it into service, and try the backup before it",
        manifest.id,
        target.url.database,
        comparison.differences.len()
    )
}

/// Nobody here reaches that server: the function does it, and leaves the database there.
async fn in_cloud(stage: &Stage, cloud: &Cloud, manifest: &Manifest, arguments: &Restore) -> anyhow::Result<ExitCode> {
    let Some(name) = arguments.into_new.as_deref() else {
        bail!("in the cloud a backup is restored into a new database: say --into-new NAME, for example solo_restored");
    };
    if !restore::is_name(name) {
        return Err(RestoreError::BadName(name.to_owned()).into());
    }
    let rows: u64 = manifest.inventory.tables.values().map(|table| table.rows).sum();
    ui::heading("Restore");
    anstream::println!("  what    {}, {rows} rows of {} tables", manifest.id, manifest.inventory.tables.len());
    anstream::println!(
        "  where   the server of {}, a new database {name}; dropped again when this fails",
        cloud.name.as_str()
    );
    anstream::println!(
        "  then    every table is compared with the manifest; one that differs is kept, and the command fails"
    );
    anstream::println!("          The database in service is not touched\n");
    agree(arguments.yes)?;
    let mut event = Map::new();
    event.insert("backup".into(), json!(manifest.id));
    event.insert("keep_as".into(), json!(name));
    let result = jobs::finish(stage, "drill", event).await?;
    anstream::println!(
        "Restored {} into {name}: {} rows of {} tables are equal.",
        manifest.id,
        result["rows"],
        result["tables"]
    );
    jobs::tell(&result);
    anstream::println!(
        "To put it into service: set DatabaseName={name} among the parameter_overrides of {stage} in samconfig.toml, then \
         `solo deploy --target {stage}`. The other database stays as it is.",
        stage = cloud.name.as_str()
    );
    Ok(ExitCode::SUCCESS)
}

/// `migrate` takes over what `solo_restorer` owns, and nothing else.
fn into_service(url: &DatabaseUrl) -> &'static str {
    match url.user.as_deref() {
        Some("solo_restorer") => " A deployment that names it puts it into service (docs/backups.md).",
        _ => "",
    }
}

fn user(url: &DatabaseUrl) -> &str {
    url.user.as_deref().unwrap_or("whoever restored it")
}
