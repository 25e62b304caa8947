//! The local stack, found through `.dev/env`.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;
use shared::jobs::Job;

use super::Answering;
use crate::{project::Project, template::Template, ui};

/// Longer than any function may run.
const INVOCATION_WITHIN: Duration = Duration::from_mins(16);

/// What `.dev/env` says.
pub type Values = BTreeMap<String, String>;

pub struct Dev {
    values: Values,
    client: reqwest::Client,
}

impl Dev {
    pub fn open() -> anyhow::Result<Self> {
        let file = Project::find()?.dev_dir().join("env");
        let text = fs::read_to_string(&file)
            .with_context(|| format!("{} is not there: start the stack with `make dev`", file.display()))?;
        Self::of(read_lines(&text))
    }

    pub fn of(values: Values) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(35)).build()?;
        Ok(Self { values, client })
    }

    pub fn values(&self) -> &Values {
        &self.values
    }

    pub fn url(&self) -> anyhow::Result<&str> {
        value(&self.values, "API_URL")
    }

    pub async fn operate(&self, operation: ops::Operation) -> anyhow::Result<ops::Outcome> {
        let url = format!("{}/2015-03-31/functions/ops/invocations", self.url()?);
        let answer = self.client.post(url).json(&ops::Request::from(operation)).send().await;
        let answer = answer.context("the stack does not answer; is `make dev` still running?")?;
        super::answer(&answer.text().await?)
    }

    /// Invokes a job's function. It goes on when nobody waits for its answer.
    pub fn begin(&self, job: &'static Job, event: Value) -> anyhow::Result<Answering> {
        let url = format!("{}/2015-03-31/functions/{}/invocations", self.url()?, binary(job)?);
        let client = reqwest::Client::builder().timeout(INVOCATION_WITHIN).build()?;
        Ok(tokio::spawn(async move {
            let answer = client.post(url).json(&event).send().await;
            let answer = answer.context("the stack does not answer; is `make dev` still running?")?;
            let (status, text) = (answer.status(), answer.text().await?);
            let said: Value = serde_json::from_str(&text).unwrap_or_default();
            match said["errorMessage"].as_str() {
                Some(error) => bail!("the function failed: {}", ui::shorten(error, 400)),
                None if status.is_success() => Ok(said),
                None => bail!("the function did not answer ({status}): {}", ui::shorten(&text, 400)),
            }
        }))
    }
}

/// What the emulator calls the job's function: its binary, as `template.yaml` says.
fn binary(job: &Job) -> anyhow::Result<String> {
    let template = Template::read(&Project::find()?.root.join("template.yaml"))?;
    let function = template.functions().into_iter().find(|function| function.id == job.function);
    let binary = function.and_then(|function| function.binary);
    binary.map(Into::into).with_context(|| format!("template.yaml has no function {} with a binary", job.function))
}

pub fn value<'v>(values: &'v Values, name: &str) -> anyhow::Result<&'v str> {
    values.get(name).map(String::as_str).with_context(|| format!(".dev/env has no {name}; restart `make dev`"))
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

fn read_lines(text: &str) -> Values {
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
