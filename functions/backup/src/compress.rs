//! From a program's output to the parts of an object: zstd, sha256, counts, in constant memory. On a thread of its own: it
//! computes, and the function's one thread has connections to serve.

use std::{
    io::{self, Read, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::digest::{Context, SHA256};
use tokio::sync::{mpsc, oneshot};

use crate::upload::PART;

/// Of zstd. A level more costs a third more time and saves 3 to 5 % (docs/decisions/0012-backups.md).
pub const LEVEL: i32 = 1;

const BUFFER: usize = 256 * 1024;

/// The first bytes of `pg_dump`'s custom format.
const MAGIC: &[u8] = b"PGDMP";

/// How far it is, for whoever watches.
#[derive(Debug, Default)]
pub struct Counts {
    pub plain: AtomicU64,
    pub stored: AtomicU64,
}

/// What went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compressed {
    pub plain_bytes: u64,
    pub stored_bytes: u64,
    /// Of the stored bytes, in hex.
    pub sha256: String,
    /// Of what came in, in hex.
    pub plain_sha256: String,
    /// It began as an archive of `pg_dump` does.
    pub is_archive: bool,
}

/// Until `source` ends. `started` is told of the first bytes; dropped when there are none. Ends early, with an error, when
/// nobody takes the parts any more.
pub fn compress(
    mut source: impl Read,
    parts: mpsc::Sender<Vec<u8>>,
    counts: &Counts,
    started: oneshot::Sender<()>,
) -> io::Result<Compressed> {
    let sink = Sink { parts, part: Vec::with_capacity(PART), hash: Context::new(&SHA256), bytes: 0, counts };
    let mut encoder = zstd::stream::write::Encoder::new(sink, LEVEL)?;
    encoder.include_checksum(true)?;
    let (mut buffer, mut plain, mut head) = (vec![0; BUFFER], 0_u64, Vec::<u8>::new());
    let (mut started, mut plain_hash) = (Some(started), Context::new(&SHA256));
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = buffer.get(..count).unwrap_or_default();
        head.extend(read.iter().take(MAGIC.len() - head.len()));
        plain_hash.update(read);
        encoder.write_all(read)?;
        plain += count as u64;
        counts.plain.store(plain, Ordering::Relaxed);
        // Whether anyone waits for it is of no matter.
        started.take().map(|started| started.send(()));
    }
    let (sha256, stored_bytes) = encoder.finish()?.finish()?;
    let plain_sha256 = hex::encode(plain_hash.finish());
    Ok(Compressed { plain_bytes: plain, stored_bytes, sha256, plain_sha256, is_archive: head == MAGIC })
}

/// Cuts what is written into parts.
struct Sink<'c> {
    parts: mpsc::Sender<Vec<u8>>,
    part: Vec<u8>,
    hash: Context,
    bytes: u64,
    counts: &'c Counts,
}

impl Sink<'_> {
    fn pass_on(&mut self, next: Vec<u8>) -> io::Result<()> {
        let part = std::mem::replace(&mut self.part, next);
        self.hash.update(&part);
        self.bytes += part.len() as u64;
        self.counts.stored.store(self.bytes, Ordering::Relaxed);
        self.parts.blocking_send(part).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn finish(mut self) -> io::Result<(String, u64)> {
        if !self.part.is_empty() {
            self.pass_on(Vec::new())?;
        }
        Ok((hex::encode(self.hash.finish()), self.bytes))
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.part.len() == PART {
            self.pass_on(Vec::with_capacity(PART))?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(source: &[u8]) -> (Compressed, Vec<Vec<u8>>) {
        let (sender, mut receiver) = mpsc::channel(100);
        let (started, _) = oneshot::channel();
        let done = compress(source, sender, &Counts::default(), started).unwrap();
        let parts = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
        (done, parts)
    }

    #[test]
    fn parts_have_the_size_that_the_bucket_wants_and_make_one_stream() {
        let noise: Vec<u8> = (0..2_200_000).flat_map(|_| *uuid::Uuid::new_v4().as_bytes()).collect();
        let (done, parts) = compressed(&noise);
        let (last, whole) = parts.split_last().unwrap();
        assert!(whole.len() == 4 && whole.iter().all(|part| part.len() == PART) && last.len() < PART);
        let stored = parts.concat();
        assert_eq!(done.stored_bytes, stored.len() as u64);
        assert_eq!(done.sha256, hex::encode(aws_lc_rs::digest::digest(&SHA256, &stored)));
        assert_eq!(done.plain_sha256, hex::encode(aws_lc_rs::digest::digest(&SHA256, &noise)));
        assert!(zstd::decode_all(&stored[..]).unwrap() == noise);
        assert!(!done.is_archive);
    }

    #[test]
    fn what_begins_as_an_archive_is_told_from_what_does_not() {
        assert!(compressed(b"PGDMP and more").0.is_archive);
        assert!(!compressed(b"PGDM").0.is_archive);
        assert_eq!(compressed(&[]).0.plain_bytes, 0);
    }

    #[test]
    fn it_ends_when_nobody_takes_the_parts() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let error = compress(&b"x"[..], sender, &Counts::default(), oneshot::channel().0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
