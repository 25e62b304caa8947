//! The invocation that a function is in: how long it still has.

use std::time::Duration;

use crate::clock;

/// What is left until `deadline` (milliseconds since 1970, of the Lambda context), `most` at most. cargo-lambda's emulator
/// gives a deadline long past (600,000 ms after 1970), which Lambda itself never does: that counts as unknown.
pub fn remaining(deadline: u64, most: Duration) -> Duration {
    let now = u64::try_from(clock::now().as_millisecond()).unwrap_or_default();
    match deadline.saturating_sub(now) {
        0 => most,
        left => Duration::from_millis(left).min(most),
    }
}
