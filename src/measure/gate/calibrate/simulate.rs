//! Runs of the gate over pairs that are drawn again from a bank: estimates, by the hundred.
//!
//! A run draws its programs as a real one does, and then pairs of these programs, with replacement. A bank is
//! finite, so its chance is in every run: where the bank's pairs happen to lean to one side, all runs lean.
//! Estimates therefore err towards more false verdicts, and say nothing of noise on another day.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::measure::gate::calibrate::kind::{KINDS, Kind, Margins};
use crate::measure::gate::calibrate::line::{self, Line, Pair};
use crate::measure::gate::pair::Task;
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::timed::{self, Question, Sides, Taken};

/// A rate of simulated runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// Of a planted kind: the share of workloads that are found. Else: the share of runs with a false
    /// verdict.
    pub rate: f64,
    /// How many runs were simulated.
    pub runs: usize,
    /// Over how many pairs of the bank.
    pub pairs: usize,
}

/// Whole decisions over pairs that are drawn from a bank.
#[derive(Debug)]
pub struct Simulation<'a> {
    kind: Kind,
    questions: Vec<Question>,
    /// The pairs of the kind.
    pairs: Vec<&'a Pair>,
    /// Every program that occurs in them.
    programs: Vec<usize>,
    /// Pairs of one binary with itself.
    null: Vec<&'a Pair>,
    rng: ChaCha8Rng,
}

/// The fewest pairs of its programs that a simulated run draws from: with fewer, it would see the bank's
/// chance rather than the programs' difference.
const FEWEST: usize = 96;

impl<'a> Simulation<'a> {
    /// `None` where the bank has no pairs of the kind, or none of a binary with itself.
    pub fn new(lines: &'a [Line], kind: Kind, margins: Margins) -> Option<Self> {
        let (mut pairs, mut null) = (line::pairs(lines, kind), line::pairs(lines, KINDS[0]));
        let workloads: Vec<&String> = pairs.first()?.logs.keys().collect();
        let is_whole = |pair: &&Pair| workloads.iter().all(|&workload| pair.logs.contains_key(workload));
        let margin = margins.of(kind.builds);
        let question = |workload: &&String| Question { task: Task::sized(workload, "", None, 1.0), margin };
        let questions = workloads.iter().map(question).collect();
        pairs.retain(is_whole);
        null.retain(is_whole);
        null.first()?;
        let mut programs: Vec<usize> = pairs.iter().flat_map(|pair| [pair.base, pair.head]).collect();
        programs.sort_unstable();
        programs.dedup();
        // One seed for all banks: an estimate is drawn again with the same result.
        Some(Self { kind, questions, pairs, programs, null, rng: ChaCha8Rng::seed_from_u64(1) })
    }

    /// The rate over that many runs; `None` where the bank is too small for any.
    pub fn estimate(&mut self, runs: usize) -> Option<Estimate> {
        let rates: Vec<f64> = (0..runs).filter_map(|_| self.run()).collect();
        let rate = rates.iter().sum::<f64>() / rates.len() as f64;
        (!rates.is_empty()).then_some(Estimate { rate, runs: rates.len(), pairs: self.pairs.len() })
    }

    /// One run: the share of the workloads that it finds, or 1 for a false verdict. `None` where the bank has
    /// too few pairs of the programs that are drawn.
    fn run(&mut self) -> Option<f64> {
        let [base, head] = self.kind.builds.draw(&self.programs, &mut self.rng)?;
        let of_these = |pair: &&&Pair| base.contains(&pair.base) && head.contains(&pair.head);
        let own: Vec<&Pair> = self.pairs.iter().filter(of_these).copied().collect();
        if own.len() < FEWEST {
            return None;
        }
        let Self { kind, questions, null, rng, .. } = self;
        let mut take = |sides: Sides, tasks: &[&Task]| {
            let from = if sides == Sides::Null { &*null } else { &own };
            let pair = from[rng.random_range(0..from.len())];
            let sign = if sides == Sides::HeadBase { -1.0 } else { 1.0 };
            let logs = tasks.iter().map(|task| sign * pair.logs[&task.workload]).collect();
            let place = |side: &[usize], program| side.iter().position(|&one| one == program).unwrap_or(0);
            Ok(Taken { logs, builds: [place(&base, pair.base), place(&head, pair.head)] })
        };
        let go = AtomicBool::new(false);
        let found = timed::decide(&mut take, questions, Duration::MAX, &go, &mut |_, _| {});
        let is = |verdict| found.decisions.iter().filter(|row| row.verdict == verdict).count();
        Some(if kind.is_planted() {
            is(Verdict::Slower) as f64 / questions.len() as f64
        } else {
            f64::from(is(Verdict::Slower) + is(Verdict::Faster) > 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::calibrate::testing::{MARGINS, kind, pairs_of};

    #[test]
    fn the_rule_keeps_to_its_error_and_finds_what_is_planted() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut lines = Vec::new();
        for name in ["same", "planted-2", "planted-0.5"] {
            lines.extend(pairs_of(name, 3_000, 0.0, &mut rng));
        }
        let estimate =
            |name: &str, runs| Simulation::new(&lines, kind(name), MARGINS).unwrap().estimate(runs).unwrap();
        // Both sides of 400 runs: at most 1 % by the rule, before suspects are confirmed. Twelve of 400 would
        // be three times that, of which the chance is less than 1 in 1,000.
        let same = estimate("same", 400);
        assert_eq!((same.runs, same.pairs), (400, 3_000));
        assert!(same.rate < 0.03, "{same:?}");
        let (large, small) = (estimate("planted-2", 100), estimate("planted-0.5", 100));
        assert!(large.rate > 0.99, "{large:?}");
        assert!(small.rate < large.rate, "an effect equal to the margin is found half the time: {small:?}");
        assert_eq!(estimate("planted-2", 100), large, "drawn again with the same result");
    }

    #[test]
    fn programs_that_truly_differ_are_called_so_in_single_runs_and_several_orders_need_their_pairs() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut lines = pairs_of("same", 2_000, 0.004, &mut rng);
        lines.extend(pairs_of("single", 6_000, 0.004, &mut rng));
        let single = Simulation::new(&lines, kind("single"), MARGINS).unwrap().estimate(100).unwrap();
        // Programs that are three or more places apart differ by 1.2 % and more: 12 of 30 ordered pairs.
        assert!((0.2..0.8).contains(&single.rate), "{single:?}");
        assert!(Simulation::new(&lines, kind("orders"), MARGINS).is_none(), "no such pair");
        let same = Simulation::new(&lines, kind("same"), MARGINS).unwrap().estimate(100).unwrap();
        assert!(same.rate < 0.1, "{same:?}");
    }

    #[test]
    fn a_bank_that_is_too_small_gives_no_estimate() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let few = pairs_of("same", FEWEST - 1, 0.0, &mut rng);
        assert_eq!(Simulation::new(&few, kind("same"), MARGINS).unwrap().estimate(50), None);
        let planted = pairs_of("planted-2", 500, 0.0, &mut rng);
        assert!(Simulation::new(&planted, kind("planted-2"), MARGINS).is_none(), "no pair of equal binaries");
    }
}
