//! The alias `live` of each function: what it points at, which versions there are, and pointing it elsewhere.
//!
//! A version's description is its release, so a release is one version of each function. Versions stay when
//! CloudFormation is done with them, which makes going back a matter of a call for each function.

use std::{collections::HashMap, fmt};

use anyhow::{Context as _, bail};
use aws_sdk_lambda::types::AliasRoutingConfiguration;
use futures_util::future::{join_all, try_join_all};

use crate::stage::{Cloud, code, explain};

pub const ALIAS: &str = "live";
/// What plain `sam deploy` says for a release.
const UNKNOWN: &str = "manual";

/// A function with its alias and its published versions.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    /// What the alias points at.
    pub current: u64,
    /// What CloudFormation believes that it points at; `None` when the stack does not say.
    pub held: Option<u64>,
    /// Part of the traffic goes to another version.
    pub split: bool,
    revision: Option<String>,
    /// Oldest first.
    pub versions: Vec<Version>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub number: u64,
    /// `None` when nobody said.
    pub release: Option<String>,
    /// Somebody said something.
    described: bool,
}

/// One alias from one version to another.
#[derive(Clone, Debug)]
pub struct Move {
    pub function: String,
    pub from: u64,
    pub to: u64,
    revision: Option<String>,
}

/// What became of a move.
pub struct Moved {
    pub step: Move,
    pub result: Result<(), String>,
}

impl Function {
    /// Somebody has moved the alias behind CloudFormation's back, which is how a rollback works.
    pub fn is_astray(&self) -> bool {
        self.held.is_some_and(|held| held != self.current)
    }

    /// The release that the stack is at; the alias's when the stack does not say.
    pub fn held_release(&self) -> Option<&str> {
        self.release_of(self.held.unwrap_or(self.current))
    }

    pub fn release(&self) -> Option<&str> {
        self.release_of(self.current)
    }

    fn release_of(&self, number: u64) -> Option<&str> {
        self.versions.iter().find(|version| version.number == number)?.release.as_deref()
    }

    /// The newest version of a release.
    pub fn version_of(&self, release: &str) -> Option<u64> {
        let of_release = self.versions.iter().filter(|version| version.release.as_deref() == Some(release));
        of_release.map(|version| version.number).max()
    }

    /// `None` when the alias points there already, with all of the traffic.
    pub fn to(&self, version: u64) -> Option<Move> {
        (self.current != version || self.split).then(|| Move {
            function: self.name.clone(),
            from: self.current,
            to: version,
            revision: self.revision.clone(),
        })
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.function, self.from, self.to)
    }
}

/// Every function of the stage that has the alias and belongs to releases, by name. One whose versions say nothing at all
/// does not: migrations do not go back, and the smoke test serves nobody.
pub async fn read(cloud: &Cloud) -> anyhow::Result<Vec<Function>> {
    let names = names(cloud).await?;
    if names.is_empty() {
        bail!("the stack {} has no function with the alias {ALIAS}; is it deployed?", cloud.stack());
    }
    let lambda = cloud.lambda();
    let mut functions = try_join_all(names.into_iter().map(|(name, held)| function(&lambda, name, held))).await?;
    functions.retain(|function| function.versions.iter().any(|version| version.described));
    if functions.is_empty() {
        bail!(
            "no version of any function of {} says which release it is; `solo deploy` makes them say so",
            cloud.stack()
        );
    }
    Ok(functions)
}

/// The stack says which functions have an alias: names alone could be another stack's. CodeDeploy's hooks have names of
/// another form, serve nobody, and are closed to a workflow's role.
async fn names(cloud: &Cloud) -> anyhow::Result<Vec<(String, Option<u64>)>> {
    let client = cloud.cloudformation();
    let mut pages = client.list_stack_resources().stack_name(cloud.stack()).into_paginator().items().send();
    let prefix = format!("{}-", cloud.stack());
    let (mut names, mut held) = (Vec::new(), HashMap::new());
    while let Some(resource) = pages.next().await {
        let failed = || format!("the functions of {} could not be listed", cloud.stack());
        let resource = resource.map_err(|error| explain(failed(), &error))?;
        // arn:aws:lambda:<region>:<account>:function:<name>:<alias or version>
        let arn = resource.physical_resource_id.unwrap_or_default();
        let Some((rest, last)) = arn.rsplit_once(':') else { continue };
        let name = rest.rsplit(':').next().unwrap_or_default().to_owned();
        match resource.resource_type.as_deref() {
            Some("AWS::Lambda::Alias") if last == ALIAS && name.starts_with(&prefix) => names.push(name),
            Some("AWS::Lambda::Version") => {
                held.insert(name, last.parse().ok());
            }
            _ => {}
        }
    }
    names.sort_unstable();
    let with_held = |name: String| {
        let held = held.remove(&name).flatten();
        (name, held)
    };
    Ok(names.into_iter().map(with_held).collect())
}

async fn function(lambda: &aws_sdk_lambda::Client, name: String, held: Option<u64>) -> anyhow::Result<Function> {
    let failed = || format!("the versions of {name} could not be read");
    let alias = lambda.get_alias().function_name(&name).name(ALIAS).send().await;
    let alias = alias.map_err(|error| explain(failed(), &error))?;
    let mut pages = lambda.list_versions_by_function().function_name(&name).into_paginator().items().send();
    let mut versions = Vec::new();
    while let Some(version) = pages.next().await {
        let version = version.map_err(|error| explain(failed(), &error))?;
        // `$LATEST` is no number.
        if let Some(number) = version.version.as_deref().and_then(|number| number.parse().ok()) {
            let said = version.description.filter(|text| !text.trim().is_empty());
            let described = said.is_some();
            versions.push(Version { number, release: said.filter(|text| text != UNKNOWN), described });
        }
    }
    versions.sort_unstable_by_key(|version| version.number);
    let current = alias.function_version.as_deref().and_then(|number| number.parse().ok());
    let current = current.with_context(|| format!("the alias {ALIAS} of {name} points at no published version"))?;
    let weights = alias.routing_config.and_then(|routing| routing.additional_version_weights);
    Ok(Function {
        current,
        held,
        split: weights.is_some_and(|weights| !weights.is_empty()),
        revision: alias.revision_id,
        versions,
        name,
    })
}

/// Makes all moves at once, each whatever becomes of the others, and looks whether they were made.
pub async fn make(cloud: &Cloud, moves: Vec<Move>) -> Vec<Moved> {
    let lambda = cloud.lambda();
    join_all(moves.into_iter().map(|step| async {
        let result = point(&lambda, &step).await.map_err(|error| format!("{error:#}"));
        Moved { step, result }
    }))
    .await
}

async fn point(lambda: &aws_sdk_lambda::Client, step: &Move) -> anyhow::Result<()> {
    let version = step.to.to_string();
    let update = lambda
        .update_alias()
        .function_name(&step.function)
        .name(ALIAS)
        .function_version(&version)
        .set_revision_id(step.revision.clone())
        // No weights: all of the traffic.
        .routing_config(AliasRoutingConfiguration::builder().set_additional_version_weights(Some([].into())).build())
        .send()
        .await;
    match update {
        Ok(_) => {}
        Err(error) if code(&error) == Some("PreconditionFailedException") => {
            bail!("somebody else changed the alias a moment ago")
        }
        Err(error) => return Err(explain("the alias could not be changed", &error)),
    }
    let alias = lambda.get_alias().function_name(&step.function).name(ALIAS).send().await;
    let alias = alias.map_err(|error| explain("the alias was changed, but could not be read back", &error))?;
    let split = alias.routing_config.and_then(|it| it.additional_version_weights).is_some_and(|it| !it.is_empty());
    if alias.function_version.as_deref() != Some(&version) || split {
        bail!("the alias was changed, but points at {} now", alias.function_version.as_deref().unwrap_or("nothing"));
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A function whose alias points at `current`; versions count from 1, and an empty release is none.
    pub fn function(name: &str, current: u64, releases: &[&str]) -> Function {
        let version = |(index, release): (usize, &&str)| Version {
            number: index as u64 + 1,
            release: (!release.is_empty()).then(|| (*release).to_owned()),
            described: true,
        };
        let versions = releases.iter().enumerate().map(version).collect();
        Function { name: name.into(), current, held: Some(current), split: false, revision: None, versions }
    }

    #[test]
    fn a_release_is_its_newest_version() {
        let it = function("f", 3, &["a", "b", "a"]);
        assert_eq!((it.version_of("a"), it.version_of("c"), it.release()), (Some(3), None, Some("a")));
        assert!(it.to(3).is_none() && it.to(2).is_some());
        let split = Function { split: true, ..it };
        assert!(split.to(3).is_some(), "the rest of the traffic comes back");
    }
}
