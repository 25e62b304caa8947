//! `solo deploy`: what it asks of sam and of cargo-lambda, and what it does when they fail.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    cloudformation::change,
    front::Ops,
    release::{Deploy, write},
    world::{FUNCTIONS, said},
};

#[tokio::test]
async fn a_deployment_goes_through_its_phases_and_is_recorded() {
    let deploy = Deploy::new().await;
    let (code, text) = deploy.run(&[]).await;
    assert!(code == 0 && text.contains(&format!("{} is live on staging", deploy.release)), "{text}");
    for phase in ["Preflight", "Build", "Package", "Preview", "Deploy", "Verify"] {
        assert!(text.contains(&format!("✓ {phase}")), "{phase} in {text}");
    }
    assert_eq!(deploy.sam(), ["package", "deploy"]);
    assert_eq!(deploy.log("programs.log"), "infra/programs.py arm64\n");
    assert!(deploy.log("cargo.log").contains("build --release --arm64"));
    let asked = deploy.log("sam.log").lines().nth(1).unwrap().replace('\x1f', " ");
    let release = &deploy.release;
    let overrides =
        format!("--parameter-overrides AlarmEmail=\"a b@example.org\" Release=\"{release}\" Stage=\"staging\"");
    assert!(asked.contains(&overrides) && asked.contains("--config-env staging"), "{asked}");
    assert!(asked.contains("--no-confirm-changeset") && !asked.contains("--disable-rollback"), "{asked}");
    assert_eq!(deploy.world.live().await, ["3"; 5]);
    let record = deploy.record().await;
    assert_eq!(
        (&record["kind"], &record["release"], &record["previous"], &record["outcome"]),
        (&"deploy".into(), &deploy.release.as_str().into(), &"r2".into(), &"succeeded".into())
    );

    let stack = deploy.world.front.stack.lock().unwrap().clone();
    let form = stack.form_of("CreateChangeSet");
    assert_eq!((&*form["IncludeNestedStacks"], &*form["ChangeSetType"]), ("true", "UPDATE"));
    let url = &form["TemplateURL"];
    assert!(url.starts_with("https://s3.us-east-1.amazonaws.com/") && url.contains(&deploy.bucket), "{url}");
    let parameters: Vec<_> = form.iter().filter(|(name, _)| name.starts_with("Parameters.")).collect();
    assert!(parameters.iter().any(|(name, value)| name.ends_with("UsePreviousValue") && *value == "true"));
    assert!(parameters.iter().any(|(_, value)| **value == deploy.release), "{parameters:?}");
    assert_eq!((stack.count("DeleteChangeSet"), stack.count("DeleteStack")), (1, 0));
}

/// A second run changes nothing; after a rollback by hand it brings the release back without a deployment.
#[tokio::test]
async fn a_second_run_of_a_release_changes_nothing() {
    let deploy = Deploy::new().await;
    deploy.run(&[]).await;
    deploy.changes(&[]);
    let (code, text) = deploy.run(&[]).await;
    assert!(code == 0 && text.contains("Nothing to do: staging is at"), "{text}");
    assert_eq!(deploy.sam(), ["package", "deploy", "package"]);
    assert!(deploy.world.front.changed.lock().unwrap().is_empty());
    assert_eq!(deploy.world.deployments().await.len(), 1);

    deploy.world.point("worker", "2").await;
    let (code, text) = deploy.run(&[]).await;
    assert!(code == 0 && text.contains("is live on staging"), "{text}");
    assert_eq!(deploy.world.live().await, ["3"; 5]);
    assert_eq!(deploy.world.deployments().await[0]["detail"], "1 aliases were pointed back at the release");
}

/// A rollback leaves aliases where CloudFormation does not believe them to be, and CodeDeploy refuses to move those.
#[tokio::test]
async fn after_a_rollback_it_goes_without_codedeploy() {
    let deploy = Deploy::new().await;
    let preference = |deploy: &Deploy| {
        let template: serde_json::Value = serde_json::from_str(&deploy.log("target/sam/template.json")).unwrap();
        template["Resources"]["Webhooks"]["Properties"]["DeploymentPreference"].clone()
    };
    let holds = |deploy: &Deploy, version: &str| {
        let mut stack = deploy.world.front.stack.lock().unwrap();
        stack.versions = stack.aliases.iter().map(|arn| arn.replace(":live", &format!(":{version}"))).collect();
    };
    holds(&deploy, "2");
    let (code, text) = deploy.run(&["--dry-run"]).await;
    assert!(code == 0 && !text.contains("CodeDeploy") && preference(&deploy).is_null(), "{text}");
    for name in FUNCTIONS {
        deploy.world.point(name, "1").await;
    }
    let (code, text) = deploy.run(&[]).await;
    assert!(code == 0 && text.contains("without CodeDeploy"), "{text}");
    assert_eq!(preference(&deploy), serde_json::json!({"Enabled": false}));
    assert_eq!(deploy.world.live().await, ["3"; 5]);
}

/// Versions that a failed deployment left keep their names.
#[tokio::test]
async fn a_second_try_of_a_commit_is_a_release_of_its_own() {
    let deploy = Deploy::new().await;
    deploy.run(&[]).await;
    {
        let mut stack = deploy.world.front.stack.lock().unwrap();
        stack.versions = stack.aliases.iter().map(|arn| arn.replace(":live", ":2")).collect();
    }
    let (code, text) = deploy.run(&[]).await;
    assert!(code == 0 && text.contains(&format!("{}.2 is live on staging", deploy.release)), "{text}");
}

#[tokio::test]
async fn a_fault_in_the_preflight_stops_before_anything_is_called() {
    let deploy = Deploy::new().await;
    std::fs::write(deploy.world.clone.path().join("new.rs"), "").unwrap();
    deploy.world.front.stack.lock().unwrap().status = Some("UPDATE_ROLLBACK_FAILED".into());
    let (code, text) = deploy.run(&[]).await;
    assert!(code == 1 && text.contains("commit or stash"), "{text}");
    assert!(text.contains("continue-update-rollback") && text.contains("2 of 11 checks failed"), "{text}");
    assert!(deploy.log("cargo.log").is_empty() && deploy.sam().is_empty());
    assert_eq!(deploy.world.deployments().await.len(), 0);
}

#[tokio::test]
async fn a_build_that_fails_ends_it() {
    let deploy = Deploy::new().await;
    let mut command = deploy.command(&[]);
    let (code, text) = said({
        command.env("BUILD_FAILS", "1");
        command
    })
    .await;
    assert!(code == 1 && text.contains("error: the build failed") && text.contains("mismatched types"), "{text}");
    assert!(deploy.sam().is_empty());
}

#[tokio::test]
async fn when_sam_fails_no_alias_is_touched() {
    let deploy = Deploy::new().await;
    let mut command = deploy.command(&[]);
    command.env("SAM_MODE", "fails");
    let (code, text) = said(command).await;
    assert!(code == 1 && text.contains("error: the deployment failed"), "{text}");
    assert!(text.contains("the smoke test said no") && text.contains("CloudFormation took back"), "{text}");
    assert_eq!(deploy.world.live().await, ["2"; 5]);
    assert!(deploy.world.front.changed.lock().unwrap().is_empty());
    assert_eq!(deploy.record().await["outcome"], "failed");
}

#[tokio::test]
async fn a_release_that_does_not_work_is_taken_back() {
    let deploy = Deploy::new().await;
    *deploy.world.front.ready.lock().unwrap() = 503;
    let (code, text) = deploy.run(&[]).await;
    assert!(code == 1 && text.contains("is not ready after 1 s: it answers 503"), "{text}");
    assert!(text.contains("r2 is live again"), "{text}");
    assert_eq!(deploy.world.live().await, ["2"; 5]);
    let record = deploy.record().await;
    assert!(record["outcome"] == "rolled_back" && record["detail"].as_str().unwrap().contains("503"), "{record}");
}

#[tokio::test]
async fn with_no_rollback_it_stays() {
    let deploy = Deploy::new().await;
    *deploy.world.front.ready.lock().unwrap() = 503;
    *deploy.world.front.ops.lock().unwrap() = Ops::Fails;
    let (code, text) = deploy.run(&["--no-rollback"]).await;
    assert!(code == 1 && text.contains("stays live, as --no-rollback says"), "{text}");
    assert!(text.contains("could not be recorded"), "{text}");
    assert!(deploy.log("sam.log").contains("--disable-rollback"));
    assert_eq!(deploy.world.live().await, ["3"; 5]);
}

/// What failed first is what is said first, and the way out stands beneath.
#[tokio::test]
async fn a_rollback_that_fails_too_does_not_hide_the_first_error() {
    let deploy = Deploy::new().await;
    *deploy.world.front.ready.lock().unwrap() = 500;
    let worker = format!("PUT /2015-03-31/functions/{}-worker/aliases/live", deploy.world.stack);
    deploy.world.front.forbidden.lock().unwrap().push(worker);
    let output = deploy.command(&[]).output().await.unwrap();
    let (said, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("error: ") && errors.contains("it answers 500"), "{errors}");
    assert!(said.contains("failed as well") && said.contains("solo rollback --stage staging --to r2"), "{said}");
    assert_eq!(deploy.world.live().await, ["2", "2", "2", "2", "3"]);
    let record = deploy.record().await;
    assert!(record["outcome"] == "failed" && record["detail"].as_str().unwrap().contains("500"), "{record}");
}

#[tokio::test]
async fn a_dry_run_shows_the_change_and_makes_none() {
    let deploy = Deploy::new().await;
    std::fs::write(deploy.world.clone.path().join("new.rs"), "").unwrap();
    let (code, text) = deploy.run(&["--dry-run"]).await;
    assert!(code == 0 && text.contains("AWS::Lambda::Function") && text.contains("nothing was changed"), "{text}");
    assert_eq!(deploy.sam(), ["package"]);
    assert_eq!(deploy.world.deployments().await.len(), 0);
    let stack = deploy.world.front.stack.lock().unwrap().clone();
    assert_eq!((stack.count("CreateChangeSet"), stack.count("DeleteChangeSet")), (1, 1));

    // The change set of a stack that is not there makes an empty one, which goes again.
    deploy.world.front.stack.lock().unwrap().status = None;
    let (code, text) = deploy.run(&["--dry-run"]).await;
    let stack = deploy.world.front.stack.lock().unwrap().clone();
    assert!(code == 0 && stack.count("DeleteStack") == 1, "{text}");
}

/// sam sees no such thing: the database is in a nested stack.
#[tokio::test]
async fn the_replacement_of_a_nested_database_stops_it() {
    let deploy = Deploy::new().await;
    deploy.changes(&[
        ("root-set", change("Modify", "Database", "AWS::CloudFormation::Stack", "False", Some("nested"))),
        ("nested", change("Modify", "Instance", "AWS::RDS::DBInstance", "Conditional", None)),
    ]);
    let (code, text) = deploy.run(&[]).await;
    assert!(code == 1 && text.contains("AWS::RDS::DBInstance") && text.contains("--allow-replacement"), "{text}");
    assert_eq!(deploy.sam(), ["package"]);
    let (code, text) = deploy.run(&["--allow-replacement", "--role-arn", "arn:aws:iam::1:role/stack"]).await;
    assert!(code == 0 && deploy.sam() == ["package", "package", "deploy"], "{text}");
    assert!(deploy.log("sam.log").contains("--role-arn\x1farn:aws:iam::1:role/stack"));
    let stack = deploy.world.front.stack.lock().unwrap().clone();
    assert!(stack.asked.iter().any(|(_, form)| form.get("RoleARN").is_some_and(|role| role.ends_with("role/stack"))));
}

#[tokio::test]
async fn production_is_agreed_to() {
    let deploy = Deploy::new().await;
    let (code, text) = deploy.run(&["--target", "production"]).await;
    assert!(code == 1 && text.contains("say --yes"), "{text}");
    assert_eq!(deploy.sam(), ["package"]);
    let mut command = deploy.command(&["--target", "production"]);
    command.env("CI", "true");
    let (code, text) = said(command).await;
    assert!(code == 0 && text.contains("is live on production"), "{text}");
}

/// Ctrl-C: what runs is stopped, and what is known is said.
#[tokio::test]
async fn interrupted_it_stops_sam_and_says_what_may_be() {
    let deploy = Deploy::new().await;
    let mut command = deploy.command(&[]);
    let mut running = command.env("SAM_MODE", "hangs").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut sam = String::new();
    while sam.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(running.try_wait().unwrap().is_none(), "it ended before sam was asked to deploy");
        sam = deploy.log("sam.pid");
    }
    let sam = Pid::from_raw(sam.parse().unwrap());
    kill(Pid::from_raw(i32::try_from(running.id().unwrap()).unwrap()), Signal::SIGINT).unwrap();
    let output = running.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(130) && text.contains("CloudFormation may be at work"), "{text}");
    assert!(kill(sam, None).is_err(), "sam still runs");
}

#[tokio::test]
async fn env_verify_lists_what_a_deployment_lacks() {
    let deploy = Deploy::new().await;
    let verify = |sam: &str| {
        let mut command = deploy.world.command(&["env", "verify", "--target", "staging"]);
        command.env("SOLO_SAM", sam).env("SAM_ROOT", deploy.world.clone.path());
        command
    };
    let sam = deploy.world.clone.path().join("sam");
    let (code, text) = said(verify(sam.to_str().unwrap())).await;
    assert!(code == 0 && text.contains("All 11 checks passed") && text.contains("account 123456789012"), "{text}");

    deploy.world.secret.put(&serde_json::json!({})).await;
    deploy.world.front.stack.lock().unwrap().status = Some("ROLLBACK_COMPLETE".into());
    let old = deploy.world.clone.path().join("target/old-sam");
    write(deploy.world.clone.path(), "target/old-sam", "#!/bin/sh\necho SAM CLI, version 1.99.0\n", 0o755);
    let (code, text) = said(verify(old.to_str().unwrap())).await;
    assert!(code == 1 && text.contains("older than 1.170") && text.contains("there is none for stripe"), "{text}");
    assert!(text.contains("solo destroy --stage staging") && text.contains("3 of 11 checks failed"), "{text}");
}
