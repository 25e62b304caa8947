//! What a deployment would change, in the nested stacks as well: a change set that is looked at and deleted.
//!
//! sam does not look into nested stacks. There is where the data live: a database that would be replaced shows here only.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use aws_sdk_cloudformation::{
    operation::describe_change_set::DescribeChangeSetOutput,
    types::{Capability, ChangeSetStatus, ChangeSetType, Parameter},
};
use aws_sdk_s3::primitives::ByteStream;
use owo_colors::OwoColorize as _;
use tokio::time::{Instant, sleep};

use super::Wish;
use crate::{
    stage::{Cloud, explain},
    template::Template,
    ui,
};

const READY_WITHIN: Duration = Duration::from_mins(10);

/// What holds data, or what everything stands on.
const STATEFUL: [&str; 9] = [
    "AWS::CloudFormation::Stack",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::KMS::Key",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBSubnetGroup",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
];

/// One change of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub stack: String,
    pub action: String,
    pub id: String,
    pub kind: String,
    /// `True`, `Conditional`, `False`; empty when it does not apply.
    pub replacement: String,
}

impl Change {
    /// Whether it may take data away.
    pub fn is_dangerous(&self) -> bool {
        let replaced = matches!(self.replacement.as_str(), "True" | "Conditional");
        STATEFUL.contains(&self.kind.as_str()) && (self.action == "Remove" || replaced)
    }
}

/// The changes of the stack and of all that are nested in it. What was made to find out is deleted again.
pub async fn run(cloud: &Cloud, packaged: &Path, wish: &Wish<'_>) -> anyhow::Result<Vec<Change>> {
    let release = wish.release;
    let template = Template::read(packaged)?;
    let url = upload(cloud, &template, packaged, release).await?;
    let stack = cloud.stack_if_there().await?;
    let status = stack.as_ref().and_then(|stack| stack.stack_status.as_ref()).map(|status| status.as_str().to_owned());
    let is_new = status.as_deref().is_none_or(|status| status == "REVIEW_IN_PROGRESS");
    let held: Vec<_> = stack.and_then(|stack| stack.parameters).unwrap_or_default();
    let held: Vec<_> = held.into_iter().filter_map(|parameter| parameter.parameter_key).collect();
    let client = cloud.cloudformation();
    let made = client
        .create_change_set()
        .stack_name(cloud.stack())
        .change_set_name(format!("solo-preview-{}", shared::clock::new_id().simple()))
        .description(format!("What the release {release} would change; solo deletes it"))
        .change_set_type(if is_new { ChangeSetType::Create } else { ChangeSetType::Update })
        .template_url(url)
        .set_role_arn(wish.role.map(str::to_owned))
        .include_nested_stacks(true)
        .set_capabilities(Some(vec![Capability::CapabilityIam, Capability::CapabilityAutoExpand]))
        .set_parameters(Some(parameters(&template, cloud, release, &held)))
        .send()
        .await;
    let made = made.map_err(|error| explain("CloudFormation takes no change set of this template", &error))?;
    let id = made.id.context("CloudFormation made a change set without a name")?;
    let changes = walk(cloud, &id).await;
    let deleted = client.delete_change_set().change_set_name(&id).stack_name(cloud.stack()).send().await;
    if let Err(error) = deleted {
        let error = explain("the preview's change set could not be deleted; it does no harm", &error);
        ui::note(&format!("{error:#}"));
    }
    if status.is_none() && wish.dry_run {
        // The change set of a new stack leaves an empty one, which a deployment would go on with.
        let deleted = client.delete_stack().stack_name(cloud.stack()).send().await;
        if let Err(error) = deleted {
            let error = explain("the empty stack that the preview made could not be deleted; it costs nothing", &error);
            ui::note(&format!("{error:#}"));
        }
    }
    changes
}

/// A template may be larger than what CloudFormation takes in a request, so it goes to where its artifacts are.
async fn upload(cloud: &Cloud, template: &Template, packaged: &Path, release: &str) -> anyhow::Result<String> {
    let code =
        template.functions().iter().find_map(|function| function.properties["CodeUri"].as_str()).map(str::to_owned);
    let place = code.as_deref().and_then(|uri| uri.strip_prefix("s3://")).and_then(|place| place.split_once('/'));
    let (bucket, key) = place.context("sam's packaged template names no bucket")?;
    let directory = key.rsplit_once('/').map_or("", |(directory, _)| directory);
    let key = format!("{directory}/preview-{release}.yaml").trim_start_matches('/').to_owned();
    let body = ByteStream::from_path(packaged).await.context("the packaged template cannot be read")?;
    let put = cloud.s3().put_object().bucket(bucket).key(&key).body(body).send().await;
    put.map_err(|error| explain(format!("the template could not be put into {bucket}"), &error))?;
    Ok(format!("https://s3.{}.amazonaws.com/{bucket}/{key}", cloud.settings.region))
}

/// As sam gives them: what samconfig.toml says, else what the stack has, else the template's default.
fn parameters(template: &Template, cloud: &Cloud, release: &str, held: &[String]) -> Vec<Parameter> {
    let parameter = |(name, _): (&str, _)| {
        let built = Parameter::builder().parameter_key(name);
        let given = cloud.settings.parameters.get(name).map(String::as_str);
        let value = if name == "Release" { Some(release) } else { given };
        match value {
            Some(value) => Some(built.parameter_value(value).build()),
            None => held.iter().any(|other| other == name).then(|| built.use_previous_value(true).build()),
        }
    };
    template.parameters().into_iter().filter_map(parameter).collect()
}

/// A change set and those nested in it, the outermost first.
async fn walk(cloud: &Cloud, root: &str) -> anyhow::Result<Vec<Change>> {
    let (mut waiting, mut changes) = (vec![root.to_owned()], Vec::new());
    while let Some(id) = waiting.pop() {
        let set = ready(cloud, &id).await?;
        let stack = set.stack_name.unwrap_or_default();
        for change in set.changes.unwrap_or_default().into_iter().filter_map(|change| change.resource_change) {
            let kind = change.resource_type.unwrap_or_default();
            let found = Change {
                stack: stack.clone(),
                action: change.action.map(|it| it.as_str().to_owned()).unwrap_or_default(),
                id: change.logical_resource_id.unwrap_or_default(),
                replacement: change.replacement.map(|it| it.as_str().to_owned()).unwrap_or_default(),
                kind,
            };
            match change.change_set_id {
                // What changes in it is what counts.
                Some(nested) if found.action == "Modify" && !found.is_dangerous() => waiting.push(nested),
                Some(nested) => {
                    waiting.push(nested);
                    changes.push(found);
                }
                None => changes.push(found),
            }
        }
    }
    Ok(changes)
}

/// The change set with all of its pages, when CloudFormation is done with it.
async fn ready(cloud: &Cloud, id: &str) -> anyhow::Result<DescribeChangeSetOutput> {
    let deadline = Instant::now() + READY_WITHIN;
    let mut set = loop {
        let set = page(cloud, id, None).await?;
        match &set.status {
            Some(ChangeSetStatus::CreateComplete) => break set,
            Some(ChangeSetStatus::Failed) if is_empty(set.status_reason.as_deref()) => return Ok(set),
            Some(ChangeSetStatus::Failed) => {
                let reasons = reasons(cloud, &set).await.join("; ");
                bail!("CloudFormation refuses the change: {reasons}")
            }
            _ if Instant::now() > deadline => bail!("CloudFormation was not done with the preview after 10 minutes"),
            _ => sleep(Duration::from_secs(2)).await,
        }
    };
    while let Some(token) = set.next_token.take() {
        let more = page(cloud, id, Some(token)).await?;
        set.changes.get_or_insert_default().extend(more.changes.unwrap_or_default());
        set.next_token = more.next_token;
    }
    Ok(set)
}

/// Of a change set that failed, and of those nested in it, where the real reason is.
async fn reasons(cloud: &Cloud, set: &DescribeChangeSetOutput) -> Vec<String> {
    let mut reasons = vec![set.status_reason.clone().unwrap_or_else(|| "no reason given".into())];
    let changes = set.changes.iter().flatten().filter_map(|change| change.resource_change.as_ref());
    for nested in changes.filter_map(|change| change.change_set_id.as_deref()) {
        // What cannot be read adds nothing to the reason that there is.
        let Ok(nested) = page(cloud, nested, None).await else { continue };
        let reason = nested.status_reason.filter(|reason| !is_empty(Some(reason)));
        reasons.extend(reason.map(|reason| format!("{}: {reason}", nested.stack_name.unwrap_or_default())));
    }
    reasons
}

async fn page(cloud: &Cloud, id: &str, token: Option<String>) -> anyhow::Result<DescribeChangeSetOutput> {
    let described = cloud.cloudformation().describe_change_set().change_set_name(id).set_next_token(token).send().await;
    described.map_err(|error| explain("the preview could not be read", &error))
}

fn is_empty(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.contains("didn't contain changes") || reason.contains("No updates"))
}

pub fn print(changes: &[Change]) {
    let row = |change: &Change| {
        let note = if change.is_dangerous() { "DATA" } else { "" };
        let cells = [&change.stack, &change.action, &change.id, &change.kind, &change.replacement];
        cells.into_iter().cloned().chain([note.to_owned()]).collect()
    };
    let table = ui::table(&["stack", "action", "resource", "type", "replaced", ""], changes.iter().map(row).collect());
    for line in table.lines() {
        let line = if line.ends_with(" DATA") { line.red().bold().to_string() } else { line.to_owned() };
        anstream::println!("  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_data_must_not_go() {
        let change = |action: &str, kind: &str, replacement: &str| Change {
            stack: String::new(),
            action: action.into(),
            id: String::new(),
            kind: kind.into(),
            replacement: replacement.into(),
        };
        for (action, kind, replacement, expected) in [
            ("Modify", "AWS::RDS::DBInstance", "True", true),
            ("Modify", "AWS::RDS::DBInstance", "Conditional", true),
            ("Modify", "AWS::RDS::DBInstance", "False", false),
            ("Remove", "AWS::S3::Bucket", "", true),
            ("Add", "AWS::S3::Bucket", "", false),
            ("Remove", "AWS::CloudFormation::Stack", "", true),
            ("Remove", "AWS::Lambda::Version", "", false),
            ("Modify", "AWS::Lambda::Function", "True", false),
        ] {
            assert_eq!(change(action, kind, replacement).is_dangerous(), expected, "{action} {kind} {replacement}");
        }
    }
}
