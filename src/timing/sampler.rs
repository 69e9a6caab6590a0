//! The interleaved sampler: every contestant runs once per round, in a new random order.
//!
//! A temporary slowdown of the machine affects all contestants, so their ratios hold. A turn repeats passes
//! until they reach the target time; `reset` runs before each pass and is not timed. If resets take far
//! longer than passes, the turn ends early.
//!
//! Other work on the machine can only lengthen a pass, so the quick passes show the undisturbed cost of an
//! operation. The result is the lower quartile of the passes in the quietest quarter of the rounds. A
//! neighbour on the same core stays for seconds and can be there most of the time; it slows all contestants,
//! so all of them together tell which rounds were quiet. The slow calls that this ignores appear in the
//! latency tails.

use std::time::Instant;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::interval::median;
use super::{Clock, stack};

/// The longest turn, as a multiple of the target time, resets included.
const PATIENCE: f64 = 10.0;

/// Operations ready to be timed. A pass is one [`reset`](Self::reset) followed by one [`run`](Self::run).
pub trait Timed {
    /// Restores the state that `run` starts from. Not timed.
    fn reset(&mut self);

    /// Performs exactly [`count`](Self::count) operations and nothing else.
    fn run(&mut self);

    /// The number of operations in one run; at least one.
    fn count(&self) -> u64;

    /// Moves the buffers to `offset` bytes after the start of a page; the next [`reset`](Self::reset) fills
    /// them. Returns false, with nothing moved, if they cannot be moved.
    fn move_to(&mut self, _offset: usize) -> bool {
        false
    }

    /// Compares the output of every operation of the last `run` with the expected one, so that an operation
    /// that was skipped or done on the wrong data is found.
    ///
    /// # Errors
    /// A human-readable description of the difference.
    fn check(&mut self) -> Result<(), String>;

    /// Runs the operation on forged input, which must be refused. A workload that opens nothing has nothing
    /// to refuse; a workload that times refusals opens authentic input instead.
    ///
    /// # Errors
    /// A human-readable description of what happened instead.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// How to sample, and for how long in each turn.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sampler {
    /// The clock.
    pub clock: Clock,
    /// Timed nanoseconds per turn; at least one pass runs. A turn ends early once it has lasted ten times as
    /// long, resets included.
    pub target_ns: f64,
    /// Seed for the order within the rounds.
    pub seed: u64,
}

/// The passes of one contestant by round: nanoseconds per operation.
type Turns = Vec<Vec<f64>>;

/// The lower quartile; `None` without a value.
fn quartile(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 4).copied()
}

/// The quietest quarter of the rounds: those in which the contestants took least time, each compared with its
/// own fastest round. A round's rank is the median over contestants, so what happens to one of them, good or
/// bad, does not choose its rounds.
fn quiet_rounds(contestants: &[Turns]) -> Vec<usize> {
    let rounds = contestants.iter().map(Vec::len).min().unwrap_or(0);
    let slowness: Vec<Vec<f64>> = contestants
        .iter()
        .map(|turns| {
            let times: Vec<f64> =
                turns.iter().map(|passes| median(passes).unwrap_or(f64::INFINITY)).collect();
            let least = times.iter().copied().fold(f64::INFINITY, f64::min);
            times.iter().map(|time| if *time > least { time / least } else { 1.0 }).collect()
        })
        .collect();
    let of_round = |round: usize| {
        let all: Vec<f64> = slowness.iter().map(|contestant| contestant[round]).collect();
        median(&all).unwrap_or(f64::INFINITY)
    };
    let mut ranked: Vec<(f64, usize)> = (0..rounds).map(|round| (of_round(round), round)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked.truncate(rounds.div_ceil(4));
    ranked.into_iter().map(|(_, round)| round).collect()
}

impl Sampler {
    /// Warms up every contestant. The caller runs the rounds and may do other work between them.
    pub fn begin<P: Timed + ?Sized>(&self, contestants: &mut [Box<P>]) -> Rounds {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let places = Places::draw(&mut rng);
        for contestant in contestants.iter_mut() {
            self.turn(&mut **contestant, &places, self.target_ns / 2.0);
        }
        Rounds {
            sampler: *self,
            turns: vec![Turns::new(); contestants.len()],
            order: (0..contestants.len()).collect(),
            rng,
        }
    }

    /// Runs one turn; the nanoseconds per operation of each pass.
    fn turn<P: Timed + ?Sized>(&self, contestant: &mut P, places: &Places, target_ns: f64) -> Vec<f64> {
        let (mut passes, mut spent_ns) = (Vec::new(), 0.0);
        let mut stacks = places.stacks.clone();
        contestant.move_to(places.arena);
        let began = Instant::now();
        loop {
            contestant.reset();
            let (offset, mut ns) = (stack::STEP * stacks.random_range(0..stack::LIMIT / stack::STEP), 0.0);
            stack::lowered(offset, &mut || ns = self.clock.time(|| contestant.run()));
            passes.push(ns / contestant.count().max(1) as f64);
            // Passes that appear to take no time must not repeat forever: each counts as at least the clock's
            // error.
            spent_ns += ns.max(self.clock.error_ns());
            if spent_ns >= target_ns || began.elapsed().as_secs_f64() * 1e9 >= PATIENCE * target_ns {
                return passes;
            }
        }
    }
}

/// Where the contestants of a round have their buffers and stacks. It is the same for all of them, and drawn
/// anew for each round: how far a stack lies from a buffer, modulo a page, can change a time by a third.
#[derive(Clone, Debug)]
struct Places {
    /// Bytes from the start of a page to the first buffer.
    arena: usize,
    /// Draws the offset of the stack for each pass.
    stacks: ChaCha8Rng,
}

/// The granularity of a buffer's place: a cache line.
pub const ARENA_STEP: u32 = 64;

impl Places {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let arena = ARENA_STEP * rng.random_range(0..stack::LIMIT / ARENA_STEP);
        Self { arena: arena as usize, stacks: ChaCha8Rng::seed_from_u64(rng.random()) }
    }
}

/// Rounds over the same contestants, run one at a time.
#[derive(Clone, Debug)]
pub struct Rounds {
    sampler: Sampler,
    /// The passes so far, in the order of the contestants.
    turns: Vec<Turns>,
    order: Vec<usize>,
    rng: ChaCha8Rng,
}

impl Rounds {
    /// Runs one more round of the contestants that the rounds began with.
    pub fn run<P: Timed + ?Sized>(&mut self, contestants: &mut [Box<P>]) {
        self.order.shuffle(&mut self.rng);
        let places = Places::draw(&mut self.rng);
        for &i in &self.order {
            let passes = self.sampler.turn(&mut *contestants[i], &places, self.sampler.target_ns);
            self.turns[i].push(passes);
        }
    }

    /// Nanoseconds per operation of each contestant: the lower quartile of its passes in the quietest quarter
    /// of the rounds. `None` if there were no rounds.
    pub fn times(&self) -> Vec<Option<f64>> {
        let quiet = quiet_rounds(&self.turns);
        let of = |turns: &Turns| quartile(quiet.iter().flat_map(|&round| turns[round].iter().copied()));
        self.turns.iter().map(of).collect()
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
        let mut all = Sampler { clock, target_ns: 0.0, seed }.begin(&mut contestants);
        (0..rounds).for_each(|_| all.run(&mut contestants));
        let times = all.times();
        assert!(all.turns.iter().all(|turns| turns.len() == rounds));
        assert_eq!(times.len(), 4);
        assert!(times.iter().all(Option::is_some));
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
        let sampler = Sampler { clock, target_ns: 1000.0, seed: 0 };
        let mut contestants = [Box::new(Nothing)];
        let mut rounds = sampler.begin(&mut contestants);
        (0..3).for_each(|_| rounds.run(&mut contestants));
        assert_eq!(rounds.turns, [[[0.0], [0.0], [0.0]]]);
        assert_eq!(rounds.times(), [Some(0.0)]);
    }

    #[test]
    fn three_slow_passes_of_four_do_not_move_the_quartile() {
        let ns = |ns: &[f64]| quartile(ns.iter().copied());
        assert_eq!(ns(&[9.0, 1.0, 7.0, 8.0, 1.0]), Some(1.0));
        assert_eq!(ns(&[5.0, 4.0, 3.0, 2.0, 1.0]), Some(2.0));
        assert_eq!((ns(&[3.0]), ns(&[])), (Some(3.0), None));
    }

    #[test]
    fn the_quiet_rounds_are_those_of_all_contestants_and_not_of_one() {
        let turns = |times: &[f64]| -> Turns { times.iter().map(|time| vec![*time, 9.0 * time]).collect() };
        // Rounds 1 and 4 are quiet for two of three. The third has its best in round 2, and a bad round 4.
        let contestants = [
            turns(&[9.0, 1.0, 8.0, 7.0, 1.1, 7.0, 9.0, 9.0]),
            turns(&[90.0, 11.5, 80.0, 70.0, 10.0, 99.0, 80.0, 70.0]),
            turns(&[300.0, 210.0, 100.0, 400.0, 500.0, 300.0, 300.0, 300.0]),
        ];
        assert_eq!(quiet_rounds(&contestants), [4, 1]);
        assert_eq!(quiet_rounds(&[turns(&[3.0, 1.0, 2.0])]), [1]);
        assert!(quiet_rounds(&[]).is_empty() && quiet_rounds(&[Turns::new()]).is_empty());
    }
}
