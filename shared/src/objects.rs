//! Objects in a bucket, behind a narrow interface.

use std::{future::Future, pin::Pin};

use aws_config::SdkConfig;

use crate::errors::chain;

#[derive(Debug, thiserror::Error)]
#[error("the {what} {name} could not be {doing}: {reason}")]
pub struct ObjectError {
    what: &'static str,
    name: String,
    doing: &'static str,
    reason: String,
    missing: bool,
}

impl ObjectError {
    /// There is no object of that name.
    pub fn is_missing(&self) -> bool {
        self.missing
    }
}

/// What a call of an [`ObjectStore`] returns.
pub type Storing<'a, T> = Pin<Box<dyn Future<Output = Result<T, ObjectError>> + Send + 'a>>;

/// Where objects are. One implementation, [`S3`]; the trait keeps the vendor behind it.
pub trait ObjectStore: Send + Sync {
    fn put<'a>(&'a self, key: &'a str, content: Vec<u8>) -> Storing<'a, ()>;
    fn get<'a>(&'a self, key: &'a str) -> Storing<'a, Vec<u8>>;
    /// Nothing happens when it is not there.
    fn delete<'a>(&'a self, key: &'a str) -> Storing<'a, ()>;
    /// Whether the bucket is there, and answers. No object is touched.
    fn check(&self) -> Storing<'_, ()>;
}

/// An S3 bucket.
pub struct S3 {
    client: aws_sdk_s3::Client,
    bucket: String,
}

impl S3 {
    /// Buckets are addressed by path where an endpoint is set (an emulator): their own host names do not resolve there.
    pub fn new(config: &SdkConfig, bucket: String) -> Self {
        let builder = aws_sdk_s3::config::Builder::from(config);
        let client = aws_sdk_s3::Client::from_conf(builder.force_path_style(config.endpoint_url().is_some()).build());
        Self { client, bucket }
    }
}

impl ObjectStore for S3 {
    fn put<'a>(&'a self, key: &'a str, content: Vec<u8>) -> Storing<'a, ()> {
        Box::pin(async move {
            let put = self.client.put_object().bucket(&self.bucket).key(key).body(content.into()).send().await;
            put.map(drop).map_err(|error| failed(key, "stored", chain(&error)))
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Storing<'a, Vec<u8>> {
        Box::pin(async move {
            let got = self.client.get_object().bucket(&self.bucket).key(key).send().await.map_err(|error| {
                let missing = error
                    .as_service_error()
                    .is_some_and(aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key);
                ObjectError { missing, ..failed(key, "read", chain(&error)) }
            })?;
            let body = got.body.collect().await.map_err(|error| failed(key, "read", chain(&error)))?;
            Ok(body.to_vec())
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> Storing<'a, ()> {
        Box::pin(async move {
            let deleted = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
            deleted.map(drop).map_err(|error| failed(key, "deleted", chain(&error)))
        })
    }

    fn check(&self) -> Storing<'_, ()> {
        Box::pin(async move {
            let asked = self.client.head_bucket().bucket(&self.bucket).send().await;
            asked
                .map(drop)
                .map_err(|error| ObjectError { what: "bucket", ..failed(&self.bucket, "reached", chain(&error)) })
        })
    }
}

fn failed(key: &str, doing: &'static str, reason: String) -> ObjectError {
    ObjectError { what: "object", name: key.to_owned(), doing, reason, missing: false }
}
