//! The clock that the tunnel is given: milliseconds from a start of its own.
//!
//! Nothing in the tunnel asks the system for the time, so that tests and the simulator set it. Not here:
//! dates.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the clock's start. Never decreases.
    fn now_ms(&self) -> u64;
}

/// The system's monotonic clock, from the moment of creation.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
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
        let since = self.start.elapsed();
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
