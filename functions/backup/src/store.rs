//! The bucket of backups, as who reads it and tidies it up sees it. What writes into it is in `dump.rs` and `upload.rs`.
//!
//! A backup is a manifest that can be read, of a version that is known, with an archive of the size that it says. Whatever else is
//! in the bucket is none, and is told of, so that nobody counts on it.

mod download;

pub use download::Download;

use std::{collections::BTreeMap, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{Client, operation::get_object::GetObjectError};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use shared::errors::chain;

use crate::manifest::{self, Manifest};

const PREFIX: &str = "database/";
const ARCHIVE: &str = ".dump.zst";
const MANIFEST: &str = ".json";

/// Some ten thousand tables fit. A larger one is no manifest.
const LARGEST_MANIFEST: i64 = 32 << 20;
/// How many manifests are read at once.
const SIDE_BY_SIDE: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the bucket {bucket} cannot be {doing}: {reason}")]
    Unreachable { bucket: String, doing: &'static str, reason: String },
    #[error("there is no backup {0}")]
    Missing(String),
    #[error("there is no backup yet")]
    Empty,
    #[error("the backup {id} is damaged: {problem}")]
    Damaged { id: String, problem: String },
}

/// What looks like a backup and is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    pub id: String,
    pub problem: String,
}

/// Some of them, with what is wrong: for a person.
pub(crate) fn in_words(broken: &[Broken]) -> String {
    const SOME: usize = 5;
    let mut words: Vec<_> = broken.iter().take(SOME).map(|Broken { id, problem }| format!("{id}: {problem}")).collect();
    let more = broken.len().saturating_sub(SOME);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join("; ")
}

/// An object, or an upload of one that was never completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    pub bytes: u64,
    pub at: Timestamp,
}

/// What is in the bucket.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Newest first.
    pub backups: Vec<Manifest>,
    pub broken: Vec<Broken>,
    /// Archives without a manifest: of backups that failed, or that are being made.
    pub orphans: Vec<Object>,
}

pub struct Store {
    s3: Client,
    bucket: String,
}

impl Store {
    /// Nothing is called yet. Nobody waits behind these calls as behind a webhook, so they may take their time.
    pub fn new(config: &SdkConfig, bucket: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(20))
            .build();
        let config = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(config.endpoint_url().is_some())
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts)
            .build();
        Self { s3: Client::from_conf(config), bucket: bucket.to_owned() }
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Reads every manifest.
    pub async fn list(&self) -> Result<Listing, StoreError> {
        let (mut archives, mut manifests) = (BTreeMap::new(), Vec::new());
        for object in self.objects().await? {
            match parse_key(&object.key) {
                Some((id, true)) => drop(archives.insert(id.to_owned(), object)),
                Some((id, false)) => manifests.push(id.to_owned()),
                // Not ours.
                None => {}
            }
        }
        let mut listing = Listing::default();
        let mut reading =
            stream::iter(manifests).map(async |id| (self.manifest(&id).await, id)).buffer_unordered(SIDE_BY_SIDE);
        while let Some((read, id)) = reading.next().await {
            let archive = archives.remove(&id);
            match read.and_then(|manifest| complete(manifest, archive.as_ref())) {
                Ok(manifest) => listing.backups.push(manifest),
                Err(StoreError::Damaged { id, problem }) => listing.broken.push(Broken { id, problem }),
                // Pruned between the two looks.
                Err(StoreError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        listing.orphans = archives.into_values().collect();
        listing.backups.sort_by(|one, other| other.id.cmp(&one.id));
        listing.broken.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(listing)
    }

    /// The manifest of `id`, or of the newest backup.
    pub async fn find(&self, id: Option<&str>) -> Result<Manifest, StoreError> {
        match id {
            Some(id) => self.manifest(id).await,
            None => self.list().await?.backups.into_iter().next().ok_or(StoreError::Empty),
        }
    }

    pub async fn manifest(&self, id: &str) -> Result<Manifest, StoreError> {
        if !is_id(id) {
            return Err(StoreError::Missing(id.to_owned()));
        }
        let damaged = |problem: String| StoreError::Damaged { id: id.to_owned(), problem };
        let got = self.s3.get_object().bucket(&self.bucket).key(manifest_key(id)).send().await;
        let got = got.map_err(|error| match error.as_service_error() {
            Some(GetObjectError::NoSuchKey(_)) => StoreError::Missing(id.to_owned()),
            _ => self.unreachable("read", &error),
        })?;
        if got.content_length().is_none_or(|length| length > LARGEST_MANIFEST) {
            return Err(damaged("its manifest is too large to be one".into()));
        }
        let bytes = got.body.collect().await.map_err(|error| self.unreachable("read", &error))?.to_vec();
        read_manifest(id, &bytes).map_err(damaged)
    }

    /// The archive's bytes, as they are stored.
    pub fn download(&self, manifest: &Manifest) -> Download {
        Download::new(self.s3.clone(), self.bucket.clone(), manifest)
    }

    async fn objects(&self) -> Result<Vec<Object>, StoreError> {
        let mut pages = self.s3.list_objects_v2().bucket(&self.bucket).prefix(PREFIX).into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.unreachable("listed", &error))?;
            all.extend(page.contents().iter().filter_map(|object| {
                let bytes = u64::try_from(object.size()?).ok()?;
                Some(Object { key: object.key()?.to_owned(), bytes, at: time(object.last_modified()?)? })
            }));
        }
        Ok(all)
    }

    /// Uploads that were begun and neither completed nor aborted: when, and what aborts them.
    pub(crate) async fn uploads(&self) -> Result<Vec<(Object, String)>, StoreError> {
        let listed = self.s3.list_multipart_uploads().bucket(&self.bucket).prefix(PREFIX).send().await;
        let listed = listed.map_err(|error| self.unreachable("asked for unfinished uploads", &error))?;
        let upload = |upload: &aws_sdk_s3::types::MultipartUpload| {
            let key = upload.key()?.to_owned();
            Some((Object { key, bytes: 0, at: time(upload.initiated()?)? }, upload.upload_id()?.to_owned()))
        };
        Ok(listed.uploads().iter().filter_map(upload).collect())
    }

    pub(crate) async fn abort(&self, key: &str, upload: &str) -> Result<(), StoreError> {
        let aborted = self.s3.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload).send().await;
        aborted.map(drop).map_err(|error| self.unreachable("rid of an unfinished upload", &error))
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let deleted = self.s3.delete_object().bucket(&self.bucket).key(key).send().await;
        deleted.map(drop).map_err(|error| self.unreachable("rid of an object", &error))
    }

    fn unreachable(&self, doing: &'static str, error: &(dyn std::error::Error + 'static)) -> StoreError {
        StoreError::Unreachable { bucket: self.bucket.clone(), doing, reason: chain(error) }
    }
}

/// `20261122T013000Z-1a2b3c4d`.
pub fn is_id(text: &str) -> bool {
    text.len() == 25
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 => byte == b'T',
            15 => byte == b'Z',
            16 => byte == b'-',
            17.. => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            _ => byte.is_ascii_digit(),
        })
}

pub fn manifest_key(id: &str) -> String {
    format!("{PREFIX}{id}{MANIFEST}")
}

pub fn archive_key(id: &str) -> String {
    format!("{PREFIX}{id}{ARCHIVE}")
}

/// The id, and whether it is the archive.
fn parse_key(key: &str) -> Option<(&str, bool)> {
    let name = key.strip_prefix(PREFIX)?;
    let archive = name.strip_suffix(ARCHIVE);
    let id = archive.or_else(|| name.strip_suffix(MANIFEST))?;
    is_id(id).then_some((id, archive.is_some()))
}

/// What is wrong with it, in words.
fn read_manifest(id: &str, bytes: &[u8]) -> Result<Manifest, String> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u16,
    }
    let unreadable = |error: serde_json::Error| format!("its manifest cannot be read: {error}");
    let Versioned { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version != manifest::VERSION {
        return Err(format!("its manifest has the version {version}, and this program knows {}", manifest::VERSION));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(unreadable)?;
    if manifest.id != id || manifest.archive.key != archive_key(id) {
        return Err(format!("its manifest is that of {}", manifest.id));
    }
    Ok(manifest)
}

fn complete(manifest: Manifest, archive: Option<&Object>) -> Result<Manifest, StoreError> {
    let problem = match archive {
        None => "its archive is not there".to_owned(),
        Some(object) if object.bytes != manifest.archive.bytes => {
            format!("its archive has {} bytes instead of {}", object.bytes, manifest.archive.bytes)
        }
        Some(_) => return Ok(manifest),
    };
    Err(StoreError::Damaged { id: manifest.id, problem })
}

fn time(at: &aws_sdk_s3::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.to_millis().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "20261122T013000Z-1a2b3c4d";

    #[test]
    fn only_what_is_named_like_a_backup_is_taken_for_one() {
        assert_eq!(parse_key(&manifest_key(ID)), Some((ID, false)));
        assert_eq!(parse_key(&archive_key(ID)), Some((ID, true)));
        for other in [
            "database/x.json",
            "database/20261122T013000Z-1a2b3c4d",
            "database/20261122T013000Z-1A2B3C4D.json",
            "other/20261122T013000Z-1a2b3c4d.json",
            "database/sub/20261122T013000Z-1a2b3c4d.json",
            "database/2026112éT13000Z-1a2b3c4d.json",
        ] {
            assert_eq!(parse_key(other), None, "{other}");
        }
    }

    #[test]
    fn a_manifest_of_another_version_or_another_backup_is_told_apart() {
        assert!(read_manifest(ID, b"{}").unwrap_err().contains("cannot be read"));
        assert!(read_manifest(ID, br#"{"version": 2}"#).unwrap_err().contains("the version 2"));
        assert!(read_manifest(ID, br#"{"version": 1}"#).unwrap_err().contains("cannot be read"));
        assert!(read_manifest(ID, b"\xff\x00").is_err());
    }
}
