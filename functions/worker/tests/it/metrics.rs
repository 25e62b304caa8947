//! What the worker counts.

use std::{collections::BTreeSet, io::Write as _};

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::{
    clock,
    inbox::{Message, QueuedEvent, encode},
    metrics::Meter,
    telemetry::LogFormat,
};
use testkit::{Captured, Received, emf_lines, emitted};
use uuid::Uuid;
use worker::Worker;

use crate::support::{World, batch, event, queued, soon, tick};

/// What `work` leaves as metrics.
async fn lines_of(worker: &Worker, work: impl Future) -> Vec<Value> {
    let captured = Captured::default();
    let lines = captured.clone();
    let meter = Meter::new("worker", None, LogFormat::Json, worker.known())
        .to(move |line| writeln!(lines.clone(), "{line}").unwrap());
    meter.invocation("r", work).await;
    emf_lines(&captured.text())
}

fn messages(bodies: &[String]) -> Vec<Received> {
    let received = |body: &String| Received {
        id: Uuid::new_v4().to_string(),
        receipt: String::new(),
        body: body.clone(),
        receive_count: 1,
    };
    bodies.iter().map(received).collect()
}

fn at(event: QueuedEvent, time: Timestamp) -> String {
    encode(&Message::Event(QueuedEvent { occurred_at: Some(time), ..event })).unwrap()
}

#[tokio::test]
async fn a_batch_is_a_line_for_each_kind_of_event() {
    let world = World::new().await;
    let worker = world.worker().await;
    let script = |key: &str| event(key, "test.script", &json!({"data": {"todo": ""}}));
    let (now, long_ago) = (clock::now(), Timestamp::from_second(1_000_000_000).unwrap());
    let bodies = [
        at(script("a"), now),
        at(script("b"), long_ago),
        queued("c", "retry in an hour"),
        at(event("d", "odd.type", &json!({})), now),
    ];
    let lines = lines_of(&worker, Box::pin(worker.drain(batch(&messages(&bodies)), soon()))).await;
    assert_eq!(lines.len(), 1, "nothing is to be said of what nobody handles: {lines:?}");
    let line = &lines[0];
    assert_eq!([&line["Processed"], &line["Failed"], &line["Dead"]], [2, 1, 0], "{line}");
    assert_eq!(line["HandlerDuration"].as_array().unwrap().len(), 2, "{line}");
    assert!(line["EndToEndLatency"].is_number(), "an old event that was imported is not slow: {line}");
    assert_eq!([&line["Provider"], &line["EventType"], &line["Handler"]], ["stripe", "test.script", "scripted"]);
    assert_eq!(emitted(line, &["Provider"]), BTreeSet::from(["EndToEndLatency".into(), "Failed".into()]));
}

#[tokio::test]
async fn retries_and_what_a_sweep_finds() {
    let world = World::new().await;
    world.due(2, "").await;
    world.due(1, "fail").await;
    let worker = world.worker().await;
    let lines = lines_of(&worker, Box::pin(tick(&worker))).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!([&line["Retried"], &line["Processed"], &line["Dead"]], [3, 2, 1], "{line}");

    let crashed = "UPDATE executions SET status = 'processing', attempt = 3, fence = fence + 1, finished_at = NULL,
                          lease_until = now() - interval '1 s', started_at = now() - interval '1 min'
                    WHERE status = 'completed'";
    world.database.execute(crashed).await;
    let lines = lines_of(&worker, Box::pin(tick(&worker))).await;
    assert_eq!((lines.len(), &lines[0]["Dead"], &lines[0]["Provider"]), (1, &json!(2), &json!("stripe")), "{lines:?}");
    let of_stage = ["Dead", "Failed", "Processed"].map(String::from);
    assert!(emitted(&lines[0], &[]).is_superset(&of_stage.into()), "an alarm divides them: {lines:?}");

    // A batch died before these began: nothing failed.
    world.due(3, "").await;
    let taken =
        "UPDATE executions SET status = 'processing', fence = fence + 1, next_attempt_at = NULL, started_at = NULL,
                        lease_until = now() - interval '1 s'
                  WHERE status = 'failed'";
    world.database.execute(taken).await;
    let lines = lines_of(&worker, Box::pin(tick(&worker))).await;
    let counts = ["Retried", "Processed", "Failed", "Dead"].map(|metric| lines[0][metric].as_u64());
    assert_eq!((lines.len(), counts), (1, [Some(3), Some(3), Some(0), Some(0)]), "{lines:?}");
    assert!(lines_of(&worker, Box::pin(tick(&worker))).await.is_empty(), "an idle tick says nothing");
}
