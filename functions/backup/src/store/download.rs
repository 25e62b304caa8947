//! An object's bytes, from its first to its last. When the connection breaks, it goes on where it broke.

use std::time::Duration;

use aws_sdk_s3::{Client, error::ProvideErrorMetadata as _, primitives::ByteStream};
use shared::errors::chain;
use tokio::time::{sleep, timeout};

use super::StoreError;
use crate::manifest::Manifest;

/// Between two bytes.
const SILENCE: Duration = Duration::from_secs(30);
/// So many breaks in a row, without a byte between them.
const MOST_BREAKS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub struct Download {
    s3: Client,
    bucket: String,
    id: String,
    key: String,
    bytes: u64,
    offset: u64,
    /// Of the object that was begun: another one in its place must not be its end.
    etag: Option<String>,
    body: Option<ByteStream>,
    breaks: u32,
}

impl Download {
    pub(super) fn new(s3: Client, bucket: String, manifest: &Manifest) -> Self {
        Self {
            s3,
            bucket,
            id: manifest.id.clone(),
            key: manifest.archive.key.clone(),
            bytes: manifest.archive.bytes,
            offset: 0,
            etag: None,
            body: None,
            breaks: 0,
        }
    }

    /// The next bytes; `None` when those that the manifest promises have come.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        while self.offset < self.bytes {
            match self.try_next().await {
                Ok(chunk) => {
                    self.offset += chunk.len() as u64;
                    self.breaks = 0;
                    return Ok(Some(chunk));
                }
                Err(error @ StoreError::Unreachable { .. }) if self.breaks < MOST_BREAKS => {
                    tracing::warn!(%error, offset = self.offset, "the download broke; going on from there");
                    self.body = None;
                    sleep(FIRST_PAUSE * 2_u32.pow(self.breaks)).await;
                    self.breaks += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn try_next(&mut self) -> Result<Vec<u8>, StoreError> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => self.open().await?,
        };
        let next = timeout(SILENCE, body.next()).await.map_err(|_| self.broke("it fell silent".into()))?;
        let chunk = next.ok_or_else(|| self.broke("it ended early".into()))?;
        let chunk = chunk.map_err(|error| self.broke(chain(&error)))?;
        self.body = Some(body);
        Ok(chunk.to_vec())
    }

    async fn open(&mut self) -> Result<ByteStream, StoreError> {
        let range = format!("bytes={}-", self.offset);
        let request = self.s3.get_object().bucket(&self.bucket).key(&self.key).range(range);
        let got = request.set_if_match(self.etag.clone()).send().await.map_err(|error| match error.code() {
            Some("NoSuchKey") => self.damaged("its archive is not there"),
            Some("PreconditionFailed") => self.damaged("its archive was replaced while it was read"),
            Some("InvalidRange") => self.damaged("its archive is shorter than it should be"),
            _ => self.broke(chain(&error)),
        })?;
        let left = got.content_length().and_then(|length| u64::try_from(length).ok());
        if left.is_some_and(|left| left != self.bytes - self.offset) {
            return Err(self.damaged("its archive has another size than its manifest says"));
        }
        self.etag = got.e_tag().map(str::to_owned).or_else(|| self.etag.take());
        Ok(got.body)
    }

    fn damaged(&self, problem: &str) -> StoreError {
        StoreError::Damaged { id: self.id.clone(), problem: problem.to_owned() }
    }

    fn broke(&self, reason: String) -> StoreError {
        StoreError::Unreachable { bucket: self.bucket.clone(), doing: "read", reason }
    }
}
