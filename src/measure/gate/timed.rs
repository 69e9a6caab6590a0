//! The timed part: pairs upon pairs, judged at a few looks, until every workload is decided or the budget is
//! spent.
//!
//! One pair in four compares the base with itself: its signs must look like a fair coin's, else nothing that
//! was measured beside it is believed. A workload that looks `Slower` or `Faster` is measured again in pairs
//! of its own, with the roles of both programs exchanged, before it is called so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::measure::gate::pair::{self, Lost, Spawn, Task};
use crate::measure::gate::rule::{self, Effect, NullPairs, Verdict};
use crate::measure::worker::failure::Failure;

/// A workload to decide on.
#[derive(Clone, PartialEq, Debug)]
pub struct Question {
    /// What is run.
    pub task: Task,
    /// The least effect of interest, as a ratio less one.
    pub margin: f64,
}

/// What the pairs say of a workload.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// The median and its interval; `None` without a pair.
    pub effect: Option<Effect>,
    /// ln(head / base) of each pair, in their order.
    pub logs: Vec<f64>,
    /// The same of the pairs that were to confirm a suspect.
    pub confirming: Vec<f64>,
    /// How many pairs would decide, as far as can be told.
    pub pairs_needed: Option<usize>,
}

/// What the timed part found.
#[derive(Clone, PartialEq, Debug)]
pub struct Timed {
    /// One for each question, in their order.
    pub decisions: Vec<Decision>,
    /// What the base says of itself.
    pub null_pairs: NullPairs,
    /// Why pairs gave no estimates.
    pub lost: Vec<String>,
    /// Whether it was stopped, or its budget was spent.
    pub ended_early: bool,
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// When to stop taking pairs.
    pub time: Duration,
    /// What orders and offsets are drawn from.
    pub seed: u64,
}

/// One pair in so many compares the base with itself.
const NULL_EVERY: usize = 4;
/// Pairs in a row that may be lost before no more are tried.
const LOST_IN_A_ROW: usize = 8;

/// Told of each pair: how many there were, and how many questions are open.
pub type Show<'a> = &'a mut dyn FnMut(usize, usize);

/// Takes pairs. Each side has one program or more, its builds in several link orders: each pair draws one.
pub fn decide(
    base: &[Spawn<'_>],
    head: &[Spawn<'_>],
    questions: &[Question],
    budget: Budget,
    stop: &AtomicBool,
    show: Show<'_>,
) -> Timed {
    let mut gate = Gate {
        base,
        head,
        rng: ChaCha8Rng::seed_from_u64(budget.seed),
        began: Instant::now(),
        budget: budget.time,
        stop,
        lost: Vec::new(),
        in_a_row: 0,
        pairs: 0,
        null: Vec::new(),
    };
    let mut rows: Vec<Decision> = questions.iter().map(|_| Decision::open()).collect();
    let looks: Vec<usize> = rule::LOOKS.into_iter().chain([rule::LAST_LOOK]).collect();
    let error = rule::side_error(questions.len(), looks.len());
    for look in looks {
        loop {
            let open = open(&rows);
            let taken = open.iter().map(|&at| rows[at].logs.len()).min();
            if taken.is_none_or(|taken| taken >= look) || gate.is_over() {
                break;
            }
            let tasks: Vec<&Task> = open.iter().map(|&at| &questions[at].task).collect();
            gate.null_pair(&tasks);
            if let Some(logs) = gate.pair([gate.base, gate.head], &tasks) {
                for (&at, log) in open.iter().zip(logs) {
                    rows[at].logs.push(log);
                }
            }
            show(gate.pairs, open.len());
        }
        for at in open(&rows) {
            let margin = questions[at].margin;
            rows[at].look(margin, error);
            if matches!(rows[at].verdict, Verdict::Slower | Verdict::Faster) {
                let fresh = gate.confirm(&questions[at].task, show);
                rows[at].confirm(margin, fresh);
            }
        }
        if gate.is_over() {
            break;
        }
    }
    let null_pairs = NullPairs::of(&gate.null);
    for (row, question) in rows.iter_mut().zip(questions) {
        row.settle(question.margin, null_pairs.fair());
    }
    Timed { ended_early: gate.is_over(), decisions: rows, null_pairs, lost: gate.lost }
}

/// The rows that are not decided.
fn open(rows: &[Decision]) -> Vec<usize> {
    (0..rows.len()).filter(|&at| rows[at].verdict == Verdict::Unsure).collect()
}

impl Decision {
    fn open() -> Self {
        Self {
            verdict: Verdict::Unsure,
            effect: None,
            logs: Vec::new(),
            confirming: Vec::new(),
            pairs_needed: None,
        }
    }

    fn look(&mut self, margin: f64, error: f64) {
        self.effect = Effect::of(&self.logs, error);
        self.verdict = self.effect.map_or(Verdict::Unsure, |effect| effect.verdict(margin));
    }

    /// Keeps the verdict only where fresh pairs, alone, say the same.
    fn confirm(&mut self, margin: f64, fresh: Vec<f64>) {
        let again = Effect::of(&fresh, rule::CONFIRMING_ERROR);
        if again.map(|effect| effect.verdict(margin)) != Some(self.verdict) {
            self.verdict = Verdict::Unsure;
        }
        self.confirming = fresh;
    }

    fn settle(&mut self, margin: f64, fair: bool) {
        if !fair {
            self.verdict = Verdict::Unsure;
        }
        if self.verdict == Verdict::Unsure {
            self.pairs_needed = self.effect.and_then(|effect| effect.pairs_needed(margin, self.logs.len()));
        }
    }
}

struct Gate<'a> {
    base: &'a [Spawn<'a>],
    head: &'a [Spawn<'a>],
    rng: ChaCha8Rng,
    began: Instant,
    budget: Duration,
    stop: &'a AtomicBool,
    lost: Vec<String>,
    in_a_row: usize,
    pairs: usize,
    null: Vec<f64>,
}

impl<'a> Gate<'a> {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.began.elapsed() >= self.budget
            || self.in_a_row >= LOST_IN_A_ROW
    }

    /// A pair of the base with itself, where it is its turn.
    fn null_pair(&mut self, tasks: &[&Task]) {
        if self.pairs.is_multiple_of(NULL_EVERY) {
            let logs = self.pair([self.base, self.base], tasks);
            self.null.extend(logs.into_iter().flatten());
        }
    }

    fn pair(&mut self, sides: [&'a [Spawn<'a>]; 2], tasks: &[&Task]) -> Option<Vec<f64>> {
        let mut draw = |side: &'a [Spawn<'a>]| *side.choose(&mut self.rng).expect("a side has a program");
        let first = draw(sides[0]);
        // A base against itself is one build against itself: two link orders may truly differ.
        let second = if std::ptr::eq(sides[0], sides[1]) { first } else { draw(sides[1]) };
        self.pairs += 1;
        match pair::pair([first, second], tasks, &mut self.rng, self.stop) {
            Ok(logs) => {
                self.in_a_row = 0;
                Some(logs)
            }
            Err(Lost { failure: Failure::Stopped, .. }) => None,
            Err(lost) => {
                self.in_a_row += 1;
                self.lost.push(lost.to_string());
                None
            }
        }
    }

    /// Fresh pairs of one workload alone, with the roles exchanged.
    fn confirm(&mut self, task: &Task, show: Show<'_>) -> Vec<f64> {
        let mut logs = Vec::new();
        while logs.len() < rule::CONFIRMING && !self.is_over() {
            let found = self.pair([self.head, self.base], &[task]);
            logs.extend(found.into_iter().flatten().map(|log| -log));
            show(self.pairs, 1);
        }
        logs
    }
}
