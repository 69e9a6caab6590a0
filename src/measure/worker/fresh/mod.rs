//! One fresh process of a bench: a worker that samples every workload in turns, and the consequences of its
//! failure.
//!
//! If a worker crashes or hangs while it runs a single engine, that engine loses its rows and the worker is
//! started again with the rest. If it ends for another reason, or while it samples all engines in turn, only
//! this process's samples are lost, and the rows rest on the other processes. If most are lost, that is the
//! rows' error.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::measure::Error;
use crate::measure::worker::collector::Collector;
use crate::measure::worker::failure::{Cause, Failure};
use crate::measure::worker::parent::{TICK, Worker, unexpected};
use crate::measure::worker::protocol::{Answer, Command, Job, SAMPLE, TURNS};

/// Starts a worker.
pub(in crate::measure) type Spawn<'a> = &'a dyn Fn() -> std::io::Result<Child>;
/// Called with everything collected so far, and what a worker has come to.
pub(in crate::measure) type Note<'a> = &'a mut (dyn FnMut(&Collector, Event<'_>) + Send);

/// What a worker has come to.
#[derive(Clone, Copy)]
pub(in crate::measure) enum Event<'a> {
    /// A round of this workload.
    Round(&'a str),
    /// The end of this workload.
    Finished(&'a str),
}

/// Records an answer and calls `note` where it is an event.
pub(in crate::measure) fn collect(collector: &mut Collector, answer: Answer, note: Note<'_>) {
    if let Answer::Sampling { workload } = &answer {
        note(collector, Event::Round(workload));
    }
    if let Some(workload) = collector.take(answer) {
        note(collector, Event::Finished(&workload));
    }
}

/// The time allowed for preparations and checks.
const PREPARING: Duration = Duration::from_secs(120);
/// The time allowed for a workload, as a multiple of its timed nanoseconds: twice the sampler's own limit for
/// a turn with long resets.
const SAMPLING: f64 = 20.0;

/// How long a worker may be silent before it counts as hung. It reports before it runs a single engine, and
/// before it samples a workload on all engines, which takes longest.
pub(in crate::measure) fn patience(job: &Job) -> Duration {
    let turns = f64::from(job.rounds + 1) * (job.engines.len() + 1) as f64;
    PREPARING + Duration::from_secs_f64(SAMPLING * turns * job.target_ns / 1e9)
}

/// One process of a run, and more if workers die: a worker that takes its turns between those of others.
pub(in crate::measure) struct Process<'a> {
    job: Job,
    spawn: Spawn<'a>,
    patience: Duration,
    stop: &'a AtomicBool,
    /// The worker, and how far it got; `None` before the first turn, and after a failure.
    worker: Option<(Worker<'a>, Progress)>,
    done: bool,
}

impl<'a> Process<'a> {
    /// One that has not begun. Nothing is started before its first turn.
    pub fn new(job: Job, spawn: Spawn<'a>, patience: Duration, stop: &'a AtomicBool) -> Self {
        let done = job.workloads.is_empty() || job.engines.is_empty();
        Self { job: Job { turns: true, ..job }, spawn, patience, stop, worker: None, done }
    }

    /// Whether it has no turn left.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Takes the next step, up to where the worker waits again, ends or fails. After a failure, a worker with
    /// the rest of the job is started at the next turn.
    ///
    /// # Errors
    /// Those of starting a process.
    pub fn turn(&mut self, collector: &mut Collector, note: Note<'_>) -> Result<(), Error> {
        let (mut progress, worker) = match self.worker.take() {
            Some((mut worker, progress)) => {
                worker.tell(&Command::Go);
                (progress, Ok(worker))
            }
            None => {
                self.leave_out_hung(collector);
                if self.done {
                    return Ok(());
                }
                (Progress::default(), self.start((self.spawn)()?))
            }
        };
        let result = worker.and_then(|mut worker| {
            let ended = self.step(&mut worker, collector, note, &mut progress)?;
            Ok((worker, ended))
        });
        match result {
            Ok((worker, true)) => {
                worker.end();
                self.done = true;
            }
            Ok((worker, false)) => self.worker = Some((worker, progress)),
            Err(failure) => self.done = !self.goes_on_after(&failure, progress, collector),
        }
        Ok(())
    }

    fn start(&self, child: Child) -> Result<Worker<'a>, Failure> {
        let mut worker = Worker::greet(child, &[SAMPLE, TURNS], self.patience, self.stop)?;
        worker.tell(&Command::Sample(self.job.clone()));
        Ok(worker)
    }

    /// Collects a worker's answers until it waits, or until it ends, which is true.
    fn step(
        &self,
        worker: &mut Worker<'_>,
        collector: &mut Collector,
        note: Note<'_>,
        progress: &mut Progress,
    ) -> Result<bool, Failure> {
        loop {
            let answer = worker.hear(self.patience)?;
            let expected = self.job.workloads.get(progress.finished);
            match &answer {
                Answer::Clock(_) => {}
                Answer::At { workload, engine } => {
                    (progress.workload, progress.engine) = (Some(workload.clone()), Some(engine.clone()));
                }
                Answer::Sampling { workload } => {
                    (progress.workload, progress.engine) = (Some(workload.clone()), None);
                }
                Answer::Workload { workload, .. } if Some(workload) == expected => progress.finished += 1,
                // The first one follows the clock at once: a turn ends after some work.
                Answer::Waiting if progress.workload.is_none() => worker.tell(&Command::Go),
                Answer::Waiting => return Ok(false),
                Answer::Sampled if expected.is_none() => return Ok(true),
                Answer::Error { cause, why } => {
                    return Err(Failure::Refused { cause: *cause, why: why.clone() });
                }
                other => return Err(unexpected(other)),
            }
            collect(collector, answer, note);
        }
    }

    /// Records a failure; whether another worker has something left to do.
    fn goes_on_after(&mut self, failure: &Failure, progress: Progress, collector: &mut Collector) -> bool {
        if matches!(failure, Failure::Stopped) {
            return false;
        }
        // Ctrl-C reaches the worker too, perhaps before this process has seen it.
        std::thread::sleep(TICK);
        if self.stop.load(Ordering::Relaxed) {
            return false;
        }
        let job = &mut self.job;
        job.workloads.drain(..progress.finished);
        // The workload that it was running; the first that is left, if it named none or finished that one.
        let Some(first) = job.workloads.first() else { return false };
        let current = progress.workload.as_ref().filter(|current| job.workloads.contains(current));
        let current = current.unwrap_or(first).clone();
        if matches!(failure, Failure::Misfit(_)) {
            // The next one would be just as incompatible.
            job.workloads.iter().for_each(|workload| collector.lose(workload, None, failure.to_string()));
            return false;
        }
        match (progress.engine, failure.cause()) {
            (Some(engine), cause) => {
                let how = format!("{failure} while it ran {engine}");
                for workload in &job.workloads {
                    match cause {
                        Cause::Other => collector.lose(workload, Some(&engine), how.clone()),
                        Cause::Crash | Cause::Hang => collector.fail(workload, Some(&engine), how.clone()),
                    }
                }
                job.engines.retain(|name| *name != engine);
                if cause == Cause::Hang {
                    collector.hung.push(engine);
                }
            }
            // It may hang again, so that workload is not run any more.
            (None, Cause::Hang) => {
                collector.fail(&current, None, format!("{failure} while it sampled"));
                job.workloads.retain(|workload| *workload != current);
            }
            (None, Cause::Crash | Cause::Other) => {
                collector.lose(&current, None, failure.to_string());
                job.workloads.retain(|workload| *workload != current);
            }
        }
        !job.workloads.is_empty() && !job.engines.is_empty()
    }

    /// Leaves out the engines and workloads that made another process hang: each would cost a whole timeout
    /// again.
    fn leave_out_hung(&mut self, collector: &mut Collector) {
        let job = &mut self.job;
        job.workloads.retain(|workload| !collector.failures.contains_key(workload));
        for engine in collector.hung.clone() {
            if job.engines.contains(&engine) {
                job.engines.retain(|name| *name != engine);
                for workload in &job.workloads {
                    collector.lose(workload, Some(&engine), "this engine hung in an earlier process".into());
                }
            }
        }
        self.done |= job.workloads.is_empty() || job.engines.is_empty();
    }
}

/// How far a worker got.
#[derive(Default)]
struct Progress {
    /// Workloads of the job that are finished.
    finished: usize,
    /// The workload that it is running.
    workload: Option<String>,
    /// The engine that it is running on its own.
    engine: Option<String>,
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
