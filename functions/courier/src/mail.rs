//! E-mail, by the stage's SNS topic.

use aws_config::SdkConfig;
use aws_sdk_sns::error::{ProvideErrorMetadata as _, SdkError};
use shared::errors::chain;

use crate::{channels::Mail, verdict::Trouble};

pub struct Topic {
    client: aws_sdk_sns::Client,
    arn: String,
}

impl Topic {
    pub fn new(config: &SdkConfig, arn: String) -> Self {
        Self { client: aws_sdk_sns::Client::new(config), arn }
    }

    /// The topic has it on return.
    pub async fn publish(&self, mail: Mail) -> Result<(), Trouble> {
        let publish = self.client.publish().topic_arn(&self.arn).subject(mail.subject).message(mail.text);
        match publish.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) => {
                let status = error.raw().status().as_u16();
                let (code, said) =
                    (error.err().code().unwrap_or("an error"), error.err().message().unwrap_or_default());
                let text = format!("the topic answered {code}: {said}");
                let throttled = status == 429 || code.contains("Throttl");
                // A missing topic or permission is repaired by a deploy, not by waiting.
                Err(if status >= 500 || throttled { Trouble::Passing(text) } else { Trouble::Unfit(text) })
            }
            Err(error) => Err(Trouble::Passing(chain(&error))),
        }
    }
}
