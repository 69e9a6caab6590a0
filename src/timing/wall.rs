//! The time that life cycles follow: when a key expires, when a peer has been silent for too long, and the
//! timestamps in a log.
//!
//! There are two readings, as in the operating system: the wall clock, which people set and which may jump
//! either way, and the monotonic clock, which only rises and measures how long something took. A deadline
//! that must survive a restart uses the wall clock; a timeout uses the monotonic clock. Code that depends on
//! either takes a [`Clock`], so that a test can let years pass. Not here: measuring (the rest of `timing`)
//! and waiting.

use std::fmt;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A source of time. Any number of threads may share it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time of day.
    fn now(&self) -> SystemTime;

    /// The time since a fixed moment, the same for every reading of this clock. It never decreases.
    fn monotonic(&self) -> Duration;
}

/// The operating system's clock.
#[derive(Clone, Copy, Default, Debug)]
pub struct System;

/// The moment of this process's first reading.
static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for System {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        let first = *FIRST;
        first.elapsed()
    }
}

/// A clock that moves only when a test or simulation moves it. It starts at the given wall time and at a
/// monotonic time of zero.
#[derive(Debug)]
pub struct Manual(Mutex<(SystemTime, Duration)>);

impl Manual {
    /// A clock that shows this time of day.
    pub const fn at(now: SystemTime) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Advances both readings.
    ///
    /// # Panics
    /// The result exceeds the range of [`SystemTime`] or [`Duration`].
    pub fn advance(&self, by: Duration) {
        let mut both = self.both();
        let (now, monotonic) = *both;
        *both = (now + by, monotonic + by);
    }

    /// Sets the time of day, as a person or a time server does; the monotonic time is unaffected.
    pub fn set(&self, now: SystemTime) {
        self.both().0 = now;
    }

    fn both(&self) -> MutexGuard<'_, (SystemTime, Duration)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Manual {
    /// A clock at the beginning of 1970.
    fn default() -> Self {
        Self::at(SystemTime::UNIX_EPOCH)
    }
}

impl Clock for Manual {
    fn now(&self) -> SystemTime {
        self.both().0
    }

    fn monotonic(&self) -> Duration {
        self.both().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_moved_and_setting_the_wall_leaves_the_monotonic_time_alone() {
        let clock = Manual::default();
        let both = |clock: &dyn Clock| {
            (
                clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(),
                clock.monotonic().as_secs(),
            )
        };
        assert_eq!((both(&clock), both(&clock)), ((0, 0), (0, 0)));
        clock.advance(Duration::from_secs(7200));
        assert_eq!(both(&clock), (7200, 7200));
        clock.set(SystemTime::UNIX_EPOCH + Duration::from_secs(60));
        clock.advance(Duration::from_secs(1));
        assert_eq!(both(&clock), (61, 7201));
    }

    #[test]
    fn the_systems_monotonic_time_never_decreases_and_has_one_origin_for_all_threads() {
        let early = System.monotonic();
        let late = std::thread::spawn(|| System.monotonic()).join().unwrap();
        assert!(early <= late && late <= System.monotonic());
    }
}
