//! When a failed attempt is tried again: exponential backoff with jitter, Retry-After respected.

use std::time::Duration;

/// The longest a single wait may be, whatever a handler or a remote server asks for.
const LONGEST: Duration = Duration::from_hours(24);
const JITTER: f64 = 0.2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included. `MAX_RETRY_ATTEMPTS`, 1 to 5, 3 unless said otherwise.
    pub max_attempts: u16,
    /// The wait after the first failure; it doubles from there. `RETRY_BASE_DELAY_MS`, at least 1,000 ms, 2,000 unless
    /// said otherwise.
    pub base_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 3, base_delay: Duration::from_secs(2) }
    }
}

impl RetryPolicy {
    /// The wait after failed attempt number `attempt` (the first is 1): `base * 2^(attempt-1)`, give or take 20 %, and
    /// never less than `retry_after`. `fraction` in `0.0..1.0` places it within the jitter.
    pub fn delay(&self, attempt: u16, retry_after: Option<Duration>, fraction: f64) -> Duration {
        let doublings = u32::from(attempt.saturating_sub(1)).min(20);
        let backoff = self.base_delay.saturating_mul(1 << doublings).min(LONGEST);
        let jittered = backoff.mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction);
        jittered.max(retry_after.unwrap_or_default()).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { max_attempts: 5, base_delay: Duration::from_secs(2) };

    #[test]
    fn doubles_from_the_base() {
        let waits = [1, 2, 3, 4].map(|attempt| POLICY.delay(attempt, None, 0.5).as_millis());
        assert_eq!(waits, [2_000, 4_000, 8_000, 16_000]);
    }

    #[test]
    fn jitter_is_a_fifth_either_way() {
        assert_eq!(POLICY.delay(1, None, 0.0), Duration::from_millis(1_600));
        assert!(POLICY.delay(1, None, 0.999_999) < Duration::from_millis(2_400));
    }

    #[test]
    fn retry_after_wins_when_longer_and_is_bounded() {
        assert_eq!(POLICY.delay(1, Some(Duration::from_secs(90)), 0.5), Duration::from_secs(90));
        assert_eq!(POLICY.delay(1, Some(Duration::from_millis(1)), 0.5), Duration::from_secs(2));
        assert_eq!(POLICY.delay(1, Some(Duration::MAX), 0.5), LONGEST);
        assert_eq!(POLICY.delay(u16::MAX, None, 0.5), LONGEST);
    }
}
