//! Where commands go: the local stack (`--stage dev`), or a stage in the cloud with the caller's own identity.
//!
//! One path for all: an operation goes to the `ops` function through the Lambda API. Deliberately absent: a way to the
//! database, for which nobody here has a password.

mod cloud;
mod credentials;
mod dev;
mod signed;
mod words;

use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::unistd::{Uid, User};
use secrecy::SecretString;
use serde_json::Value;
use shared::{jobs::Job, secrets::AppSecrets};
use tokio::task::JoinHandle;

use crate::{project::Project, ui};

pub use cloud::Cloud;
pub use dev::{Values, value, write_lines};
pub use signed::Api;
pub use words::{code, explain};

/// An answer of the right version that is none to the question.
pub const UNEXPECTED: &str =
    "the ops function answered something else than it was asked; deploy it and this CLI from one version";

/// There is nothing of what was asked for.
#[derive(Debug)]
pub struct Missing {
    what: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no {}", self.what)
    }
}

impl std::error::Error for Missing {}

/// What a function of the local stack answers in the end.
pub type Answering = JoinHandle<anyhow::Result<Value>>;

/// A running stage.
pub enum Stage {
    Dev(dev::Dev),
    Cloud(Box<Cloud>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// The stack of `make dev`.
    #[default]
    Dev,
    /// The stack in the cloud on which releases are tried.
    Staging,
    /// The real thing.
    Production,
}

impl Name {
    pub fn as_str(self) -> &'static str {
        self.in_cloud().map_or("dev", CloudName::as_str)
    }

    /// What a command needs behind it to mean this stage.
    pub fn option(self) -> String {
        self.in_cloud().map_or_else(String::new, |name| format!(" --stage {}", name.as_str()))
    }

    /// `None` for the local stack.
    pub fn in_cloud(self) -> Option<CloudName> {
        match self {
            Self::Dev => None,
            Self::Staging => Some(CloudName::Staging),
            Self::Production => Some(CloudName::Production),
        }
    }
}

/// A stage in the cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum CloudName {
    #[default]
    Staging,
    Production,
}

impl CloudName {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

// Flattened into other commands' arguments, whose group has the same name.
#[derive(clap::Args)]
#[group(skip)]
pub struct Arguments {
    /// The stage to talk to.
    #[arg(long, value_enum, default_value_t)]
    pub stage: Name,
}

/// What it takes to send an event.
pub struct Door {
    pub url: String,
    secrets: DoorSecrets,
    client: reqwest::Client,
}

enum DoorSecrets {
    Dev(Values),
    Cloud(AppSecrets),
}

impl Stage {
    pub async fn open(name: Name) -> anyhow::Result<Self> {
        match name.in_cloud() {
            None => Ok(Self::Dev(dev::Dev::open()?)),
            Some(name) => {
                let cloud = Cloud::open(&Project::find()?, name).await?;
                cloud.sign_in().await?;
                Ok(Self::Cloud(Box::new(cloud)))
            }
        }
    }

    pub fn of(values: Values) -> anyhow::Result<Self> {
        dev::Dev::of(values).map(Self::Dev)
    }

    /// Who is asking, for the audit trail: the local user's name, or the ARN of the caller.
    pub async fn actor(&self) -> anyhow::Result<String> {
        match self {
            Self::Dev(_) => {
                let uid = Uid::current();
                Ok(User::from_uid(uid).ok().flatten().map_or_else(|| format!("user {uid}"), |user| user.name))
            }
            Self::Cloud(cloud) => Ok(cloud.identity().await?.arn),
        }
    }

    /// Carries out an operation through the `ops` function.
    pub async fn operate(&self, operation: ops::Operation) -> anyhow::Result<ops::Outcome> {
        match self {
            Self::Dev(dev) => dev.operate(operation).await,
            Self::Cloud(cloud) => cloud.operate(operation).await,
        }
    }

    /// Hands an event to a job's function, and does not wait for it to be done. The local emulator answers when it is; the cloud
    /// answers at once, and says nothing more.
    pub async fn begin(&self, job: &'static Job, event: Value) -> anyhow::Result<Option<Answering>> {
        match self {
            Self::Dev(dev) => dev.begin(job, event).map(Some),
            Self::Cloud(cloud) => cloud.begin(job, &event).await.map(|()| None),
        }
    }

    /// Where its HTTP functions answer, without a slash at the end.
    pub async fn api_url(&self) -> anyhow::Result<String> {
        let url = match self {
            Self::Dev(dev) => dev.url()?.to_owned(),
            Self::Cloud(cloud) => cloud.outputs().await?.get("ApiUrl")?.to_owned(),
        };
        Ok(url.trim_end_matches('/').to_owned())
    }

    pub async fn door(&self) -> anyhow::Result<Door> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(35)).build()?;
        match self {
            Self::Dev(dev) => {
                Ok(Door { url: dev.url()?.to_owned(), secrets: DoorSecrets::Dev(dev.values().clone()), client })
            }
            Self::Cloud(cloud) => {
                let outputs = cloud.outputs().await?;
                let text = cloud.read_secret(outputs.get("AppSecretArn")?).await?;
                let secrets = AppSecrets::parse(&text).map_err(|faults| anyhow::anyhow!("{faults}"))?;
                Ok(Door { url: outputs.get("ApiUrl")?.into(), secrets: DoorSecrets::Cloud(secrets), client })
            }
        }
    }
}

impl Door {
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// What to say when nothing answers.
    pub fn silence(&self) -> String {
        match self.secrets {
            DoorSecrets::Dev(_) => "the stack does not answer; is `make dev` still running?".into(),
            DoorSecrets::Cloud(_) => format!("{} does not answer", self.url),
        }
    }

    /// The newest secret of this name.
    pub fn secret(&self, name: &str) -> anyhow::Result<SecretString> {
        match &self.secrets {
            DoorSecrets::Dev(values) => dev::value(values, name).map(SecretString::from),
            DoorSecrets::Cloud(secrets) => {
                let found = secrets.one(name).cloned();
                found.with_context(|| {
                    format!("the stage has no {name}: `solo secrets set {name} --stage <stage>` adds it")
                })
            }
        }
    }
}

/// What the function answered, or in words why it did not.
fn answer(text: &str) -> anyhow::Result<ops::Outcome> {
    let answer: ops::Answer = serde_json::from_str(text).with_context(|| {
        format!("the ops function gave no answer that this CLI understands: {}", ui::shorten(text, 300))
    })?;
    match answer.outcome {
        ops::Outcome::NotFound { what } => Err(Missing { what }.into()),
        ops::Outcome::Refused { error } => bail!("refused: {error}"),
        ops::Outcome::Failed { error } => bail!("the operation failed: {error}"),
        outcome => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_none_is_quoted_in_short() {
        let said = format!("{:#}", answer(&"\u{1b}<html>\n".repeat(1_000)).unwrap_err());
        assert!(said.contains("<html>") && !said.chars().any(char::is_control), "{said:?}");
        assert!(said.chars().count() < 500, "{said}");
    }
}
