//! Was the work done at all? Twice the operations must take about twice the time.
//!
//! A workload that the optimiser removed takes the same time for any number of operations, or none. The machine
//! is noisy and noise only adds, so each try is the shortest of some passes, several tries are made, the shortest
//! of all of them are one more, and the best counts.

use super::Batch;
use crate::timing::Clock;

/// Tries that a workload has.
const TRIES: usize = 15;
/// Passes of each batch in a try; the shortest counts.
const PASSES: usize = 3;
/// What twice the operations may take, in multiples of the time of the others: work that was not done takes too
/// little, a neighbour makes it much.
const ALLOWED: std::ops::RangeInclusive<f64> = 1.6..=4.0;
/// Below this many times of what a pass may be off by, it cannot be told from nothing.
const VISIBLE: f64 = 10.0;

/// What the pass of 2n operations is aimed at, in nanoseconds: longer ones are more often interrupted.
const PASS_NS: f64 = 200e3;

/// How many operations the pass of 2n has, of a batch of `count` that takes `ns`: even, and of a short batch up to eight
/// times as many, lest what a pass costs besides its operations weighs as much as they.
pub(super) fn twice(count: usize, ns: f64) -> usize {
    let wanted = (count as f64 * PASS_NS / ns.max(1.0)) as usize;
    (wanted.clamp(2, (8 * count).max(2)) / 2) * 2
}

/// Times a batch of n and one of 2n operations, until a try is as it should be or they are used up.
pub(super) fn check(clock: &Clock, half: &mut dyn Batch, whole: &mut dyn Batch) -> Result<(), String> {
    let mut tries = Vec::with_capacity(2 * TRIES);
    let mut shortest = (f64::INFINITY, f64::INFINITY);
    loop {
        let latest = (shortest_pass(clock, half), shortest_pass(clock, whole));
        shortest = (latest.0.min(shortest.0), latest.1.min(shortest.1));
        tries.extend([latest, shortest]);
        let result = judge(&tries, VISIBLE * clock.error_ns());
        if result.is_ok() || tries.len() == 2 * TRIES {
            return result;
        }
    }
}

/// Whether the time of 2n operations is about twice that of n in any try. `visible_ns` is the shortest time that
/// counts as one.
pub(super) fn judge(tries: &[(f64, f64)], visible_ns: f64) -> Result<(), String> {
    let seen = tries.iter().filter(|(n, twice)| *n > 0.0 && *twice >= visible_ns);
    let ratios = seen.map(|(n, twice)| twice / n);
    let Some(best) = ratios.min_by(|a, b| (a - 2.0).abs().total_cmp(&(b - 2.0).abs())) else {
        return Err("the operations take no time that the clock can see: they are not done".into());
    };
    if ALLOWED.contains(&best) {
        Ok(())
    } else {
        Err(format!("twice the operations take {best:.2} times as long: they are not all done"))
    }
}

fn shortest_pass(clock: &Clock, batch: &mut dyn Batch) -> f64 {
    let mut shortest = f64::INFINITY;
    for _ in 0..PASSES {
        batch.reset();
        shortest = shortest.min(clock.time(|| batch.run()));
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::Pass;

    #[test]
    fn twice_the_work_in_twice_the_time_passes() {
        assert_eq!(judge(&[(1000.0, 2000.0)], 100.0), Ok(()));
        assert_eq!(judge(&[(1000.0, 1600.0)], 100.0), Ok(()));
        assert_eq!(judge(&[(1000.0, 2500.0)], 100.0), Ok(()));
    }

    #[test]
    fn the_best_try_counts() {
        assert_eq!(judge(&[(1000.0, 9000.0), (1000.0, 1100.0), (1000.0, 2100.0)], 100.0), Ok(()));
        assert!(judge(&[(1000.0, 9000.0), (1000.0, 1100.0)], 100.0).is_err());
    }

    #[test]
    fn a_removed_workload_takes_the_same_time_or_none() {
        for tries in [vec![(1000.0, 1010.0); 5], vec![(0.0, 0.0); 5], vec![(5.0, 10.0); 5], vec![]] {
            assert!(judge(&tries, 100.0).is_err(), "{tries:?}");
        }
        assert!(judge(&[(1000.0, 1590.0)], 100.0).is_err());
        assert!(judge(&[(1000.0, 4010.0)], 100.0).is_err());
    }

    #[test]
    fn a_long_pass_is_cut_to_an_even_number_of_operations() {
        assert_eq!(twice(64, 3.2e6), 4);
        assert_eq!(twice(2, 1e7), 2);
        assert_eq!(twice(85, 3_000.0), 680);
        assert_eq!(twice(85, 200e3), 84);
        assert_eq!(twice(256, 0.0), 2048);
    }

    struct Removed;

    impl Pass for Removed {
        fn reset(&mut self) {}
        fn run(&mut self) {}
        fn count(&self) -> u64 {
            1_000_000
        }
    }

    impl Batch for Removed {
        fn check(&mut self) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn a_batch_that_does_nothing_is_caught() {
        // A coarse grain keeps this independent of what else the machine does.
        let clock = Clock { grain_ns: 1e6, overhead_ns: 0.0 };
        assert!(check(&clock, &mut Removed, &mut Removed).is_err());
    }
}
