//! `solo rollback`, against moto's Lambda.

use tokio::time::Instant;

use crate::{front::Ops, world::World};

const ROLLBACK: [&str; 5] = ["rollback", "--stage", "staging", "--reason", "bad"];

#[tokio::test]
async fn every_alias_goes_back_within_seconds_and_it_is_recorded() {
    let world = World::new(&["r1", "r2", "r3"]).await;
    let started = Instant::now();
    let (code, text) = world.solo(&ROLLBACK).await;
    assert!(started.elapsed().as_secs_f64() < 10.0, "took {:?}", started.elapsed());
    assert!(code == 0 && text.contains("5 of 5 aliases changed"), "{text}");
    assert_eq!(world.live().await, ["2"; 5]);
    let [record] = &world.deployments().await[..] else { panic!("one is on record") };
    assert_eq!(
        (&record["kind"], &record["release"], &record["previous"], &record["outcome"]),
        (&"rollback".into(), &"r2".into(), &"r3".into(), &"succeeded".into())
    );
    assert!(record["actor"].as_str().unwrap().starts_with("arn:aws:sts::"), "{record}");

    // Once more: r3 was left as bad, so it goes on to r1; and there it ends.
    let (code, text) = world.solo(&ROLLBACK).await;
    assert!(code == 0 && world.live().await == ["1"; 5], "{text}");
    let (code, text) = world.solo(&ROLLBACK).await;
    assert!(code == 1 && text.contains("nothing to go back to"), "{text}");
    let (code, text) = world.solo(&["rollback", "--stage", "staging", "--list"]).await;
    assert!(code == 0 && text.contains("r3       5 of 5     failed, or rolled back"), "{text}");
    assert!(text.contains("r1       5 of 5     live"), "{text}");

    // Forward again by name; and a second time there is nothing to do.
    let (code, _) = world.solo(&[&ROLLBACK[..], &["--to", "r2"]].concat()).await;
    assert!(code == 0 && world.live().await == ["2"; 5]);
    let (code, text) = world.solo(&[&ROLLBACK[..], &["--to", "r2"]].concat()).await;
    assert!(code == 0 && text.contains("nothing was changed"), "{text}");
    assert_eq!(world.deployments().await.len(), 3);
}

#[tokio::test]
async fn a_release_that_was_left_before_is_not_gone_back_to() {
    let world = World::new(&["r1", "r2"]).await;
    world.solo(&ROLLBACK).await;
    for name in crate::world::FUNCTIONS {
        let version = world.publish(name, "r3").await;
        world.point(name, &version).await;
    }
    world.front.stack.lock().unwrap().status = Some("UPDATE_IN_PROGRESS".into());
    let (code, text) = world.solo(&ROLLBACK).await;
    assert!(code == 0 && text.contains("from r3 to r1") && text.contains("under way"), "{text}");
    assert_eq!(world.live().await, ["1"; 5]);
}

/// One that fails does not keep the others; the next run finishes.
#[tokio::test]
async fn what_could_not_be_changed_is_named_and_done_by_the_next_run() {
    let world = World::new(&["r1", "r2"]).await;
    let worker = format!("PUT /2015-03-31/functions/{}-worker/aliases/live", world.stack);
    world.front.forbidden.lock().unwrap().push(worker);
    let (code, text) = world.solo(&ROLLBACK).await;
    assert!(code == 1 && text.contains("4 of 5") && text.contains("FAILED") && text.contains("--to r1"), "{text}");
    assert_eq!(world.live().await, ["1", "1", "1", "1", "2"]);
    let record = &world.deployments().await[0];
    assert!(record["outcome"] == "failed" && record["detail"].as_str().unwrap().contains("worker"), "{record}");

    world.front.forbidden.lock().unwrap().clear();
    let (code, text) = world.solo(&ROLLBACK).await;
    assert!(code == 0 && text.contains("1 of 1 aliases changed"), "{text}");
    assert_eq!(world.live().await, ["1"; 5]);
}

/// The database may be what the release took down.
#[tokio::test]
async fn without_records_the_order_of_versions_decides() {
    let world = World::new(&["r1", "r2"]).await;
    *world.front.ops.lock().unwrap() = Ops::Silent;
    let started = Instant::now();
    let mut command = world.command(&ROLLBACK);
    let mut running = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    while world.live().await != ["1"; 5] {
        assert!(started.elapsed().as_secs() < 15, "it waits for ops");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(running.wait().await.unwrap().code(), Some(0));
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut running.stdout.take().unwrap(), &mut text).await.unwrap();
    assert!(text.contains("could not be recorded"), "{text}");
    assert_eq!(world.deployments().await.len(), 0);
}

#[tokio::test]
async fn versions_without_releases_are_explained() {
    let world = World::new(&["manual", "manual"]).await;
    let (code, text) = world.solo(&ROLLBACK).await;
    assert!(code == 1 && text.contains("solo deploy") && text.contains("manual"), "{text}");
    assert_eq!(world.live().await, ["2"; 5]);
    assert!(world.front.changed.lock().unwrap().is_empty());
}
