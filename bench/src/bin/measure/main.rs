//! `make bench`: what the path of a webhook costs, as ratios within one run.
//!
//! The release binaries run as in Lambda, fed through the runtime API by a small server in this process. pgbench runs
//! the same statements on the same server in the same minutes.
//!
//! `measure start duplicates throughput queue backlog batches cleanup backup` measures these parts; all of them unless some are
//! named. A number among them is how many rows there are for cleanup, in place of 10,000,000.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement fails by panicking; counts are small"
)]

mod backup;
mod cleanup;
mod drain;
mod events;
mod pgbench;
mod restore;
mod runtime_api;
mod start;

use std::{thread, time::Duration};

use tokio::time::Instant;

use events::{World, new_invoice};
use runtime_api::{Environment, cpu_seconds};

/// In the answer to an event that was handled just now (a JSON text within JSON).
const OK: &str = r#"status\":\"ok"#;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(3);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if backup::is_child() {
        return runtime.block_on(backup::take_one());
    }
    let world = runtime.block_on(World::new());
    let (numbers, wanted): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.parse::<u32>().is_ok());
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if is_wanted("start") {
        println!("{}", start::report(&world));
    }
    // Before the writing: what that leaves to the server (checkpoints, vacuuming) would be measured here.
    if is_wanted("duplicates") {
        for (environments, deliverers) in [(10, 5), (50, 1)] {
            println!("{}", duplicates(&world, "webhooks", environments, deliverers));
            // Nothing to wait for in this one: what the machine alone does to so many processes.
            println!("{}", duplicates(&world, "hello", environments, deliverers));
        }
    }
    if is_wanted("throughput") {
        for environments in [1, 8] {
            println!("{}", throughput(&world, environments));
        }
    }
    if is_wanted("queue") {
        println!("{}", drain::at_the_door(&world));
        println!("{}", drain::report(&world));
    }
    if is_wanted("backlog") {
        println!("{}", drain::backlog(&world, &runtime));
    }
    if is_wanted("batches") {
        println!("{}", drain::batches(&runtime));
    }
    if is_wanted("cleanup") {
        let rows = numbers.first().map_or(cleanup::ROWS, |number| number.parse().unwrap());
        println!("{}", cleanup::report(&runtime, rows));
    }
    if is_wanted("backup") {
        println!("{}", runtime.block_on(backup::report()));
    }
}

/// Our events a second against pgbench's transactions a second, round by round in turn.
fn throughput(world: &World, count: usize) -> String {
    let environments = start_many(world, count);
    run_for(world, &environments, Duration::from_secs(1));
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let cpu_before: f64 = environments.iter().map(Environment::cpu_seconds).sum();
    let (mut done, mut feeding) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        let (events, fed) = run_for(world, &environments, ROUND);
        feeding += fed;
        done += events * ROUND.as_secs_f64();
        let transactions = pgbench::run(&world.database, count, ROUND);
        ours.push(events);
        theirs.push(transactions);
        ratios.push(events / transactions);
    }
    let cpu = environments.iter().map(Environment::cpu_seconds).sum::<f64>() - cpu_before;
    let memory = environments.iter().map(Environment::peak_memory_mib).fold(0.0, f64::max);
    format!(
        "throughput, {count} environment(s): {:.0} events/s, pgbench {:.0}/s, ratio {:.2} (medians of {ROUNDS} rounds in \
         turn; ratios from {:.2} to {:.2}); processor an event: the function {:.0} us, feeding it {:.0} us; peak memory {memory:.1} MiB",
        median(&ours),
        median(&theirs),
        median(&ratios),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
        cpu / done * 1e6,
        feeding / done * 1e6,
    )
}

/// New events, one after the other in each environment, all environments side by side. Events a
/// second, and the processor time that feeding them took.
fn run_for(world: &World, environments: &[Environment], time: Duration) -> (f64, f64) {
    // More than they can do, made and signed before the clock starts.
    let count = usize::try_from(time.as_secs()).unwrap() * 2_500 / environments.len();
    let events: Vec<Vec<String>> =
        environments.iter().map(|_| (0..count).map(|_| world.signed(&new_invoice())).collect()).collect();
    let (started, cpu_before) = (Instant::now(), cpu_seconds("self"));
    let done = work_all(environments, 1, events, OK, time).len();
    (done as f64 / started.elapsed().as_secs_f64(), cpu_seconds("self") - cpu_before)
}

/// One event that is already completed, delivered by many at once: to each of `count` environments by so many.
fn duplicates(world: &World, binary: &str, count: usize, deliverers: usize) -> String {
    let environments: Vec<_> = (0..count).map(|_| Environment::start(world, binary)).collect();
    let event = world.signed(&new_invoice());
    let (first, again) = if binary == "hello" { ("hello", "hello") } else { (OK, "already_processed") };
    environments[0].work(1, vec![event.clone()], first, ROUND);
    let (mut medians, mut slow, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let events = vec![vec![event.clone(); 100 * deliverers]; count];
        let mut times = work_all(&environments, deliverers, events, again, ROUND);
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        medians.push(at(50));
        slow.push(at(99));
        ratios.push(at(99) / at(50));
    }
    format!(
        "duplicates of one key to {binary}, {} at once to {count} environments: p50 {:.1} ms, p99 {:.1} ms, p99/p50 {:.2} (medians of \
         {ROUNDS} rounds; ratios from {:.2} to {:.2})",
        count * deliverers,
        median(&medians),
        median(&slow),
        median(&ratios),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
    )
}

/// All environments side by side, each with its own events. How long each event took, in milliseconds.
fn work_all(
    environments: &[Environment],
    deliverers: usize,
    events: Vec<Vec<String>>,
    expected: &'static str,
    time: Duration,
) -> Vec<f64> {
    thread::scope(|scope| {
        let work = environments.iter().zip(events);
        let running: Vec<_> = work
            .map(|(environment, events)| scope.spawn(move || environment.work(deliverers, events, expected, time)))
            .collect();
        running.into_iter().flat_map(|work| work.join().unwrap()).map(|time| time.as_secs_f64() * 1_000.0).collect()
    })
}

fn start_many(world: &World, count: usize) -> Vec<Environment> {
    (0..count).map(|_| Environment::start(world, "webhooks")).collect()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
