//! Start to first poll, with the secrets fetched and the database connected, against a function that does nothing.

use crate::{events::World, median, runtime_api::Environment};

const STARTS: usize = 21;

pub fn report(world: &World) -> String {
    let (mut ours, mut hello, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    let mut memory = Vec::new();
    for round in 0..=STARTS {
        let empty = Environment::start(world, "hello");
        let full = Environment::start(world, "webhooks");
        // The first of each reads its binary from disk.
        if round == 0 {
            continue;
        }
        let (empty_ms, full_ms) = (empty.start.as_secs_f64() * 1_000.0, full.start.as_secs_f64() * 1_000.0);
        hello.push(empty_ms);
        ours.push(full_ms);
        differences.push(full_ms - empty_ms);
        memory.push(full.peak_memory_mib());
    }
    format!(
        "start to first poll: {:.1} ms, hello-world {:.1} ms, difference {:.1} ms (medians of {STARTS}); memory then {:.1} MiB",
        median(&ours),
        median(&hello),
        median(&differences),
        median(&memory)
    )
}
