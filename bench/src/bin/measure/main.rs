//! `make bench`: what the path of a webhook costs, as ratios within one run.
//!
//! The release binaries run as in Lambda, fed through the runtime API by a small server in this process. pgbench runs
//! the same statements on the same server in the same minutes.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement fails by panicking; counts are small"
)]

mod events;
mod pgbench;
mod runtime_api;
mod start;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{task::LocalSet, time::Instant};

use events::{World, new_invoice};
use runtime_api::Environment;

/// In the answer to an event that was handled just now (a JSON text within JSON).
const OK: &str = r#"status\":\"ok"#;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    LocalSet::new().run_until(Box::pin(measure())).await;
}

async fn measure() {
    let world = World::new().await;
    println!("{}", start::report(&world).await);
    for environments in [1, 8] {
        println!("{}", throughput(&world, environments).await);
    }
    println!("{}", duplicates(&world, 50).await);
}

/// Our events a second against pgbench's transactions a second, round by round in turn.
async fn throughput(world: &World, count: usize) -> String {
    let environments = start_many(world, count).await;
    run_for(world, &environments, Duration::from_secs(1)).await;
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let cpu_before: f64 = environments.iter().map(Environment::cpu_seconds).sum();
    let mut done = 0.0;
    for _ in 0..ROUNDS {
        let events = run_for(world, &environments, ROUND).await;
        done += events * ROUND.as_secs_f64();
        let transactions = pgbench::run(&world.database, count, ROUND).await;
        ours.push(events);
        theirs.push(transactions);
        ratios.push(events / transactions);
    }
    let cpu = environments.iter().map(Environment::cpu_seconds).sum::<f64>() - cpu_before;
    let memory = environments.iter().map(Environment::peak_memory_mib).fold(0.0, f64::max);
    format!(
        "throughput, {count} environment(s): {:.0} events/s, pgbench {:.0}/s, ratio {:.2} (medians of {ROUNDS} rounds in \
         turn; ratios from {:.2} to {:.2}); the function used {:.0} us of processor an event; peak memory {memory:.1} MiB",
        median(&ours),
        median(&theirs),
        median(&ratios),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
        cpu / done * 1e6,
    )
}

/// New events, one after the other in each environment, all environments side by side. Events a second.
async fn run_for(world: &World, environments: &[Environment], time: Duration) -> f64 {
    // More than they can do, made and signed before the clock starts.
    let count = usize::try_from(time.as_secs()).unwrap() * 2_500 / environments.len();
    let events: Vec<Vec<String>> =
        environments.iter().map(|_| (0..count).map(|_| world.signed(&new_invoice())).collect()).collect();
    let started = Instant::now();
    let work = environments.iter().zip(events).map(|(environment, events)| environment.work(events, OK, time));
    let done: usize = join_all(work).await.iter().map(Vec::len).sum();
    done as f64 / started.elapsed().as_secs_f64()
}

/// One event that is already completed, delivered by many at once.
async fn duplicates(world: &World, count: usize) -> String {
    let environments = start_many(world, count).await;
    let event = world.signed(&new_invoice());
    environments[0].work(vec![event.clone()], OK, ROUND).await;
    let work =
        environments.iter().map(|environment| environment.work(vec![event.clone(); 200], "already_processed", ROUND));
    let mut times: Vec<_> =
        join_all(work).await.into_iter().flatten().map(|time| time.as_secs_f64() * 1_000.0).collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let (median, slow) = (at(50), at(99));
    format!(
        "duplicates of one key, {count} at once: {} answers, p50 {median:.1} ms, p99 {slow:.1} ms, p99/p50 {:.2}",
        times.len(),
        slow / median
    )
}

async fn start_many(world: &World, count: usize) -> Vec<Environment> {
    let mut environments = Vec::new();
    for _ in 0..count {
        environments.push(Environment::start(world, "webhooks").await);
    }
    environments
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
