//! A bucket of backups in the emulator, a new one for each test.

use aws_sdk_s3::{Client, primitives::ByteStream};
use uuid::Uuid;

use crate::{admin_config, queues::s3};

pub struct TestBackups {
    pub s3: Client,
    pub bucket: String,
}

impl TestBackups {
    pub async fn create() -> Self {
        let s3 = s3(&admin_config().await);
        let bucket = format!("test-{}-backups", Uuid::new_v4().simple());
        s3.create_bucket().bucket(&bucket).send().await.unwrap();
        Self { s3, bucket }
    }

    /// The names of all objects, sorted.
    pub async fn objects(&self) -> Vec<String> {
        let mut pages = self.s3.list_objects_v2().bucket(&self.bucket).into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            names.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
        }
        names
    }

    /// The keys of the uploads that were begun, and neither completed nor aborted.
    pub async fn uploads(&self) -> Vec<String> {
        let listed = self.s3.list_multipart_uploads().bucket(&self.bucket).send().await.unwrap();
        listed.uploads().iter().map(|upload| upload.key().unwrap().to_owned()).collect()
    }

    pub async fn get(&self, key: &str) -> Vec<u8> {
        let object = self.s3.get_object().bucket(&self.bucket).key(key).send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// Puts it there, or in place of what is there.
    pub async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        let body = ByteStream::from(bytes.into());
        self.s3.put_object().bucket(&self.bucket).key(key).body(body).send().await.unwrap();
    }

    pub async fn delete(&self, key: &str) {
        self.s3.delete_object().bucket(&self.bucket).key(key).send().await.unwrap();
    }
}
