//! The command `sample`: engines take turns in shuffled rounds of a workload, and the rounds of workloads
//! take turns, in one process.
//!
//! A neighbour on the same core comes and goes within seconds. Spread over the whole process, the rounds of a
//! workload meet quiet moments and busy ones, and the sampler takes its times from the quiet ones. In one
//! stretch, all rounds of some workloads would fall into busy moments: on a shared host, every third ratio of
//! two engines was then off by a tenth or more.
//!
//! Whatever slows the machine for a while slows all of them, so their ratios are the most reliable figures of
//! all. The worker announces which engine it is about to run, so that its parent knows which one to blame if
//! it dies.

mod group;

use group::groups;
pub(in crate::measure) use group::is_small;

use crate::engine::Engine;
use crate::measure::worker::cycles::Cycles;
use crate::measure::worker::known::Known;
use crate::measure::worker::protocol::{Answer, Job, Measured};
use crate::measure::worker::tail;
use crate::measure::{Arena, ClockInfo, Error, Workload};
use crate::timing::{Clock, Pinning, Rounds, Sampler, Timed};

/// Called with each answer as soon as there is one. Its errors end the sampling.
pub(in crate::measure) type Tell<'a> = &'a mut dyn FnMut(Answer) -> Result<(), Error>;

/// Waits for the next turn. Its errors end the sampling.
pub(in crate::measure) type Wait<'a> = &'a mut dyn FnMut() -> Result<(), Error>;

/// A job, and the means to measure it in this process.
pub(in crate::measure) struct Sampling<'a> {
    pub job: &'a Job,
    pub known: Known<'a>,
    pub clock: Clock,
    pub pinning: &'a Pinning,
}

impl Sampling<'_> {
    /// Samples every workload of the job on the job's engines. Waits before each step if the job takes turns.
    ///
    /// # Errors
    /// Those of `tell` and of `wait`; [`Error::Unknown`] or [`Error::NoEngine`] for what does not exist,
    /// before anything is measured.
    pub fn run(&self, tell: Tell<'_>, wait: Wait<'_>) -> Result<(), Error> {
        let &Self { job, known, clock, pinning } = self;
        let find = |path: &String| known.workload(path).ok_or_else(|| Error::Unknown(path.clone()));
        let workloads = job.workloads.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let find = |name: &String| known.engine(name).ok_or_else(|| Error::NoEngine(name.clone()));
        let chosen = job.engines.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        tell(Answer::Clock(ClockInfo {
            grain_ns: clock.grain_ns,
            overhead_ns: clock.overhead_ns,
            pinning: pinning.to_string(),
            rounds: job.rounds,
            target_ns: job.target_ns,
            ghz: None,
        }))?;
        let mut turn = |tell: Tell<'_>| {
            if job.turns {
                tell(Answer::Waiting)?;
                wait()?;
            }
            Ok::<(), Error>(())
        };
        let mut seed = job.seed;
        for group in groups(&workloads, chosen.len()) {
            let mut ready = Vec::with_capacity(group.len());
            turn(tell)?;
            for workload in group {
                let sampler = Sampler { clock, target_ns: job.target_ns, seed };
                seed = seed.wrapping_add(1);
                ready.push(Ready::prepare(workload, workload.eligible_engines(&chosen), &sampler, tell)?);
            }
            for _ in 0..job.rounds {
                turn(tell)?;
                for workload in &mut ready {
                    tell(Answer::Sampling { workload: workload.workload.path.clone() })?;
                    workload.rounds.run(&mut workload.batches);
                }
            }
            turn(tell)?;
            for workload in ready {
                let path = workload.workload.path.clone();
                tell(Answer::Sampling { workload: path.clone() })?;
                let (rows, cycle_ns) = workload.finish(&clock);
                tell(Answer::Workload { workload: path, rows, cycle_ns })?;
            }
        }
        Ok(())
    }
}

/// How many events a worker reports of a workload: the warm-up, each round, the check, and the end. The
/// events of preparation are not among them, because a coarse clock needs several preparations.
pub(in crate::measure) const fn reports(rounds: u32) -> usize {
    rounds as usize + 3
}

/// A workload that is ready on every engine, and its rounds so far.
struct Ready<'a> {
    workload: &'a Workload,
    engines: Vec<&'static dyn Engine>,
    /// Engines without an error have a batch; every engine has an outcome.
    outcomes: Vec<Result<(), String>>,
    /// One for each engine without an error, then the cycle counter.
    batches: Vec<Box<dyn Timed>>,
    /// The operations of a pass of each engine.
    count: usize,
    rounds: Rounds,
}

impl<'a> Ready<'a> {
    /// Prepares and warms up the batches of all engines.
    fn prepare(
        workload: &'a Workload,
        engines: Vec<&'static dyn Engine>,
        sampler: &Sampler,
        tell: Tell<'_>,
    ) -> Result<Self, Error> {
        let clock = &sampler.clock;
        let mut outcomes: Vec<Result<(), String>> = vec![Ok(()); engines.len()];
        let mut batches: Vec<Box<dyn Timed>>;
        let mut repeat = 1;
        // All engines have the same count, so that their arenas have the same size.
        let count = loop {
            let count = workload.count() * repeat;
            let mut times = Vec::new();
            batches = Vec::new();
            for (&engine, outcome) in engines.iter().zip(&mut outcomes).filter(|(_, outcome)| outcome.is_ok())
            {
                tell(Answer::At { workload: workload.path.clone(), engine: engine.name().to_owned() })?;
                match prepare_checked(workload, engine, count, clock) {
                    Ok((batch, ns)) => {
                        batches.push(batch);
                        times.push(ns);
                    }
                    Err(why) => *outcome = Err(why),
                }
            }
            let longer = (repeat * repeat_factor(&times, clock.shortest_pass_ns())).min(LONGEST);
            if longer == repeat {
                break count;
            }
            repeat = longer;
        };
        tell(Answer::Sampling { workload: workload.path.clone() })?;
        batches.push(Box::new(Cycles::new(clock)));
        let rounds = sampler.begin(&mut batches);
        Ok(Self { workload, engines, outcomes, batches, count, rounds })
    }

    /// Checks every batch; the rows of the workload, and nanoseconds per core cycle meanwhile.
    fn finish(self, clock: &Clock) -> (Vec<Measured>, f64) {
        let Self { workload, engines, outcomes, mut batches, count, rounds } = self;
        let mut times = rounds.times();
        let cycle_ns = times.pop().expect("the cycles take part");
        let mut timed = batches.iter_mut().zip(times);
        let mut rows = Vec::with_capacity(engines.len());
        for (engine, outcome) in engines.into_iter().zip(outcomes) {
            let row = match outcome {
                Err(why) => Measured::new(engine.name(), Err(why)),
                Ok(()) => {
                    let (batch, time) = timed.next().expect("it has a batch");
                    let row = judged(workload, engine, &mut **batch, time, cycle_ns, clock);
                    let row = row.unwrap_or_else(|why| Measured::new(engine.name(), Err(why)));
                    Measured { arena: Arena::of(workload, count), threads: workload.threads(), ..row }
                }
            };
            rows.push(row);
        }
        (rows, cycle_ns.unwrap_or_default())
    }
}

/// The row of a batch that was sampled.
///
/// # Errors
/// Why it has no time.
fn judged(
    workload: &Workload,
    engine: &'static dyn Engine,
    batch: &mut dyn Timed,
    time: Option<f64>,
    cycle_ns: Option<f64>,
    clock: &Clock,
) -> Result<Measured, String> {
    let right = batch.check().and_then(|()| batch.refuse_forgery());
    right.map_err(|why| format!("wrong after it was timed: {why}"))?;
    let ns = time.ok_or("there was no round")?;
    let clock_error = clock_error(clock, ns * batch.count() as f64)?;
    let cycles = cycle_ns.filter(|_| workload.on_one_core()).map(|cycle_ns| ns / cycle_ns);
    let tails = if workload.tails { Some(tail::quantiles(workload, engine, clock)?) } else { None };
    Ok(Measured { clock_error, cycles, tails, ..Measured::new(engine.name(), Ok(ns)) })
}

/// Prepares a batch, checks that it is right and refuses a forgery; also returns its shortest pass.
pub(in crate::measure) fn prepare_checked(
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
    clock: &Clock,
) -> Result<(Box<dyn Timed>, f64), String> {
    let mut batch = workload.prepare(engine, count).map_err(|e| e.to_string())?;
    let ns = checked(&mut *batch, clock)?;
    batch.refuse_forgery()?;
    Ok((batch, ns))
}

/// The largest factor by which a pass may be lengthened.
pub(in crate::measure) const LONGEST: usize = 64;

/// The factor by which to lengthen passes so that the shortest of them lasts long enough. A coarse clock
/// needs longer passes, at the price of a larger arena.
fn repeat_factor(times_ns: &[f64], wanted_ns: f64) -> usize {
    let shortest = times_ns.iter().copied().fold(wanted_ns, f64::min);
    (wanted_ns / shortest.max(1.0)).ceil().clamp(1.0, LONGEST as f64) as usize
}

/// The clock's error as a fraction of a pass of `ns`; `None` where it is at most the 1 % that [`Clock`]
/// promises. For a coarse clock even the longest pass may be too short.
///
/// # Errors
/// If the pass is no longer than the clock's error, it has no time.
fn clock_error(clock: &Clock, ns: f64) -> Result<Option<f64>, String> {
    let error_ns = clock.error_ns();
    if ns <= error_ns {
        return Err(format!("a pass is too short for this clock, whose error is up to {error_ns:.0} ns"));
    }
    Ok((ns < clock.shortest_pass_ns()).then_some(error_ns / ns))
}

/// Runs a batch until it is warm, checks it, and returns the time of the shortest of three passes.
fn checked(batch: &mut dyn Timed, clock: &Clock) -> Result<f64, String> {
    let mut shortest = f64::INFINITY;
    for _ in 0..3 {
        batch.reset();
        shortest = shortest.min(clock.time(|| batch.run()));
    }
    batch.check()?;
    Ok(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use crate::measure::worker::child::sample_here;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{Broken, Fault};

    fn job(workloads: &[&str], engines: &[&str]) -> Job {
        let owned = |names: &[&str]| names.iter().map(|&s| s.to_owned()).collect();
        Job {
            workloads: owned(workloads),
            engines: owned(engines),
            seed: 7,
            rounds: 11,
            target_ns: 20_000.0,
            turns: false,
        }
    }

    fn answers(job: &Job, engines: &[&'static dyn Engine]) -> Vec<Answer> {
        let mut answers = Vec::new();
        sample_here(job, Known::ours(engines), &mut |answer| {
            answers.push(answer);
            Ok(())
        })
        .unwrap();
        answers
    }

    fn rows(answer: &Answer) -> Option<&Vec<Measured>> {
        if let Answer::Workload { rows, .. } = answer { Some(rows) } else { None }
    }

    #[test]
    fn a_job_and_its_answers_survive_json() {
        let job = job(&["seal/aes-256-gcm/16"], &["sealmark"]);
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
        let told = answers(&job, &[]);
        assert!(told.len() >= 4, "{told:?}");
        for answer in told {
            let text = serde_json::to_string(&answer).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
        }
        assert!(serde_json::from_str::<Job>("{}").is_err());
    }

    #[test]
    fn a_worker_tells_what_it_touches_and_then_what_came_of_it() {
        let told = answers(&job(&["open/aes-256-gcm/64"], &["sealmark/portable", "sealmark"]), &[]);
        let kinds: Vec<_> = told
            .iter()
            .map(|answer| match answer {
                Answer::Clock(_) => "clock",
                Answer::At { .. } => "at",
                Answer::Sampling { .. } => "sampling",
                Answer::Workload { .. } => "workload",
                other => panic!("{other:?}"),
            })
            .collect();
        // Two engines, or twice two and more where the clock is too coarse for the usual count.
        let (touched, rest) = kinds[1..].split_at(kinds.iter().filter(|kind| **kind == "at").count());
        assert!(kinds[0] == "clock" && touched.len() >= 2 && touched.len() % 2 == 0, "{kinds:?}");
        assert!(touched.iter().all(|kind| *kind == "at"), "{kinds:?}");
        let (sampling, end) = rest.split_at(rest.len() - 1);
        assert!(sampling.iter().all(|kind| *kind == "sampling"), "{kinds:?}");
        assert_eq!((rest.len(), end), (reports(11), &["workload"][..]));
        let rows = told.iter().find_map(rows).unwrap();
        assert_eq!(rows.len(), 2);
        for row in rows {
            assert!(row.arena.as_ref().is_some_and(|a| a.bytes >= 16 * 1024), "{row:?}");
        }
    }

    #[test]
    fn a_wrong_engine_gets_an_error_and_the_others_their_time() {
        let broken = Broken::with(Fault::FlipsTag);
        let told = answers(&job(&["seal/aes-256-gcm/64"], &["broken/flips-tag", "sealmark"]), &[broken]);
        let rows = told.iter().find_map(rows).unwrap();
        assert_eq!(rows[0].engine, "broken/flips-tag");
        assert!(rows[0].time().is_err_and(|why| why.contains("tag")), "{:?}", rows[0]);
        assert!(rows[1].time().is_ok(), "{:?}", rows[1]);
    }

    #[test]
    fn what_does_not_exist_is_refused_before_anything_is_measured() {
        let refused = |workloads: &[&str], engines: &[&str]| {
            let mut told = 0;
            let result = sample_here(&job(workloads, engines), Known::ours(&[]), &mut |_| {
                told += 1;
                Ok(())
            });
            assert_eq!(told, 0);
            result.unwrap_err()
        };
        let fine = "seal/aes-256-gcm/16";
        let error = refused(&[fine, "seal/rot-13/16"], &["sealmark"]);
        assert!(matches!(error, Error::Unknown(path) if path == "seal/rot-13/16"));
        let error = refused(&[fine], &["sealmark", "rong"]);
        assert!(matches!(error, Error::NoEngine(name) if name == "rong"));
    }

    /// One round of one workload on its own.
    fn measured(
        workload: &Workload,
        engines: &[&'static dyn Engine],
        sampler: &Sampler,
    ) -> (Vec<Measured>, f64) {
        let mut ready = Ready::prepare(workload, engines.to_vec(), sampler, &mut |_| Ok(())).unwrap();
        ready.rounds.run(&mut ready.batches);
        ready.finish(&sampler.clock)
    }

    #[test]
    fn a_coarse_clock_gets_longer_passes() {
        assert_eq!(repeat_factor(&[2_500.0], 10_000.0), 4);
        assert_eq!(repeat_factor(&[2_500.0], 2_000.0), 1);
        assert_eq!(repeat_factor(&[9_000.0, 2_500.0, 90_000.0], 10_000.0), 4);
        assert_eq!(repeat_factor(&[0.0], 1e9), 64);
        assert_eq!(repeat_factor(&[], 1e9), 1);
    }

    #[test]
    fn a_pass_that_stays_too_short_for_the_clock_says_by_how_much() {
        let clock = |grain_ns| Clock { grain_ns, overhead_ns: 0.0 };
        assert_eq!(clock_error(&clock(1e3), 100e3), Ok(None));
        assert_eq!(clock_error(&clock(1e3), 50e3), Ok(Some(0.02)));
        for ns in [0.0, 500.0, 1e3] {
            assert!(clock_error(&clock(1e3), ns).is_err_and(|why| why.contains("too short for this clock")));
        }
        // A row of a real run says nothing of it: its passes are long enough.
        let (workload, engines) = (catalog::find("nonce").unwrap(), [engine::find("sealmark").unwrap()]);
        let timed = |grain_ns| {
            let sampler = Sampler { clock: clock(grain_ns), target_ns: 1.0, seed: 0 };
            measured(workload, &engines, &sampler).0.remove(0)
        };
        let fine = timed(0.1);
        assert!(fine.time().is_ok() && fine.clock_error.is_none(), "{fine:?}");
    }

    #[test]
    fn a_coarse_clock_gives_every_engine_the_same_larger_arena() {
        let workload = catalog::find("seal/aes-256-gcm/64").unwrap();
        let engines = [engine::find("sealmark/portable").unwrap(), engine::find("sealmark").unwrap()];
        // Passes of 20 ms: more than any engine takes for the usual arena.
        let clock = Clock { grain_ns: 8e5, overhead_ns: 0.0 };
        let sampler = Sampler { clock, target_ns: 1.0, seed: 0 };
        let (rows, cycle_ns) = measured(workload, &engines, &sampler);
        assert!(cycle_ns > 0.0);
        assert!(rows.iter().all(|row| row.time().is_ok() == row.cycles.is_some_and(|cycles| cycles > 0.0)));
        let bytes: Vec<_> = rows.iter().map(|row| row.arena.as_ref().unwrap().bytes).collect();
        assert_eq!(bytes.len(), 2);
        assert_eq!(bytes[0], bytes[1]);
        assert!(bytes[0] > 16 * 1024, "{bytes:?}");
    }

    #[test]
    fn an_engine_that_accepts_forgeries_gets_no_time_in_any_row_of_opens() {
        let accepts = Broken::with(Fault::AcceptsAnything);
        let clock = Clock { grain_ns: 1.0, overhead_ns: 0.0 };
        let (mut opens, mut others) = (0, 0);
        for workload in catalog::workloads() {
            let result = prepare_checked(workload, accepts, 1, &clock);
            // A scheme without a cipher asks no engine.
            if workload.kind.opens() && workload.scope() == crate::measure::Scope::EveryEngine {
                assert!(result.is_err_and(|why| why.contains("forged")), "{}", workload.path);
                opens += 1;
            } else {
                assert!(result.is_ok(), "{}", workload.path);
                others += 1;
            }
        }
        assert!(opens >= 93 && others >= 127, "{opens} {others}");
        for path in ["open/aes-256-gcm/64", "open/record/1024", "open_batch/aes-256-gcm/256"] {
            let told = answers(&job(&[path], &["broken/accepts-anything"]), &[accepts]);
            let rows: Vec<_> = told.iter().filter_map(rows).flatten().collect();
            assert_eq!(rows.len(), 1);
            assert!(rows[0].time().is_err_and(|why| why.contains("forged tag is opened")), "{rows:?}");
        }
    }
}
