//! What goes wrong, and when: drawn from a seed, so that a run can be repeated.

use std::{fmt, time::Duration};

use tokio::time::sleep;

use super::{
    lambda::Lambda,
    proxy::{Mode, Proxy},
};
use crate::stack::{Backing, Shutdown};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    Kill { function: &'static str, number: usize },
    Restart(Shutdown),
    Database { mode: Mode, time: Duration },
    Queue { time: Duration },
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { function, .. } => write!(f, "kill -9 of {function}"),
            Self::Restart(Shutdown::Fast) => f.write_str("PostgreSQL: fast restart"),
            Self::Restart(Shutdown::Immediate) => f.write_str("PostgreSQL: immediate restart"),
            Self::Database { mode: Mode::LoseRequests, .. } => f.write_str("database: requests lost"),
            Self::Database { mode: Mode::LoseAnswers, .. } => f.write_str("database: answers lost"),
            Self::Database { .. } => f.write_str("database: connections cut"),
            Self::Queue { .. } => f.write_str("queues: out"),
        }
    }
}

/// `count` disturbances. The first ones are one of each kind, in an order of the seed's, so that a short run has them all.
pub fn plan(random: &mut fastrand::Rng, count: usize) -> Vec<Disturbance> {
    let mut kinds: Vec<usize> = (0..8).collect();
    random.shuffle(&mut kinds);
    (0..count)
        .map(|index| {
            let kind = kinds.get(index).copied().unwrap_or_else(|| random.usize(0..14));
            let time = Duration::from_millis(random.u64(200..2_500));
            match kind {
                0 => Disturbance::Restart(Shutdown::Fast),
                1 => Disturbance::Restart(Shutdown::Immediate),
                2 => Disturbance::Database { mode: Mode::Down, time },
                3 => Disturbance::Database { mode: Mode::LoseRequests, time },
                4 => Disturbance::Database { mode: Mode::LoseAnswers, time },
                5 => Disturbance::Queue { time },
                6 | 8 | 9 => Disturbance::Kill { function: "worker", number: random.usize(0..100) },
                7 | 10 => Disturbance::Kill { function: "courier", number: random.usize(0..100) },
                _ => Disturbance::Kill { function: "webhooks", number: random.usize(0..100) },
            }
        })
        .collect()
}

/// What is disturbed.
pub struct Victims<'v> {
    pub backing: &'v mut Backing,
    pub lambda: &'v Lambda,
    pub database: &'v Proxy,
    pub queues: &'v Proxy,
}

impl Victims<'_> {
    /// Lets it happen, and puts things right again. (A killed environment is replaced by itself.)
    pub async fn disturb(&mut self, disturbance: Disturbance) -> anyhow::Result<()> {
        match disturbance {
            Disturbance::Kill { function, number } => self.lambda.kill(function, number),
            Disturbance::Restart(how) => {
                if let Some(postgres) = self.backing.postgres() {
                    postgres.stop(how)?;
                    postgres.start_again().await?;
                }
            }
            Disturbance::Database { mode, time } => misbehave(self.database, mode, time).await,
            Disturbance::Queue { time } => misbehave(self.queues, Mode::Down, time).await,
        }
        Ok(())
    }
}

async fn misbehave(proxy: &Proxy, mode: Mode, time: Duration) {
    proxy.set(mode);
    sleep(time).await;
    proxy.set(Mode::Pass);
}
