//! Carries out a plan: starts fresh processes that each measure every workload, and turns their answers into
//! rows.
//!
//! Fresh processes differ by more than the rounds within one, so the process is the unit of replication. Each
//! is this very program, even if another file has replaced it under its path since.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::engine::Engine;
use crate::host::{Host, environment};
use crate::measure::Precision;
use crate::measure::limit::probe;
use crate::measure::trace::witness;
use crate::measure::worker::child::sample_here;
use crate::measure::worker::collector::Collector;
use crate::measure::worker::fresh::{self, Event, Note, Process};
use crate::measure::worker::known::Known;
use crate::measure::worker::parent;
use crate::measure::worker::protocol::Job;
use crate::measure::worker::sample::reports;
use crate::measure::{EngineVersion, Error, Plan, Run, SCHEMA, Workload, coverage, publication};
use crate::timing::Clock;

#[cfg(test)]
mod tests;

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Progress<'a> {
    /// The current process, counted from 1.
    pub process: u32,
    /// The number of processes, or the largest number where the run stops at a precision.
    pub processes: u32,
    /// The precision at which the run stops.
    pub until: Option<Precision>,
    /// Ratios that were less precise when processes last ended; `None` while there are too few processes
    /// to stop.
    pub wide: Option<usize>,
    /// The workload that is running, or was just finished.
    pub workload: &'a str,
    /// Steps so far, over all processes: rounds of workloads, and what comes before and after them.
    pub done: usize,
    /// All steps.
    pub total: usize,
}

impl Progress<'_> {
    /// The state in words: `process 2 of 5`; `process 13 of at most 30, 3 ratios wider than ±3 %`.
    pub fn state(&self) -> String {
        let Self { process, processes, .. } = self;
        let Some(until) = self.until else { return format!("process {process} of {processes}") };
        let wide = self.wide.map_or_else(String::new, |wide| {
            let ratios = if wide == 1 { "ratio" } else { "ratios" };
            format!(", {wide} {ratios} wider than ±{:.0} %", 100.0 * until.within)
        });
        format!("process {process} of at most {processes}{wide}")
    }
}

/// Measures. When `stop` becomes true, the run ends early, keeps what is finished, and is marked partial.
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

/// How often, at most, a run in progress is handed out while processes take turns. It always is after them.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Measures as [`run`] does, and passes the run so far, marked partial, to `keep`. The caller can write it to
/// disk before something ends this process.
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
        return Err(Error::Nothing(plan.title()));
    }
    let making = Making {
        plan,
        workloads: &workloads,
        began: Instant::now(),
        started: jiff::Timestamp::now().to_string(),
        host: Host::detect(),
        limits: probe::limits(&Clock::calibrate()),
    };
    let job = job(plan, &workloads);
    let patience = fresh::patience(&job);
    let mut collector = Collector::default();
    let mut kept = Instant::now();
    let processes = plan.most_processes();
    let (mut wide, mut enough) = (None, false);
    let total = workloads.len() * processes as usize;
    let steps = workloads.len() * reports(plan.rounds);
    let (mut started, mut step, mut finished) = (0, vec![0; processes as usize], 0);
    let abreast = plan.abreast();
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    while started < processes && !enough && !stop.load(Ordering::Relaxed) {
        let batch = started..(started + abreast).min(processes);
        started = batch.end;
        let mut note = |process: u32, collector: &Collector, event: Event<'_>| {
            let (Event::Round(workload) | Event::Finished(workload)) = event;
            let own = &mut step[process as usize];
            // More than planned where a worker is started again.
            *own = (*own + 1).min(steps);
            let (done, total) = (step.iter().sum(), steps * processes as usize);
            let process = process + 1;
            progress(Progress { process, processes, until: plan.until, wide, workload, done, total });
            let Event::Finished(_) = event else { return };
            finished += 1;
            if kept.elapsed() >= KEEP_EVERY {
                keep(making.run(collector, true));
                kept = Instant::now();
            }
        };
        let seeded =
            |process: u32| Job { seed: job.seed.wrapping_add(u64::from(process + 1) << 32), ..job.clone() };
        if plan.processes == 0 {
            in_process(&seeded(0), plan, &mut collector, stop, &mut |c, event| note(0, c, event))?;
        } else {
            let fresh = |process| Process::new(seeded(process), &parent::spawn, patience, stop);
            let mut all: Vec<_> = batch.map(|process| (process, fresh(process))).collect();
            while !all.is_empty() && !stop.load(Ordering::Relaxed) {
                // In a fixed order, a neighbour that comes at regular times would meet the same ones.
                all.shuffle(&mut rng);
                for (process, worker) in &mut all {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    worker.turn(&mut collector, &mut |c, event| note(*process, c, event))?;
                }
                all.retain(|(_, worker)| !worker.is_done());
            }
        }
        keep(making.run(&collector, true));
        let stopped = stop.load(Ordering::Relaxed);
        if let Some(until) = plan.until.filter(|_| started >= plan.processes && !stopped) {
            let left = publication::left(&making.run(&collector, false), until.within);
            wide = Some(left);
            enough = left == 0;
        }
    }
    // Workloads whose process died are not finished either, but that is no early end.
    let partial = stop.load(Ordering::Relaxed) && finished < total && !enough;
    Ok(making.run(&collector, partial))
}

/// A run in the making: everything but the workers' answers.
struct Making<'a> {
    plan: &'a Plan,
    workloads: &'a [&'a Workload],
    began: Instant,
    started: String,
    host: Host,
    limits: Vec<probe::Limits>,
}

impl Making<'_> {
    /// The run so far.
    fn run(&self, collector: &Collector, partial: bool) -> Run {
        let plan = self.plan;
        let mut rows = collector.rows(self.workloads, &plan.engines, &self.limits);
        witness::attach(&mut rows, &plan.catalog, &plan.witnesses);
        let coverage = coverage::state(&mut rows);
        Run {
            schema: SCHEMA.into(),
            sealmark: env!("CARGO_PKG_VERSION").into(),
            started: self.started.clone(),
            host: self.host.clone(),
            suite: plan.title(),
            partial,
            coverage,
            within: plan.within,
            until: plan.until,
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

/// The job of each worker.
fn job(plan: &Plan, workloads: &[&Workload]) -> Job {
    Job {
        workloads: workloads.iter().map(|w| w.path.clone()).collect(),
        engines: plan.engines.iter().map(|e| e.name().to_owned()).collect(),
        seed: plan.seed,
        rounds: plan.rounds,
        target_ns: plan.target_ns(workloads),
        turns: false,
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
    plan: &Plan,
    collector: &mut Collector,
    stop: &AtomicBool,
    note: Note<'_>,
) -> Result<(), Error> {
    let mut stopped = false;
    let result = sample_here(job, Known { engines: &plan.engines, catalog: &plan.catalog }, &mut |answer| {
        if stop.load(Ordering::Relaxed) {
            stopped = true;
            return Err(Error::Worker(std::io::ErrorKind::Interrupted.into()));
        }
        fresh::collect(collector, answer, note);
        Ok(())
    });
    if stopped { Ok(()) } else { result }
}
