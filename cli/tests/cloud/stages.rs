//! Commands on a stage in the cloud.

use tokio::process::Command;

use crate::{
    front::Ops,
    world::{World, said},
};

#[tokio::test]
async fn operations_go_to_the_stage_with_the_callers_identity() {
    let world = World::new(&["r1"]).await;
    let (code, text) = world.solo(&["executions", "list", "--stage", "staging"]).await;
    assert!(code == 0 && text == "No executions.\n", "{text}");
    let (code, text) = world.solo(&["alerts", "test", "--stage", "production", "--reason", "does it ring?"]).await;
    assert!(code == 0 && text.contains("raised"), "{text}");
    let (_, text) = world.solo(&["audit", "--stage", "staging"]).await;
    assert!(text.contains("arn:aws:sts::123456789012:"), "{text}");
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_words() {
    let world = World::new(&["r1"]).await;
    let list = ["executions", "list", "--stage", "staging"];
    *world.front.ops.lock().unwrap() = Ops::Missing;
    let (code, text) = world.solo(&list).await;
    assert!(code == 1 && text.contains("not deployed there") && text.contains("us-east-1"), "{text}");
    *world.front.ops.lock().unwrap() = Ops::Fails;
    let (code, text) = world.solo(&list).await;
    assert!(code == 1 && text.contains("timed out after 30") && text.contains("database is out"), "{text}");
    let path = format!("POST /2015-03-31/functions/{}-ops/invocations", world.stack);
    world.front.forbidden.lock().unwrap().push(path);
    let (code, text) = world.solo(&list).await;
    assert!(code == 1 && text.contains("OperatorPolicyArn") && text.contains("not allowed to do that"), "{text}");

    let without = |mut command: Command| {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            command.env_remove(name);
        }
        command.env("HOME", world.clone.path());
        command
    };
    let (code, text) = said(without(world.command(&list))).await;
    assert!(code == 1 && text.contains("there are no AWS credentials") && text.contains("sso login"), "{text}");

    std::fs::write(world.clone.path().join("samconfig.toml"), "").unwrap();
    let (code, text) = world.solo(&list).await;
    assert!(code == 1 && text.contains("[staging.global.parameters] has no stack_name"), "{text}");
}

/// The signed event reaches the stage's API; to production only when that is meant.
#[tokio::test]
async fn events_are_sent_with_the_stages_secrets() {
    let world = World::new(&["r1"]).await;
    let send = ["send", "stripe", "invoice.paid", "--stage", "production"];
    let (code, text) = world.solo(&send).await;
    assert!(code == 1 && text.contains("--yes"), "{text}");
    let (code, text) = world.solo(&[&send[..], &["--yes"]].concat()).await;
    assert!(code == 0 && text.starts_with("200"), "{text}");
    let (code, text) = world.solo(&["send", "nobody", "x", "--stage", "staging"]).await;
    assert!(code == 1 && text.contains("not a provider"), "{text}");
    world.front.stack.lock().unwrap().status = None;
    let (code, text) = world.solo(&["send", "stripe", "invoice.paid", "--stage", "staging"]).await;
    assert!(code == 1 && text.contains("there is no stack"), "{text}");
}
