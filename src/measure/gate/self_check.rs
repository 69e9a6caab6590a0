//! Does the gate see these workloads? Slowdowns of known size are planted in each, and must be found.
//!
//! One program is both sides, and a worker delays each slice of the head by a share of its time. A workload
//! in which 2 % is not found would let a real slowdown of 2 % pass.

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::measure::Error;
use crate::measure::gate::result::{Gate, Ratio};
use crate::measure::gate::rule::Verdict;

/// The name and version of the JSON that a [`SelfCheck`] is written as.
pub const SCHEMA: &str = "sealmark.gate-self-check/1";

/// The shares of a slice's time that are planted.
pub const PLANTED: [f64; 2] = [0.02, 0.05];

/// What `sealmark gate --self-check` found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SelfCheck {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of Sealmark that wrote it.
    pub sealmark: String,
    /// Where it ran.
    pub host: Host,
    /// One for each workload, engine and planted slowdown.
    pub rows: Vec<Sight>,
    /// Whether it was stopped, or spent its budget, before all was decided.
    pub ended_early: bool,
    /// How long it took.
    pub seconds: f64,
}

/// What the gate says of a workload with a planted slowdown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Sight {
    /// The workload's path.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// The share of a slice's time that was planted.
    pub planted: f64,
    /// Whether it was found: the verdict is `slower`.
    pub found: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// The slowed time over the usual one, as measured; `null` where nothing was.
    pub ratio: Option<Ratio>,
    /// Why nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Plants each of [`PLANTED`] by means of `compare`, which compares a program with itself delayed by a share
/// of its time.
///
/// # Errors
/// Those of `compare`.
pub fn self_check(compare: &mut dyn FnMut(f64) -> Result<Gate, Error>) -> Result<SelfCheck, Error> {
    let mut check = SelfCheck {
        schema: SCHEMA.into(),
        sealmark: env!("CARGO_PKG_VERSION").into(),
        host: Host::detect(),
        rows: Vec::new(),
        ended_early: false,
        seconds: 0.0,
    };
    for planted in PLANTED {
        let gate = compare(planted)?;
        check.ended_early |= gate.ended_early;
        check.seconds += gate.seconds;
        let lost = gate.lost.first();
        check.rows.extend(gate.rows.iter().map(|row| Sight {
            workload: row.workload.clone(),
            engine: row.engine.clone(),
            planted,
            found: row.verdict == Verdict::Slower,
            verdict: row.verdict,
            ratio: row.ratio,
            why: row.why.clone().or_else(|| lost.filter(|_| row.lacks_times()).cloned()),
        }));
    }
    Ok(check)
}

impl SelfCheck {
    /// The rows in which the planted slowdown was not found.
    pub fn blind(&self) -> impl Iterator<Item = &Sight> {
        self.rows.iter().filter(|row| !row.found)
    }

    /// Whether a workload was decided, and decided wrongly: no longer run would find its slowdown.
    pub fn is_blind(&self) -> bool {
        self.blind().any(|row| row.verdict != Verdict::Unsure || !self.ended_early)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::measure::gate::pair::Task;
    use crate::measure::gate::result::Row;
    use crate::measure::gate::timed::{self, Question, Sides};

    const MARGIN: f64 = 0.0075;

    /// Two workloads, of which the second hides whatever is planted in it.
    fn compare(planted: f64, budget: Duration) -> Gate {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let names = ["seen", "hidden"];
        let question =
            |name: &&str| Question { task: Task::sized(name, "e", Some(64), 100.0), margin: MARGIN };
        let questions: Vec<Question> = names.iter().map(question).collect();
        let mut take = |sides: Sides, tasks: &[&Task]| {
            let log = |task: &&Task| {
                let effect = if task.workload == "seen" { planted.ln_1p() } else { 0.0 };
                let signed = match sides {
                    Sides::BaseHead => effect,
                    Sides::HeadBase => -effect,
                    Sides::Null => 0.0,
                };
                signed + rng.random_range(-0.01..0.01)
            };
            Ok(timed::Taken { logs: tasks.iter().map(log).collect(), builds: [0, 0] })
        };
        let go = AtomicBool::new(false);
        let found = timed::decide(&mut take, &questions, budget, &go, &mut |_, _| {});
        let mut rows = names.map(|name| Row::open(name, "e", MARGIN));
        for (row, decision) in rows.iter_mut().zip(&found.decisions) {
            row.take_times(decision);
        }
        Gate { ended_early: found.ended_early, ..Gate::of(rows.into(), Vec::new(), Vec::new()) }
    }

    #[test]
    fn a_workload_that_hides_a_planted_slowdown_is_named() {
        let check = self_check(&mut |planted| Ok(compare(planted, Duration::from_secs(600)))).unwrap();
        let found: Vec<_> = check.rows.iter().map(|row| (&*row.workload, row.planted, row.found)).collect();
        assert_eq!(
            found,
            [("seen", 0.02, true), ("hidden", 0.02, false), ("seen", 0.05, true), ("hidden", 0.05, false)]
        );
        assert!(check.is_blind() && check.blind().all(|row| row.workload == "hidden"));
        let seen = check.rows[0].ratio.unwrap().estimate;
        assert!((seen - 1.02).abs() < 0.005, "{seen}");
    }

    #[test]
    fn a_check_that_is_stopped_accuses_nothing() {
        let check = self_check(&mut |planted| Ok(compare(planted, Duration::ZERO))).unwrap();
        assert!(check.ended_early && check.blind().count() == 4 && !check.is_blind());
    }

    #[test]
    fn a_check_in_which_all_is_found_is_not_blind() {
        let only_seen = |planted| {
            let gate = compare(planted, Duration::from_secs(600));
            Ok(Gate { rows: gate.rows[..1].to_vec(), ..gate })
        };
        let check = self_check(&mut { only_seen }).unwrap();
        assert!(check.rows.len() == 2 && check.blind().next().is_none() && !check.is_blind());
    }
}
