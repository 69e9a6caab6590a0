//! The clock, with its grain and the cost of reading it.
//!
//! A timed pass is `now`, a compiler fence, the work, a compiler fence, `now`. The processor is kept from
//! moving work across the readings by the clock itself (on x86_64 Linux it orders its counter read after what
//! came before); the length of a pass hides what little is left.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::Instant;

/// A calibrated clock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Clock {
    /// The step in which it moves, in nanoseconds: lengths that it shows are apart by this. [`Instant`]
    /// counts whole nanoseconds, so a finer step shows as 1.
    pub grain_ns: f64,
    /// What an empty timed pass appears to take: the median of many, in nanoseconds.
    pub overhead_ns: f64,
}

/// Readings that a calibration makes.
const READINGS: usize = 4096;

impl Clock {
    /// Measures grain and overhead. Takes well under a millisecond.
    pub fn calibrate() -> Self {
        let mut lengths = Vec::with_capacity(READINGS);
        let mut last = now();
        for i in 0..READINGS {
            // Work of many lengths, so that the clock shows many.
            for k in 0..i % 64 {
                black_box(k);
            }
            let next = now();
            lengths.push(next.duration_since(last).as_nanos() as u64);
            last = next;
        }
        let mut empty: Vec<f64> = (0..READINGS).map(|_| raw(|| {})).collect();
        empty.sort_by(f64::total_cmp);
        // A clock that never moved in so many readings is coarser than any of them: take a millisecond.
        Self { grain_ns: grain(&lengths).unwrap_or(1e6), overhead_ns: empty[READINGS / 2] }
    }

    /// Nanoseconds that `work` takes, less the cost of an empty pass, never below zero.
    pub fn time(&self, work: impl FnOnce()) -> f64 {
        (raw(work) - self.overhead_ns).max(0.0)
    }

    /// What one timed pass may be off by: a grain, or what reading the clock costs where that is more.
    pub fn error_ns(&self) -> f64 {
        self.grain_ns.max(self.overhead_ns)
    }

    /// The shortest pass that is worth timing: 100 times what it may be off by, so that the sampler's own
    /// cost, which is taken off, is below 1 % of it. A sample sums hundreds of such passes, each beginning
    /// anywhere within a grain, so what one reading is off by averages out.
    pub fn shortest_pass_ns(&self) -> f64 {
        100.0 * self.error_ns()
    }
}

/// The step of a clock that showed these lengths: the usual distance from one distinct length to the next,
/// among the smallest. `None` where there is one length, and that is zero.
///
/// A step that is not a whole number of nanoseconds shows as two neighbouring lengths, which count as one;
/// three neighbours can only be steps of a nanosecond or so. Lengths seen once are left out if others remain:
/// the system may set the clock at any time.
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
    // Each is off by up to a nanosecond; their median is not. The others are several steps.
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

    /// What a clock of that step shows for work that takes from `from` to `to` nanoseconds.
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
    fn the_grain_is_the_step_and_not_what_a_reading_costs() {
        assert_eq!(grain(&shown(1.0, 36, 120)), Some(1.0));
        assert_eq!(grain(&shown(10.0, 36, 120)), Some(10.0));
        assert_eq!(grain(&shown(100.0, 20, 120)), Some(100.0), "a reading costs less than a grain");
        for step_ns in [9.97, 41.667] {
            let grain = grain(&shown(step_ns, 36, 160)).unwrap();
            assert!((grain - step_ns).abs() < 1.0, "{step_ns}: {grain}");
        }
    }

    #[test]
    fn a_length_seen_once_does_not_make_a_grain() {
        let mut lengths = shown(10.0, 36, 120);
        lengths.push(43);
        assert_eq!(grain(&lengths), Some(10.0));
    }

    #[test]
    fn a_clock_that_hardly_moves_has_a_bound_or_nothing() {
        assert_eq!(grain(&[0, 0, 15_625_000, 0]), Some(15_625_000.0));
        assert_eq!(grain(&[0; 100]), None);
        assert_eq!(grain(&[]), None);
    }

    #[test]
    fn a_pass_is_long_against_the_grain_and_the_cost_of_reading() {
        let clock = |grain_ns, overhead_ns| Clock { grain_ns, overhead_ns }.shortest_pass_ns();
        assert_eq!([clock(1.0, 36.0), clock(100.0, 36.0)], [3_600.0, 10_000.0]);
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
