//! How fast one courier calls each destination: a token bucket (GCRA, by `governor`), and a pause when the destination
//! asked for one. It counts within one environment: n environments call n times as fast, and reserved concurrency bounds n.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use shared::config::OutboundLimits;
use tokio::time::{Instant, sleep};

/// A longer wait is spent on the queue, where it costs nothing.
const LONGEST_HERE: Duration = Duration::from_secs(10);
/// How many destinations are remembered. A forgotten one begins with a full bucket.
const MOST_DESTINATIONS: usize = 1_000;

pub struct Limiter {
    limits: OutboundLimits,
    destinations: Mutex<HashMap<String, Arc<Destination>>>,
}

struct Destination {
    bucket: DefaultDirectRateLimiter,
    paused_until: Mutex<Option<Instant>>,
}

/// It is not this destination's turn before so much time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYet(pub Duration);

impl Limiter {
    pub fn new(limits: OutboundLimits) -> Self {
        Self { limits, destinations: Mutex::default() }
    }

    /// Takes a token; waits for it when that is not long, and over by `latest`.
    pub async fn admit(&self, destination: &str, latest: Instant) -> Result<(), NotYet> {
        let destination = self.destination(destination);
        loop {
            let now = Instant::now();
            if now > latest {
                return Err(NotYet(Duration::ZERO));
            }
            let Some(wait) = destination.wait(now) else { return Ok(()) };
            if wait > LONGEST_HERE || now + wait > latest {
                return Err(NotYet(wait));
            }
            sleep(wait).await;
        }
    }

    /// Nothing more goes to the destination for so long.
    pub fn pause(&self, destination: &str, wait: Duration) {
        let destination = self.destination(destination);
        let until = Instant::now() + wait;
        let mut paused = destination.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = paused.max(Some(until));
    }

    fn destination(&self, name: &str) -> Arc<Destination> {
        let mut all = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(name) {
            return Arc::clone(known);
        }
        if all.len() >= MOST_DESTINATIONS {
            all.clear();
        }
        let new = Arc::new(Destination::new(self.quota(name)));
        all.insert(name.to_owned(), Arc::clone(&new));
        new
    }

    fn quota(&self, name: &str) -> Quota {
        let (rate, burst) = match self.limits.destinations.get(name) {
            Some(own) => (own.requests_per_second, own.burst),
            None => (self.limits.requests_per_second, self.limits.burst),
        };
        Quota::per_second(rate).allow_burst(burst)
    }
}

impl Destination {
    fn new(quota: Quota) -> Self {
        Self { bucket: RateLimiter::direct(quota), paused_until: Mutex::default() }
    }

    /// Takes a token, or says how long to wait.
    fn wait(&self, now: Instant) -> Option<Duration> {
        let paused_until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = paused_until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero());
        pause.or_else(|| {
            let refused = self.bucket.check().err()?;
            Some(refused.wait_time_from(self.bucket.clock().now()))
        })
    }
}

#[cfg(test)]
mod tests {
    use shared::config::SoloToml;

    use super::*;

    fn limiter() -> Limiter {
        let toml = "[outbound]\nrequests_per_second = 20\nburst = 2
                    [outbound.destinations.'slow.example.com']\nrequests_per_second = 1\nburst = 1";
        Limiter::new(SoloToml::parse(toml).unwrap().outbound)
    }

    fn soon(milliseconds: u64) -> Instant {
        Instant::now() + Duration::from_millis(milliseconds)
    }

    #[tokio::test]
    async fn the_burst_goes_at_once_and_the_rest_at_the_rate() {
        let limiter = limiter();
        let start = Instant::now();
        for _ in 0..6 {
            limiter.admit("api.example.com", soon(5_000)).await.unwrap();
        }
        // Four of them at 20 a second.
        assert!(start.elapsed() >= Duration::from_millis(190), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_destination_has_its_own_limit_and_takes_nothing_from_others() {
        let limiter = limiter();
        limiter.admit("slow.example.com", soon(100)).await.unwrap();
        let NotYet(wait) = limiter.admit("slow.example.com", soon(100)).await.unwrap_err();
        assert!(wait > Duration::from_millis(800) && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(limiter.admit("api.example.com", soon(100)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_pause_holds_until_it_is_over_and_is_not_shortened() {
        let limiter = limiter();
        limiter.pause("api.example.com", Duration::from_mins(1));
        limiter.pause("api.example.com", Duration::from_secs(1));
        let NotYet(wait) = limiter.admit("api.example.com", soon(120_000)).await.unwrap_err();
        assert!(wait > Duration::from_secs(59), "{wait:?}");
        limiter.pause("other.example.com", Duration::from_millis(50));
        let start = Instant::now();
        assert_eq!(limiter.admit("other.example.com", soon(1_000)).await, Ok(()));
        assert!(start.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn too_late_is_too_late() {
        let past = Instant::now().checked_sub(Duration::from_millis(1)).unwrap();
        assert_eq!(limiter().admit("api.example.com", past).await, Err(NotYet(Duration::ZERO)));
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let limiter = limiter();
        for n in 0..3_000 {
            limiter.admit(&format!("{n}.example.com"), soon(1_000)).await.unwrap();
        }
        assert!(limiter.destinations.lock().unwrap().len() <= MOST_DESTINATIONS);
    }
}
