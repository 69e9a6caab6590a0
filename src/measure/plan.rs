//! What to measure, and how much: pure data, from the catalog of workloads to the length of a sample.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::aead::Alg;
use crate::engine::{Engine, Witnesses};
use crate::measure::Precision;
use crate::measure::publication;
use crate::measure::worker::sample;
use crate::measure::workload::filter::chooses;
use crate::measure::{Catalog, Scope, Suite, WITHIN, Workload};

/// What to measure, and how much.
#[derive(Clone)]
pub struct Plan {
    /// The workloads to choose from.
    pub catalog: Arc<Catalog>,
    /// The suite.
    pub suite: Suite,
    /// Keeps only the workloads that this filter [`chooses`].
    pub filter: Option<String>,
    /// The engines. One that this CPU cannot run is listed with the reason.
    pub engines: Vec<&'static dyn Engine>,
    /// The number of fresh processes; 0 measures in this one.
    pub processes: u32,
    /// Rounds of each workload in each process.
    pub rounds: u32,
    /// Starts further processes until every ratio that [`publication`] judges is this precise.
    pub until: Option<Precision>,
    /// Seed of the order of engines within rounds.
    pub seed: u64,
    /// The width of an interval, as a fraction of its median, above which the run counts as noisy.
    pub within: f64,
    /// About how long the whole run may take. Samples are shortened to fit; rounds are not dropped.
    pub budget: Duration,
    /// What the engines were seen to execute. Each row carries its witness, and an engine refuted by its
    /// witness gets no time.
    pub witnesses: Witnesses,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engines: Vec<_> = self.engines.iter().map(|e| e.name()).collect();
        f.debug_struct("Plan")
            .field("suite", &self.suite)
            .field("filter", &self.filter)
            .field("engines", &engines)
            .field("processes", &self.processes)
            .field("rounds", &self.rounds)
            .field("until", &self.until)
            .field("seed", &self.seed)
            .field("within", &self.within)
            .field("budget", &self.budget)
            .field("witnesses", &self.witnesses)
            .finish()
    }
}

/// Rounds per workload in each process.
pub(super) const ROUNDS: u32 = 11;
/// The same in a run for publication: more and shorter ones, so that a quarter of them is quiet where the
/// machine seldom is.
const PUBLICATION_ROUNDS: u32 = 33;
/// Wall time per timed nanosecond, with resets, checks and preparation.
const COST: f64 = 1.8;
/// The shortest and longest sample, in nanoseconds.
const SAMPLE_NS: (f64, f64) = (200e3, 8e6);

/// About how long the first [`publication::LEAST`] processes of a run for publication may take.
const PUBLICATION_BUDGET: Duration = Duration::from_secs(240);

impl Plan {
    /// The usual plan for a suite of our own catalog: five processes for `quick`, twelve for the others. With
    /// twelve, an interval leaves out the two lowest and the two highest samples. A noisy neighbour stays for
    /// seconds, and so spoils whole processes.
    pub fn new(suite: Suite, engines: Vec<&'static dyn Engine>) -> Self {
        let (processes, seconds) = match suite {
            Suite::Quick => (5, 60),
            Suite::Standard => (12, 260),
            Suite::Full => (12, 900),
        };
        let budget = Duration::from_secs(seconds);
        Self {
            catalog: Arc::clone(Catalog::ours()),
            suite,
            filter: None,
            engines,
            processes,
            rounds: ROUNDS,
            until: None,
            seed: 1,
            within: WITHIN,
            budget,
            witnesses: Witnesses::default(),
        }
    }

    /// The same plan for [`publication`]: at least [`publication::LEAST`] processes, and more until every
    /// judged ratio is precise enough or [`publication::MOST`] have run.
    #[must_use]
    pub fn for_publication(self) -> Self {
        let until = Precision { within: publication::WITHIN, most: publication::MOST };
        let (processes, budget) = (publication::LEAST, PUBLICATION_BUDGET);
        let rounds = PUBLICATION_ROUNDS;
        Self { processes, rounds, until: Some(until), budget, ..self }
    }

    /// The largest number of processes that the plan may start.
    pub fn most_processes(&self) -> u32 {
        let most = self.until.filter(|_| self.processes > 0).map_or(0, |until| until.most);
        self.processes.max(most).max(1)
    }

    /// How many processes take turns at a time: all that must run, unless one of the workloads needs so much
    /// memory that only one process fits. On a machine whose neighbours come and go, each process then meets
    /// quiet moments.
    pub fn abreast(&self) -> u32 {
        let small = sample::is_small(&self.workloads(), self.engines.len());
        if small { self.processes.max(1) } else { 1 }
    }

    /// The chosen workloads that at least one of the engines can run.
    pub fn workloads(&self) -> Vec<&Workload> {
        let chosen = |w: &&Workload| self.filter.as_ref().is_none_or(|f| chooses(f, &w.path));
        let can = |w: &&Workload| !w.eligible_engines(&self.engines).is_empty();
        self.catalog.suite(self.suite).filter(chosen).filter(can).collect()
    }

    /// The key sizes that the workloads use.
    pub fn algs(&self) -> Vec<Alg> {
        let workloads = self.workloads();
        let uses = |alg: &Alg| workloads.iter().any(|w| w.scope() == Scope::EveryEngine && w.needs() == *alg);
        Alg::ALL.into_iter().filter(uses).collect()
    }

    /// Timed nanoseconds per engine and round that keep a run of these workloads within the budget.
    pub fn target_ns(&self, workloads: &[&Workload]) -> f64 {
        let turns: usize = workloads.iter().map(|w| w.eligible_engines(&self.engines).len()).sum();
        let samples = f64::from(self.processes.max(1)) * f64::from(self.rounds) * turns.max(1) as f64;
        let target_ns = self.budget.as_secs_f64() * 1e9 / COST / samples;
        target_ns.clamp(SAMPLE_NS.0, SAMPLE_NS.1)
    }

    /// The name of its run: the suite, and the filter if there is one.
    pub fn title(&self) -> String {
        match &self.filter {
            None => self.suite.name().to_owned(),
            Some(filter) => format!("{}: {filter}", self.suite.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::engines;

    #[test]
    fn samples_fit_the_budget_within_limits() {
        let mut plan = Plan::new(Suite::Quick, engines());
        let target_ns = |plan: &Plan| plan.target_ns(&plan.workloads());
        let usual = target_ns(&plan);
        assert!(usual > SAMPLE_NS.0 && usual <= SAMPLE_NS.1, "{usual}");
        plan.budget = Duration::ZERO;
        assert_eq!(target_ns(&plan), SAMPLE_NS.0);
        plan.budget = Duration::from_secs(1_000_000);
        assert_eq!(target_ns(&plan), SAMPLE_NS.1);
    }

    #[test]
    fn processes_take_turns_where_they_fit_into_memory_together() {
        let quick = Plan::new(Suite::Quick, engines());
        assert_eq!((quick.abreast(), quick.clone().for_publication().abreast()), (5, publication::LEAST));
        assert_eq!(Plan { processes: 0, ..quick }.abreast(), 1);
        assert_eq!(Plan::new(Suite::Full, engines()).abreast(), 1, "its arenas in memory are large");
    }

    #[test]
    fn a_plan_takes_the_workloads_that_its_suite_filter_and_engines_leave() {
        let mut plan = Plan::new(Suite::Quick, engines());
        plan.filter = Some("seal/aes-256-gcm/1?,nonce".into());
        let paths: Vec<_> = plan.workloads().iter().map(|w| w.path.clone()).collect();
        assert_eq!(paths, ["seal/aes-256-gcm/16", "nonce"]);
        assert_eq!(
            (plan.algs(), plan.title().as_str()),
            (vec![Alg::Aes256Gcm], "quick: seal/aes-256-gcm/1?,nonce")
        );
        plan.engines.clear();
        assert!(plan.workloads().is_empty());
    }
}
