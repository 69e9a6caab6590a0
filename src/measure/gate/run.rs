//! The gate from its plan to its result: exact, then timed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::engine::Engine;
use crate::host::{Build, environment};
use crate::measure::gate::exact::{self, Streams};
use crate::measure::gate::pair::{self, Spawn, Task};
use crate::measure::gate::result::{Gate, Row, Times};
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::timed::{self, Question, Sides, Taken};
use crate::measure::worker::failure::Failure;
use crate::measure::worker::parent::VERB;
use crate::measure::worker::protocol::Place;
use crate::measure::{Error, Workload};
use crate::timing::pin;

/// What to compare.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The base's builds, one for each link order.
    pub base: Vec<PathBuf>,
    /// The head's.
    pub head: Vec<PathBuf>,
    /// What to run on both.
    pub subjects: Vec<Subject>,
    /// Whether workloads that did not change are timed as well.
    pub all: bool,
    /// Whether the result is to be a baseline: one program is then traced although it is both sides, and each
    /// row gets the head's time for orientation.
    pub keep: bool,
    /// How long pairs may be taken.
    pub budget: Duration,
    /// What orders and offsets are drawn from.
    pub seed: u64,
    /// A slowdown to plant in the head, as a share of a slice's time: 0.02 for two percent. Everything is
    /// timed then.
    pub plant: Option<f64>,
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

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} at {}", self.workload.path, self.engine.name(), self.margin)
    }
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
    let mut rows = open_rows(plan);
    let equal = equal_files(&plan.base, &plan.head);
    if equal {
        rows.iter_mut().for_each(|row| row.take_streams(Streams::unchanged()));
    }
    let mut not_traced = None;
    if !equal || plan.keep {
        let compare = |subject: &Subject| match equal {
            true => exact::of_one(&head[0], &subject.workload, subject.engine),
            false => exact::compare(&base[0], &head[0], &subject.workload, subject.engine),
        };
        not_traced = trace(&plan.subjects, &compare, &mut rows, stop, show);
    }
    let builds = [&base.iter().collect::<Vec<_>>()[..], &head.iter().collect::<Vec<_>>()];
    let timed = time(plan, builds, None, &mut rows, stop, show);
    if plan.keep {
        note_times(&plan.subjects, &head[0], &mut rows, stop);
    }
    let names = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let null_pair = timed.as_ref().map(|timed| timed.null_pairs);
    Ok(Gate {
        started,
        verdict: Gate::overall(&rows, null_pair.as_ref()),
        null_pair,
        ended_early: timed.as_ref().is_some_and(|timed| timed.ended_early),
        lost: timed.map(|timed| timed.lost).unwrap_or_default(),
        not_traced,
        seconds: began.elapsed().as_secs_f64(),
        ..Gate::of(rows, names(&plan.base), names(&plan.head))
    })
}

/// The timed part alone, of every subject: what a calibration repeats. A slowdown is planted in the subject
/// `planted` only.
pub(super) fn timed_part(
    plan: &Plan,
    builds: [&[&Build]; 2],
    planted: Option<usize>,
    stop: &AtomicBool,
) -> (Vec<Row>, Option<timed::Timed>) {
    let mut rows = open_rows(plan);
    let timed = time(plan, builds, planted, &mut rows, stop, &mut |_| {});
    (rows, timed)
}

fn open_rows(plan: &Plan) -> Vec<Row> {
    let row = |subject: &Subject| Row::open(&subject.workload.path, subject.engine.name(), subject.margin);
    plan.subjects.iter().map(row).collect()
}

/// Whether every build of one side has its equal, byte for byte, on the other.
fn equal_files(base: &[PathBuf], head: &[PathBuf]) -> bool {
    let equal = |one: &Path, other: &Path| {
        one == other || matches!((std::fs::read(one), std::fs::read(other)), (Ok(a), Ok(b)) if a == b)
    };
    base.len() == head.len() && base.iter().zip(head).all(|(base, head)| equal(base, head))
}

/// Finds the streams of all, several at a time; why none could be found, where that is so.
pub(super) fn trace(
    subjects: &[Subject],
    compare: &(dyn Fn(&Subject) -> Result<Streams, Error> + Sync),
    rows: &mut [Row],
    stop: &AtomicBool,
    show: &mut (dyn FnMut(Step) + Send),
) -> Option<String> {
    let show = std::sync::Mutex::new((0, show));
    let streams: Result<Vec<Option<Streams>>, Error> = subjects
        .par_iter()
        .map(|subject| {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let streams = compare(subject);
            if let Ok(mut shown) = show.lock() {
                shown.0 += 1;
                let done = shown.0;
                (shown.1)(Step::Traced(done, subjects.len()));
            }
            streams.map(Some)
        })
        .collect();
    match streams {
        Ok(streams) => {
            for (row, streams) in rows.iter_mut().zip(streams) {
                match streams {
                    Some(streams) => row.take_streams(streams),
                    None => row.why = Some("stopped".into()),
                }
            }
            None
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Times what is not decided; `None` where all is. A slowdown is planted in the subject `planted` only, or in
/// all.
fn time(
    plan: &Plan,
    builds: [&[&Build]; 2],
    planted: Option<usize>,
    rows: &mut [Row],
    stop: &AtomicBool,
    show: &mut (dyn FnMut(Step) + Send),
) -> Option<timed::Timed> {
    let all = plan.all || plan.plant.is_some();
    let open: Vec<usize> = (0..rows.len()).filter(|&at| all || rows[at].verdict == Verdict::Unsure).collect();
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
                let plant = plan.plant.filter(|_| planted.is_none_or(|only| only == at));
                match sized(&plan.subjects[at], plant, [sides[0][0], sides[1][0]], stop) {
                    Ok((task, ns)) => {
                        rows[at].ns = Some(ns);
                        questions.push(Question { task, margin: rows[at].margin });
                        asked.push(at);
                    }
                    Err(why) => rows[at].why = Some(why),
                }
            }
            let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
            let [base, head] = &sides;
            let orders = sides.each_ref().map(|side| shuffled(side.len(), &mut rng));
            let mut taken = 0;
            let mut take = |which: Sides, tasks: &[&Task]| {
                let [of_base, of_head] = combination(&orders, taken);
                taken += usize::from(which == Sides::BaseHead);
                let (programs, builds, slowed) = match which {
                    Sides::BaseHead => ([base[of_base], head[of_head]], [of_base, of_head], Some(1)),
                    Sides::HeadBase => ([head[of_head], base[of_base]], [of_head, of_base], Some(0)),
                    // One build: two link orders truly differ.
                    Sides::Null => ([base[of_base]; 2], [of_base; 2], None),
                };
                let logs = pair::pair(programs, slowed, tasks, &mut rng, stop)?;
                Ok(Taken { logs, builds })
            };
            let mut show = |pairs, open| show(Step::Timed(pairs, open));
            let timed = timed::decide(&mut take, &questions, plan.budget, stop, &mut show);
            asked.iter().zip(&timed.decisions).for_each(|(&at, decision)| rows[at].take_times(decision));
            timed
        });
        Some(timing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The numbers of some builds, in random order.
fn shuffled(builds: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..builds).collect();
    all.shuffle(rng);
    all
}

/// The builds of the next pair. All of a side get as many pairs, and in time every combination comes up.
fn combination([base, head]: &[Vec<usize>; 2], taken: usize) -> [usize; 2] {
    [base[taken % base.len()], head[(taken + taken / base.len()) % head.len()]]
}

/// Starts a worker of a build.
pub(super) fn start(build: &Build) -> std::io::Result<std::process::Child> {
    let mut command = build.command();
    environment::give(&mut command);
    command.arg(VERB).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn()
}

/// The amount of work of a slice, by the time that the base takes; both sides must be able to do it. A
/// planted slowdown is a share of that time.
pub(super) fn sized(
    subject: &Subject,
    plant: Option<f64>,
    sides: [Spawn<'_>; 2],
    stop: &AtomicBool,
) -> Result<(Task, Times), String> {
    let of = |side: usize| move |failure: Failure| format!("{}: {failure}", pair::SIDES[side]);
    let head = warmed(subject, sides[1], stop).map_err(of(1))?;
    let base = warmed(subject, sides[0], stop).map_err(of(0))?;
    let Subject { workload, engine, .. } = subject;
    let mut task = Task::sized(&workload.path, engine.name(), workload.slot_len(), base);
    if let Some(share) = plant {
        task.delay_ns = Some(share * pair::slice_ns(sides[0], &task, stop).map_err(of(0))?);
    }
    Ok((task, Times { base: Some(base), head }))
}

/// Nanoseconds of an operation in the fastest warm-up pass of a fresh worker.
fn warmed(subject: &Subject, side: Spawn<'_>, stop: &AtomicBool) -> Result<f64, Failure> {
    let Subject { workload, engine, .. } = subject;
    let task = Task::sized(&workload.path, engine.name(), workload.slot_len(), pair::SLICE_NS / 64.0);
    let mut worker = pair::greet(side, stop)?;
    Ok(pair::prepare(&mut worker, 0, &task, Place::default())? / task.pass as f64)
}

/// Gives each row without times the head's.
pub(super) fn note_times(subjects: &[Subject], head: &Build, rows: &mut [Row], stop: &AtomicBool) {
    for (row, subject) in rows.iter_mut().zip(subjects) {
        if row.ns.is_none() {
            // Where there is none, the row says nothing of time.
            let ns = warmed(subject, &|| start(head), stop).ok();
            row.ns = ns.map(|head| Times { base: None, head });
        }
    }
}
