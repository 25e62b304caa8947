//! Whether the release is live and works; and the way back when it is not.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

use crate::{
    aliases::{self, Function, Moved},
    rollback,
    stage::Cloud,
};

const EVERY: Duration = Duration::from_secs(2);

/// Every alias at its version of the release. Those that a rollback by hand left elsewhere are pointed there; how many.
pub async fn activate(cloud: &Cloud, release: &str) -> anyhow::Result<usize> {
    let functions = aliases::read(cloud).await?;
    let mut moves = Vec::new();
    for function in &functions {
        let Some(version) = function.version_of(release) else {
            bail!("{} has no version of {release}: was it deployed with another name for the release?", function.name)
        };
        moves.extend(function.to(version));
    }
    let moved = aliases::make(cloud, moves).await;
    match rollback::faults(&moved) {
        Some(faults) => bail!("not every alias could be pointed at {release}: {faults}"),
        None => Ok(moved.len()),
    }
}

/// `/health/ready` answers 200 within the time: the API, the function and its database work together.
pub async fn ready(cloud: &Cloud, within: Duration) -> anyhow::Result<()> {
    let outputs = cloud.outputs().await?;
    let url = format!("{}/health/ready", outputs.get("ApiUrl")?.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let deadline = Instant::now() + within;
    loop {
        let said = match client.get(&url).send().await {
            Ok(answer) if answer.status() == http::StatusCode::OK => return Ok(()),
            Ok(answer) => format!("it answers {}", answer.status()),
            Err(error) => shared::errors::chain(&error),
        };
        if Instant::now() + EVERY > deadline {
            bail!("{url} is not ready after {} s: {said}", within.as_secs());
        }
        sleep(EVERY).await;
    }
}

/// Every alias to what it pointed at before; functions that were not there stay.
pub async fn back(cloud: &Cloud, before: &[Function]) -> anyhow::Result<Vec<Moved>> {
    let now = aliases::read(cloud).await?;
    let step = |function: &Function| {
        let old = before.iter().find(|old| old.name == function.name)?;
        function.to(old.current)
    };
    Ok(aliases::make(cloud, now.iter().filter_map(step).collect()).await)
}
