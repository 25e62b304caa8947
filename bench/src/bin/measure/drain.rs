//! The worker: batches of the inbox against pgbench, and a backlog of retries.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    inbox::{Message, QueuedEvent, encode},
    providers,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    ROUND, ROUNDS,
    events::{World, invoice, new_invoice},
    median, pgbench,
    runtime_api::Environment,
    work_all,
};

/// In the answer to a batch without failures.
const ALL_DONE: &str = r#""batchItemFailures":[]"#;
/// What SQS hands over at once, and what `template.yaml` asks for.
const BATCH: usize = 10;
/// `WORKER_CONNECTIONS`, unless said otherwise.
const LANES: usize = 4;

/// The least that Lambda lets a queue's consumers scale to (`MaximumConcurrency`).
const WORKERS: usize = 2;

/// Queued events through the workers against pgbench with as many clients as they have connections: the statements of an
/// event are the same, whether it comes through the door or through the queue.
pub fn report(world: &World) -> String {
    let workers: Vec<_> = (0..WORKERS).map(|_| Environment::start(world, "worker")).collect();
    run_for(&workers, Duration::from_secs(1));
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let events = run_for(&workers, ROUND);
        let transactions = pgbench::run(&world.database, WORKERS * LANES, ROUND);
        ours.push(events);
        theirs.push(transactions);
        ratios.push(events / transactions);
    }
    format!(
        "queued events, {WORKERS} workers with {LANES} connections each: {:.0} events/s, pgbench with {} clients {:.0}/s, \
         ratio {:.2} (medians of {ROUNDS} rounds in turn; ratios from {:.2} to {:.2}); peak memory {:.1} MiB",
        median(&ours),
        WORKERS * LANES,
        median(&theirs),
        median(&ratios),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
        workers.iter().map(Environment::peak_memory_mib).fold(0.0, f64::max),
    )
}

/// A webhook of a provider in queued mode: what the door costs when all it does is to hand over. The emulator's queue is
/// the larger part of the time, so this is for comparing versions, not for a mark.
pub fn at_the_door(world: &World) -> String {
    let queued = concat!(env!("CARGO_MANIFEST_DIR"), "/solo-queued.toml");
    let webhooks = Environment::start_with(world, "webhooks", &[("SOLO_TOML", queued)]);
    let events = (0..2_000).map(|_| world.signed(&new_invoice())).collect();
    let cpu = webhooks.cpu_seconds();
    let times = webhooks.work(1, events, r#"status\":\"queued"#, ROUND);
    let (count, cpu) = (times.len(), webhooks.cpu_seconds() - cpu);
    let times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1_000.0).collect();
    format!(
        "queued mode at the door, one environment: median {:.2} ms an event, the emulator's queue included; processor an \
         event: the function {:.0} us",
        median(&times),
        cpu / f64::from(u32::try_from(count).unwrap()) * 1e6,
    )
}

#[allow(clippy::cast_precision_loss)]
fn run_for(workers: &[Environment], time: Duration) -> f64 {
    let count = usize::try_from(time.as_secs()).unwrap() * 2_500 / BATCH / workers.len();
    let batches = workers.iter().map(|_| (0..count).map(|_| batch()).collect()).collect();
    let started = Instant::now();
    let done = work_all(workers, 1, batches, ALL_DONE, time).len();
    (done * BATCH) as f64 / started.elapsed().as_secs_f64()
}

fn batch() -> String {
    let record = || {
        let unique = Uuid::new_v4().simple().to_string();
        let message = Message::Event(event(&unique, &invoice(&unique)));
        json!({"messageId": unique, "body": encode(&message).unwrap(), "attributes": {"ApproximateReceiveCount": "1"}})
    };
    json!({"Records": (0..BATCH).map(|_| record()).collect::<Vec<_>>()}).to_string()
}

fn event(key: &str, body: &Value) -> QueuedEvent {
    QueuedEvent {
        source: providers::find("stripe").unwrap().name().to_owned(),
        key: key.to_owned(),
        event_type: "invoice.paid".into(),
        schema_version: 1,
        occurred_at: None,
        correlation_id: key.to_owned(),
        signs_id: true,
        trace_parent: None,
        payload: body.to_string(),
    }
}

const BACKLOG: i64 = 100_000;

/// How fast the worker's ticks run a backlog of retries that are all due, and whether that changes as it shrinks.
pub fn backlog(world: &World, runtime: &tokio::runtime::Runtime) -> String {
    runtime.block_on(due(world, BACKLOG));
    let worker = Environment::start(world, "worker");
    let (mut times, mut started, mut left) = (Vec::new(), Instant::now(), BACKLOG);
    while left > 0 {
        // As the schedule would, but without its pauses: a tick ends when its time is spent.
        let ticked = worker.work(1, vec![r#"{"job":"tick"}"#.into()], "completed", Duration::from_mins(2));
        assert!(!ticked.is_empty(), "a tick was not answered");
        let now = runtime.block_on(world.database.count("SELECT count(*) FROM executions WHERE status = 'failed'"));
        assert!(now < left, "a tick did nothing");
        times.push(rate(left - now, started.elapsed()));
        started = Instant::now();
        left = now;
    }
    let shown: Vec<_> = times.iter().map(|rate| format!("{rate:.0}")).collect();
    format!("backlog of {BACKLOG} due retries, one worker: events/s tick by tick: {}", shown.join(", "))
}

#[allow(clippy::cast_precision_loss)]
fn rate(count: i64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Invoices that failed once, and are due.
async fn due(world: &World, count: i64) {
    let insert = format!(
        "INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence,
                                 payload, fingerprint, correlation_id, next_attempt_at, last_error)
         SELECT gen_random_uuid(), 'stripe', 'backlog_' || n || '_' || gen_random_uuid(), 'invoice.paid', 1,
                'record_payment', 'failed', 1, 1,
                jsonb_set('{}', '{{data,object,id}}', to_jsonb('in_' || gen_random_uuid())), sha256('x'), 'c', now(),
                'no luck'
           FROM generate_series(1, {count}) n",
        invoice("backlog").to_string().replace('\'', "''")
    );
    world.database.execute(&insert).await;
    world.database.execute("ANALYZE executions").await;
}

/// What taking a batch costs when 1,000 rows are due, and when 1,000,000 are.
pub fn batches(runtime: &tokio::runtime::Runtime) -> String {
    runtime.block_on(async {
        let mut medians = Vec::new();
        for count in [1_000, 1_000_000] {
            let world = World::new().await;
            due(&world, count).await;
            medians.push(take_batches(&world).await);
        }
        let (few, many) = (medians[0], medians[1]);
        format!(
            "taking a batch of 16: {few:.2} ms with 1,000 rows due, {many:.2} ms with 1,000,000, ratio {:.2} (medians of 200)",
            many / few
        )
    })
}

async fn take_batches(world: &World) -> f64 {
    const TAKE: &str = include_str!("../../../../shared/src/executions/sql/due.sql");
    let client = world.database.admin().await;
    let take = client.prepare(TAKE).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..220 {
        client.batch_execute("BEGIN").await.unwrap();
        let started = Instant::now();
        let taken = client.query(&take, &[&16_i64, &60_000_f64]).await.unwrap();
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        assert_eq!(taken.len(), 16);
        client.batch_execute("ROLLBACK").await.unwrap();
    }
    // The first ones plan, and fill the cache.
    median(&times[20..])
}
