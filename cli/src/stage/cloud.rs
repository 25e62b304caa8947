//! A stage in the cloud: its stack, found through `samconfig.toml`, and AWS with the credentials of whoever asks.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use aws_config::{
    BehaviorVersion, Region, SdkConfig, identity::IdentityCache, meta::credentials::CredentialsProviderChain,
    retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_lambda::{operation::invoke::InvokeOutput, primitives::Blob, types::InvocationType};
use secrecy::SecretString;
use shared::{config::Env, jobs::Job};

use super::{
    CloudName, answer, code,
    credentials::{self, AwsCli},
    explain,
};
use crate::{project::Project, samconfig::Settings};

/// A little longer than the function may take.
const INVOKE_WITHIN: Duration = Duration::from_secs(40);
const CALL_WITHIN: Duration = Duration::from_secs(20);

/// A stage and the way to it.
#[derive(Clone)]
pub struct Cloud {
    pub name: CloudName,
    pub settings: Settings,
    config: SdkConfig,
}

/// Who AWS thinks we are.
#[derive(Clone, Debug)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

/// What a deployed stack says of itself.
pub struct Outputs {
    stack: String,
    values: BTreeMap<String, String>,
}

impl Outputs {
    pub fn get(&self, name: &str) -> anyhow::Result<&str> {
        let value = self.values.get(name).map(String::as_str);
        value.with_context(|| format!("the stack {} has no output {name}; deploy it once more", self.stack))
    }
}

impl Cloud {
    /// Nothing is called yet, but a profile that AWS signs in for may be read.
    pub async fn open(project: &Project, name: CloudName) -> anyhow::Result<Self> {
        let settings = Settings::read(&project.root, name)?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(CALL_WITHIN)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .retry_config(RetryConfig::standard())
            .timeout_config(timeouts);
        if let Some(credentials) = AwsCli::find(&Env::of_process()) {
            let chain = CredentialsProviderChain::first_try("AWS CLI", credentials).or_default_provider().await;
            // The SDK itself would not wait for someone who looks at a phone.
            let patient = IdentityCache::lazy().load_timeout(credentials::WITHIN).build();
            loader = loader.credentials_provider(chain).identity_cache(patient);
        }
        let config = loader.load().await;
        Ok(Self { name, settings, config })
    }

    pub fn stack(&self) -> &str {
        &self.settings.stack
    }

    /// Region and credentials.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    pub fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.config)
    }

    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.config)
    }

    /// An emulator is addressed by path: a bucket's own host name does not resolve there.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let emulated = self.config.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(emulated).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    pub async fn identity(&self) -> anyhow::Result<Identity> {
        let caller = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let caller = caller.map_err(|error| explain("AWS does not say who you are", &error))?;
        let (account, arn) = (caller.account, caller.arn);
        let complete = account.zip(arn).context("AWS does not say who you are")?;
        Ok(Identity { account: complete.0, arn: complete.1 })
    }

    /// Invokes the `ops` function. Never repeated by itself: a change that was asked for twice is for a person to see.
    pub async fn operate(&self, operation: ops::Operation) -> anyhow::Result<ops::Outcome> {
        let function = format!("{}-ops", self.stack());
        let request = serde_json::to_vec(&ops::Request::from(operation))?;
        let invoked = self.invoke(&function, request, InvocationType::RequestResponse).await?;
        let text = invoked.payload.map(Blob::into_inner).unwrap_or_default();
        let text = String::from_utf8(text).context("the function's answer is not text")?;
        if let Some(kind) = invoked.function_error {
            bail!("the function {function} could not be invoked: it failed ({kind}): {}", function_error(&text));
        }
        answer(&text)
    }

    /// Asks for a run of a job; Lambda keeps the request, and answers before it is begun.
    pub async fn begin(&self, job: &Job, event: &serde_json::Value) -> anyhow::Result<()> {
        let function = format!("{}-{}", self.stack(), job.function.to_ascii_lowercase());
        self.invoke(&function, serde_json::to_vec(event)?, InvocationType::Event).await.map(drop)
    }

    async fn invoke(&self, function: &str, event: Vec<u8>, how: InvocationType) -> anyhow::Result<InvokeOutput> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(INVOKE_WITHIN)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(&self.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        let invoked = aws_sdk_lambda::Client::from_conf(config)
            .invoke()
            .function_name(function)
            .qualifier("live")
            .invocation_type(how)
            .payload(Blob::new(event))
            .send()
            .await;
        match invoked {
            Ok(invoked) => Ok(invoked),
            Err(error) if code(&error) == Some("ResourceNotFoundException") => bail!(
                "there is no function {function} in {}: the stage is not deployed there (`solo deploy --target {}`), or \
                 these credentials are of another account",
                self.settings.region,
                self.name.as_str()
            ),
            Err(error) => Err(explain(format!("the function {function} could not be invoked"), &error)),
        }
    }

    pub async fn outputs(&self) -> anyhow::Result<Outputs> {
        let Some(stack) = self.stack_if_there().await? else {
            bail!(
                "there is no stack {} in {}: `solo deploy --target {}` makes it",
                self.stack(),
                self.settings.region,
                self.name.as_str()
            )
        };
        let outputs = stack.outputs.unwrap_or_default().into_iter();
        let values = outputs.filter_map(|output| output.output_key.zip(output.output_value)).collect();
        Ok(Outputs { stack: self.stack().to_owned(), values })
    }

    /// The stack as CloudFormation describes it; `None` when there is none, or it was deleted.
    pub async fn stack_if_there(&self) -> anyhow::Result<Option<aws_sdk_cloudformation::types::Stack>> {
        let described = self.cloudformation().describe_stacks().stack_name(self.stack()).send().await;
        match described {
            Ok(described) => Ok(described.stacks.unwrap_or_default().into_iter().next()),
            // CloudFormation has no code of its own for it.
            Err(error) if says_there_is_none(&error) => Ok(None),
            Err(error) => Err(explain(format!("the stack {} could not be described", self.stack()), &error)),
        }
    }

    pub async fn read_secret(&self, id: &str) -> anyhow::Result<SecretString> {
        let read = self.secrets_manager().get_secret_value().secret_id(id).send().await;
        let read = read.map_err(|error| explain(format!("the secret {id} could not be read"), &error))?;
        read.secret_string.map(SecretString::from).with_context(|| format!("the secret {id} is not text"))
    }
}

fn says_there_is_none<E, R>(error: &aws_sdk_lambda::error::SdkError<E, R>) -> bool
where
    E: aws_sdk_lambda::error::ProvideErrorMetadata,
{
    let message = error.as_service_error().and_then(aws_sdk_lambda::error::ProvideErrorMetadata::message);
    code(error) == Some("ValidationError") && message.is_some_and(|message| message.contains("does not exist"))
}

/// What Lambda says of a function that failed: `{"errorType": ..., "errorMessage": ...}`.
fn function_error(text: &str) -> String {
    let parsed: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let message = parsed["errorMessage"].as_str().unwrap_or(text);
    let hint =
        if message.contains("timed out") { "; it may have been too much at once, or the database is out" } else { "" };
    format!("{}{hint}", crate::ui::shorten(message, 400))
}
