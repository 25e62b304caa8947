//! What a deployment needs: tools, a clean tree, credentials, a stack that can be changed, secrets of the right form.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use shared::{config::SoloToml, secrets::AppSecrets};

use super::{Check, flags, solo_toml, tool};
use crate::{
    project::Project,
    stage::{Cloud, CloudName, explain},
    template::Template,
};

/// The first version that builds all functions in one target folder.
const SAM_AT_LEAST: (u32, u32) = (1, 170);

pub async fn checks(project: &Project, target: CloudName) -> Vec<Check> {
    let mut checks = vec![
        sam(project),
        tool("cargo-lambda", &project.cargo_lambda().to_string_lossy(), &["lambda", "--version"], "run `make setup`"),
        zig(project),
        Check::new("git", clean(&project.root)),
        templates(&project.root),
        solo_toml(project),
        flags(project),
    ];
    match Cloud::open(project, target).await {
        Ok(cloud) => {
            let place = format!("{} in {}", cloud.stack(), cloud.settings.region);
            checks.push(Check::new("samconfig.toml", Ok(place)));
            checks.extend(of_stage(project, &cloud).await);
        }
        Err(error) => checks.push(Check::new("samconfig.toml", Err(format!("{error:#}")))),
    }
    checks
}

async fn of_stage(project: &Project, cloud: &Cloud) -> Vec<Check> {
    let identity = cloud.identity().await;
    let known = identity.is_ok();
    let identity =
        identity.map(|it| format!("account {}, {}", it.account, it.arn)).map_err(|error| format!("{error:#}"));
    let mut checks = vec![Check::new("credentials", identity)];
    if known {
        let stack = cloud.stack_if_there().await;
        // The placeholder of a preview has no outputs.
        let there =
            matches!(&stack, Ok(Some(stack)) if stack.outputs.as_ref().is_some_and(|outputs| !outputs.is_empty()));
        let status = stack.map(|stack| stack.and_then(|stack| stack.stack_status));
        let status = status.map_err(|error| format!("{error:#}")).and_then(|status| match status {
            None => Ok("not there yet: the first deployment makes it".into()),
            Some(status) => can_be_changed(status.as_str(), cloud),
        });
        checks.push(Check::new("stack", status));
        if there {
            checks.push(Check::new("secrets", secrets(project, cloud).await));
        } else {
            checks.push(Check::new("concurrency", concurrency(project, cloud).await));
        }
    }
    checks
}

/// What Lambda insists on leaving to functions that reserve nothing.
const LEFT_TO_OTHERS: i32 = 100;

/// Whether the account may reserve what a new stage reserves. A new account may not, and would find out after ten minutes.
async fn concurrency(project: &Project, cloud: &Cloud) -> Result<String, String> {
    if cloud.settings.parameters.get("ReserveConcurrency").is_some_and(|value| value == "false") {
        return Ok("not reserved (ReserveConcurrency=false)".into());
    }
    let settings = cloud.lambda().get_account_settings().send().await;
    let limit = settings.map_err(|error| explain("not checked", &error));
    let free = match limit.map(|settings| settings.account_limit.and_then(|it| it.unreserved_concurrent_executions)) {
        Ok(Some(free)) => free,
        Ok(None) => return Ok("not checked: AWS does not say the account's limit".into()),
        Err(error) => return Ok(format!("{error:#}")),
    };
    let template = Template::read(&project.root.join("template.yaml"));
    let reserved = template.and_then(|template| template.reserved()).map_err(|error| format!("{error:#}"))?;
    if free < reserved + LEFT_TO_OTHERS {
        return Err(format!(
            "Lambda may run {free} functions at once here, and a stage reserves {reserved} beside the {LEFT_TO_OTHERS} that \
             are left to others: ask for more (docs/deploying.md), or set ReserveConcurrency=false until then"
        ));
    }
    Ok(format!("{free} functions at once, {reserved} of them for this stage"))
}

/// What keeps a stack in this state from being changed, and what to do.
fn can_be_changed(status: &str, cloud: &Cloud) -> Result<String, String> {
    let stack = cloud.stack();
    match status {
        "REVIEW_IN_PROGRESS" => Ok("not there yet: the first deployment makes it".into()),
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => Err(format!(
            "{status}: it was never complete, and cannot be changed; delete it (`solo destroy --stage {}`), then deploy",
            cloud.name.as_str()
        )),
        "UPDATE_ROLLBACK_FAILED" => Err(format!(
            "{status}: a change could not be taken back; see what stopped it (`aws cloudformation describe-stack-events \
             --stack-name {stack}`), mend it, then `aws cloudformation continue-update-rollback --stack-name {stack}`"
        )),
        "DELETE_FAILED" => {
            Err(format!("{status}: delete it once more (`solo destroy --stage {}`)", cloud.name.as_str()))
        }
        _ if status.ends_with("_IN_PROGRESS") => Err(format!(
            "{status}: somebody changes it right now; wait until that is over (`aws cloudformation describe-stacks \
             --stack-name {stack}`)"
        )),
        _ => Ok(status.to_owned()),
    }
}

/// As the functions would read it: every provider that is on has a secret, of the right form. No value is shown.
async fn secrets(project: &Project, cloud: &Cloud) -> Result<String, String> {
    let file = Arc::new(project.solo_toml().map_err(|error| format!("{error:#}"))?);
    let forms = Arc::clone(&file);
    let read = async {
        let outputs = cloud.outputs().await?;
        cloud.read_secret(outputs.get("AppSecretArn")?).await
    };
    let text = match read.await.map_err(|error| format!("{error:#}")) {
        Ok(text) => text,
        // A workflow may deploy, and see no secret.
        Err(problem) if problem.contains("AccessDenied") => {
            return Ok("not checked: this identity may not read them".into());
        }
        Err(problem) => return Err(problem),
    };
    let held = AppSecrets::parse_checked(&text, &move |name, secret| forms.check_secret(name, secret));
    let held = held.map_err(|faults| faults.to_string())?;
    let missing = missing(&file, &held);
    if !missing.is_empty() {
        return Err(format!("there is none for {}: `solo secrets set` adds it", missing.join(", ")));
    }
    Ok(format!("{} provider(s) that are on have one", file.providers.values().filter(|it| it.enabled).count()))
}

fn missing(file: &SoloToml, held: &AppSecrets) -> Vec<String> {
    let on = file.providers.iter().filter(|(_, settings)| settings.enabled);
    on.filter(|(name, _)| held.webhook(name).is_empty()).map(|(name, _)| name.clone()).collect()
}

fn sam(project: &Project) -> Check {
    let program = project.sam();
    let found = tool("sam", &program.to_string_lossy(), &["--version"], "run `make infra-tools`");
    let result = found.result.and_then(|text| match version(&text) {
        Some(version) if version >= SAM_AT_LEAST => Ok(text),
        _ => {
            let (major, minor) = SAM_AT_LEAST;
            Err(format!("{text:?} is older than {major}.{minor}: run `make infra-tools`"))
        }
    });
    Check { result, ..found }
}

/// Of `SAM CLI, version 1.170.0`.
fn version(text: &str) -> Option<(u32, u32)> {
    let number = text.rsplit(' ').next()?;
    let mut parts = number.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// cargo-lambda looks for it in these places, too.
fn zig(project: &Project) -> Check {
    let pythons = [".venv-infra/bin/python", ".venv/bin/python"].map(|python| project.root.join(python));
    let module = |python: &PathBuf| tool("zig", &python.to_string_lossy(), &["-m", "ziglang", "version"], "");
    let installed = pythons.iter().map(module).find(|found| found.result.is_ok());
    installed.unwrap_or_else(|| tool("zig", "zig", &["version"], "run `make infra-tools`, or install Zig"))
}

/// The commit is the release: what is deployed has to be in it.
pub fn clean(root: &Path) -> Result<String, String> {
    let status = git(root, &["status", "--porcelain"])?;
    let changed = status.lines().count();
    if changed > 0 {
        let first = status.lines().next().unwrap_or_default().trim();
        return Err(format!("{changed} file(s) differ from the commit ({first}, ...): commit or stash them"));
    }
    commit(root)
}

/// The release.
pub fn commit(root: &Path) -> Result<String, String> {
    git(root, &["rev-parse", "--short=12", "HEAD"]).map(|text| text.trim().to_owned())
}

fn git(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").args(arguments).current_dir(root).output();
    let output = output.map_err(|error| format!("git cannot be run ({error}): install it"))?;
    if !output.status.success() {
        return Err(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// cfn-lint sees what sam's own validation does not: faults in nested templates, wrong parameters between them.
fn templates(root: &Path) -> Check {
    let installed = root.join(".venv-infra/bin/cfn-lint");
    let result =
        if installed.is_file() { lint(root, &installed) } else { Ok("not checked: there is no cfn-lint".into()) };
    Check::new("templates", result)
}

fn lint(root: &Path, program: &Path) -> Result<String, String> {
    let files = template_files(root);
    let output = Command::new(program).args(["--non-zero-exit-code", "error"]).args(&files).current_dir(root).output();
    let output = output.map_err(|error| format!("cfn-lint cannot be run: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        return Err(format!("cfn-lint finds faults:\n{}", text.trim_end()));
    }
    Ok(format!("{} templates", files.len()))
}

/// `template.yaml` and those in `infra/`, where other YAML is, too.
fn template_files(root: &Path) -> Vec<PathBuf> {
    let nested = std::fs::read_dir(root.join("infra")).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_template = |path: &PathBuf| {
        path.extension().is_some_and(|kind| kind == "yaml")
            && std::fs::read_to_string(path).is_ok_and(|text| text.starts_with("AWSTemplateFormatVersion"))
    };
    std::iter::once(root.join("template.yaml")).chain(nested.filter(is_template)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_template_is_not_taken_for_one() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut names: Vec<_> =
            template_files(root).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort_unstable();
        let expected = ["database", "github", "network", "replica", "storage", "template", "uptime"];
        assert_eq!(names, expected.map(|name| format!("{name}.yaml")));
    }

    #[test]
    fn versions_of_sam_are_compared_by_number() {
        assert_eq!(version("SAM CLI, version 1.170.0"), Some((1, 170)));
        assert!(version("SAM CLI, version 1.99.1").unwrap() < SAM_AT_LEAST);
        assert_eq!(version("command not found"), None);
    }
}
