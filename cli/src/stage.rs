//! Where commands go: the local stack (`--stage dev`), found through `.dev/env`.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context as _, bail};
use secrecy::SecretString;

use crate::project::Project;

/// An answer of the right version that is none to the question.
pub const UNEXPECTED: &str =
    "the ops function answered something else than it was asked; deploy it and this CLI from one version";

/// A running stage.
pub struct Stage {
    values: BTreeMap<String, String>,
    client: reqwest::Client,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum Name {
    /// The stack of `make dev`.
    #[default]
    Dev,
}

// Flattened into other commands' arguments, whose group has the same name.
#[derive(clap::Args)]
#[group(skip)]
pub struct Arguments {
    /// The stage to talk to.
    #[arg(long, value_enum, default_value_t)]
    pub stage: Name,
}

impl Stage {
    pub fn open(name: Name) -> anyhow::Result<Self> {
        match name {
            Name::Dev => {
                let file = Project::find()?.dev_dir().join("env");
                let text = fs::read_to_string(&file)
                    .with_context(|| format!("{} is not there: start the stack with `make dev`", file.display()))?;
                Self::of(read_lines(&text))
            }
        }
    }

    pub fn of(values: BTreeMap<String, String>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(35)).build()?;
        Ok(Self { values, client })
    }

    pub fn url(&self) -> anyhow::Result<&str> {
        self.value("API_URL")
    }

    pub fn secret(&self, name: &str) -> anyhow::Result<SecretString> {
        self.value(name).map(SecretString::from)
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    fn value(&self, name: &str) -> anyhow::Result<&str> {
        self.values.get(name).map(String::as_str).with_context(|| format!(".dev/env has no {name}; restart `make dev`"))
    }

    /// Carries out an operation through the `ops` function.
    pub async fn operate(&self, operation: ops::Operation) -> anyhow::Result<ops::Outcome> {
        let url = format!("{}/2015-03-31/functions/ops/invocations", self.url()?);
        let answer = self.client.post(url).json(&ops::Request::from(operation)).send().await;
        let answer = answer.context("the stack does not answer; is `make dev` still running?")?;
        let text = answer.text().await?;
        let answer: ops::Answer = serde_json::from_str(&text)
            .with_context(|| format!("the ops function gave no answer that this CLI understands: {text}"))?;
        match answer.outcome {
            ops::Outcome::NotFound { what } => bail!("there is no {what}"),
            ops::Outcome::Refused { error } => bail!("refused: {error}"),
            ops::Outcome::Failed { error } => bail!("the operation failed: {error}"),
            outcome => Ok(outcome),
        }
    }
}

/// `NAME=value` lines that a shell can source; a value is quoted only when it has to be.
pub fn write_lines<N: AsRef<str>>(pairs: &[(N, String)]) -> String {
    let lines: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", name.as_ref(), quote(value))).collect();
    lines.join("\n") + "\n"
}

fn quote(value: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.:/@%+,=".contains(character);
    if value.chars().all(plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

fn read_lines(text: &str) -> BTreeMap<String, String> {
    let unquote = |value: &str| match value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
        Some(quoted) => quoted.replace(r"'\''", "'"),
        None => value.to_owned(),
    };
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), unquote(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let pairs =
            [("A", "plain:1/2@x".to_owned()), ("B", "with space and 'quotes'".to_owned()), ("C", String::new())];
        let read = read_lines(&write_lines(&pairs));
        for (name, value) in pairs {
            assert_eq!(read[name], value);
        }
    }
}
