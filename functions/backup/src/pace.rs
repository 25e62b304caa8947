//! Whether a dump will end within its function's time, by how fast the last ones were.

use std::time::Duration;

use serde::Deserialize;
use shared::db::{Database, DbError};

/// A shorter dump says little about how fast a long one is.
const TELLING: f64 = 20.0;

const LAST: &str =
    "SELECT result FROM job_runs WHERE job = 'backup' AND outcome = 'succeeded' AND finished_at IS NOT NULL
                     ORDER BY started_at DESC LIMIT 5";

/// What a dump before this one left on record.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Past {
    database_bytes: f64,
    seconds: f64,
}

/// Bytes of the database a second: the fastest of the last five dumps. `None` when none of them took long enough to tell: then the only
/// way to know is to try.
pub async fn measured(database: &Database) -> Result<Option<f64>, DbError> {
    let mut session = database.session().await?;
    let rows = session.query(LAST, &[]).await?;
    let past = rows.iter().filter_map(|row| serde_json::from_value(row.get(0)).ok());
    Ok(fastest(past))
}

fn fastest(past: impl Iterator<Item = Past>) -> Option<f64> {
    let telling = past.filter(|past| past.seconds >= TELLING && past.database_bytes > 0.0);
    telling.map(|past| past.database_bytes / past.seconds).reduce(f64::max)
}

/// How long a dump will take.
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
pub fn estimate(bytes: u64, pace: f64) -> Duration {
    Duration::try_from_secs_f64(bytes as f64 / pace).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_of_the_telling_ones_counts() {
        let past = |list: &[(f64, f64)]| {
            let list: Vec<_> = list.iter().map(|&(database_bytes, seconds)| Past { database_bytes, seconds }).collect();
            fastest(list.into_iter()).map(f64::to_bits)
        };
        assert_eq!(past(&[]), None);
        assert_eq!(past(&[(1e6, 1.0)]), None, "too short to tell");
        assert_eq!(past(&[(2e9, 100.0), (3e9, 100.0), (1e9, 1.0)]), Some(3e7_f64.to_bits()));
    }

    #[test]
    fn an_estimate_is_size_over_pace() {
        assert_eq!(estimate(8_000_000_000, 8e6), Duration::from_secs(1000));
        assert_eq!(estimate(u64::MAX, 1e-9), Duration::MAX);
    }
}
