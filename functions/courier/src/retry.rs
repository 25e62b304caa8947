//! When a failed effect is tried again: 2 s, 4 s, 8 s and so on, give or take 20 %, never less than the other side's
//! `Retry-After`, never more than an hour.

use std::time::Duration;

use shared::retry::RetryPolicy;

use crate::verdict::LONGEST_WAIT;

const BASE_DELAY: Duration = Duration::from_secs(2);

/// The wait after failed attempt number `attempt` (the first is 1). `fraction` in `0.0..1.0` places it within the jitter.
pub fn wait(attempt: u16, retry_after: Option<Duration>, fraction: f64) -> Duration {
    // How many attempts there are is not this function's to decide.
    let policy = RetryPolicy { max_attempts: u16::MAX, base_delay: BASE_DELAY };
    policy.delay(attempt, retry_after, fraction).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_from_two_seconds_to_an_hour() {
        let waits = [1, 2, 3, 4, 11, 12, u16::MAX].map(|attempt| wait(attempt, None, 0.5).as_secs());
        assert_eq!(waits, [2, 4, 8, 16, 2_048, 3_600, 3_600]);
        assert_eq!(wait(1, None, 0.0), Duration::from_millis(1_600));
        assert!(wait(1, None, 0.999_999) < Duration::from_millis(2_400));
    }

    #[test]
    fn retry_after_is_kept_to_but_not_for_longer_than_an_hour() {
        assert_eq!(wait(1, Some(Duration::from_secs(90)), 0.5), Duration::from_secs(90));
        assert_eq!(wait(3, Some(Duration::from_secs(1)), 0.5), Duration::from_secs(8));
        assert_eq!(wait(1, Some(Duration::MAX), 0.5), LONGEST_WAIT);
    }
}
