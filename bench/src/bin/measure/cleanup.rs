//! Webhooks while cleanup goes through a large table, against webhooks while it does not.

use std::{thread, time::Duration};

use tokio::{runtime::Runtime, time::Instant};

use crate::{
    OK,
    events::{World, invoice, new_invoice},
    median,
    runtime_api::Environment,
};

/// Old executions, unless said otherwise: of the last 180 days, evenly.
pub const ROWS: u32 = 10_000_000;
/// One INSERT of the filling.
const PIECE: u32 = 250_000;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(10);
/// Between the webhooks of one sender: far from what the server can do, as a founder's traffic is.
const BETWEEN: Duration = Duration::from_millis(10);
/// For cleanup to begin, before a round with it.
const BEGIN: Duration = Duration::from_millis(500);
/// What a run keeps back of its function's time, at its end.
const KEPT_BACK: Duration = Duration::from_secs(30);

/// p50 and p99, in milliseconds.
struct Latency(f64, f64);

/// Rounds in turn, without and with a run of cleanup beside them: one sender with pauses, and one without.
pub fn report(runtime: &Runtime, rows: u32) -> String {
    let world = runtime.block_on(World::new());
    let filling = Instant::now();
    runtime.block_on(fill(&world, rows));
    let mut lines = vec![format!("cleanup of {rows} executions (made in {:.0} s)", filling.elapsed().as_secs_f64())];
    for (name, between) in [("100 webhooks/s at most", BETWEEN), ("webhooks one after the other", Duration::ZERO)] {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(webhooks(&world, between));
            beside.push(beside_cleanup(&world, between));
        }
        lines.push(format!("{name}: {}", compare(&alone, &beside)));
    }
    lines.push(format!("cleanup: {}", runtime.block_on(done(&world))));
    lines.join("\n  ")
}

fn compare(alone: &[Latency], beside: &[Latency]) -> String {
    let of = |all: &[Latency], which: fn(&Latency) -> f64| median(&all.iter().map(which).collect::<Vec<_>>());
    let ratios: Vec<f64> = alone.iter().zip(beside).map(|(alone, beside)| beside.1 / alone.1).collect();
    format!(
        "alone p50 {:.2} ms, p99 {:.2} ms; beside it p50 {:.2} ms, p99 {:.2} ms; ratio of the p99 {:.2} (medians of {ROUNDS} rounds in \
         turn; ratios from {:.2} to {:.2})",
        of(alone, |latency| latency.0),
        of(alone, |latency| latency.1),
        of(beside, |latency| latency.0),
        of(beside, |latency| latency.1),
        median(&ratios),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
    )
}

/// Cleanup works some seconds longer than the round, then the next run goes on.
fn beside_cleanup(world: &World, between: Duration) -> Latency {
    let cleanup = Environment::start(world, "cleanup");
    cleanup.give(KEPT_BACK + BEGIN + ROUND + Duration::from_secs(5));
    thread::scope(|scope| {
        let running =
            scope.spawn(|| cleanup.work(1, vec![r#"{"job":"cleanup"}"#.into()], "succeeded", Duration::from_mins(2)));
        thread::sleep(BEGIN);
        let latency = webhooks(world, between);
        if running.is_finished() {
            println!("cleanup had nothing left to do before the round was over: take more rows");
        }
        assert_eq!(running.join().unwrap().len(), 1, "cleanup did not answer");
        latency
    })
}

/// Webhooks of one sender to one environment, for a round.
fn webhooks(world: &World, between: Duration) -> Latency {
    let webhooks = Environment::start(world, "webhooks");
    let (started, mut times) = (Instant::now(), Vec::new());
    while started.elapsed() < ROUND {
        if between.is_zero() {
            let events = (0..200).map(|_| world.signed(&new_invoice())).collect();
            times.extend(webhooks.work(1, events, OK, ROUND));
        } else {
            times.extend(webhooks.work(1, vec![world.signed(&new_invoice())], OK, ROUND));
            thread::sleep(between);
        }
    }
    let mut times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1_000.0).collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    Latency(at(50), at(99))
}

/// What the runs did, by their own word.
async fn done(world: &World) -> String {
    let sql = "SELECT count(*) || ' runs of ' || round(avg(extract(epoch FROM finished_at - started_at))) || ' s, '
                      || sum((result ->> 'executions_deleted')::bigint) || ' executions deleted, '
                      || sum((result ->> 'payloads_cleared')::bigint) || ' payloads cleared, '
                      || sum((result ->> 'batches')::bigint) || ' batches'
                 FROM job_runs WHERE job = 'cleanup'";
    world.database.text(sql).await
}

/// Completed executions with their attempts: a sixth is young, a third has a payload that goes, a half goes.
async fn fill(world: &World, rows: u32) {
    let payload = invoice("old").to_string().replace('\'', "''");
    for from in (0..rows).step_by(PIECE as usize) {
        let to = rows.min(from.saturating_add(PIECE));
        let insert = format!(
            "WITH new AS (
                 INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence,
                                         payload, fingerprint, correlation_id, received_at, started_at, finished_at)
                 SELECT uuidv7(at - now()), 'stripe', 'evt_' || lpad(to_hex(n), 12, '0'), 'invoice.paid', 1, 'record_payment',
                        'completed', 1, 1, '{payload}', sha256(n::text::bytea), 'c' || n, at, at, at
                   FROM (SELECT n, now() - interval '180 days' + interval '180 days' * (n::float8 / {rows}) AS at
                           FROM generate_series({from}, {to} - 1) AS n) AS s
                 RETURNING id, finished_at
             )
             INSERT INTO attempts (execution_id, fence, attempt, started_at, finished_at, outcome)
             SELECT id, 1, 1, finished_at, finished_at, 'completed' FROM new"
        );
        world.database.execute(&insert).await;
    }
    world.database.execute("VACUUM ANALYZE executions").await;
    world.database.execute("VACUUM ANALYZE attempts").await;
    world.database.execute("CHECKPOINT").await;
}
