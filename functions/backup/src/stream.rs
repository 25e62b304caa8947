//! `pg_dump` at work: its output through zstd into the upload, while the same snapshot is counted.
//!
//! The counting begins with the archive's first bytes. By then `pg_dump` has all its locks: whoever waits to change a table does
//! not stand between two locks of ours.

use std::{fs::File, os::unix::process::ExitStatusExt as _, process::Stdio, sync::Arc};

use secrecy::ExposeSecret as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};

use crate::{
    bridge::Bridge,
    compress::{Compressed, Counts, compress},
    dump::{Dump, DumpError},
    inventory::{InventoryError, take_inventory},
    manifest::Inventory,
    snapshot::{LOCK_WITHIN, Snapshot},
    upload::Upload,
};

/// Of what a program says about its failure.
const WORDS: u64 = 4096;

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("pg_dump could not be run: {0}")]
    Run(std::io::Error),
    #[error("pg_dump {how}{words}")]
    Failed { how: String, words: String, passing: bool },
    #[error("pg_dump ended well, but wrote nothing")]
    Empty,
    #[error("its output could not be compressed: {0}")]
    Compress(String),
    #[error("counting the database: {0}")]
    Inventory(#[from] InventoryError),
}

impl StreamError {
    /// It waited for a lock in vain, and had written nothing yet.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Failed { passing: true, .. })
    }
}

/// Until `pg_dump` has ended well, everything is counted, and all parts but the last few are stored.
pub(crate) async fn run(
    dump: &Dump<'_>,
    bridge: &Bridge,
    snapshot: &Snapshot,
    upload: &mut Upload,
    counts: &Arc<Counts>,
) -> Result<(Inventory, Compressed), DumpError> {
    let mut child = command(dump, bridge, snapshot).spawn().map_err(StreamError::Run)?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let output = output.and_then(|output| output.into_owned_fd().ok()).ok_or(StreamError::Empty)?;
    let (parts, mut compressed_parts) = mpsc::channel(1);
    let (started, has_started) = oneshot::channel();
    let counting = Arc::clone(counts);
    let compressing = spawn_blocking(move || compress(File::from(output), parts, &counting, started));
    let sending = async {
        while let Some(part) = compressed_parts.recv().await {
            upload.push(part).await.map_err(DumpError::Archive)?;
        }
        Ok(())
    };
    let inventory = async {
        match has_started.await {
            Ok(()) => Ok(Some(take_inventory(&snapshot.client).await.map_err(StreamError::from)?)),
            // It ended before it began: what it says about that is what counts.
            Err(_) => Ok(None),
        }
    };
    let worked = tokio::try_join!(sending, inventory, ended(&mut child, errors, bridge, counts));
    if worked.is_err() {
        // It may be gone already.
        let _ = child.kill().await;
    }
    // Nobody takes its parts any more, and nobody writes to it: it ends.
    drop(compressed_parts);
    let compressed = compressing.await.map_err(|error| StreamError::Compress(error.to_string()));
    let ((), inventory, ()) = worked?;
    let compressed = compressed?.map_err(|error| StreamError::Compress(error.to_string()))?;
    Ok((inventory.ok_or(StreamError::Empty)?, compressed))
}

/// Nothing secret is on its command line, which everyone on the machine can read.
fn command(dump: &Dump<'_>, bridge: &Bridge, snapshot: &Snapshot) -> Command {
    let mut command = dump.programs.pg_dump();
    command
        .args(["--format=custom", "--compress=none", "--no-password"])
        .arg(format!("--snapshot={}", snapshot.id))
        .arg(format!("--lock-wait-timeout={}", LOCK_WITHIN.as_millis()))
        .env("PGHOST", bridge.host())
        .env("PGPORT", "5432")
        .env("PGDATABASE", &dump.url.database)
        .env("PGAPPNAME", "solo-os-backup")
        .env("PGCONNECT_TIMEOUT", "10")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(user) = &dump.url.user {
        command.env("PGUSER", user);
    }
    if let Some(password) = &dump.url.password {
        command.env("PGPASSWORD", password.expose_secret());
    }
    command
}

/// Waits for its end, which has to be a good one.
async fn ended(
    child: &mut Child,
    errors: Option<impl AsyncRead + Unpin>,
    bridge: &Bridge,
    counts: &Counts,
) -> Result<(), DumpError> {
    let mut said = Vec::new();
    if let Some(mut errors) = errors {
        // What it says at first names the cause. The rest is read, so that it does not wait for a reader.
        let _ = (&mut errors).take(WORDS).read_to_end(&mut said).await;
        let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
    }
    let status = child.wait().await.map_err(StreamError::Run)?;
    if status.success() {
        return Ok(());
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed (exit code {code})"),
        (None, signal) => format!("was killed (signal {})", signal.unwrap_or_default()),
    };
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let passing = counts.plain.load(std::sync::atomic::Ordering::Relaxed) == 0
        && (said.contains("lock timeout") || said.contains("could not obtain lock") || said.contains("does not exist"));
    let said = Some(said).filter(|said| !said.is_empty());
    let words = [said, bridge.fault()].into_iter().flatten().fold(String::new(), |words, more| words + ": " + &more);
    Err(StreamError::Failed { how, words, passing }.into())
}
