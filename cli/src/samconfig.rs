//! `samconfig.toml`: how sam, and so we, call the stacks of the stages, and which parameters they have.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};
use toml::{Table, Value};

use crate::stage::CloudName;

/// What it says of one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub stack: String,
    pub region: String,
    /// The template's parameters, as this stage sets them.
    pub parameters: BTreeMap<String, String>,
}

impl Settings {
    pub fn read(root: &Path, stage: CloudName) -> anyhow::Result<Self> {
        let file = root.join("samconfig.toml");
        let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        Self::parse(&text, stage).with_context(|| format!("{} cannot be used for {}", file.display(), stage.as_str()))
    }

    fn parse(text: &str, stage: CloudName) -> anyhow::Result<Self> {
        let file: Table = text.parse().context("it is not TOML")?;
        let name = stage.as_str();
        let table = |section: &str| file.get(name)?.get(section)?.get("parameters")?.as_table();
        // What a command says goes before what is said for all of them.
        let value = |key: &str| table("deploy").and_then(|it| it.get(key)).or_else(|| table("global")?.get(key));
        let text_of = |key: &str| match value(key).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => bail!("[{name}.global.parameters] has no {key}"),
        };
        Ok(Self {
            stack: text_of("stack_name")?,
            region: text_of("region")?,
            parameters: value("parameter_overrides").map_or_else(|| Ok(BTreeMap::new()), parameters)?,
        })
    }
}

/// `["A=1", "B=2"]`, `"A=1 B='two words'"`, or a table.
fn parameters(value: &Value) -> anyhow::Result<BTreeMap<String, String>> {
    match value {
        Value::String(text) => words(text).iter().map(|word| pair(word)).collect(),
        Value::Array(list) => {
            let texts = list.iter().map(|item| item.as_str().context("parameter_overrides has what is not a text"));
            texts.map(|text| pair(text?)).collect()
        }
        Value::Table(table) => Ok(table.iter().map(|(name, value)| (name.clone(), plain(value))).collect()),
        _ => bail!("parameter_overrides is neither a list nor a text nor a table"),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn pair(word: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = match word.strip_prefix("ParameterKey=").and_then(|rest| rest.split_once(",ParameterValue=")) {
        Some(pair) => pair,
        None => word.split_once('=').with_context(|| format!("parameter_overrides: {word:?} is not NAME=value"))?,
    };
    let value = value.trim();
    let quoted = ['"', '\''].iter().find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Ok((name.trim().to_owned(), quoted.unwrap_or(value).to_owned()))
}

/// Split at white space, but not inside of quotes.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), None);
    for character in text.chars() {
        match (open, character) {
            (None, '"' | '\'') => open = Some(character),
            (Some(quote), _) if quote == character => open = None,
            (None, _) if character.is_whitespace() => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                continue;
            }
            _ => {}
        }
        word.push(character);
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(overrides: &str) -> anyhow::Result<Settings> {
        let text = format!(
            "[staging.global.parameters]\nstack_name = 's'\nregion = 'r'\n[staging.deploy.parameters]\n{overrides}"
        );
        Settings::parse(&text, CloudName::Staging)
    }

    #[test]
    fn parameters_are_read_in_each_of_their_forms() {
        let expected = BTreeMap::from([("A".into(), "1".into()), ("B".into(), "two words".into())]);
        for text in [
            "parameter_overrides = ['A=1', 'B=two words']",
            "parameter_overrides = 'A=1 B=\"two words\"'",
            "parameter_overrides = {A = 1, B = 'two words'}",
            "parameter_overrides = 'ParameterKey=A,ParameterValue=1 ParameterKey=B,ParameterValue=\"two words\"'",
        ] {
            assert_eq!(parse(text).unwrap().parameters, expected, "{text}");
        }
        assert_eq!(parse("").unwrap().parameters, BTreeMap::new());
        assert!(parse("parameter_overrides = ['A']").is_err());
    }

    #[test]
    fn a_stage_needs_a_stack_and_a_region() {
        let fault = Settings::parse("[production.global.parameters]\nregion = 'r'", CloudName::Production).unwrap_err();
        assert!(fault.to_string().contains("stack_name"), "{fault}");
        assert!(Settings::parse("", CloudName::Staging).is_err());
    }
}
