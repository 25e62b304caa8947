//! Is a backup what its manifest says? Every byte of its archive is read: size, SHA-256, zstd, the header, and the table of contents
//! as `pg_restore` reads it. Nothing is restored: that is the drill's.

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    manifest::Manifest,
    programs::Programs,
    restore::{RestoreError, count_entries, read_list},
    store::{Store, StoreError},
    unpack::Unpacked,
};

/// What was found to be right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    pub backup: String,
    pub bytes: u64,
    pub plain_bytes: u64,
    /// In the table of contents.
    pub entries: usize,
    pub seconds: f64,
}

/// `on_progress` is told how many plain bytes were read.
pub async fn verify(
    store: &Store,
    manifest: &Manifest,
    programs: &Programs,
    mut on_progress: impl FnMut(u64),
) -> Result<Verified, RestoreError> {
    let began = Instant::now();
    let mut archive = Unpacked::of(store.download(manifest), manifest);
    let mut read = 0;
    let contents = read_list(programs, &mut archive, |chunk| read += chunk.len() as u64).await;
    // Damage explains what the program says of it.
    while let Some(chunk) = archive.next().await? {
        read += chunk.len() as u64;
        on_progress(read);
    }
    let entries = count_entries(&contents?);
    if entries == 0 {
        let problem = "its table of contents is empty".to_owned();
        return Err(StoreError::Damaged { id: manifest.id.clone(), problem }.into());
    }
    Ok(Verified {
        backup: manifest.id.clone(),
        bytes: manifest.archive.bytes,
        plain_bytes: manifest.archive.plain_bytes,
        entries,
        seconds: began.elapsed().as_secs_f64(),
    })
}
