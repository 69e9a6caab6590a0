//! The timed part: pairs upon pairs, judged at a few looks, until every workload is decided or the budget is
//! spent.
//!
//! One pair in four compares the base with itself: its signs must look like a fair coin's, else nothing that
//! was measured beside it is believed. A workload that looks `Slower` or `Faster` is measured again in pairs
//! of its own, with the roles of both programs exchanged, before it is called so. And where each side has
//! several link orders, they must rank apart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::measure::gate::orders;
use crate::measure::gate::pair::{Lost, Task};
use crate::measure::gate::rule::{self, Effect, NullPairs, Verdict};
use crate::measure::worker::failure::Failure;

/// The programs of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sides {
    /// The base, then the head.
    BaseHead,
    /// The head in the place of the base, and the base in that of the head.
    HeadBase,
    /// The base twice.
    Null,
}

/// What a pair gave.
#[derive(Clone, PartialEq, Debug)]
pub struct Taken {
    /// For each task the logarithm of the second program's time over the first's.
    pub logs: Vec<f64>,
    /// Which build of either program ran.
    pub builds: [usize; 2],
}

/// Takes a pair of some tasks.
pub type Take<'a> = &'a mut dyn FnMut(Sides, &[&Task]) -> Result<Taken, Lost>;

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
    /// Which builds of base and head ran in each.
    pub builds: Vec<[usize; 2]>,
    /// Whether the builds of one side differ so much that the difference of the sides may be theirs.
    pub hidden: bool,
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

/// One pair in so many compares the base with itself.
const NULL_EVERY: usize = 4;
/// Pairs in a row that may be lost before no more are tried.
const LOST_IN_A_ROW: usize = 8;

/// Told of each pair: how many there were, and how many questions are open.
pub type Show<'a> = &'a mut dyn FnMut(usize, usize);

/// Takes pairs until all is decided, `stop` is set or `budget` is spent.
pub fn decide(
    take: Take<'_>,
    questions: &[Question],
    budget: Duration,
    stop: &AtomicBool,
    show: Show<'_>,
) -> Timed {
    let mut gate = Gate {
        take,
        began: Instant::now(),
        budget,
        stop,
        lost: Vec::new(),
        in_a_row: 0,
        pairs: 0,
        null: Vec::new(),
    };
    let mut rows: Vec<Decision> = questions.iter().map(|_| Decision::open()).collect();
    let looks: Vec<usize> = rule::LOOKS.into_iter().chain([rule::LAST_LOOK]).collect();
    let error = rule::side_error(questions.len(), looks.len());
    // Builds differ by the same at every look.
    let order_error = rule::side_error(questions.len(), 1);
    for look in looks {
        loop {
            let open = open(&rows);
            let taken = open.iter().map(|&at| rows[at].logs.len()).min();
            if taken.is_none_or(|taken| taken >= look) || gate.is_over() {
                break;
            }
            let tasks: Vec<&Task> = open.iter().map(|&at| &questions[at].task).collect();
            gate.null_pair(&tasks);
            if let Some(Taken { logs, builds }) = gate.pair(Sides::BaseHead, &tasks) {
                for (&at, log) in open.iter().zip(logs) {
                    rows[at].logs.push(log);
                    rows[at].builds.push(builds);
                }
            }
            show(gate.pairs, open.len());
        }
        for at in open(&rows) {
            let margin = questions[at].margin;
            rows[at].look(margin, error);
            rows[at].rank(order_error);
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

/// The rows that more pairs may decide.
fn open(rows: &[Decision]) -> Vec<usize> {
    (0..rows.len()).filter(|&at| rows[at].is_open()).collect()
}

impl Decision {
    fn open() -> Self {
        Self {
            verdict: Verdict::Unsure,
            effect: None,
            logs: Vec::new(),
            builds: Vec::new(),
            hidden: false,
            confirming: Vec::new(),
            pairs_needed: None,
        }
    }

    fn is_open(&self) -> bool {
        self.verdict == Verdict::Unsure
    }

    fn look(&mut self, margin: f64, error: f64) {
        self.effect = Effect::of(&self.logs, error);
        self.verdict = self.effect.map_or(Verdict::Unsure, |effect| effect.verdict(margin));
    }

    /// Keeps the verdict only where the builds of both sides rank apart. Where they are too few to be that
    /// certain, all of one side must be above all of the other.
    fn rank(&mut self, error: f64) {
        self.hidden = false;
        let logs: Vec<f64> = match self.verdict {
            Verdict::Slower => self.logs.clone(),
            Verdict::Faster => self.logs.iter().map(|log| -log).collect(),
            Verdict::Same | Verdict::Unsure => return,
        };
        let count = |side: usize| self.builds.iter().map(|pair| pair[side]).max().map_or(0, |last| last + 1);
        let bound = error.max(orders::least([count(0), count(1)]) * (1.0 + 1e-9));
        self.hidden = orders::chance(&logs, &self.builds).is_some_and(|chance| chance > bound);
        if self.hidden {
            self.verdict = Verdict::Unsure;
        }
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
        if self.verdict == Verdict::Unsure && !self.hidden {
            self.pairs_needed = self.effect.and_then(|effect| effect.pairs_needed(margin, self.logs.len()));
        }
    }
}

struct Gate<'a> {
    take: Take<'a>,
    began: Instant,
    budget: Duration,
    stop: &'a AtomicBool,
    lost: Vec<String>,
    in_a_row: usize,
    pairs: usize,
    null: Vec<f64>,
}

impl Gate<'_> {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.began.elapsed() >= self.budget
            || self.in_a_row >= LOST_IN_A_ROW
    }

    /// A pair of the base with itself, where it is its turn.
    fn null_pair(&mut self, tasks: &[&Task]) {
        if self.pairs.is_multiple_of(NULL_EVERY) {
            let taken = self.pair(Sides::Null, tasks);
            self.null.extend(taken.into_iter().flat_map(|taken| taken.logs));
        }
    }

    fn pair(&mut self, sides: Sides, tasks: &[&Task]) -> Option<Taken> {
        self.pairs += 1;
        match (self.take)(sides, tasks) {
            Ok(taken) => {
                self.in_a_row = 0;
                Some(taken)
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
            let found = self.pair(Sides::HeadBase, &[task]);
            logs.extend(found.into_iter().flat_map(|taken| taken.logs).map(|log| -log));
            show(self.pairs, 1);
        }
        logs
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);
    const LONG: Duration = Duration::from_secs(600);

    fn questions(n: usize) -> Vec<Question> {
        let task = |i: usize| Task::sized(&format!("w{i}"), "e", Some(64), 100.0);
        (0..n).map(|i| Question { task: task(i), margin: 0.005 }).collect()
    }

    fn one_build(logs: Vec<f64>) -> Taken {
        Taken { logs, builds: [0, 0] }
    }

    /// Pairs that scatter by 1 % around the truth of each workload; with what the base says of itself.
    fn simulate(truth: &[f64], null: f64) -> Timed {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let asked = questions(truth.len());
        let mut take = |sides: Sides, tasks: &[&Task]| {
            let log = |task: &&Task| {
                let at: usize = task.workload[1..].parse().unwrap();
                let effect = match sides {
                    Sides::BaseHead => truth[at],
                    Sides::HeadBase => -truth[at],
                    Sides::Null => null,
                };
                effect + 0.01 * (rng.random_range(-1.0..1.0) + rng.random_range(-1.0..1.0))
            };
            Ok(one_build(tasks.iter().map(log).collect()))
        };
        decide(&mut take, &asked, LONG, &GO, &mut |_, _| {})
    }

    #[test]
    fn a_slowdown_a_gain_and_nothing_are_told_apart() {
        let found = simulate(&[0.0, 0.02, -0.02, 0.0], 0.0);
        let verdicts: Vec<_> = found.decisions.iter().map(|decision| decision.verdict).collect();
        assert_eq!(verdicts, [Verdict::Same, Verdict::Slower, Verdict::Faster, Verdict::Same]);
        assert!(found.null_pairs.fair() && !found.ended_early && found.lost.is_empty());
        for decision in &found.decisions[1..3] {
            assert_eq!(decision.confirming.len(), rule::CONFIRMING);
            let effect = decision.effect.unwrap();
            assert!((effect.estimate.abs() - 0.02).abs() < 0.005, "{effect:?}");
        }
        let slower = &found.decisions[1];
        assert!(slower.logs.len() < rule::LAST_LOOK, "a decided workload takes no more pairs");
    }

    #[test]
    fn a_base_that_differs_from_itself_makes_everything_unsure() {
        let found = simulate(&[0.0, 0.02], 0.02);
        assert!(!found.null_pairs.fair());
        assert!(found.decisions.iter().all(|decision| decision.verdict == Verdict::Unsure));
    }

    #[test]
    fn a_suspect_that_fresh_pairs_do_not_confirm_is_not_called_slower() {
        let mut take = |sides: Sides, tasks: &[&Task]| {
            let log = if sides == Sides::BaseHead { 0.02 } else { 0.0 };
            Ok(one_build(vec![log; tasks.len()]))
        };
        let found = decide(&mut take, &questions(1), LONG, &GO, &mut |_, _| {});
        assert_eq!(found.decisions[0].verdict, Verdict::Unsure);
        assert_eq!(found.decisions[0].confirming.len(), rule::CONFIRMING);
        assert_eq!(found.decisions[0].logs.len(), rule::LAST_LOOK);
    }

    #[test]
    fn lost_pairs_are_told_and_end_it_when_there_are_only_those() {
        let lost = || Lost { side: "head", failure: Failure::Garbled("nonsense".into()) };
        let mut every = |_: Sides, _: &[&Task]| Err(lost());
        let found = decide(&mut every, &questions(2), LONG, &GO, &mut |_, _| {});
        assert_eq!(found.lost.len(), LOST_IN_A_ROW);
        assert!(found.ended_early && found.lost[0].starts_with("head: "), "{:?}", found.lost);
        assert!(found.decisions.iter().all(|row| row.verdict == Verdict::Unsure && row.effect.is_none()));

        let mut count = 0;
        let mut some = |_: Sides, tasks: &[&Task]| {
            count += 1;
            if count % 5 == 0 { Err(lost()) } else { Ok(one_build(vec![0.0; tasks.len()])) }
        };
        let found = decide(&mut some, &questions(2), LONG, &GO, &mut |_, _| {});
        assert!(found.decisions.iter().all(|row| row.verdict == Verdict::Same) && !found.lost.is_empty());
    }

    #[test]
    fn a_spent_budget_leaves_the_question_open_and_says_how_many_pairs_would_do() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut take = |_: Sides, tasks: &[&Task]| {
            Ok(one_build(tasks.iter().map(|_| rng.random_range(-0.5..0.5)).collect()))
        };
        let found = decide(&mut take, &questions(1), LONG, &GO, &mut |_, _| {});
        let decision = &found.decisions[0];
        assert_eq!((decision.verdict, decision.logs.len()), (Verdict::Unsure, rule::LAST_LOOK));
        assert!(decision.pairs_needed.unwrap() > rule::LAST_LOOK);
        let found = decide(&mut take, &questions(1), Duration::ZERO, &GO, &mut |_, _| {});
        assert!(found.ended_early && found.decisions[0].effect.is_none());
    }

    #[test]
    fn a_difference_that_one_sides_builds_have_among_themselves_stays_unsure() {
        // Ten builds a side. In the first question four of the head's are 8 % slower, four a bit, and two are
        // faster; in the second all are 2 % slower.
        let mut rng = ChaCha8Rng::seed_from_u64(21);
        let mut taken = 0;
        let mut take = |sides: Sides, tasks: &[&Task]| {
            let builds = [taken % 10, (taken + taken / 10) % 10];
            taken += 1;
            let log = |task: &&Task| {
                let some = [0.08, 0.08, 0.006, 0.08, -0.01, 0.006, 0.08, 0.006, -0.01, 0.006][builds[1]];
                let effect = if task.workload == "w0" { some } else { 0.02 };
                let sign = match sides {
                    Sides::BaseHead => 1.0,
                    Sides::HeadBase => -1.0,
                    Sides::Null => 0.0,
                };
                sign * effect + 0.005 * (rng.random_range(-1.0..1.0) + rng.random_range(-1.0..1.0))
            };
            Ok(Taken { logs: tasks.iter().map(log).collect(), builds })
        };
        let found = decide(&mut take, &questions(2), LONG, &GO, &mut |_, _| {});
        let [hidden, plain] = &found.decisions[..] else { panic!("two questions") };
        assert_eq!(
            (hidden.verdict, hidden.hidden, hidden.logs.len()),
            (Verdict::Unsure, true, rule::LAST_LOOK),
            "{hidden:?}"
        );
        assert!(hidden.effect.unwrap().low > 0.0 && hidden.pairs_needed.is_none());
        assert_eq!((plain.verdict, plain.hidden), (Verdict::Slower, false));
    }
}
