//! The clock, with its grain and the cost of reading it.
//!
//! A timed pass is `now`, a compiler fence, the work, a compiler fence, `now`. The processor is kept from moving
//! work across the readings by the clock itself (on x86_64 Linux it orders its counter read after what came
//! before); the length of a pass hides what little is left.

use std::hint::black_box;
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::Instant;

/// A calibrated clock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Clock {
    /// The smallest step between two readings, in nanoseconds. A counter finer than its reading costs cannot be
    /// seen to be so: then this is a bound.
    pub grain_ns: f64,
    /// What an empty timed pass appears to take: the median of many, in nanoseconds.
    pub overhead_ns: f64,
}

/// Readings that a calibration makes.
const READINGS: usize = 4096;

impl Clock {
    /// Measures grain and overhead. Takes well under a millisecond.
    pub fn calibrate() -> Self {
        let mut grain_ns = f64::INFINITY;
        let mut last = now();
        for _ in 0..READINGS {
            let next = now();
            let step = nanoseconds(last, next);
            if step > 0.0 {
                grain_ns = grain_ns.min(step);
            }
            last = next;
        }
        let mut empty: Vec<f64> = (0..READINGS).map(|_| raw(|| {})).collect();
        empty.sort_by(f64::total_cmp);
        // A clock that never moved in so many readings is coarser than any of them: take a millisecond.
        let grain_ns = if grain_ns.is_finite() { grain_ns } else { 1e6 };
        Self { grain_ns, overhead_ns: empty[READINGS / 2] }
    }

    /// Nanoseconds that `work` takes, less the cost of an empty pass, never below zero.
    pub fn time(&self, work: impl FnOnce()) -> f64 {
        (raw(work) - self.overhead_ns).max(0.0)
    }

    /// The shortest pass that is worth timing: 25 grains. A sample sums hundreds of such passes, each beginning
    /// anywhere within a grain, so what one reading is off by averages out.
    pub fn shortest_pass_ns(&self) -> f64 {
        25.0 * self.grain_ns
    }
}

fn raw(work: impl FnOnce()) -> f64 {
    let start = now();
    work();
    let end = now();
    nanoseconds(start, end)
}

fn now() -> Instant {
    compiler_fence(Ordering::SeqCst);
    let instant = black_box(Instant::now());
    compiler_fence(Ordering::SeqCst);
    instant
}

fn nanoseconds(start: Instant, end: Instant) -> f64 {
    end.duration_since(start).as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibrated_clock_has_a_grain_and_a_cost() {
        let clock = Clock::calibrate();
        assert!(clock.grain_ns > 0.0 && clock.grain_ns.is_finite(), "{clock:?}");
        assert!(clock.overhead_ns >= 0.0 && clock.overhead_ns.is_finite(), "{clock:?}");
        assert_eq!(clock.shortest_pass_ns(), 25.0 * clock.grain_ns);
    }

    #[test]
    fn a_pass_shorter_than_the_overhead_takes_nothing_rather_than_less() {
        let clock = Clock { grain_ns: 1.0, overhead_ns: 1e12 };
        assert_eq!(clock.time(|| {}), 0.0);
    }

    #[test]
    fn the_work_is_done_once() {
        let mut times = 0;
        Clock { grain_ns: 1.0, overhead_ns: 0.0 }.time(|| times += 1);
        assert_eq!(times, 1);
    }
}
