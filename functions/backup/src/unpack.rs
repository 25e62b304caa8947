//! From an archive as it is stored to what `pg_dump` wrote: streamed in constant memory, checked on the way, and called whole only
//! when the last byte has proven to be right.
//!
//! Reading, unpacking and whoever takes the result work side by side.

use aws_lc_rs::digest;
use tokio::{
    sync::mpsc,
    task::{JoinSet, spawn_blocking},
};
use zstd::stream::raw::{Decoder, Operation as _};

use crate::{
    manifest::Manifest,
    store::{Download, StoreError},
};

/// What `pg_dump -Fc` begins with.
const MAGIC: &[u8] = b"PGDMP";
/// Plain bytes at once.
const CHUNK: usize = 256 * 1024;
/// How many chunks wait for each of the two that take them.
const WAITING: usize = 8;

/// What `pg_dump` wrote, chunk by chunk. Dropped, it stops reading.
pub struct Unpacked {
    chunks: mpsc::Receiver<Result<Vec<u8>, StoreError>>,
    _tasks: JoinSet<()>,
}

impl Unpacked {
    pub fn of(download: Download, manifest: &Manifest) -> Self {
        let (stored_in, stored) = mpsc::channel(WAITING);
        let (plain_in, chunks) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        tasks.spawn(read(download, stored_in));
        // Ends with its channels: it cannot be aborted.
        let unpacker = Unpacker::new(manifest);
        drop(spawn_blocking(move || unpack(unpacker, stored, &plain_in)));
        Self { chunks, _tasks: tasks }
    }

    /// The next bytes; `None` when all of them have come, and are what the manifest says.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        self.chunks.recv().await.transpose()
    }
}

type Stored = Result<Vec<u8>, StoreError>;

async fn read(mut download: Download, stored: mpsc::Sender<Stored>) {
    loop {
        let next = download.next().await;
        let over = !matches!(next, Ok(Some(_)));
        if let Some(chunk) = next.transpose()
            && stored.send(chunk).await.is_err()
        {
            return;
        }
        if over {
            return;
        }
    }
}

fn unpack(unpacker: Result<Unpacker, StoreError>, mut stored: mpsc::Receiver<Stored>, plain: &mpsc::Sender<Stored>) {
    let unpacked = unpacker.and_then(|mut unpacker| {
        while let Some(chunk) = stored.blocking_recv() {
            // Nobody takes it any more: no end has to be checked.
            if !unpacker.feed(&chunk?, |bytes| plain.blocking_send(Ok(bytes)).is_ok())? {
                return Ok(());
            }
        }
        unpacker.finish()
    });
    if let Err(error) = unpacked {
        // Nobody takes it any more.
        drop(plain.blocking_send(Err(error)));
    }
}

/// Checks and decompresses.
struct Unpacker {
    manifest: Manifest,
    decoder: Decoder<'static>,
    sha256: digest::Context,
    stored: u64,
    plain: u64,
    /// Whether the compressed data may end here.
    at_the_end: bool,
    buffer: Vec<u8>,
}

impl Unpacker {
    fn new(manifest: &Manifest) -> Result<Self, StoreError> {
        let decoder = Decoder::new().map_err(|error| damaged(manifest, &format!("zstd cannot be used: {error}")))?;
        // The tables are not needed here.
        let manifest = Manifest { inventory: crate::manifest::Inventory::default(), ..manifest.clone() };
        let sha256 = digest::Context::new(&digest::SHA256);
        Ok(Self { manifest, decoder, sha256, stored: 0, plain: 0, at_the_end: false, buffer: vec![0; CHUNK] })
    }

    /// Whether `take` wants more.
    fn feed(&mut self, mut stored: &[u8], mut take: impl FnMut(Vec<u8>) -> bool) -> Result<bool, StoreError> {
        self.sha256.update(stored);
        self.stored += stored.len() as u64;
        loop {
            let status = self.decoder.run_on_buffers(stored, &mut self.buffer);
            let status = status.map_err(|error| {
                damaged(&self.manifest, &format!("it cannot be unpacked after {} bytes ({error})", self.plain))
            })?;
            stored = &stored[status.bytes_read..];
            self.at_the_end = status.remaining == 0;
            let bytes = &self.buffer[..status.bytes_written];
            if self.plain < MAGIC.len() as u64 && !bytes.is_empty() {
                self.check_magic(bytes)?;
            }
            self.plain += bytes.len() as u64;
            if self.plain > self.manifest.archive.plain_bytes {
                return Err(damaged(&self.manifest, "there is more in it than its manifest says"));
            }
            if !bytes.is_empty() && !take(bytes.to_vec()) {
                return Ok(false);
            }
            // A full buffer may mean that there is more to come out.
            if stored.is_empty() && status.bytes_written < self.buffer.len() {
                return Ok(true);
            }
        }
    }

    /// Bytes may come one by one.
    fn check_magic(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let from = usize::try_from(self.plain).unwrap_or(MAGIC.len());
        let same = MAGIC[from..].iter().zip(bytes).all(|(expected, byte)| expected == byte);
        if same { Ok(()) } else { Err(damaged(&self.manifest, "what is in it is no archive of pg_dump")) }
    }

    fn finish(self) -> Result<(), StoreError> {
        let archive = &self.manifest.archive;
        let sha256 = hex::encode(self.sha256.finish().as_ref());
        let problem = if self.stored != archive.bytes {
            format!("it has {} bytes instead of {}", self.stored, archive.bytes)
        } else if sha256 != archive.sha256 {
            format!("its bytes were changed: its SHA-256 is {sha256} instead of {}", archive.sha256)
        } else if !self.at_the_end || self.plain != archive.plain_bytes {
            format!("it ends after {} of {} bytes", self.plain, archive.plain_bytes)
        } else {
            return Ok(());
        };
        Err(damaged(&self.manifest, &problem))
    }
}

fn damaged(manifest: &Manifest, problem: &str) -> StoreError {
    StoreError::Damaged { id: manifest.id.clone(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::manifest::{Archive, Inventory};

    fn packed(plain: &[u8]) -> (Manifest, Vec<u8>) {
        let stored = zstd::encode_all(plain, 3).unwrap();
        let archive = Archive {
            key: "database/20261122T013000Z-1a2b3c4d.dump.zst".into(),
            bytes: stored.len() as u64,
            sha256: hex::encode(digest::digest(&digest::SHA256, &stored).as_ref()),
            plain_bytes: plain.len() as u64,
            plain_sha256: None,
        };
        let at = "2026-11-22T01:30:00Z".parse().unwrap();
        let manifest = Manifest {
            version: 1,
            id: "20261122T013000Z-1a2b3c4d".into(),
            database: "solo".into(),
            started_at: at,
            finished_at: at,
            server_version: "18.1".into(),
            pg_dump_version: "18.6".into(),
            schema_version: None,
            release: None,
            archive,
            inventory: Inventory { tables: BTreeMap::new(), ..Inventory::default() },
            made_by: String::new(),
        };
        (manifest, stored)
    }

    fn unpacked(manifest: &Manifest, stored: &[u8], step: usize) -> Result<Vec<u8>, String> {
        let mut plain = Vec::new();
        let mut unpacker = Unpacker::new(manifest).unwrap();
        for chunk in stored.chunks(step) {
            let fed = unpacker.feed(chunk, |bytes| {
                plain.extend(bytes);
                true
            });
            fed.map_err(|error| error.to_string())?;
        }
        unpacker.finish().map_err(|error| error.to_string())?;
        Ok(plain)
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        let (manifest, stored) = packed(b"PGDUMP");
        for step in [1, 1_000] {
            assert!(unpacked(&manifest, &stored, step).unwrap_err().contains("no archive of pg_dump"));
        }
        let (manifest, _) = packed(b"PGDMP and more");
        assert!(unpacked(&manifest, b"not zstd at all", 4).unwrap_err().contains("cannot be unpacked"));
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out(more in prop::collection::vec(any::<u8>(), 0..3_000), times in 1_usize..400, step in 1_usize..5_000) {
            let plain = [MAGIC, &more.repeat(times)].concat();
            let (manifest, stored) = packed(&plain);
            prop_assert_eq!(unpacked(&manifest, &stored, step).unwrap(), plain);
        }

        #[test]
        fn any_damage_is_found(more in prop::collection::vec(any::<u8>(), 0..3_000), at: prop::sample::Index, kind in 0..4) {
            let plain = [MAGIC, &more].concat();
            let (manifest, mut stored) = packed(&plain);
            let at = at.index(stored.len());
            match kind {
                0 => stored[at] ^= 1 << (at % 8),
                1 => stored.truncate(at),
                2 => stored.push(0),
                _ => stored.extend(packed(b"more").1),
            }
            prop_assert!(unpacked(&manifest, &stored, 1_000).is_err());
        }
    }
}
