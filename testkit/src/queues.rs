//! Queues and a bucket in the emulator, new ones for each test.
//!
//! Their names end in what they are, so that `infra/permissions` can tell an inbox from the other queues.

use aws_config::SdkConfig;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use shared::config::QueueConfig;
use uuid::Uuid;

use crate::admin_config;

pub struct TestQueues {
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    pub config: QueueConfig,
}

/// A message as a test received it.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    pub receipt: String,
    pub body: String,
    pub receive_count: u32,
}

impl TestQueues {
    pub async fn create() -> Self {
        let config = admin_config().await;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let s3 = s3(&config);
        let unique = Uuid::new_v4().simple().to_string();
        let bucket = format!("test-{unique}-assets");
        s3.create_bucket().bucket(&bucket).send().await.unwrap();
        let mut urls = Vec::new();
        for name in ["inbox", "inbox-dead", "outbound"] {
            let made = sqs.create_queue().queue_name(format!("test-{unique}-{name}")).send().await.unwrap();
            urls.push(made.queue_url.unwrap());
        }
        let [inbox_url, inbox_dead_url, outbound_url] = urls.try_into().unwrap();
        Self { sqs, s3, config: QueueConfig { inbox_url, inbox_dead_url, outbound_url, assets_bucket: bucket } }
    }

    /// Variables for [`shared::config::Config::load`].
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("INBOX_QUEUE_URL", self.config.inbox_url.clone()),
            ("INBOX_DEAD_QUEUE_URL", self.config.inbox_dead_url.clone()),
            ("OUTBOUND_QUEUE_URL", self.config.outbound_url.clone()),
            ("ASSETS_BUCKET", self.config.assets_bucket.clone()),
        ]
    }

    /// What is in the inbox now; it stays invisible for 30 s.
    pub async fn inbox(&self) -> Vec<Received> {
        self.receive(&self.config.inbox_url).await
    }

    pub async fn outbound(&self) -> Vec<Received> {
        self.receive(&self.config.outbound_url).await
    }

    pub async fn inbox_dead(&self) -> Vec<Received> {
        self.receive(&self.config.inbox_dead_url).await
    }

    /// As Lambda does with what was not named as a failure.
    pub async fn delete_outbound(&self, message: &Received) {
        let delete = self.sqs.delete_message().queue_url(&self.config.outbound_url).receipt_handle(&message.receipt);
        delete.send().await.unwrap();
    }

    async fn receive(&self, url: &str) -> Vec<Received> {
        let mut all = Vec::new();
        loop {
            let request = self.sqs.receive_message().queue_url(url).max_number_of_messages(10);
            let count = MessageSystemAttributeName::ApproximateReceiveCount;
            let got = request.message_system_attribute_names(count.clone()).send().await.unwrap();
            let messages = got.messages.unwrap_or_default();
            if messages.is_empty() {
                return all;
            }
            all.extend(messages.into_iter().map(|message| Received {
                id: message.message_id.unwrap(),
                receipt: message.receipt_handle.unwrap(),
                body: message.body.unwrap(),
                receive_count: message.attributes.unwrap()[&count].parse().unwrap(),
            }));
        }
    }

    /// How long messages stay invisible after they were received.
    pub async fn set_visibility(&self, url: &str, seconds: u32) {
        let attributes = self.sqs.set_queue_attributes().queue_url(url);
        let value = seconds.to_string();
        attributes.attributes(QueueAttributeName::VisibilityTimeout, value).send().await.unwrap();
    }

    /// The names of the bucket's objects.
    pub async fn objects(&self) -> Vec<String> {
        let listed = self.s3.list_objects_v2().bucket(&self.config.assets_bucket).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// The queues are gone, as when SQS is out.
    pub async fn delete_inbox(&self) {
        self.sqs.delete_queue().queue_url(&self.config.inbox_url).send().await.unwrap();
    }
}

pub(crate) fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}
