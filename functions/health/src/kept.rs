//! What was found a moment ago, told again: who asks often does not cause as many looks.
//!
//! One look at a time. Who asks meanwhile waits for that look and gets what it found, so a storm of requests costs one look for
//! each [`Settings::kept_for`](crate::Settings::kept_for) in each environment, also while looks take their whole time.
//!
//! Two clocks have to agree that it is fresh. Lambda freezes an environment between invocations, and nothing says that a monotonic
//! clock counts meanwhile; a wall clock may be set back. What one of them calls old is looked at anew.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{sync::Mutex, time::Instant};

pub struct Kept<T> {
    period: Duration,
    now: fn() -> Timestamp,
    found: Mutex<Option<Found<T>>>,
}

struct Found<T> {
    value: T,
    at: Instant,
    wall: Timestamp,
}

impl<T: Clone> Kept<T> {
    pub fn new(period: Duration, now: fn() -> Timestamp) -> Self {
        Self { period, now, found: Mutex::default() }
    }

    /// What was found last, when that is fresh; otherwise what `look` finds. Its age counts from the look's end: one that took its
    /// time is not old at once.
    pub async fn get(&self, look: impl Future<Output = T>) -> T {
        let mut found = self.found.lock().await;
        if let Some(found) = found.as_ref().filter(|found| self.is_fresh(found)) {
            return found.value.clone();
        }
        let value = look.await;
        *found = Some(Found { value: value.clone(), at: Instant::now(), wall: (self.now)() });
        value
    }

    fn is_fresh(&self, found: &Found<T>) -> bool {
        let by_the_wall = Duration::try_from((self.now)().duration_since(found.wall));
        found.at.elapsed() < self.period && by_the_wall.is_ok_and(|age| age < self.period)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Long, on a machine that does other things too.
    const PERIOD: Duration = Duration::from_secs(1);
    const LOOK: Duration = Duration::from_millis(100);

    fn epoch() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn look(looks: &AtomicUsize) -> usize {
        sleep(LOOK).await;
        looks.fetch_add(1, Ordering::SeqCst) + 1
    }

    #[tokio::test]
    async fn a_storm_is_one_look_and_the_next_one_comes_when_it_is_old() {
        let (kept, looks) = (Kept::new(PERIOD, epoch), AtomicUsize::new(0));
        let all = join_all((0..100).map(|_| kept.get(look(&looks)))).await;
        assert_eq!(all, [1; 100], "everyone waited for the one look");
        assert_eq!(kept.get(look(&looks)).await, 1);
        sleep(PERIOD).await;
        assert_eq!(kept.get(look(&looks)).await, 2);
    }

    #[tokio::test]
    async fn a_look_that_takes_longer_than_it_is_kept_is_not_old_at_once() {
        let (kept, looks) = (Kept::new(LOOK / 2, epoch), AtomicUsize::new(0));
        assert_eq!(join_all((0..10).map(|_| kept.get(look(&looks)))).await, [1; 10]);
    }

    #[tokio::test]
    async fn a_look_that_is_given_up_leaves_nothing_and_blocks_nobody() {
        let (kept, looks) = (Kept::new(PERIOD, epoch), AtomicUsize::new(0));
        timeout(LOOK / 2, kept.get(look(&looks))).await.unwrap_err();
        assert_eq!(kept.get(look(&looks)).await, 1);
    }

    /// The wall clock of the test below, in milliseconds.
    static WALL: AtomicI64 = AtomicI64::new(1_000_000);

    fn wall() -> Timestamp {
        Timestamp::from_millisecond(WALL.load(Ordering::SeqCst)).unwrap()
    }

    /// As after a freeze in which only the wall clock went on, and after the wall clock was set back.
    #[tokio::test]
    async fn what_either_clock_calls_old_is_looked_at_anew() {
        let (kept, looks) = (Kept::new(PERIOD, wall), AtomicUsize::new(0));
        assert_eq!(kept.get(look(&looks)).await, 1);
        WALL.store(1_000_999, Ordering::SeqCst);
        assert_eq!(kept.get(look(&looks)).await, 1, "less than a second is fresh");
        WALL.store(1_060_000, Ordering::SeqCst);
        assert_eq!(kept.get(look(&looks)).await, 2, "a minute passed while it was frozen");
        WALL.store(1_000_000, Ordering::SeqCst);
        assert_eq!(kept.get(look(&looks)).await, 3, "found in the future");
    }
}
