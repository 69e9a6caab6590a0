//! The clock, its resolution and the cost of reading it.
//!
//! A timed pass is `now`, a compiler fence, the work, a compiler fence, `now`. The clock itself keeps the
//! processor from moving work across the readings: on x86_64 Linux it orders its counter read after earlier
//! instructions. A pass is long enough to hide the small remainder.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::Instant;

/// A calibrated clock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Clock {
    /// The step in which the clock advances, in nanoseconds: the difference between neighbouring lengths that
    /// it can show. [`Instant`] counts whole nanoseconds, so a finer step shows as 1.
    pub grain_ns: f64,
    /// The time that an empty pass appears to take, in nanoseconds: the median of many.
    pub overhead_ns: f64,
}

/// Readings in a calibration.
const READINGS: usize = 4096;

impl Clock {
    /// Measures grain and overhead, in well under a millisecond.
    pub fn calibrate() -> Self {
        let mut lengths = Vec::with_capacity(READINGS);
        let mut last = now();
        for i in 0..READINGS {
            // Work of varying length, so that the readings differ.
            for k in 0..i % 64 {
                black_box(k);
            }
            let next = now();
            lengths.push(next.duration_since(last).as_nanos() as u64);
            last = next;
        }
        let mut empty: Vec<f64> = (0..READINGS).map(|_| raw(|| {})).collect();
        empty.sort_by(f64::total_cmp);
        // A clock that did not move during all these readings is very coarse: assume a millisecond.
        Self { grain_ns: grain(&lengths).unwrap_or(1e6), overhead_ns: empty[READINGS / 2] }
    }

    /// Nanoseconds that `work` takes, minus the cost of an empty pass, never below zero.
    pub fn time(&self, work: impl FnOnce()) -> f64 {
        (raw(work) - self.overhead_ns).max(0.0)
    }

    /// The possible error of one timed pass: the grain, or the cost of reading the clock if that is larger.
    pub fn error_ns(&self) -> f64 {
        self.grain_ns.max(self.overhead_ns)
    }

    /// The shortest pass worth timing: 100 times its possible error, so that the overhead subtracted from it
    /// is below 1 %. A sample sums hundreds of such passes, each starting at a random point within a grain,
    /// so the errors of single readings average out.
    pub fn shortest_pass_ns(&self) -> f64 {
        100.0 * self.error_ns()
    }
}

/// The step of a clock that showed these lengths: the typical distance between neighbouring distinct lengths,
/// among the smallest. `None` if every length is zero.
///
/// A step that is not a whole number of nanoseconds shows as two neighbouring lengths, which count as one;
/// three in a row can only come from a step of about a nanosecond. Lengths seen once are ignored if others
/// remain, because the system may adjust the clock at any time.
fn grain(lengths: &[u64]) -> Option<f64> {
    let mut seen = BTreeMap::from([(0, 2)]);
    for &length in lengths {
        *seen.entry(length).or_insert(0) += 1;
    }
    if seen.values().filter(|&&times| times > 1).count() > 1 {
        seen.retain(|_, times| *times > 1);
    }
    let distinct: Vec<u64> = seen.into_keys().collect();
    let mut steps: Vec<f64> = Vec::new();
    let mut before = None;
    for run in distinct.chunk_by(|a, b| b - a == 1) {
        let (first, last) = (run[0], run[run.len() - 1]);
        if last - first > 1 {
            return Some(1.0);
        }
        let middle = (first + last) as f64 / 2.0;
        steps.extend(before.map(|before| middle - before));
        before = Some(middle);
    }
    let smallest = steps.iter().copied().min_by(f64::total_cmp)?;
    // Each may be off by a nanosecond, but their median is not. Larger distances are several steps.
    steps.retain(|&step| step < 1.5 * smallest);
    super::interval::median(&steps)
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
        assert!(clock.shortest_pass_ns() >= 100.0 * clock.grain_ns, "{clock:?}");
    }

    /// The lengths that a clock with that step shows for work of `from` to `to` nanoseconds.
    fn shown(step_ns: f64, from: u32, to: u32) -> Vec<u64> {
        let mut now_ns = 0.25;
        let mut last = 0;
        let mut lengths = Vec::new();
        for _ in 0..20 {
            for work_ns in from..to {
                now_ns += f64::from(work_ns);
                let tick = ((now_ns / step_ns).floor() * step_ns) as u64;
                lengths.push(tick - last);
                last = tick;
            }
        }
        lengths
    }

    #[test]
    fn the_grain_is_the_step_and_not_the_cost_of_a_reading() {
        assert_eq!(grain(&shown(1.0, 36, 120)), Some(1.0));
        assert_eq!(grain(&shown(10.0, 36, 120)), Some(10.0));
        assert_eq!(grain(&shown(100.0, 20, 120)), Some(100.0), "a reading costs less than a grain");
        for step_ns in [9.97, 41.667] {
            let grain = grain(&shown(step_ns, 36, 160)).unwrap();
            assert!((grain - step_ns).abs() < 1.0, "{step_ns}: {grain}");
        }
    }

    #[test]
    fn a_length_seen_once_does_not_change_the_grain() {
        let mut lengths = shown(10.0, 36, 120);
        lengths.push(43);
        assert_eq!(grain(&lengths), Some(10.0));
    }

    #[test]
    fn a_clock_that_hardly_moves_gives_a_bound_or_none() {
        assert_eq!(grain(&[0, 0, 15_625_000, 0]), Some(15_625_000.0));
        assert_eq!(grain(&[0; 100]), None);
        assert_eq!(grain(&[]), None);
    }

    #[test]
    fn a_pass_is_long_compared_with_the_grain_and_the_cost_of_reading() {
        let clock = |grain_ns, overhead_ns| Clock { grain_ns, overhead_ns }.shortest_pass_ns();
        assert_eq!([clock(1.0, 36.0), clock(100.0, 36.0)], [3_600.0, 10_000.0]);
    }

    #[test]
    fn a_pass_shorter_than_the_overhead_takes_zero_not_less() {
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
