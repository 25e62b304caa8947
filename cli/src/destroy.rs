//! `solo destroy`: a stage goes, its data stay.
//!
//! Deliberately absent: deleting the data. What the stack leaves (the final snapshot, buckets, secrets) costs little and is
//! deleted by hand, by someone who looked at it.

use std::{
    io::{BufRead as _, IsTerminal as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use aws_sdk_cloudformation::types::{Capability, Parameter, Stack};
use tokio::time::{Instant, sleep};

use crate::{
    project::Project,
    stack,
    stage::{Cloud, CloudName, explain},
    ui::{self, Step},
};

/// Network interfaces of functions in a VPC take up to 40 minutes to go.
const WITHIN: Duration = Duration::from_mins(90);
const EVERY: Duration = Duration::from_secs(3);
const PROTECTION: &str = "DeletionProtection";

#[derive(clap::Args)]
pub struct Arguments {
    /// The stage to delete.
    #[arg(long, value_enum)]
    stage: CloudName,
    /// For programs, instead of being asked twice: the name of the stack.
    #[arg(long, value_name = "STACK")]
    yes_delete: Option<String>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    let cloud = Cloud::open(&project, arguments.stage).await?;
    let Some(found) = cloud.stack_if_there().await? else {
        anstream::println!("There is no stack {} in {}: nothing to delete.", cloud.stack(), cloud.settings.region);
        return Ok(ExitCode::SUCCESS);
    };
    tell(&cloud, &cloud.identity().await?.account);
    let agreed = arguments.yes_delete;
    let cloud_asked = cloud.clone();
    tokio::task::spawn_blocking(move || agree(&cloud_asked, agreed.as_deref())).await??;
    tokio::select! {
        result = delete(&cloud, &found) => result,
        interrupted = stack::interrupted() => {
            interrupted?;
            anstream::println!("\nInterrupted. What CloudFormation began it finishes by itself; run the same again to go on.");
            Ok(ExitCode::from(130))
        }
    }
}

fn tell(cloud: &Cloud, account: &str) {
    let (stack, stage) = (cloud.stack(), cloud.name.as_str());
    ui::heading(&format!("Deleting {stage}: the stack {stack} in {}, account {account}", cloud.settings.region));
    anstream::println!(
        "What goes: the functions, the API and its address, queues with what waits in them, schedules, alarms, network."
    );
    anstream::println!("What stays: a final snapshot of the database; the buckets with what is in them; the secrets.");
    anstream::println!("            They go on costing a little, until you delete them by hand.");
}

/// Twice, and for production a third time.
fn agree(cloud: &Cloud, given: Option<&str>) -> anyhow::Result<()> {
    let stack = cloud.stack();
    if let Some(given) = given {
        if given != stack {
            bail!("--yes-delete says {given}, but the stack is {stack}; nothing was changed");
        }
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("nobody can be asked here; say --yes-delete {stack} if that is meant. Nothing was changed");
    }
    let mut words = vec![("Type the name of the stack", stack), ("Once more: type delete", "delete")];
    if cloud.name == CloudName::Production {
        words.push(("This is production. Type production", "production"));
    }
    for (question, expected) in words {
        anstream::eprint!("{question}: ");
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if answer.trim() != expected {
            bail!("that is not {expected}; nothing was changed");
        }
    }
    Ok(())
}

async fn delete(cloud: &Cloud, found: &Stack) -> anyhow::Result<ExitCode> {
    unprotect(cloud, found).await?;
    let step = Step::start("Delete the stack");
    let deleted = cloud.cloudformation().delete_stack().stack_name(cloud.stack()).send().await;
    deleted.map_err(|error| explain("the stack could not be deleted", &error))?;
    let status = settled(cloud, "DELETE").await?;
    if status.as_deref().is_some_and(|status| status != "DELETE_COMPLETE") {
        bail!(
            "the stack is {}: see what kept it (`aws cloudformation describe-stack-events --stack-name {}`), then run \
             this again",
            status.unwrap_or_default(),
            cloud.stack()
        );
    }
    step.done("");
    anstream::println!("{} is gone. Its snapshot, buckets and secrets are still there.", cloud.name.as_str());
    Ok(ExitCode::SUCCESS)
}

/// The database refuses to be deleted until its stack says otherwise.
async fn unprotect(cloud: &Cloud, found: &Stack) -> anyhow::Result<()> {
    let parameters = found.parameters.as_deref().unwrap_or_default();
    let key = |parameter: &Parameter| parameter.parameter_key.clone().unwrap_or_default();
    let protected = parameters.iter().any(|it| key(it) == PROTECTION && it.parameter_value.as_deref() != Some("false"));
    let changeable = found.stack_status.as_ref().is_some_and(|status| status.as_str().ends_with("_COMPLETE"));
    let complete = found.stack_status.as_ref().is_none_or(|status| status.as_str() != "ROLLBACK_COMPLETE");
    if protected && !changeable {
        // CloudFormation changes no parameter of such a stack.
        ui::note(
            "a database that is protected keeps the stack from going: `aws rds modify-db-instance --db-instance-identifier \
             <id> --no-deletion-protection --apply-immediately` first, if there is one",
        );
    }
    if !protected || !changeable || !complete {
        return Ok(());
    }
    let step = Step::start("Deletion protection off");
    let with = parameters.iter().map(|parameter| {
        let built = Parameter::builder().parameter_key(key(parameter));
        if key(parameter) == PROTECTION {
            built.parameter_value("false").build()
        } else {
            built.use_previous_value(true).build()
        }
    });
    let update = cloud
        .cloudformation()
        .update_stack()
        .stack_name(cloud.stack())
        .use_previous_template(true)
        .set_parameters(Some(with.collect()))
        .set_capabilities(Some(vec![Capability::CapabilityIam, Capability::CapabilityAutoExpand]))
        .send()
        .await;
    update.map_err(|error| explain("the database's protection could not be switched off", &error))?;
    let status = settled(cloud, "UPDATE").await?.context("the stack went away meanwhile")?;
    if status != "UPDATE_COMPLETE" {
        bail!("the database's protection could not be switched off: the stack is {status}; nothing was deleted");
    }
    step.done("");
    Ok(())
}

/// The stack's status when CloudFormation is done with it; `None` when it is gone.
async fn settled(cloud: &Cloud, what: &str) -> anyhow::Result<Option<String>> {
    let (deadline, mut shown) = (Instant::now() + WITHIN, Instant::now());
    loop {
        // First of all: it may take a moment until it is described as being changed.
        sleep(EVERY).await;
        let stack = cloud.stack_if_there().await?;
        let Some(status) = stack.and_then(|stack| stack.stack_status) else { return Ok(None) };
        let status = status.as_str();
        if !status.ends_with("_IN_PROGRESS") {
            return Ok(Some(status.to_owned()));
        }
        if Instant::now() > deadline {
            bail!("CloudFormation is still at {status} after 90 minutes; it goes on by itself");
        }
        if shown.elapsed() > Duration::from_secs(30) {
            ui::note(&format!("{what}: {status}"));
            shown = Instant::now();
        }
    }
}
