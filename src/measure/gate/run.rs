//! The gate from its plan to its result: exact, then timed.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::engine::Engine;
use crate::host::{Build, Host, environment};
use crate::measure::gate::exact::{self, Streams};
use crate::measure::gate::pair::{self, Spawn, Task};
use crate::measure::gate::result::{Gate, Row, SCHEMA};
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::timed::{self, Question, Sides};
use crate::measure::worker::failure::Failure;
use crate::measure::worker::parent::VERB;
use crate::measure::{Error, Workload};
use crate::timing::pin;

/// What to compare.
#[derive(Clone)]
pub struct Plan {
    /// The base's builds, one for each link order.
    pub base: Vec<PathBuf>,
    /// The head's.
    pub head: Vec<PathBuf>,
    /// What to run on both.
    pub subjects: Vec<Subject>,
    /// Whether workloads that did not change are timed as well.
    pub all: bool,
    /// How long pairs may be taken.
    pub budget: Duration,
    /// What orders and offsets are drawn from.
    pub seed: u64,
}

/// A workload on an engine.
#[derive(Clone)]
pub struct Subject {
    /// The workload.
    pub workload: Workload,
    /// The engine.
    pub engine: &'static dyn Engine,
    /// The least effect of interest, as a ratio less one.
    pub margin: f64,
}

/// What is being done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// So many workloads of so many are traced.
    Traced(usize, usize),
    /// So many pairs were taken, and so many workloads are open.
    Timed(usize, usize),
}

/// Compares base and head.
///
/// # Errors
/// [`Error::Worker`] where a build cannot be opened.
pub fn run(plan: &Plan, stop: &AtomicBool, show: &mut (dyn FnMut(Step) + Send)) -> Result<Gate, Error> {
    let (began, started) = (Instant::now(), jiff::Timestamp::now().to_string());
    let open = |paths: &[PathBuf]| paths.iter().map(|path| Build::open(path)).collect::<Result<Vec<_>, _>>();
    let (base, head) = (open(&plan.base)?, open(&plan.head)?);
    let mut rows: Vec<Row> = plan
        .subjects
        .iter()
        .map(|subject| Row::open(&subject.workload.path, subject.engine.name(), subject.margin))
        .collect();
    let mut not_traced = None;
    if equal_files(&plan.base, &plan.head) {
        rows.iter_mut().for_each(|row| row.take_streams(Streams::unchanged()));
    } else {
        not_traced = trace(plan, [&base[0], &head[0]], &mut rows, show);
    }
    let timed = time(plan, [&base, &head], &mut rows, stop, show);
    let names = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
    let null_pair = timed.as_ref().map(|timed| timed.null_pairs);
    Ok(Gate {
        schema: SCHEMA.into(),
        sealmark: env!("CARGO_PKG_VERSION").into(),
        started,
        host: Host::detect(),
        build: env!("SEALMARK_BUILD").into(),
        base: names(&plan.base),
        head: names(&plan.head),
        commits: None,
        verdict: Gate::overall(&rows, null_pair.as_ref()),
        rows,
        null_pair,
        ended_early: timed.as_ref().is_some_and(|timed| timed.ended_early),
        lost: timed.map(|timed| timed.lost).unwrap_or_default(),
        not_traced,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Whether every build of one side has its equal, byte for byte, on the other.
fn equal_files(base: &[PathBuf], head: &[PathBuf]) -> bool {
    let equal = |one: &Path, other: &Path| {
        one == other || matches!((std::fs::read(one), std::fs::read(other)), (Ok(a), Ok(b)) if a == b)
    };
    base.len() == head.len() && base.iter().zip(head).all(|(base, head)| equal(base, head))
}

/// Compares the streams of all; why none could be, where that is so.
fn trace(
    plan: &Plan,
    [base, head]: [&Build; 2],
    rows: &mut [Row],
    show: &mut (dyn FnMut(Step) + Send),
) -> Option<String> {
    let show = std::sync::Mutex::new((0, show));
    let all = plan.subjects.len();
    let streams: Result<Vec<Streams>, Error> = plan
        .subjects
        .par_iter()
        .map(|subject| {
            let streams = exact::compare(base, head, &subject.workload, subject.engine);
            if let Ok(mut shown) = show.lock() {
                shown.0 += 1;
                let done = shown.0;
                (shown.1)(Step::Traced(done, all));
            }
            streams
        })
        .collect();
    match streams {
        Ok(streams) => {
            rows.iter_mut().zip(streams).for_each(|(row, streams)| row.take_streams(streams));
            None
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Times what is not decided; `None` where all is.
fn time(
    plan: &Plan,
    builds: [&[Build]; 2],
    rows: &mut [Row],
    stop: &AtomicBool,
    show: &mut (dyn FnMut(Step) + Send),
) -> Option<timed::Timed> {
    let open: Vec<usize> =
        (0..rows.len()).filter(|&at| plan.all || rows[at].verdict == Verdict::Unsure).collect();
    if open.is_empty() {
        return None;
    }
    // A thread of its own: pinning it, and with it all workers, binds nobody else.
    std::thread::scope(|scope| {
        let timing = scope.spawn(|| {
            pin();
            let starts = builds.map(|side| side.iter().map(|build| move || start(build)).collect::<Vec<_>>());
            let sides =
                starts.each_ref().map(|side| side.iter().map(|start| start as Spawn<'_>).collect::<Vec<_>>());
            let mut questions = Vec::new();
            let mut asked = Vec::new();
            for &at in &open {
                match sized(&plan.subjects[at], [sides[0][0], sides[1][0]], stop) {
                    Ok(task) => {
                        questions.push(Question { task, margin: rows[at].margin });
                        asked.push(at);
                    }
                    Err(why) => rows[at].why = Some(why),
                }
            }
            let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
            let [base, head] = &sides;
            let mut take = |which: Sides, tasks: &[&Task]| {
                let mut draw = |side: &[Spawn<'_>]| rng.random_range(0..side.len());
                let programs = match which {
                    Sides::BaseHead => [base[draw(base)], head[draw(head)]],
                    Sides::HeadBase => [head[draw(head)], base[draw(base)]],
                    // One build: two link orders may truly differ.
                    Sides::Null => [base[draw(base)]; 2],
                };
                pair::pair(programs, tasks, &mut rng, stop)
            };
            let mut show = |pairs, open| show(Step::Timed(pairs, open));
            let timed = timed::decide(&mut take, &questions, plan.budget, stop, &mut show);
            asked.iter().zip(&timed.decisions).for_each(|(&at, decision)| rows[at].take_times(decision));
            timed
        });
        Some(timing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn start(build: &Build) -> std::io::Result<std::process::Child> {
    let mut command = build.command();
    environment::give(&mut command);
    command.arg(VERB).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn()
}

/// The amount of work of a slice, by the time that the base takes; both sides must be able to do it.
fn sized(subject: &Subject, sides: [Spawn<'_>; 2], stop: &AtomicBool) -> Result<Task, String> {
    let Subject { workload, engine, .. } = subject;
    let slot_len = workload.slot_len();
    let first = Task::sized(&workload.path, engine.name(), slot_len, pair::SLICE_NS / 64.0);
    let mut op_ns = 0.0;
    for (side, name) in sides.into_iter().zip(pair::SIDES).rev() {
        let of = |failure: Failure| format!("{name}: {failure}");
        let mut worker = pair::greet(side, stop).map_err(of)?;
        let pass_ns =
            pair::prepare(&mut worker, 0, &first, crate::measure::worker::protocol::Place::default())
                .map_err(of)?;
        op_ns = pass_ns / first.pass as f64;
    }
    Ok(Task::sized(&workload.path, engine.name(), slot_len, op_ns))
}
