//! The interleaved sampler: every contestant once in each round, in an order shuffled anew.
//!
//! What slows the machine for a while slows all of them, so their ratio holds. A turn is as many passes as
//! reach the target time; `reset` runs before each pass and is not timed. Where it takes far longer than the
//! pass does, a turn is fewer passes.
//!
//! Other work on the machine only ever adds to a pass, so what an operation takes when it is left alone is
//! told by the quick ones. The lower quartile of all passes is the number: of two runs on a noisy host it
//! gave ratios that moved a fifth as far as those of mean times did, within intervals a tenth as wide. Lower
//! quantiles are no better, they hang on a few passes. What it leaves out, the slow calls, is what tails are
//! for.

use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Clock;

/// How many times its timed nanoseconds a turn may last, resets and all.
const PATIENCE: f64 = 10.0;

/// Operations that are ready to be timed: [`reset`](Self::reset), then [`run`](Self::run), and so on; one
/// pass is both.
pub trait Timed {
    /// Puts the state back to what `run` starts from. Not timed.
    fn reset(&mut self);

    /// Does exactly [`count`](Self::count) operations and nothing else.
    fn run(&mut self);

    /// Operations in one run; at least one.
    fn count(&self) -> u64;

    /// Moves the buffers to `offset` bytes behind the beginning of a page, which the next
    /// [`reset`](Self::reset) fills. False, and nothing is moved, where they cannot be.
    fn move_to(&mut self, _offset: usize) -> bool {
        false
    }

    /// Compares what the last `run` left with what it must leave: every operation, so that one that was not
    /// done, or done only for another, is found.
    ///
    /// # Errors
    /// What differs, for a person to read.
    fn check(&mut self) -> Result<(), String>;

    /// Does the work on forged input, which must be refused. What opens nothing has nothing to refuse; what
    /// times refusals opens authentic input instead.
    ///
    /// # Errors
    /// What came instead, for a person to read.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// How often and how long.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sampler {
    /// The clock.
    pub clock: Clock,
    /// Rounds; one turn of every contestant in each.
    pub rounds: usize,
    /// Timed nanoseconds of a turn; one pass at least. A turn that lasts ten times as long, resets and all,
    /// is over.
    pub target_ns: f64,
    /// Seed of the order within the rounds.
    pub seed: u64,
}

/// The passes of one contestant, in their order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Samples {
    /// Nanoseconds for one operation.
    pub ns: Vec<f64>,
}

impl Samples {
    /// The lower quartile; `None` when there was no round.
    pub fn quartile(&self) -> Option<f64> {
        let mut sorted = self.ns.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) / 4).copied()
    }
}

impl Sampler {
    /// Warms every contestant up, then runs the rounds. The result is in the order of the contestants.
    pub fn sample<P: Timed + ?Sized>(&self, contestants: &mut [Box<P>]) -> Vec<Samples> {
        let mut samples = vec![Samples::default(); contestants.len()];
        let mut order: Vec<usize> = (0..contestants.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        for contestant in contestants.iter_mut() {
            self.turn(&mut **contestant, self.target_ns / 2.0, &mut Vec::new());
        }
        for _ in 0..self.rounds {
            order.shuffle(&mut rng);
            for &i in &order {
                self.turn(&mut *contestants[i], self.target_ns, &mut samples[i].ns);
            }
        }
        samples
    }

    /// One turn: notes of each pass the nanoseconds for one operation.
    fn turn<P: Timed + ?Sized>(&self, contestant: &mut P, target_ns: f64, passes: &mut Vec<f64>) {
        let mut spent_ns = 0.0;
        let began = Instant::now();
        loop {
            contestant.reset();
            let ns = self.clock.time(|| contestant.run());
            passes.push(ns / contestant.count().max(1) as f64);
            // A pass that takes nothing must not run for ever: it counts as what it may be off by.
            spent_ns += ns.max(self.clock.error_ns());
            if spent_ns >= target_ns || began.elapsed().as_secs_f64() * 1e9 >= PATIENCE * target_ns {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    struct Noted {
        name: usize,
        log: Rc<RefCell<Vec<(usize, &'static str)>>>,
    }

    impl Timed for Noted {
        fn reset(&mut self) {
            self.log.borrow_mut().push((self.name, "reset"));
        }

        fn run(&mut self) {
            self.log.borrow_mut().push((self.name, "run"));
        }

        fn count(&self) -> u64 {
            1
        }

        fn check(&mut self) -> Result<(), String> {
            Ok(())
        }
    }

    fn log_of(rounds: usize, seed: u64) -> Vec<(usize, &'static str)> {
        let log = Rc::new(RefCell::new(Vec::new()));
        let mut contestants: Vec<_> = (0..4).map(|name| Box::new(Noted { name, log: log.clone() })).collect();
        let clock = Clock { grain_ns: 1.0, overhead_ns: 0.0 };
        let samples = Sampler { clock, rounds, target_ns: 0.0, seed }.sample(&mut contestants);
        assert_eq!(samples.len(), 4);
        assert!(samples.iter().all(|s| s.ns.len() == rounds && s.quartile().is_some()));
        log.take()
    }

    #[test]
    fn every_round_has_every_contestant_once_after_its_reset() {
        let log = log_of(11, 1);
        assert_eq!(log.len(), 4 * 2 * (1 + 11));
        for round in log.chunks(8) {
            let mut names: Vec<_> = round.iter().step_by(2).map(|(name, _)| *name).collect();
            names.sort_unstable();
            assert_eq!(names, [0, 1, 2, 3]);
            for pair in round.chunks(2) {
                assert_eq!((pair[0].0, pair[0].1, pair[1].1), (pair[1].0, "reset", "run"));
            }
        }
    }

    #[test]
    fn the_order_is_shuffled_and_the_seed_repeats_it() {
        let log = log_of(11, 1);
        assert_eq!(log, log_of(11, 1));
        assert_ne!(log, log_of(11, 2));
        let rounds: Vec<_> = log[8..].chunks(8).collect();
        assert!(rounds.iter().any(|round| round != &rounds[0]), "every round has the same order");
    }

    #[test]
    fn a_contestant_that_takes_no_time_still_ends() {
        struct Nothing;
        impl Timed for Nothing {
            fn reset(&mut self) {}
            fn run(&mut self) {}
            fn count(&self) -> u64 {
                1
            }
            fn check(&mut self) -> Result<(), String> {
                Ok(())
            }
        }
        let clock = Clock { grain_ns: 10.0, overhead_ns: 1e12 };
        let sampler = Sampler { clock, rounds: 3, target_ns: 1000.0, seed: 0 };
        let samples = sampler.sample(&mut [Box::new(Nothing)]);
        assert_eq!(samples[0].ns, [0.0; 3]);
    }

    #[test]
    fn three_slow_passes_of_four_do_not_move_the_quartile() {
        let ns = |ns: &[f64]| Samples { ns: ns.to_vec() }.quartile();
        assert_eq!(ns(&[9.0, 1.0, 7.0, 8.0, 1.0]), Some(1.0));
        assert_eq!(ns(&[5.0, 4.0, 3.0, 2.0, 1.0]), Some(2.0));
        assert_eq!((ns(&[3.0]), ns(&[])), (Some(3.0), None));
    }
}
