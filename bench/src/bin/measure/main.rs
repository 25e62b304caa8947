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

use testkit::TestDatabase;
use tokio::time::Instant;

use events::{World, new_invoice};
use runtime_api::Environment;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() {
    let world = World::new().await;
    println!("{}", start::report(&world).await);
    for environments in [1, 8] {
        println!("{}", throughput(&world, environments).await);
    }
    println!("{}", duplicates(&world, 50).await);
}

/// Our events a second against pgbench's transactions a second, round by round in turn.
async fn throughput(world: &World, count: usize) -> String {
    let mut environments = Vec::new();
    for _ in 0..count {
        environments.push(Environment::start(world, "webhooks").await);
    }
    run_for(world, &mut environments, Duration::from_secs(1)).await;
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let events = run_for(world, &mut environments, ROUND).await;
        let transactions = pgbench::run(&world.database, count, ROUND).await;
        ours.push(events);
        theirs.push(transactions);
        ratios.push(events / transactions);
    }
    let memory = environments.iter().map(Environment::peak_memory_mib).fold(0.0, f64::max);
    format!(
        "throughput, {count} environment(s): {:.0} events/s, pgbench {:.0}/s, ratio {} (median of {ROUNDS}; {:.2} to {:.2}); \
         peak memory {memory:.1} MiB",
        median(&ours),
        median(&theirs),
        format_args!("{:.2}", median(&ratios)),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
    )
}

/// New events, one after the other in each environment, all environments side by side. Events a second.
async fn run_for(world: &World, environments: &mut [Environment], time: Duration) -> f64 {
    let started = Instant::now();
    let counts = environments.iter_mut().map(|environment| async {
        let mut count = 0_u32;
        while started.elapsed() < time {
            let answer = environment.invoke(&world.signed(&new_invoice())).await;
            assert_eq!(answer["statusCode"], 200, "{answer}");
            count += 1;
        }
        f64::from(count)
    });
    let total: f64 = join_all(counts).await.into_iter().sum();
    total / started.elapsed().as_secs_f64()
}

/// One event that is already completed, delivered by many at once.
async fn duplicates(world: &World, count: usize) -> String {
    let mut environments = Vec::new();
    for _ in 0..count {
        environments.push(Environment::start(world, "webhooks").await);
    }
    let event = world.signed(&new_invoice());
    environments[0].invoke(&event).await;
    let rounds = environments.iter_mut().map(|environment| async {
        let mut times = Vec::new();
        for _ in 0..100 {
            let asked = Instant::now();
            let answer = environment.invoke(&event).await;
            times.push(asked.elapsed().as_secs_f64() * 1_000.0);
            assert!(answer["body"].as_str().unwrap().contains("already_processed"), "{answer}");
        }
        times
    });
    let mut times: Vec<f64> = join_all(rounds).await.into_iter().flatten().collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!(
        "duplicates of one key, {count} at once: p50 {:.1} ms, p99 {:.1} ms, p99/p50 {:.2}",
        at(50),
        at(99),
        at(99) / at(50)
    )
}

async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(futures).await
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Held so that the database's name is known to all parts.
pub(crate) type Database = TestDatabase;
