//! Jobs of a stage in the cloud: their functions take an event and say nothing more.

use std::{process::Stdio, sync::Arc, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ops::Environment;
use serde_json::{Value, json};
use shared::jobs::{self, Call};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::{Instant, sleep},
};

use crate::world::World;

/// What a job's function does with such an event. `cleanup` succeeds after a moment, `review` takes longer, the rest fails.
pub async fn function(environment: Arc<Environment>, event: Value) {
    let job = jobs::find(event["job"].as_str().unwrap()).unwrap();
    let call: Call = serde_json::from_value(event).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let work = async |progress: &jobs::Progress<'_>| {
        progress.tell(&json!({"phase": "look"})).await;
        sleep(Duration::from_secs(if job.name == "review" { 3 } else { 1 })).await;
        match job.name {
            "cleanup" | "review" => Ok(json!({"executions_deleted": 7})),
            _ => Err("no luck today"),
        }
    };
    let _ = jobs::run(&environment.database, job, call, deadline, work).await;
}

#[tokio::test]
async fn a_job_is_run_by_its_function_and_followed_to_its_end() {
    let world = World::new(&["r1"]).await;
    let (code, text) = world.solo(&["jobs", "run", "cleanup", "--stage", "staging"]).await;
    assert!(code == 0 && text.contains("succeeded") && text.contains("executions_deleted 7"), "{text}");
    let asked = world.front.asked.lock().unwrap().clone();
    let path = format!("POST /2015-03-31/functions/{}-cleanup/invocations?Qualifier=live", world.stack);
    assert_eq!(asked, [path]);
    let who = "SELECT actor FROM job_runs WHERE job = 'cleanup'";
    assert!(world.kept.text(who).await.starts_with("arn:aws:sts::123456789012:"));

    let (code, text) = world.solo(&["jobs", "run", "drill", "--stage", "staging"]).await;
    assert!(code == 1 && text.contains("failed") && text.contains("no luck today"), "{text}");
    let (code, text) = world.solo(&["jobs", "--stage", "staging"]).await;
    let line = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    assert!(code == 0 && line("cleanup").contains("on time") && line("drill").contains("failed"), "{text}");
    assert!(line("backup").contains("never ran"), "{text}");
    let (_, text) = world.solo(&["jobs", "runs", "--job", "drill", "--stage", "staging", "--json"]).await;
    let page: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((page["runs"].as_array().unwrap().len(), page["runs"][0]["outcome"].as_str()), (1, Some("failed")));
}

#[tokio::test]
async fn whoever_stops_following_does_not_stop_the_run() {
    let world = World::new(&["r1"]).await;
    let (code, text) = world.solo(&["jobs", "run", "review", "--no-wait", "--stage", "staging"]).await;
    assert!(code == 0 && text.contains("has begun"), "{text}");
    let (code, text) = world.solo(&["jobs", "run", "review", "--stage", "staging"]).await;
    assert!(code == 1 && text.contains("under way") && text.contains("solo jobs show"), "{text}");
    world.kept.execute("UPDATE job_runs SET finished_at = now(), outcome = 'succeeded'").await;

    let mut command = world.command(&["jobs", "run", "review", "--stage", "staging"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    while world.kept.count("SELECT count(*) FROM job_runs WHERE finished_at IS NULL").await == 0 {
        sleep(Duration::from_millis(50)).await;
    }
    // It has seen the run as well.
    sleep(Duration::from_secs(1)).await;
    kill(Pid::from_raw(child.id().unwrap().try_into().unwrap()), Signal::SIGINT).unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    assert!(said.contains("the run goes on"), "{said}");
    assert!(child.wait().await.unwrap().success());
    assert_eq!(world.kept.count("SELECT count(*) FROM job_runs WHERE finished_at IS NULL").await, 1);
}

#[tokio::test]
async fn a_job_that_cannot_be_asked_for_says_why() {
    let world = World::new(&["r1"]).await;
    let path = format!("POST /2015-03-31/functions/{}-backup/invocations", world.stack);
    world.front.forbidden.lock().unwrap().push(path);
    let (code, text) = world.solo(&["jobs", "run", "backup", "--stage", "staging"]).await;
    assert!(code == 1 && text.contains("OperatorPolicyArn") && text.contains("-backup could not be invoked"), "{text}");
    let (code, text) = world.solo(&["jobs", "run", "tick", "--stage", "staging"]).await;
    assert!(code == 2 && text.contains("by itself"), "{text}");
}
