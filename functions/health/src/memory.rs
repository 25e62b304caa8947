//! How much memory this process holds, against what it may.
//!
//! Beyond its limit Lambda kills an environment without a word, and starts another one. Read from Linux's `/proc`, which costs
//! microseconds; elsewhere (a laptop with macOS) it is unknown, and nothing is degraded by that.

pub const MEGABYTE: u64 = 1_048_576;

/// Above this, or above 80 % of the limit if that is less, something leaks: the function needs some 30 MB.
const MOST: u64 = 512 * MEGABYTE;

/// In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub used: Option<u64>,
    pub limit: Option<u64>,
    pub threshold: u64,
}

impl Memory {
    /// As it is now. Lambda says the limit; without one there is the fixed threshold only.
    pub fn now(limit: Option<u64>) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").ok();
        let threshold = limit.map_or(MOST, |limit| MOST.min(limit / 10 * 8));
        Self { used: status.as_deref().and_then(resident), limit, threshold }
    }

    pub fn is_over(&self) -> bool {
        self.used.is_some_and(|used| used > self.threshold)
    }
}

/// Of the line `VmRSS:     12345 kB` (proc(5)).
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_512_mb_or_four_fifths_of_the_limit() {
        let threshold = |limit| Memory::now(limit).threshold / MEGABYTE;
        assert_eq!(threshold(Some(256 * MEGABYTE)), 204);
        assert_eq!(threshold(Some(640 * MEGABYTE)), 512);
        assert_eq!(threshold(Some(10_240 * MEGABYTE)), 512);
        assert_eq!(threshold(None), 512);
    }

    #[test]
    fn only_more_than_the_threshold_is_too_much() {
        let of = |used| Memory { used, limit: None, threshold: 100 }.is_over();
        assert!(of(Some(101)));
        assert!(!of(Some(100)) && !of(None));
    }

    #[test]
    fn what_is_used_is_read_from_the_kernel_s_words() {
        assert_eq!(resident("VmPeak:\t 9 kB\nVmRSS:\t   12345 kB\nThreads:\t1\n"), Some(12_641_280));
        assert_eq!(resident("VmSize:\t 9 kB\n"), None);
        assert_eq!(resident("VmRSS:\t 99999999999999999999 kB\n"), None);
        let used = Memory::now(None).used.unwrap();
        assert!((MEGABYTE..16_384 * MEGABYTE).contains(&used), "{used}");
    }
}
