//! The clock that the tunnel is given: milliseconds from a start of its own.
//!
//! Nothing in the tunnel asks the system for the time, so that tests and the simulator set it. Not here:
//! dates.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the clock's start. Never decreases.
    fn now_ms(&self) -> u64;
}

/// The system's monotonic clock, from the moment of creation. On Linux, the coarse one, which moves every few
/// milliseconds: every frame reads it, and the exact one costs as much as a lookup in the store.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Duration,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self { start: monotonic() }
    }
}

/// The time since some moment before this process's first call.
#[cfg(target_os = "linux")]
#[inline]
fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    // Neither is negative on a clock that counts from the start of the machine.
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

#[cfg(not(target_os = "linux"))]
fn monotonic() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[inline]
    fn now_ms(&self) -> u64 {
        // Not `as_millis`, which divides 128 bits.
        let since = monotonic().saturating_sub(self.start);
        since.as_secs() * 1_000 + u64::from(since.subsec_millis())
    }
}

/// A clock that moves only when told to.
#[derive(Default, Debug)]
pub struct ManualClock {
    now_ms: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now_ms`.
    pub const fn at(now_ms: u64) -> Self {
        Self { now_ms: AtomicU64::new(now_ms) }
    }

    /// Sets the time, in milliseconds. An earlier time is ignored: the clock never goes back.
    pub fn set(&self, now_ms: u64) {
        self.now_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// Advances the time by this many milliseconds.
    pub fn advance(&self, by_ms: u64) {
        self.now_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_when_told_and_never_back() {
        let clock = ManualClock::at(5);
        clock.advance(10);
        assert_eq!(clock.now_ms(), 15);
        clock.set(12);
        assert_eq!(clock.now_ms(), 15);
        clock.set(40);
        assert_eq!(clock.now_ms(), 40);
    }

    #[test]
    fn the_systems_clock_does_not_go_back() {
        let clock = SystemClock::new();
        let first = clock.now_ms();
        assert!(clock.now_ms() >= first);
    }
}
