//! A campaign: real pairs and whole runs of every kind, in turn, until there are enough.
//!
//! Kinds take turns, the one that lacks most going first, so that whatever the machine does for an hour falls
//! on all of them alike. The base, the head and the workload that is slowed down are drawn anew for each pair
//! and each run: what is measured is the method over many link orders, not the accident of one. Each run is
//! what `sealmark gate --all` does after tracing, with the same rule, the same budget and fresh processes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::host::Build;
use crate::measure::gate::calibrate::kind::{Builds, Kind, Margins};
use crate::measure::gate::calibrate::line::{Entry, Pair, Row, Run};
use crate::measure::gate::pair::{self, Task};
use crate::measure::gate::rule::NullPairs;
use crate::measure::gate::run::{sized, start, timed_part};
use crate::measure::gate::{Gate, Plan, Subject};
use crate::measure::worker::failure::Failure;
use crate::timing::pin;

/// How long a run may take pairs: as long as a user's.
pub const BUDGET: Duration = Duration::from_secs(45);

/// The programs to compare, and what they run.
pub struct Campaign<'a> {
    programs: Vec<Build>,
    subjects: Vec<Subject>,
    margins: Margins,
    /// The work of the bank's pairs, with nanoseconds of a slice; found once.
    tasks: Vec<(Task, f64)>,
    rng: ChaCha8Rng,
    stop: &'a AtomicBool,
}

impl fmt::Debug for Campaign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<&Path> = self.programs.iter().map(Build::path).collect();
        f.debug_struct("Campaign").field("programs", &paths).finish_non_exhaustive()
    }
}

/// What a campaign records next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A pair for the bank.
    Pair,
    /// A whole run.
    Run,
}

/// Why a campaign cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CampaignError {
    /// A program cannot be opened.
    #[error("{}: {source}", path.display())]
    Program {
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There are too few programs.
    #[error(
        "{kind} compares {needed} builds of the same code in different link orders, and there are {}: name \
         more with --base", .programs
    )]
    TooFew {
        /// The kind.
        kind: &'static str,
        /// How many it takes.
        needed: usize,
        /// How many there are.
        programs: usize,
    },
    /// A program cannot run a workload.
    #[error("{workload}: {why}")]
    Workload {
        /// Its path.
        workload: String,
        /// Why not.
        why: String,
    },
    /// A pair was lost.
    #[error(transparent)]
    Lost(#[from] pair::Lost),
}

impl<'a> Campaign<'a> {
    /// Opens the programs, and finds how much work a slice of each workload takes. Orders and places are
    /// drawn from `seed`.
    ///
    /// # Errors
    /// [`CampaignError`].
    pub fn open(
        programs: &[PathBuf],
        subjects: Vec<Subject>,
        margins: Margins,
        seed: u64,
        stop: &'a AtomicBool,
    ) -> Result<Self, CampaignError> {
        let open = |path: &PathBuf| {
            Build::open(path).map_err(|source| CampaignError::Program { path: path.clone(), source })
        };
        let programs = programs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let [first, last] = match &programs[..] {
            [] => return Err(CampaignError::TooFew { kind: "a calibration", needed: 1, programs: 0 }),
            [first, .., last] => [first, last],
            [only] => [only, only],
        };
        let tasks = pinned(|| {
            let (first, last) = (|| start(first), || start(last));
            let task = |subject: &Subject| {
                let (task, _) = sized(subject, None, [&first, &last], stop)?;
                let ns = pair::slice_ns(&first, &task, stop).map_err(|failure| failure.to_string())?;
                Ok((task, ns))
            };
            let named = |subject: &Subject| {
                let workload = || subject.workload.path.clone();
                task(subject).map_err(|why| CampaignError::Workload { workload: workload(), why })
            };
            subjects.iter().map(named).collect::<Result<Vec<_>, _>>()
        })?;
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Ok(Self { programs, subjects, margins, tasks, rng, stop })
    }

    /// Takes a pair of a kind, or makes a run; `None` where it was stopped meanwhile.
    ///
    /// # Errors
    /// [`CampaignError`]. Another attempt may succeed after [`CampaignError::Lost`].
    pub fn record(&mut self, kind: Kind, what: What) -> Result<Option<Entry>, CampaignError> {
        let all: Vec<usize> = (0..self.programs.len()).collect();
        let drawn = kind.builds.draw(&all, &mut self.rng);
        let sides = drawn.ok_or(CampaignError::TooFew {
            kind: kind.name,
            needed: kind.builds.programs(),
            programs: all.len(),
        })?;
        match what {
            What::Pair => match self.pair(kind, &sides) {
                Err(pair::Lost { failure: Failure::Stopped, .. }) => Ok(None),
                taken => Ok(Some(Entry::Pair(taken?))),
            },
            What::Run => Ok(self.run(kind, sides).map(Entry::Run)),
        }
    }

    fn pair(&mut self, kind: Kind, sides: &[Vec<usize>; 2]) -> Result<Pair, pair::Lost> {
        let planted = |(task, ns): &(Task, f64)| Task {
            delay_ns: kind.is_planted().then_some(kind.plant * ns),
            ..task.clone()
        };
        let tasks: Vec<Task> = self.tasks.iter().map(planted).collect();
        let tasks: Vec<&Task> = tasks.iter().collect();
        let [base, head] = sides.each_ref().map(|side| side[0]);
        let Self { programs, rng, stop, .. } = self;
        let (base_starts, head_starts) = (|| start(&programs[base]), || start(&programs[head]));
        let logs = pinned(|| pair::pair([&base_starts, &head_starts], Some(1), &tasks, rng, stop))?;
        let logs = tasks.iter().map(|task| task.workload.clone()).zip(logs).collect();
        Ok(Pair { base, head, logs })
    }

    fn run(&mut self, kind: Kind, [base, head]: [Vec<usize>; 2]) -> Option<Run> {
        let (began, load) = (Instant::now(), load());
        let margin = self.margins.of(kind.builds);
        let planted = kind.is_planted().then(|| self.rng.random_range(0..self.subjects.len()));
        let plan = Plan {
            base: Vec::new(),
            head: Vec::new(),
            subjects: self.subjects.iter().map(|s| Subject { margin, ..s.clone() }).collect(),
            all: true,
            keep: false,
            budget: BUDGET,
            seed: self.rng.random(),
            plant: kind.is_planted().then_some(kind.plant),
        };
        let builds = |side: &[usize]| side.iter().map(|&at| &self.programs[at]).collect::<Vec<_>>();
        let (rows, timed) = timed_part(&plan, [&builds(&base), &builds(&head)], planted, self.stop);
        if self.stop.load(std::sync::atomic::Ordering::Relaxed) {
            return None;
        }
        let null_pair = timed.as_ref().map_or_else(|| NullPairs::of(&[]), |timed| timed.null_pairs);
        Some(Run {
            base,
            head,
            planted: planted.map(|at| self.subjects[at].workload.path.clone()),
            verdict: Gate::overall(&rows, Some(&null_pair)),
            rows: rows
                .iter()
                .map(|row| Row {
                    workload: row.workload.clone(),
                    verdict: row.verdict,
                    ratio: row.ratio.map(|ratio| ratio.estimate),
                    pairs: row.pairs,
                    confirming: row.confirming.len() as u64,
                })
                .collect(),
            null_pair,
            ended_early: timed.as_ref().is_some_and(|timed| timed.ended_early),
            lost: timed.map(|timed| timed.lost).unwrap_or_default(),
            seconds: began.elapsed().as_secs_f64(),
            load,
        })
    }
}

/// How much there must be of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Goal {
    /// Pairs for the bank.
    pub pairs: usize,
    /// Whole runs.
    pub runs: usize,
}

/// What to record next: what lacks the largest share of its goal, by counts of pairs and runs of each kind.
/// `None` where every goal is reached.
pub fn next(goals: &[(Kind, Goal)], counts: impl Fn(Kind) -> [usize; 2]) -> Option<(Kind, What)> {
    let open = goals.iter().flat_map(|&(kind, goal)| {
        let [pairs, runs] = counts(kind);
        [(kind, What::Pair, pairs, goal.pairs), (kind, What::Run, runs, goal.runs)]
    });
    let lacking = open.filter(|(.., done, goal)| done < goal);
    let share = |done: usize, goal: usize| done as f64 / goal as f64;
    lacking
        .min_by(|(.., done, goal), (.., others, their_goal)| {
            share(*done, *goal).total_cmp(&share(*others, *their_goal))
        })
        .map(|(kind, what, ..)| (kind, what))
}

/// The most programs that any of these kinds takes.
pub fn programs_for(kinds: &[Kind]) -> usize {
    kinds.iter().map(|kind| kind.builds.programs()).max().unwrap_or(Builds::Same.programs())
}

/// Runs work on a thread of its own that stays on one core, as do the processes that it starts.
fn pinned<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            pin();
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The average number of processes that were running or waiting for a core in the last minute.
fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::calibrate::testing::kind;

    #[test]
    fn kinds_take_turns_and_what_lacks_most_comes_first() {
        let goals =
            [(kind("same"), Goal { pairs: 4, runs: 2 }), (kind("orders"), Goal { pairs: 2, runs: 0 })];
        let mut counts = [[1, 0], [0, 0]];
        let mut order = Vec::new();
        while let Some((kind, what)) = next(&goals, |kind| counts[usize::from(kind.name == "orders")]) {
            counts[usize::from(kind.name == "orders")][usize::from(what == What::Run)] += 1;
            order.push(format!("{} {what:?}", kind.name));
        }
        assert_eq!(counts, [[4, 2], [2, 0]], "no more than the goals, and what is there counts");
        let expected = ["same Run", "orders Pair", "same Pair", "same Pair"];
        assert_eq!(order[..4], expected, "{order:?}");
        assert_eq!(order.len(), 3 + 2 + 2);
    }

    #[test]
    fn a_campaign_without_enough_programs_says_how_many_it_takes() {
        let stop = AtomicBool::new(false);
        let margins = Margins { orders: 0.005, single: 0.0075 };
        let open = |programs: &[PathBuf]| Campaign::open(programs, Vec::new(), margins, 1, &stop);
        let error = open(&[]).err().unwrap().to_string();
        assert!(error.starts_with("a calibration compares 1 builds"), "{error}");
        let own = std::env::current_exe().unwrap();
        let mut campaign = open(&[own.clone(), own]).unwrap();
        let error = campaign.record(kind("planted-2"), What::Run).unwrap_err().to_string();
        assert!(error.starts_with("planted-2 compares 80 builds"), "{error}");
        assert!(error.contains("and there are 2: name more with --base"), "{error}");
        let error = open(&["/nowhere/at/all".into()]).err().unwrap().to_string();
        assert!(error.starts_with("/nowhere/at/all: "), "{error}");
        assert_eq!(programs_for(&[kind("same"), kind("single")]), 2);
        assert_eq!(programs_for(&[kind("orders")]), 80);
    }
}
