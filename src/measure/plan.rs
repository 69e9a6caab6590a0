//! A plan and its run: several fresh processes, each measuring every workload, put together as rows.
//!
//! Fresh processes differ by more than the rounds within one, so the process is the unit of replication. They
//! are this program itself, as it is executed, and not what its path names by now.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::aead::Alg;
use crate::engine::{Engine, Witnesses};
use crate::host::{Host, environment};
use crate::measure::limit::probe;
use crate::measure::trace::witness;
use crate::measure::worker::child::sample_here;
use crate::measure::worker::collector::Collector;
use crate::measure::worker::fresh::{self, Note, fresh_process};
use crate::measure::worker::parent;
use crate::measure::worker::protocol::Job;
use crate::measure::workload::catalog::chooses;
use crate::measure::{EngineVersion, Error, Run, SCHEMA, Scope, Suite, WITHIN, Workload, coverage};
use crate::timing::Clock;

/// What to measure, and how much of it.
#[derive(Clone)]
pub struct Plan {
    /// The suite that workloads are taken from.
    pub suite: Suite,
    /// Takes only those that it [`chooses`].
    pub filter: Option<String>,
    /// The engines; one that this CPU cannot run is listed with the reason.
    pub engines: Vec<&'static dyn Engine>,
    /// Fresh processes; 0 measures in this one.
    pub processes: u32,
    /// Seed of the order of engines within rounds.
    pub seed: u64,
    /// How wide an interval may be, in parts of its median, before the run warns of noise.
    pub within: f64,
    /// What the whole run may take, about. Samples are cut to fit, rounds are not.
    pub budget: Duration,
    /// What the engines were seen to execute: given to each row, and an engine that they refute gets no time.
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
            .field("seed", &self.seed)
            .field("within", &self.within)
            .field("budget", &self.budget)
            .field("witnesses", &self.witnesses)
            .finish()
    }
}

/// Rounds of a workload in each process.
const ROUNDS: u32 = 11;
/// What a timed nanosecond costs in all: resets, checks, preparation.
const COST: f64 = 1.8;
/// The shortest and longest sample, in nanoseconds.
const SAMPLE_NS: (f64, f64) = (200e3, 8e6);

impl Plan {
    /// The usual plan of a suite: five processes for `quick`; twelve for the others, so that an interval
    /// leaves out the two least and the two greatest: a neighbour on the core is there for seconds, and whole
    /// processes with it.
    pub fn new(suite: Suite, engines: Vec<&'static dyn Engine>) -> Self {
        let (processes, seconds) = match suite {
            Suite::Quick => (5, 60),
            Suite::Standard => (12, 260),
            Suite::Full => (12, 900),
        };
        let budget = Duration::from_secs(seconds);
        Self {
            suite,
            filter: None,
            engines,
            processes,
            seed: 1,
            within: WITHIN,
            budget,
            witnesses: Witnesses::default(),
        }
    }

    /// The workloads that it chooses and that one of its engines can run.
    pub fn workloads(&self) -> Vec<&'static Workload> {
        let chosen = |w: &&Workload| self.filter.as_ref().is_none_or(|f| chooses(f, &w.path));
        self.suite
            .workloads()
            .filter(chosen)
            .filter(|w| !w.eligible_engines(&self.engines).is_empty())
            .collect()
    }

    /// The key sizes that its workloads use a cipher with.
    pub fn algs(&self) -> Vec<Alg> {
        let workloads = self.workloads();
        let uses = |alg: &Alg| workloads.iter().any(|w| w.scope() == Scope::EveryEngine && w.needs() == *alg);
        Alg::ALL.into_iter().filter(uses).collect()
    }

    pub(super) fn job(&self, workloads: &[&Workload]) -> Job {
        let turns: usize = workloads.iter().map(|w| w.eligible_engines(&self.engines).len()).sum();
        let samples = f64::from(self.processes.max(1)) * f64::from(ROUNDS) * turns.max(1) as f64;
        let target_ns = self.budget.as_secs_f64() * 1e9 / COST / samples;
        Job {
            workloads: workloads.iter().map(|w| w.path.clone()).collect(),
            engines: self.engines.iter().map(|e| e.name().to_owned()).collect(),
            seed: self.seed,
            rounds: ROUNDS,
            target_ns: target_ns.clamp(SAMPLE_NS.0, SAMPLE_NS.1),
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress<'a> {
    /// The process that runs, from 1.
    pub process: u32,
    /// Processes in all.
    pub processes: u32,
    /// The workload that was finished.
    pub workload: &'a str,
    /// Workloads finished, in all processes.
    pub done: usize,
    /// Workloads in all processes.
    pub total: usize,
}

/// Measures. When `stop` becomes true, the run ends with what was finished, and is marked partial.
///
/// Processes are this program with the argument `worker`, which must call
/// [`worker_main`](crate::measure::worker_main).
///
/// # Errors
/// [`Error::Nothing`]; [`Error::Worker`] where no process can be started.
pub fn run(
    plan: &Plan,
    stop: &AtomicBool,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Run, Error> {
    run_and_keep(plan, stop, progress, &mut |_| {})
}

/// How often a run in progress is handed out, at most. After each process it is in any case.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Measures as [`run`], and hands what is finished to `keep` as it comes, marked partial: so that it can be
/// on disk before something ends this process.
///
/// # Errors
/// As [`run`].
pub fn run_and_keep(
    plan: &Plan,
    stop: &AtomicBool,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
    keep: &mut (dyn FnMut(Run) + Send),
) -> Result<Run, Error> {
    let workloads = plan.workloads();
    if workloads.is_empty() {
        return Err(Error::Nothing(title(plan)));
    }
    let making = Making {
        plan,
        workloads: &workloads,
        began: Instant::now(),
        started: jiff::Timestamp::now().to_string(),
        host: Host::detect(),
        limits: probe::limits(&Clock::calibrate()),
    };
    let job = plan.job(&workloads);
    let patience = fresh::patience(&job);
    let mut collector = Collector::default();
    let mut kept = Instant::now();
    let processes = plan.processes.max(1);
    let total = workloads.len() * processes as usize;
    let mut all_done = 0;
    for process in 1..=processes {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let job = without_hung(
            Job { seed: job.seed.wrapping_add(u64::from(process) << 32), ..job.clone() },
            &mut collector,
        );
        let before = workloads.len() * (process as usize - 1);
        let mut finished = 0;
        let mut note = |collector: &Collector, workload: &str| {
            finished += 1;
            progress(Progress { process, processes, workload, done: before + finished, total });
            if kept.elapsed() >= KEEP_EVERY {
                keep(making.run(collector, true));
                kept = Instant::now();
            }
        };
        if plan.processes == 0 {
            in_process(&job, &plan.engines, &mut collector, stop, &mut note)?;
        } else if !job.workloads.is_empty() && !job.engines.is_empty() {
            fresh_process(job, &parent::spawn, patience, &mut collector, stop, &mut note)?;
        }
        all_done += finished;
        keep(making.run(&collector, true));
    }
    // Workloads that died are not done either, but nobody stopped them.
    let partial = stop.load(Ordering::Relaxed) && all_done < total;
    Ok(making.run(&collector, partial))
}

/// A run in the making: what is known of it besides what the workers say.
struct Making<'a> {
    plan: &'a Plan,
    workloads: &'a [&'static Workload],
    began: Instant,
    started: String,
    host: Host,
    limits: Vec<probe::Limits>,
}

impl Making<'_> {
    /// The run as far as it is.
    fn run(&self, collector: &Collector, partial: bool) -> Run {
        let plan = self.plan;
        let mut rows = collector.rows(self.workloads, &plan.engines, &self.limits);
        witness::attach(&mut rows, &plan.witnesses);
        let coverage = coverage::state(&mut rows);
        Run {
            schema: SCHEMA.into(),
            sealmark: env!("CARGO_PKG_VERSION").into(),
            started: self.started.clone(),
            host: self.host.clone(),
            suite: title(plan),
            partial,
            coverage,
            within: plan.within,
            seed: plan.seed,
            build: env!("SEALMARK_BUILD").into(),
            clock: collector.clock.clone(),
            limits: self.limits.clone(),
            engines: plan.engines.iter().map(|&e| version(e)).collect(),
            rows,
            seconds: self.began.elapsed().as_secs_f64(),
        }
    }
}

/// A job without the engines and workloads that made an earlier process hang: each would cost its patience
/// again.
fn without_hung(mut job: Job, collector: &mut Collector) -> Job {
    job.workloads.retain(|workload| !collector.failures.contains_key(workload));
    job.engines.retain(|engine| !collector.hung.contains(engine));
    for engine in collector.hung.clone() {
        for workload in &job.workloads {
            collector.lose(workload, Some(&engine), "this engine hung in an earlier process".into());
        }
    }
    job
}

fn title(plan: &Plan) -> String {
    match &plan.filter {
        None => plan.suite.name().to_owned(),
        Some(filter) => format!("{}: {filter}", plan.suite.name()),
    }
}

fn version(engine: &dyn Engine) -> EngineVersion {
    EngineVersion {
        name: engine.name().to_owned(),
        version: engine.version(),
        unavailable: engine.available().err(),
        environment: environment::steering(engine.variables()),
    }
}

fn in_process(
    job: &Job,
    engines: &[&'static dyn Engine],
    collector: &mut Collector,
    stop: &AtomicBool,
    note: Note<'_>,
) -> Result<(), Error> {
    let mut stopped = false;
    let result = sample_here(job, engines, &mut |answer| {
        if stop.load(Ordering::Relaxed) {
            stopped = true;
            return Err(Error::Worker(std::io::ErrorKind::Interrupted.into()));
        }
        if let Some(workload) = collector.take(answer) {
            note(collector, &workload);
        }
        Ok(())
    });
    if stopped { Ok(()) } else { result }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{self, engines};
    use crate::measure::workload::testing::{Broken, Fault};

    fn plan(filter: &str, engines: Vec<&'static dyn Engine>) -> Plan {
        let budget = Duration::from_millis(10);
        Plan { filter: Some(filter.into()), processes: 0, budget, ..Plan::new(Suite::Quick, engines) }
    }

    fn go(plan: &Plan) -> Run {
        run(plan, &AtomicBool::new(false), &mut |_| {}).unwrap()
    }

    #[test]
    fn a_tiny_workload_gives_a_row_for_each_engine() {
        let mut seen = Vec::new();
        let plan = plan("seal/*-256-gcm/64", engines());
        let result = run(&plan, &AtomicBool::new(false), &mut |p| seen.push((p.done, p.total)));
        let result = result.unwrap();
        assert_eq!(seen, [(1, 1)]);
        let can: Vec<_> =
            engines().into_iter().filter(|e| e.available().is_ok()).map(|e| e.name().to_owned()).collect();
        let rows: Vec<_> = result.rows.iter().map(|row| row.engine.clone()).collect();
        assert_eq!(rows, can);
        assert_eq!(result.engines.len(), engines().len());
        for row in &result.rows {
            assert_eq!(
                (row.workload.as_str(), row.op.as_str(), row.bytes),
                ("seal/aes-256-gcm/64", "seal", 64)
            );
            assert_eq!(row.arena.as_ref().map(|a| a.bytes % 64), Some(0));
            assert!(row.ns.is_some() && row.error.is_none(), "{row:?}");
            assert_eq!(row.gb_per_s.is_some(), row.ns.is_some());
        }
        let clock = result.clock.unwrap();
        assert!(clock.grain_ns > 0.0 && clock.pinning.contains("pinned") && clock.rounds >= 11);
        assert!(result.build.starts_with("rustc "), "{}", result.build);
    }

    #[test]
    fn a_wrong_engine_gets_no_time() {
        for fault in [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses] {
            let result = go(&plan("*seal*-256-gcm/64", vec![Broken::with(fault)]));
            let workloads: Vec<_> = result.rows.iter().map(|row| row.op.as_str()).collect();
            assert_eq!(workloads, ["seal", "latency/seal", "seal_batch"], "{fault:?}");
            for row in &result.rows {
                assert!(row.error.is_some() && row.ns.is_none() && row.gb_per_s.is_none(), "{row:?}");
                assert!(row.samples.is_empty());
            }
        }
    }

    #[test]
    fn a_latency_has_no_throughput_and_a_batch_says_how_many() {
        let engine = || vec![engine::find("sealmark").unwrap()];
        for (filter, batch, throughput) in
            [("latency/*/64", None, false), ("seal_batch/*/64", Some(64), true), ("seal/*/64", None, true)]
        {
            let result = go(&plan(filter, engine()));
            assert!(!result.rows.is_empty(), "{filter}");
            for row in &result.rows {
                assert_eq!(row.batch, batch, "{row:?}");
                assert_eq!(row.gb_per_s.is_some(), throughput && row.ns.is_some(), "{row:?}");
            }
        }
    }

    #[test]
    fn a_row_of_all_cores_says_how_many_threads() {
        let threads = |filter| {
            let plan = plan(filter, vec![engine::find("sealmark").unwrap()]);
            let row = go(&Plan { suite: Suite::Standard, ..plan }).rows.remove(0);
            assert!(row.ns.is_some(), "{row:?}");
            row.threads
        };
        assert_eq!(threads("parallel/seal/*/1024"), Some(crate::timing::parallelism() as u32));
        assert_eq!(threads("seal/aes-256-gcm/1024"), None);
    }

    #[test]
    fn an_unavailable_engine_is_listed_with_its_reason_and_has_no_row() {
        let engines = vec![Broken::with(Fault::Unavailable), engine::find("sealmark").unwrap()];
        let result = go(&plan("open/aes-256-gcm/16", engines));
        assert_eq!(result.engines[0].unavailable.as_deref(), Some("it was told not to be"));
        assert_eq!(
            result.rows.iter().map(|r| r.engine.as_str()).collect::<Vec<_>>(),
            ["sealmark", "sealmark"]
        );
    }

    #[test]
    fn nothing_to_measure_is_an_error() {
        for plan in [
            plan("no such workload", engines()),
            plan("seal", vec![]),
            plan("seal", vec![Broken::with(Fault::Unsupported)]),
        ] {
            assert!(matches!(run(&plan, &AtomicBool::new(false), &mut |_| {}), Err(Error::Nothing(_))));
        }
    }

    #[test]
    fn a_run_that_was_stopped_keeps_what_was_finished() {
        let stop = AtomicBool::new(false);
        let plan = plan("seal/aes-256-gcm/*", vec![engine::find("sealmark").unwrap()]);
        let result = run(&plan, &stop, &mut |p| stop.store(p.done == 2, Ordering::Relaxed)).unwrap();
        assert_eq!((result.rows.len(), result.partial), (2, true));
    }

    #[test]
    fn a_run_in_progress_is_handed_out_as_partial_and_ends_whole() {
        let plan = plan("seal/aes-256-gcm/64", vec![engine::find("sealmark").unwrap()]);
        let mut kept = Vec::new();
        let result = run_and_keep(&plan, &AtomicBool::new(false), &mut |_| {}, &mut |run| kept.push(run));
        let result = result.unwrap();
        assert!(!result.partial);
        let last = kept.last().expect("one at least, after the last process");
        assert!(kept.iter().all(|run| run.partial));
        assert_eq!(last.rows, result.rows);
        let text = serde_json::to_value(&result).unwrap();
        assert!(text.get("partial").is_none(), "a whole run reads as those of earlier versions");
        assert_eq!(serde_json::to_value(last).unwrap()["partial"], true);
    }

    #[test]
    fn what_hung_is_not_asked_again_and_its_other_rows_do_not_pass_as_whole() {
        let plan = plan("seal/aes-256-gcm/*", vec![engine::find("sealmark").unwrap()]);
        let mut collector = Collector::default();
        collector.hung.push("slow".into());
        collector.fail("seal/aes-256-gcm/64", None, "it hung".into());
        let mut job = plan.job(&plan.workloads());
        job.engines.push("slow".into());
        let left = without_hung(job, &mut collector);
        assert_eq!(left.engines.len(), 1);
        assert!(!left.workloads.iter().any(|path| path == "seal/aes-256-gcm/64"));
        assert_eq!(collector.cells.len(), left.workloads.len());
        assert!(collector.cells.values().all(|cell| cell.lost[0].contains("hung in an earlier process")));
    }

    #[test]
    fn samples_fit_the_budget_within_limits() {
        let workloads = |plan: &Plan| plan.job(&plan.workloads()).target_ns;
        let mut plan = Plan::new(Suite::Quick, engines());
        let usual = workloads(&plan);
        assert!(usual > SAMPLE_NS.0 && usual <= SAMPLE_NS.1, "{usual}");
        plan.budget = Duration::ZERO;
        assert_eq!(workloads(&plan), SAMPLE_NS.0);
        plan.budget = Duration::from_secs(1_000_000);
        assert_eq!(workloads(&plan), SAMPLE_NS.1);
    }
}
