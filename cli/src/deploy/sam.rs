//! The two things that sam is asked for: to put the artifacts into its bucket, and to deploy.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{Wish, child};
use crate::{
    project::Project,
    stage::{Cloud, CloudName},
};

/// The template whose code and nested templates are in the bucket.
pub async fn package(project: &Project, stage: CloudName, template: &Path) -> anyhow::Result<PathBuf> {
    let packaged = project.root.join("target/sam/packaged.yaml");
    let arguments: Vec<OsString> = [
        "package".as_ref(),
        "--resolve-s3".as_ref(),
        "--no-progressbar".as_ref(),
        "--template-file".as_ref(),
        template.as_os_str(),
        "--output-template-file".as_ref(),
        packaged.as_os_str(),
        "--config-file".as_ref(),
        project.root.join("samconfig.toml").as_os_str(),
        "--config-env".as_ref(),
        stage.as_str().as_ref(),
    ]
    .map(Into::into)
    .to_vec();
    run(project, &arguments).await.context("the artifacts could not be put into sam's bucket")?;
    Ok(packaged)
}

pub async fn deploy(project: &Project, cloud: &Cloud, packaged: &Path, wish: &Wish<'_>) -> anyhow::Result<()> {
    let mut arguments: Vec<OsString> = vec!["deploy".into(), "--template-file".into(), packaged.into()];
    arguments.extend(["--config-file".into(), project.root.join("samconfig.toml").into()]);
    arguments.extend(["--config-env", cloud.name.as_str()].map(Into::into));
    arguments.extend(["--no-confirm-changeset", "--no-fail-on-empty-changeset"].map(Into::into));
    if let Some(role) = wish.role {
        arguments.extend(["--role-arn", role].map(Into::into));
    }
    if wish.no_rollback {
        arguments.push("--disable-rollback".into());
    }
    // Here it replaces the whole list of samconfig.toml.
    let mut parameters = cloud.settings.parameters.clone();
    parameters.insert("Release".into(), wish.release.to_owned());
    arguments.push("--parameter-overrides".into());
    arguments.extend(parameters.iter().map(|(name, value)| format!("{name}={}", quote(value)).into()));
    run(project, &arguments).await.context("the deployment failed")
}

async fn run(project: &Project, arguments: &[OsString]) -> anyhow::Result<()> {
    child::run(&project.sam(), arguments, &project.root, &[]).await
}

/// As sam takes a value that may have spaces.
fn quote(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}
