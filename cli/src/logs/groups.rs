//! The functions of `template.yaml`, and where they log.

use anyhow::{Context as _, bail};

use crate::{
    project::Project,
    template::{Function, Template},
};

/// What stands for the stack's name in the template.
const STACK: &str = "${AWS::StackName}";

/// A function, and its log group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Without the stack's name.
    pub function: String,
    pub name: String,
    /// What it runs. Locally that is a function's name.
    binary: String,
}

#[cfg(test)]
impl Group {
    /// All of it is called so.
    pub fn of(name: &str) -> Self {
        Self { function: name.into(), name: name.into(), binary: name.into() }
    }
}

/// Of every function, in this stack.
pub fn all(stack: &str) -> anyhow::Result<Vec<Group>> {
    of(&Template::read(&Project::find()?.root.join("template.yaml"))?, stack)
}

/// What these functions are called in the local stack, where those of one binary are one. Refuses a name that no function has: there
/// would be no lines, and nobody would know why.
pub fn local(functions: &[String]) -> anyhow::Result<Vec<String>> {
    if functions.is_empty() {
        return Ok(Vec::new());
    }
    let groups = all(STACK)?;
    let binary = |name: &String| match groups.iter().find(|group| group.function == *name) {
        Some(group) => Ok(group.binary.clone()),
        None => {
            let known: Vec<_> = groups.iter().map(|group| group.function.as_str()).collect();
            bail!("there is no function {name}; there are {}", known.join(", "))
        }
    };
    functions.iter().map(binary).collect()
}

/// `LogGroupName: !Sub /aws/lambda/${AWS::StackName}-worker`.
fn of(template: &Template, stack: &str) -> anyhow::Result<Vec<Group>> {
    let name = |id: &str| {
        let group = &template.value["Resources"][id]["Properties"]["LogGroupName"];
        let text = group["Fn::Sub"].as_str().or(group.as_str());
        text.with_context(|| format!("{id} in template.yaml has no LogGroupName"))
    };
    let of = |function: Function<'_>| {
        let logs = function.properties["LoggingConfig"]["LogGroup"]["Ref"].as_str();
        let group = name(logs.with_context(|| format!("{} in template.yaml has no log group", function.id))?)?;
        let last = group.rsplit('/').next().unwrap_or_default().trim_start_matches("CodeDeployHook_");
        let short = last.strip_prefix(STACK).and_then(|rest| rest.strip_prefix('-')).unwrap_or(last);
        let binary = function.binary.unwrap_or(short).to_owned();
        Ok(Group { function: short.to_owned(), name: group.replace(STACK, stack), binary })
    };
    template.functions().into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_template_has_its_log_group() {
        let template = Template::parse(include_str!("../../../template.yaml")).unwrap();
        let groups = of(&template, "solo-os-staging").unwrap();
        assert_eq!(groups.len(), template.functions().len());
        let of = |name: &str| groups.iter().find(|group| group.function == name).unwrap().name.clone();
        assert_eq!(of("webhooks"), "/aws/lambda/solo-os-staging-webhooks");
        assert_eq!(of("smoke"), "/aws/lambda/CodeDeployHook_solo-os-staging-smoke");
    }

    #[test]
    fn a_function_that_is_not_there_is_refused_with_those_that_are() {
        let check = |names: &[&str]| local(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(check(&[]).unwrap(), [""; 0]);
        assert_eq!(check(&["worker", "smoke", "prune"]).unwrap(), ["worker", "smoke", "backup"]);
        let error = check(&["worker", "nobody"]).unwrap_err().to_string();
        assert!(error.starts_with("there is no function nobody; there are ") && error.contains("webhooks"), "{error}");
    }
}
