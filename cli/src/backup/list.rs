//! Looking at backups.

use std::process::ExitCode;

use backup::{
    manifest::Manifest,
    retention::Plan,
    store::Broken,
    verify::{self, Verified},
};
use jiff::Timestamp;
use serde_json::json;
use shared::clock;

use super::{
    StageArguments, Which, jobs,
    progress::{Bar, rate},
    source,
};
use crate::{stage::Stage, ui, when};

#[derive(clap::Args)]
pub struct List {
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: StageArguments,
}

#[derive(clap::Args)]
pub struct Show {
    #[command(flatten)]
    which: Which,
    /// For programs: the manifest.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stage: StageArguments,
}

#[derive(clap::Args)]
pub struct Verify {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    stage: StageArguments,
}

pub async fn list(List { json, stage }: List) -> anyhow::Result<ExitCode> {
    let stage = Stage::open(stage.stage).await?;
    let listing = source::store(&stage).await?.list().await?;
    // The list matters most when the database, which knows of the last run, is out.
    let plan = jobs::plan(&stage, &listing.backups).await;
    if json {
        let plan = plan.ok();
        let unfinished: Vec<_> = listing.orphans.iter().map(|orphan| &orphan.key).collect();
        ui::print_json(&json!({
            "backups": listing.backups.iter().map(|it| summary(it, plan.as_ref())).collect::<Vec<_>>(),
            "broken": listing.broken, "unfinished": unfinished,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if listing.backups.is_empty() {
        ui::print("No backups yet: `solo backup run` makes one.")?;
    } else {
        ui::print(&table(&listing.backups, plan.as_ref().ok(), clock::now()))?;
    }
    for Broken { id, problem } in &listing.broken {
        ui::print(&format!("{} is no backup: {}", ui::one_line(id), ui::indented(problem, 2)))?;
    }
    match plan {
        Err(error) => ui::note(&format!("why each is kept is not known now: {error:#}")),
        Ok(Plan { held_back: Some(why), .. }) => ui::print(&format!("Nothing is removed now: {why}."))?,
        Ok(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn table(backups: &[Manifest], plan: Option<&Plan>, now: Timestamp) -> String {
    let row = |it: &Manifest| {
        let (rows, tables) = contents(it);
        vec![
            it.id.clone(),
            when::distance(it.started_at, now),
            source::size(it.archive.bytes),
            rows.to_string(),
            tables.to_string(),
            seconds(it).to_string(),
            plan.map(|plan| kept(it, plan)).unwrap_or_default(),
        ]
    };
    ui::table(&["id", "age", "size", "rows", "tables", "seconds", "kept as"], backups.iter().map(row).collect())
}

fn kept(manifest: &Manifest, plan: &Plan) -> String {
    match plan.keep.get(&manifest.id) {
        Some(reasons) => reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        None => "goes next".into(),
    }
}

fn summary(manifest: &Manifest, plan: Option<&Plan>) -> serde_json::Value {
    let (rows, tables) = contents(manifest);
    json!({
        "id": manifest.id, "started_at": manifest.started_at, "seconds": seconds(manifest), "bytes": manifest.archive.bytes,
        "plain_bytes": manifest.archive.plain_bytes, "rows": rows, "tables": tables,
        "schema_version": manifest.schema_version, "kept": plan.and_then(|plan| plan.keep.get(&manifest.id)),
    })
}

fn contents(manifest: &Manifest) -> (u64, usize) {
    let tables = &manifest.inventory.tables;
    (tables.values().map(|table| table.rows).sum(), tables.len())
}

fn seconds(manifest: &Manifest) -> i64 {
    manifest.finished_at.duration_since(manifest.started_at).as_secs()
}

pub async fn show(Show { which, json, stage }: Show) -> anyhow::Result<ExitCode> {
    let store = source::store(&Stage::open(stage.stage).await?).await?;
    let manifest = store.find(which.id()).await?;
    if json {
        ui::print_json(&manifest)?;
        return Ok(ExitCode::SUCCESS);
    }
    let archive = &manifest.archive;
    ui::print_fields(&[
        ("id", manifest.id.clone()),
        ("of", manifest.database.clone()),
        (
            "taken",
            format!("{} ({})", when::moment(manifest.started_at), when::distance(manifest.started_at, clock::now())),
        ),
        ("took", format!("{} s", seconds(&manifest))),
        ("server", manifest.server_version.clone()),
        ("made by", manifest.made_by.clone()),
        ("schema", manifest.schema_version.map_or_else(|| "-".into(), |version| version.to_string())),
        ("release", manifest.release.clone().unwrap_or_else(|| "-".into())),
        ("archive", format!("s3://{}/{}", store.bucket(), archive.key)),
        ("size", format!("{} ({} unpacked)", source::size(archive.bytes), source::size(archive.plain_bytes))),
        ("sha256", archive.sha256.clone()),
        ("large objects", manifest.inventory.large_objects.count.to_string()),
    ])?;
    let rows = manifest
        .inventory
        .tables
        .iter()
        .map(|(name, table)| vec![name.clone(), table.rows.to_string(), format!("{:016x}", table.checksum)]);
    ui::print(&format!("\n{}", ui::table(&["table", "rows", "checksum"], rows.collect())))?;
    Ok(ExitCode::SUCCESS)
}

pub async fn verify(Verify { which, stage }: Verify) -> anyhow::Result<ExitCode> {
    let store = source::store(&Stage::open(stage.stage).await?).await?;
    let manifest = store.find(which.id()).await?;
    let programs = source::programs().await?;
    let bar = Bar::new()?;
    let plain = manifest.archive.plain_bytes;
    let verified = verify::verify(&store, &manifest, &programs, |bytes| bar.at("verify", bytes, plain)).await;
    bar.end();
    let Verified { backup, bytes, entries, seconds, .. } = verified?;
    ui::print(&format!(
        "{backup} is whole: {} stored, {} unpacked, {entries} entries ({}).\n\
         That it can be restored and is equal, `solo backup drill` proves.",
        source::size(bytes),
        source::size(plain),
        rate(plain, std::time::Duration::from_secs_f64(seconds))
    ))?;
    Ok(ExitCode::SUCCESS)
}
