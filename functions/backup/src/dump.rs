//! Taking a backup: one snapshot, an inventory under it, `pg_dump` under it, through zstd into the bucket, and the manifest last.
//!
//! It ends in a good backup or in none. What fails before the manifest aborts the upload, ends the program and leaves at most an
//! archive without a manifest, which is no backup and which the next prune removes. A killed process leaves its upload to that, too.
//!
//! Deliberately absent: going on where a dump before this one stopped. A snapshot dies with its session.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use shared::{clock, db::DatabaseUrl};
use tokio::time::{Instant, timeout_at};

use crate::{
    bridge::{Bridge, BridgeError},
    compress::{Compressed, Counts, LEVEL},
    inventory::{InventoryError, read_sequences},
    manifest::{self, Archive, Inventory, Manifest},
    pace::estimate,
    programs::{Programs, ProgramsError, Version},
    snapshot::{About, Snapshot, SnapshotError},
    stream::{self, StreamError},
    upload::{Bucket, UploadError},
};

/// Kept of the function's time, to abort an upload and to end.
const CLEAN_UP: Duration = Duration::from_secs(18);
/// Somebody may be changing a table just when it is to be locked.
const TRIES: u32 = 3;
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    #[error("no way to the database for pg_dump: {0}")]
    Bridge(#[from] BridgeError),
    #[error("{0}")]
    Snapshot(#[from] SnapshotError),
    #[error("the server's version {0:?} is not understood")]
    Version(String),
    #[error(
        "the database has {} MB; at the pace of the fastest of the last five backups a dump takes {} s, and there are {} s: it has outgrown its \
         function. Rely on the snapshots of the database service, and dump from a machine without this limit \
         (docs/backups.md). `solo backup run` tries all the same", bytes / 1_000_000, needs.as_secs(), has.as_secs()
    )]
    Outgrown { bytes: u64, needs: Duration, has: Duration },
    #[error("it was not done in time: {plain} bytes were dumped, {stored} stored, when its function's time was up")]
    OutOfTime { plain: u64, stored: u64 },
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("sequences: {0}")]
    Sequences(InventoryError),
    #[error("what pg_dump wrote is no whole archive: {0}")]
    Implausible(String),
    #[error("the archive could not be stored, and nothing is left of it: {0}")]
    Archive(UploadError),
    #[error("the archive is stored, but its manifest could not be, so it is no backup: {0}")]
    Manifest(UploadError),
}

impl DumpError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Snapshot(error) => error.is_passing(),
            Self::Stream(error) => error.is_passing(),
            _ => false,
        }
    }
}

/// What a backup is made of, and where it goes.
pub struct Dump<'a> {
    /// With the login in it.
    pub url: DatabaseUrl,
    pub programs: &'a Programs,
    pub bucket: &'a Bucket,
    /// The commit of the function.
    pub release: Option<String>,
    /// Bytes of the database a second, of the backups before this one. `None`: there is nothing to go by, or it is to be tried all
    /// the same.
    pub pace: Option<f64>,
    /// Nothing of it goes on after this.
    pub deadline: Instant,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HowFar {
    pub phase: &'static str,
    /// What `pg_dump` wrote so far.
    pub bytes: u64,
    pub stored_bytes: u64,
    /// The size of the database: with indexes, so that a dump may end long before it.
    pub expected_bytes: u64,
}

/// What a run leaves on record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Taken {
    /// The backup's id.
    pub backup: String,
    pub bytes: u64,
    pub plain_bytes: u64,
    pub database_bytes: u64,
    pub tables: usize,
    pub rows: u64,
    pub seconds: f64,
}

/// Takes a backup. `tell` hears twice a second how far it is.
pub async fn take(dump: &Dump<'_>, tell: impl AsyncFn(HowFar)) -> Result<Taken, DumpError> {
    let (started_at, began) = (clock::now(), Instant::now());
    let id = name(started_at);
    let mut tries = 1;
    let (manifest, about) = loop {
        match Box::pin(dump_once(dump, &id, started_at, &tell)).await {
            Err(error) if error.is_passing() && tries < TRIES => {
                tracing::warn!(%error, "a table was being changed; trying again");
                tries += 1;
            }
            result => break result?,
        }
    };
    let stored = serde_json::to_vec_pretty(&manifest).map_err(|error| DumpError::Implausible(error.to_string()))?;
    let key = format!("database/{id}.json");
    let written = timeout_at(dump.deadline, dump.bucket.put(&key, stored)).await;
    let late = || UploadError::Failed { doing: format!("storing {key}"), reason: "the function's time was up".into() };
    written.map_err(|_| DumpError::Manifest(late()))?.map_err(DumpError::Manifest)?;
    let tables = &manifest.inventory.tables;
    Ok(Taken {
        backup: id,
        bytes: manifest.archive.bytes,
        plain_bytes: manifest.archive.plain_bytes,
        database_bytes: about.bytes,
        tables: tables.len(),
        rows: tables.values().map(|table| table.rows).sum(),
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Everything but the manifest.
async fn dump_once(
    dump: &Dump<'_>,
    id: &str,
    started_at: Timestamp,
    tell: &impl AsyncFn(HowFar),
) -> Result<(Manifest, About), DumpError> {
    let until = dump.deadline.checked_sub(CLEAN_UP).unwrap_or(dump.deadline);
    let counts = Arc::new(Counts::default());
    let out_of_time = || DumpError::OutOfTime {
        plain: counts.plain.load(Ordering::Relaxed),
        stored: counts.stored.load(Ordering::Relaxed),
    };
    let prepared = timeout_at(until, prepare(dump, until)).await.map_err(|_| out_of_time())?;
    let (bridge, snapshot, about) = prepared?;
    let key = format!("database/{id}.dump.zst");
    let mut upload = dump.bucket.upload(&key);
    let work = async {
        let (inventory, compressed) = tokio::select! {
            streamed = stream::run(dump, &bridge, &snapshot, &mut upload, &counts) => streamed?,
            never = report(&counts, about.bytes, tell) => match never {},
        };
        let inventory = complete(&snapshot, inventory).await?;
        check(&compressed, &inventory)?;
        tell(how_far("finish", &counts, about.bytes)).await;
        upload.finish().await.map_err(DumpError::Archive)?;
        Ok((inventory, compressed))
    };
    let worked = timeout_at(until, work).await.unwrap_or_else(|_| Err(out_of_time()));
    // Nothing is dumped under it any more.
    drop(snapshot);
    let (inventory, compressed) = match worked {
        Ok(done) => done,
        Err(error) => {
            upload.abort().await;
            return Err(error);
        }
    };
    Ok((describe(dump, id, started_at, &about, inventory, key, compressed), about))
}

/// Refuses what cannot go well before anything is dumped.
async fn prepare(dump: &Dump<'_>, until: Instant) -> Result<(Bridge, Snapshot, About), DumpError> {
    let bridge = Bridge::to(dump.url.clone()).await?;
    let snapshot = Snapshot::open(dump.url.clone()).await?;
    let about = snapshot.about().await?;
    let server = Version::parse(&about.server_version);
    dump.programs.check_server(&server.ok_or_else(|| DumpError::Version(about.server_version.clone()))?)?;
    let has = until.saturating_duration_since(Instant::now());
    if let Some(needs) = dump.pace.map(|pace| estimate(about.bytes, pace)).filter(|needs| *needs > has) {
        return Err(DumpError::Outgrown { bytes: about.bytes, needs, has });
    }
    Ok((bridge, snapshot, about))
}

/// Sequences as they were before the dump, and once more now: it has read them in between.
async fn complete(snapshot: &Snapshot, mut inventory: Inventory) -> Result<Inventory, DumpError> {
    let after = read_sequences(&snapshot.client).await.map_err(DumpError::Sequences)?;
    for (name, sequence) in &mut inventory.sequences {
        sequence.before = snapshot.sequences.get(name).copied().unwrap_or(sequence.before);
        sequence.after = after.get(name).copied().unwrap_or(sequence.after);
    }
    Ok(inventory)
}

/// Beyond the program's own word that it ended well: an archive begins as one, and has a line for each row.
fn check(compressed: &Compressed, inventory: &Inventory) -> Result<(), DumpError> {
    if !compressed.is_archive {
        return Err(DumpError::Implausible("it does not begin as one".into()));
    }
    let rows: u64 = inventory.tables.values().map(|table| table.rows).sum();
    if compressed.plain_bytes < rows {
        let reason = format!("{} bytes cannot hold {rows} rows", compressed.plain_bytes);
        return Err(DumpError::Implausible(reason));
    }
    Ok(())
}

fn describe(
    dump: &Dump<'_>,
    id: &str,
    started_at: Timestamp,
    about: &About,
    inventory: Inventory,
    key: String,
    compressed: Compressed,
) -> Manifest {
    Manifest {
        version: manifest::VERSION,
        id: id.to_owned(),
        database: dump.url.database.clone(),
        started_at,
        finished_at: clock::now(),
        server_version: about.server_version.clone(),
        pg_dump_version: dump.programs.version().to_string(),
        schema_version: about.schema_version,
        release: dump.release.clone(),
        archive: Archive {
            key,
            bytes: compressed.stored_bytes,
            sha256: compressed.sha256,
            plain_bytes: compressed.plain_bytes,
            plain_sha256: Some(compressed.plain_sha256),
        },
        inventory,
        made_by: format!("pg_dump {} -Fc -Z0 | zstd -{LEVEL}", dump.programs.version()),
    }
}

async fn report(counts: &Counts, expected: u64, tell: &impl AsyncFn(HowFar)) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        tell(how_far("dump", counts, expected)).await;
    }
}

fn how_far(phase: &'static str, counts: &Counts, expected_bytes: u64) -> HowFar {
    let (bytes, stored_bytes) = (counts.plain.load(Ordering::Relaxed), counts.stored.load(Ordering::Relaxed));
    HowFar { phase, bytes, stored_bytes, expected_bytes }
}

/// `20261122T013000Z-1a2b3c4d`: sorts by time, and is nobody else's.
fn name(at: Timestamp) -> String {
    let unique = clock::new_id();
    let unique = hex::encode(unique.as_bytes().get(12..).unwrap_or_default());
    format!("{}-{unique}", at.strftime("%Y%m%dT%H%M%SZ"))
}
