//! Objects into the bucket of backups: parts side by side, in bounded memory; all of an object, or nothing of it.
//!
//! An object is never replaced (`If-None-Match: *`). An answer that was lost is resolved by looking: an object of this length that
//! carries this upload's own mark is the one that was sent. The role that writes may neither list nor delete, so the one thing that
//! cannot be resolved is an upload whose beginning was not answered: it stays, without parts, for the next prune.

use std::{collections::BTreeMap, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_s3::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use shared::{clock, errors::chain};
use tokio::{task::JoinSet, time::timeout};

/// Of every part but the last. 10,000 of them are 78 GiB.
pub const PART: usize = 8 << 20;
const IN_FLIGHT: usize = 4;
const MOST_PARTS: i32 = 10_000;
/// How long parts under way are waited for before the upload is aborted: one that arrives later would stay.
const SETTLE_WITHIN: Duration = Duration::from_secs(8);
const ABORT_WITHIN: Duration = Duration::from_secs(8);
/// The mark's name in the object's metadata.
const MARK: &str = "solo-upload";

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("{doing} failed: {reason}")]
    Failed { doing: String, reason: String },
    #[error("{0} is there already, and is not ours")]
    Exists(String),
    #[error(
        "the archive needs more than 10,000 parts of 8 MiB; a database of this size has outgrown this kind of backup"
    )]
    TooLarge,
}

/// How long one request may take, and how often it is tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub attempt: Duration,
    pub attempts: u32,
}

/// How much longer than a part the last request may take: what many parts are made into one object meanwhile ("several minutes",
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>).
const COMPLETION: u32 = 4;

impl Default for Patience {
    /// A part is on its way for a second, usually.
    fn default() -> Self {
        Self { attempt: Duration::from_secs(30), attempts: 5 }
    }
}

/// The bucket of backups, for whoever writes them.
#[derive(Clone)]
pub struct Bucket {
    client: Client,
    name: String,
    patience: Patience,
}

impl Bucket {
    pub fn new(aws: &SdkConfig, name: String, patience: Patience) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(patience.attempt)
            .build();
        let config = aws_sdk_s3::config::Builder::from(aws)
            .force_path_style(aws.endpoint_url().is_some())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(patience.attempts))
            .build();
        Self { client: Client::from_conf(config), name, patience }
    }

    /// One object, in one request.
    pub async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), UploadError> {
        let (mark, length) = (clock::new_id().to_string(), content.len());
        let request = self.client.put_object().bucket(&self.name).key(key).metadata(MARK, &mark).if_none_match("*");
        let body = ByteStream::from(content);
        match request.checksum_algorithm(ChecksumAlgorithm::Crc32).body(body).send().await {
            Ok(_) => Ok(()),
            Err(error) => self.resolve(key, &mark, length as u64, &error).await,
        }
    }

    /// Begins an object of any size. Nothing is sent before there is a part.
    pub fn upload(&self, key: &str) -> Upload {
        let mark = clock::new_id().to_string();
        let (bucket, key) = (self.clone(), key.to_owned());
        Upload {
            bucket,
            key,
            mark,
            id: None,
            first: None,
            sent: 0,
            bytes: 0,
            done: BTreeMap::new(),
            flying: JoinSet::new(),
        }
    }

    /// Whether what was answered with an error happened all the same.
    async fn resolve<E>(&self, key: &str, mark: &str, length: u64, error: &SdkError<E>) -> Result<(), UploadError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let failed = |reason: String| UploadError::Failed { doing: format!("storing {key}"), reason };
        let head = self.client.head_object().bucket(&self.name).key(key).send().await;
        match head {
            Ok(head) => {
                let is_ours =
                    head.metadata().and_then(|metadata| metadata.get(MARK)).is_some_and(|found| found == mark);
                let is_whole = head.content_length().is_some_and(|found| u64::try_from(found) == Ok(length));
                match (is_ours, is_whole) {
                    (true, true) => {
                        tracing::warn!(
                            key,
                            error = words(error),
                            "an answer of the bucket was lost; the object is there"
                        );
                        Ok(())
                    }
                    (true, false) => Err(failed("what is stored has another length".into())),
                    (false, _) => Err(UploadError::Exists(key.to_owned())),
                }
            }
            Err(_) => Err(failed(words(error))),
        }
    }
}

/// An object on its way. It has to be finished or aborted: dropped, it leaves its parts in the bucket, for the next prune.
pub struct Upload {
    bucket: Bucket,
    key: String,
    mark: String,
    id: Option<String>,
    /// Kept until there is a second one: an object of one part is put in one request.
    first: Option<Vec<u8>>,
    sent: i32,
    bytes: u64,
    done: BTreeMap<i32, CompletedPart>,
    flying: JoinSet<Result<CompletedPart, UploadError>>,
}

impl Upload {
    /// Takes the next part, of [`PART`] bytes if it is not the last. Waits while four are on their way.
    pub async fn push(&mut self, part: Vec<u8>) -> Result<(), UploadError> {
        self.bytes += part.len() as u64;
        if self.sent == 0 && self.first.is_none() {
            self.first = Some(part);
            return Ok(());
        }
        if let Some(first) = self.first.take() {
            self.begin().await?;
            self.send(first).await?;
        }
        self.send(part).await
    }

    /// All parts arrived, and became an object.
    pub async fn finish(&mut self) -> Result<(), UploadError> {
        if let Some(only) = self.first.take() {
            return self.bucket.put(&self.key, only).await;
        }
        while !self.flying.is_empty() {
            self.land().await?;
        }
        let parts = self.done.values().cloned().collect();
        let all = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let client = &self.bucket.client;
        let request = client.complete_multipart_upload().bucket(&self.bucket.name).key(&self.key).if_none_match("*");
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(COMPLETION * self.bucket.patience.attempt).build();
        let patiently = aws_sdk_s3::config::Builder::new().timeout_config(timeouts);
        let request =
            request.set_upload_id(self.id.clone()).multipart_upload(all).customize().config_override(patiently);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => self.bucket.resolve(&self.key, &self.mark, self.bytes, &error).await,
        }
    }

    /// Leaves nothing behind, as far as the bucket lets us. Within 16 s.
    pub async fn abort(mut self) {
        let landed = async { while self.flying.join_next().await.is_some() {} };
        if timeout(SETTLE_WITHIN, landed).await.is_err() {
            self.flying.shutdown().await;
        }
        let Some(id) = self.id else { return };
        let client = &self.bucket.client;
        let request = client.abort_multipart_upload().bucket(&self.bucket.name).key(&self.key).upload_id(id);
        let reason = match timeout(ABORT_WITHIN, request.send()).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => words(&error),
            Err(_) => format!("no answer within {ABORT_WITHIN:?}"),
        };
        tracing::warn!(key = self.key, reason, "an upload could not be aborted; the next prune does it");
    }

    async fn begin(&mut self) -> Result<(), UploadError> {
        let client = &self.bucket.client;
        let request = client.create_multipart_upload().bucket(&self.bucket.name).key(&self.key);
        let request = request.metadata(MARK, &self.mark).checksum_algorithm(ChecksumAlgorithm::Crc32);
        let begun = request.send().await.map_err(|error| failed("beginning the upload", &error))?;
        self.id = begun.upload_id;
        Ok(())
    }

    async fn send(&mut self, part: Vec<u8>) -> Result<(), UploadError> {
        while self.flying.len() >= IN_FLIGHT {
            self.land().await?;
        }
        if self.sent >= MOST_PARTS {
            return Err(UploadError::TooLarge);
        }
        self.sent += 1;
        let number = self.sent;
        let request = self.bucket.client.upload_part().bucket(&self.bucket.name).key(&self.key).part_number(number);
        let request = request.set_upload_id(self.id.clone()).checksum_algorithm(ChecksumAlgorithm::Crc32);
        let request = request.body(ByteStream::from(part));
        self.flying.spawn(async move {
            let sent = request.send().await.map_err(|error| failed(&format!("sending part {number}"), &error))?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
            Ok(part.set_checksum_crc32(sent.checksum_crc32).build())
        });
        Ok(())
    }

    /// Waits for one of those on their way.
    async fn land(&mut self) -> Result<(), UploadError> {
        match self.flying.join_next().await {
            None => Ok(()),
            Some(Ok(part)) => {
                let part = part?;
                self.done.insert(part.part_number().unwrap_or_default(), part);
                Ok(())
            }
            Some(Err(error)) => Err(UploadError::Failed { doing: "sending a part".into(), reason: error.to_string() }),
        }
    }
}

fn failed<E>(doing: &str, error: &SdkError<E>) -> UploadError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    UploadError::Failed { doing: doing.to_owned(), reason: words(error) }
}

/// The bucket's own code and words, or what happened on the way to it.
fn words<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match (error.code(), error.message()) {
        (Some(code @ ("ExpiredToken" | "ExpiredTokenException")), _) => {
            format!("{code}: the credentials expired while they were used")
        }
        (Some(code), message) => format!("{code}: {}", message.unwrap_or("no reason given")),
        (None, _) => chain(error),
    }
}
