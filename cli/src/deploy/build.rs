//! Compiles all functions once, and says in a template of its own where they are.
//!
//! The functions of backups carry pg_dump and pg_restore, which are put where their build looks for them (infra/programs.py).
//!
//! `sam build` would do the same once for each function. What sam packages is `target/sam/template.json`: the template
//! with each function's code at its binary.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::child;
use crate::{project::Project, samconfig::Settings, template::Template};

/// Properties that name local files, which sam resolves from where the template is.
const LOCAL: [&str; 5] = ["Location", "TemplateURL", "ContentUri", "DefinitionUri", "SchemaUri"];

/// The template that sam packages. `direct`: without CodeDeploy.
pub async fn run(project: &Project, settings: &Settings, direct: bool) -> anyhow::Result<PathBuf> {
    let template = Template::read(&project.root.join("template.yaml"))?;
    let chosen = architecture(&template, settings)?;
    let architecture = match chosen {
        "arm64" => "--arm64",
        "x86_64" => "--x86-64",
        other => bail!("the parameter Architecture is {other}; it is arm64 or x86_64"),
    };
    let programs = ["infra/programs.py", chosen];
    let placed = child::run(&project.python(), &programs, &project.root, &[]).await;
    placed.context("pg_dump and pg_restore could not be put into place")?;
    // cargo-lambda, and zig, which it links with.
    let tools = [".venv-infra/bin", ".venv/bin"].map(|tools| project.root.join(tools));
    let functions = template.functions();
    // By name, as sam does it: only what the functions are made of.
    let mut arguments = vec!["lambda", "build", "--release", architecture];
    arguments.extend(functions.iter().filter_map(|function| function.binary).flat_map(|binary| ["--bin", binary]));
    child::run(&project.cargo_lambda(), &arguments, &project.root, &tools).await.context("the build failed")?;
    for function in template.functions() {
        let binary = function.binary.with_context(|| format!("{} of template.yaml names no Binary", function.id))?;
        let built = project.root.join("target/lambda").join(binary).join("bootstrap");
        if !built.is_file() {
            bail!("{} runs {binary}, but the build made no {}", function.id, built.display());
        }
    }
    write(&project.root, template, direct)
}

fn architecture<'t>(template: &'t Template, settings: &'t Settings) -> anyhow::Result<&'t str> {
    let default = || template.value["Parameters"]["Architecture"]["Default"].as_str();
    let chosen = settings.parameters.get("Architecture").map(String::as_str).or_else(default);
    chosen.context("neither template.yaml nor samconfig.toml says an Architecture")
}

fn write(root: &Path, template: Template, direct: bool) -> anyhow::Result<PathBuf> {
    let directory = root.join("target/sam");
    std::fs::create_dir_all(&directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    let file = directory.join("template.json");
    let text = serde_json::to_string_pretty(&prepared(template, direct))?;
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(file)
}

/// As it has to be two directories further down.
fn prepared(template: Template, direct: bool) -> Value {
    let codes: Vec<_> = template
        .functions()
        .iter()
        .filter_map(|function| Some((function.id.to_owned(), format!("../lambda/{}", function.binary?))))
        .collect();
    let mut value = template.value;
    for (id, code) in codes {
        let function = &mut value["Resources"][&id];
        function["Properties"]["CodeUri"] = json!(code);
        function["Metadata"] = json!({"SkipBuild": true});
        if direct {
            function["Properties"]["DeploymentPreference"] = json!({"Enabled": false});
        }
    }
    if let Some(global) = value.pointer_mut("/Globals/Function").and_then(Value::as_object_mut) {
        // Each has its own.
        global.remove("CodeUri");
        if direct {
            global.remove("DeploymentPreference");
        }
    }
    for resource in value["Resources"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        for name in LOCAL {
            let property = resource.get_mut("Properties").and_then(|properties| properties.get_mut(name));
            let Some(Value::String(place)) = property else { continue };
            if !place.contains("://") && !place.starts_with('/') {
                *place = format!("../../{place}");
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_local_is_found_from_the_new_place() {
        let template = Template::parse(
            "Globals: {Function: {CodeUri: ., Timeout: 3}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: worker}}
    Properties: {Handler: bootstrap}
  N: {Type: AWS::Serverless::Application, Properties: {Location: infra/network.yaml}}
  O: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: 'https://b.example/t.yaml'}}
  Q: {Type: AWS::SQS::Queue}",
        );
        let template = template.unwrap();
        let direct = prepared(template.clone(), true);
        assert_eq!(direct["Resources"]["F"]["Properties"]["DeploymentPreference"], json!({"Enabled": false}));
        let value = prepared(template, false);
        assert_eq!(value["Resources"]["F"]["Properties"]["CodeUri"], "../lambda/worker");
        assert_eq!(value["Resources"]["F"]["Metadata"], json!({"SkipBuild": true}));
        assert_eq!(value["Resources"]["N"]["Properties"]["Location"], "../../infra/network.yaml");
        assert_eq!(value["Resources"]["O"]["Properties"]["TemplateURL"], "https://b.example/t.yaml");
        assert_eq!(value["Globals"]["Function"], json!({"Timeout": 3}));
        assert_eq!(value["Resources"]["Q"], json!({"Type": "AWS::SQS::Queue"}), "nothing is added");
    }
}
