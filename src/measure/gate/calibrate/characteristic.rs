//! The gate's operating characteristic: how often it calls a change where there is none, and how often it
//! finds one that is there.
//!
//! Rates of whole runs are counted, and stand with their exact bounds. What is drawn again from the bank's
//! pairs is an estimate, and is called so: thousands of decisions over a few hundred pairs say how the rule
//! works on this noise, not how often noise of another day fools it. Not here: how it is drawn as a table.

use crate::measure::gate::calibrate::kind::{KINDS, Kind, Margins, Wanted};
use crate::measure::gate::calibrate::line::{self, Line, Origin, Run};
use crate::measure::gate::calibrate::plant::{self, Effect};
use crate::measure::gate::calibrate::proportion::Share;
use crate::measure::gate::calibrate::simulate::{Estimate, Simulation};
use crate::measure::gate::rule::Verdict;
use crate::timing::interval::median;

/// What a bank shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Characteristic {
    /// What the bank belongs to.
    pub origin: Origin,
    /// When its first and last line began.
    pub when: [String; 2],
    /// One for each kind with a run or a pair.
    pub cases: Vec<Case>,
}

/// What the bank shows of one kind.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// The kind.
    pub kind: Kind,
    /// Runs in which a workload without a planted slowdown was called `slower` or `faster`.
    pub wrong: Share,
    /// Runs in which the planted slowdown was called `slower`; of nothing where none is planted.
    pub found: Share,
    /// Runs in which some workload stayed `unsure`.
    pub unsure: Share,
    /// Runs whose pairs of the base with itself were lopsided, which makes everything `unsure`.
    pub unfair: u64,
    /// The median and the longest of the runs' seconds.
    pub seconds: Option<[f64; 2]>,
    /// How large the planted slowdown really is.
    pub effect: Option<Effect>,
    /// The same rate from pairs of the bank.
    pub estimate: Option<Estimate>,
}

impl Case {
    /// The share that the kind is about: of slowdowns found where one is planted, else of false verdicts.
    pub fn share(&self) -> Share {
        if self.kind.is_planted() { self.found } else { self.wrong }
    }

    /// Whether the runs show what they must; `None` where that is not asked, or where there are too few.
    pub fn meets(&self) -> Option<bool> {
        let share = self.share();
        let rate = share.rate().filter(|_| share.of >= self.kind.runs as u64)?;
        match self.kind.wanted {
            Wanted::Bound(most) => Some(share.upper() <= most),
            Wanted::AtMost(most) => Some(rate <= most),
            Wanted::AtLeast(least) => Some(rate >= least),
            Wanted::Reported => None,
        }
    }
}

/// What a bank shows, with that many simulated runs of each kind. `None` of an empty bank.
pub fn characteristic(lines: &[Line], simulated: usize, margins: Margins) -> Option<Characteristic> {
    let (first, last) = (lines.first()?, lines.last()?);
    let cases = KINDS.into_iter().filter_map(|kind| case(lines, kind, simulated, margins)).collect();
    let when = [first.started.clone(), last.started.clone()];
    Some(Characteristic { origin: first.origin.clone(), when, cases })
}

fn case(lines: &[Line], kind: Kind, simulated: usize, margins: Margins) -> Option<Case> {
    let (runs, pairs) = (line::runs(lines, kind), line::pairs(lines, kind));
    if runs.is_empty() && pairs.is_empty() {
        return None;
    }
    let seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
    let longest = seconds.iter().copied().fold(0.0, f64::max);
    let planted: Vec<&&Run> = runs.iter().filter(|run| run.planted.is_some()).collect();
    let simulation = Simulation::new(lines, kind, margins);
    let estimate = simulation.and_then(|mut simulation| simulation.estimate(simulated));
    let effect = kind.is_planted().then(|| plant::effect(&line::pairs(lines, kind.unplanted()), &pairs));
    Some(Case {
        kind,
        wrong: Share::of(runs.iter().map(|run| run.is_wrong())),
        found: Share::of(planted.iter().map(|run| run.finds_the_planted())),
        unsure: Share::of(runs.iter().map(|run| run.rows.iter().any(|row| row.verdict == Verdict::Unsure))),
        unfair: runs.iter().filter(|run| !run.null_pair.fair()).count() as u64,
        seconds: median(&seconds).map(|median| [median, longest]),
        effect: effect.flatten(),
        estimate,
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::measure::gate::calibrate::line::Entry;
    use crate::measure::gate::calibrate::testing::{MARGINS, kind, line, pairs_of, run};

    fn share(hits: u64, of: u64) -> Share {
        Share { hits, of }
    }

    #[test]
    fn runs_are_counted_by_what_they_call() {
        use Verdict::{Faster, Same, Slower, Unsure};
        let runs = [
            ("same", run(&[Same, Same], None, 2.0)),
            ("same", run(&[Same, Slower], None, 3.0)),
            ("same", run(&[Unsure, Faster], None, 40.0)),
            ("planted-2", run(&[Same, Slower], Some(1), 5.0)),
            ("planted-2", run(&[Slower, Same], Some(1), 5.0)),
            ("planted-2", run(&[Slower, Slower], Some(1), 5.0)),
            ("planted-2", run(&[Same, Faster], Some(1), 5.0)),
            ("planted-2", run(&[Same, Unsure], Some(1), 5.0)),
        ];
        let mut lines: Vec<Line> = runs.into_iter().map(|(name, run)| line(name, Entry::Run(run))).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        lines.extend(pairs_of("orders", 200, 0.0, &mut rng));
        lines.extend(pairs_of("planted-2", 200, 0.0, &mut rng));
        let found = characteristic(&lines, 0, MARGINS).unwrap();
        let names: Vec<_> = found.cases.iter().map(|case| case.kind.name).collect();
        assert_eq!(names, ["same", "orders", "planted-2"], "only kinds that are there");
        let [same, orders, planted] = &found.cases[..] else { panic!() };
        assert_eq!((same.wrong, same.found, same.unsure), (share(2, 3), share(0, 0), share(1, 3)));
        assert_eq!((same.seconds, same.effect, same.estimate), (Some([3.0, 40.0]), None, None));
        assert_eq!((orders.wrong, orders.seconds), (share(0, 0), None));
        assert_eq!((planted.wrong, planted.found, planted.unsure), (share(3, 5), share(2, 5), share(1, 5)));
        assert_eq!((planted.share(), same.share()), (planted.found, same.wrong));
        let effect = planted.effect.unwrap();
        assert!((effect.median - 0.02).abs() < 0.004 && effect.pairs == 200, "{effect:?}");
    }

    #[test]
    fn a_target_is_met_by_enough_runs_only() {
        let case = |name: &str, wrong, found| Case {
            kind: kind(name),
            wrong,
            found,
            unsure: share(0, 0),
            unfair: 0,
            seconds: None,
            effect: None,
            estimate: None,
        };
        let null = |name: &str, hits, of| case(name, share(hits, of), share(0, 0)).meets();
        let planted = |name: &str, hits, of| case(name, share(0, of), share(hits, of)).meets();
        assert_eq!([null("same", 1, 370), null("same", 2, 370)], [Some(true), Some(false)]);
        assert_eq!(null("same", 0, 369), None, "too few runs");
        assert_eq!([null("orders", 7, 150), null("orders", 8, 150)], [Some(true), Some(false)]);
        assert_eq!(
            [planted("planted-2", 143, 150), planted("planted-2", 142, 150)],
            [Some(true), Some(false)]
        );
        assert_eq!([planted("planted-1", 60, 75), planted("planted-1", 59, 75)], [Some(true), Some(false)]);
        assert_eq!(planted("planted-5", 75, 75), None, "no bar");
        assert_eq!(planted("single-2", 75, 75), None, "no bar");
    }
}
