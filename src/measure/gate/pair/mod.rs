//! One pair: a fresh process of each of two programs, which run the same slices in turn on one core.
//!
//! What differs between two processes of one program is mostly where their stacks and buffers happen to lie:
//! a load that follows a store to the same twelve low address bits waits for it. So each slice runs at
//! offsets that are drawn anew for every four slices and are the same for both programs, and a comparison
//! takes many short pairs rather than a few long ones. Slices are short as well, some 20 µs: most of them
//! then miss whatever else runs on the machine.
//!
//! A slowdown can be planted in one of the two, to see whether the gate finds it: each of its slices is
//! delayed, once and behind a reading of the clock. Made of some work in every call instead, it would vanish
//! in what the processor does at the same time.

use std::io;
use std::process::Child;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::measure::worker::failure::Failure;
use crate::measure::worker::parent::{Worker, unexpected};
use crate::measure::worker::protocol::{
    ARENA_OFFSET, Answer, Command, DELAY, PREPARE, Place, Prepare, RUN, STACK_OFFSET, Slice,
};

/// How to start a worker of a program.
pub type Spawn<'a> = &'a (dyn Fn() -> io::Result<Child> + Sync);

/// What a worker must be able to do.
pub const NEEDS: [&str; 4] = [PREPARE, RUN, STACK_OFFSET, ARENA_OFFSET];
/// What a worker with planted slowdowns must be able to do.
const NEEDS_DELAY: [&str; 5] = [PREPARE, RUN, STACK_OFFSET, ARENA_OFFSET, DELAY];

/// Nanoseconds of work in a slice.
pub const SLICE_NS: f64 = 22_000.0;
/// The most bytes of buffers that a batch walks through: they stay in the first-level cache.
pub const ARENA_LEN: usize = 24 * 1024;
/// Fewest and most groups of four slices that a workload gets in a pair.
pub const QUADS: [u32; 2] = [8, 12];
/// How long a worker may keep silent: the longest slice and preparation take milliseconds.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 30 });

/// A workload on an engine, with the amount of work that a slice of it does in either program.
#[derive(Clone, PartialEq, Debug)]
pub struct Task {
    /// The workload's path.
    pub workload: String,
    /// The engine's name.
    pub engine: String,
    /// Operations of one pass.
    pub pass: u64,
    /// Operations of a slice: whole passes.
    pub slice: u64,
    /// Nanoseconds by which each slice of the [slowed](pair) program is delayed: a planted slowdown.
    pub delay_ns: Option<f64>,
}

impl Task {
    /// With as many operations as take [`SLICE_NS`] at `op_ns` each, and buffers of `slot_len` bytes an
    /// operation that stay within [`ARENA_LEN`].
    pub fn sized(workload: &str, engine: &str, slot_len: Option<usize>, op_ns: f64) -> Self {
        let wanted = (SLICE_NS / op_ns.max(0.1)).ceil().max(1.0) as u64;
        let room = slot_len.map_or(u64::MAX, |len| (ARENA_LEN / len.max(1)).max(1) as u64);
        let pass = wanted.min(room).min(MOST);
        Self {
            workload: workload.to_owned(),
            engine: engine.to_owned(),
            pass,
            slice: wanted.div_ceil(pass) * pass,
            delay_ns: None,
        }
    }
}

/// The most operations of a pass.
const MOST: u64 = 1_024;

/// Why a pair gave no estimate.
#[derive(Debug, thiserror::Error)]
#[error("{side}: {failure}")]
pub struct Lost {
    /// Which of the two programs.
    pub side: &'static str,
    /// What became of its worker.
    pub failure: Failure,
}

/// What the two programs of a pair are called in messages.
pub const SIDES: [&str; 2] = ["base", "head"];

/// Starts a worker of a program and greets it.
///
/// # Errors
/// [`Failure`].
pub fn greet<'a>(spawn: Spawn<'_>, stop: &'a AtomicBool) -> Result<Worker<'a>, Failure> {
    greet_with(&NEEDS, spawn, stop)
}

fn greet_with<'a>(
    needs: &[&'static str],
    spawn: Spawn<'_>,
    stop: &'a AtomicBool,
) -> Result<Worker<'a>, Failure> {
    let child = spawn().map_err(Failure::Start)?;
    Worker::greet(child, needs, PATIENCE, stop)
}

/// Makes a task ready in a slot.
///
/// # Errors
/// [`Failure`]; one that is [`Failure::Refused`] leaves the worker usable.
pub fn prepare(worker: &mut Worker<'_>, slot: u32, task: &Task, place: Place) -> Result<f64, Failure> {
    let prepare = Prepare {
        slot,
        workload: task.workload.clone(),
        engine: task.engine.clone(),
        seed: None,
        operations: Some(task.pass),
        place,
    };
    match worker.ask(&Command::Prepare(prepare), PATIENCE)? {
        Answer::Prepared { slot: same, operations, pass_ns, .. }
            if same == slot && operations == task.pass =>
        {
            Ok(pass_ns)
        }
        other => Err(unexpected(&other)),
    }
}

/// Slices that find out how long one takes.
const TRIALS: usize = 16;

/// Nanoseconds of a slice of a task, without any delay: the lower quartile of a few, in one process.
///
/// # Errors
/// [`Failure`].
pub fn slice_ns(spawn: Spawn<'_>, task: &Task, stop: &AtomicBool) -> Result<f64, Failure> {
    let mut worker = greet(spawn, stop)?;
    let place = Place::default();
    prepare(&mut worker, 0, task, place)?;
    let times: Result<Vec<f64>, Failure> =
        (0..TRIALS).map(|_| run(&mut worker, 0, task, place, None)).collect();
    Ok(quartile(&mut times?) * task.slice as f64)
}

/// Runs a slice; nanoseconds for one operation.
fn run(
    worker: &mut Worker<'_>,
    slot: u32,
    task: &Task,
    place: Place,
    delay_ns: Option<f64>,
) -> Result<f64, Failure> {
    let slice = Slice { slot, operations: Some(task.slice), delay_ns, place, ..Slice::default() };
    match worker.ask(&Command::Run(slice), PATIENCE)? {
        Answer::Ran { slot: same, operations, ns, .. }
            if same == slot && operations == task.slice && ns > 0.0 && ns.is_finite() =>
        {
            Ok(ns / operations as f64)
        }
        other => Err(unexpected(&other)),
    }
}

/// One pair: for each task the logarithm of the second program's time over the first's. The slices of the
/// program that is `slowed`, 0 or 1, are delayed as its tasks say.
///
/// # Errors
/// [`Lost`], with the whole pair: a worker that died or that did other work than it was told has no times.
pub fn pair(
    programs: [Spawn<'_>; 2],
    slowed: Option<usize>,
    tasks: &[&Task],
    rng: &mut impl Rng,
    stop: &AtomicBool,
) -> Result<Vec<f64>, Lost> {
    let of = |side: usize| move |failure| Lost { side: SIDES[side], failure };
    let delay = |side: usize, task: &Task| task.delay_ns.filter(|_| slowed == Some(side));
    let needs = |side: usize| -> &[&str] {
        if tasks.iter().any(|task| delay(side, task).is_some()) { &NEEDS_DELAY } else { &NEEDS }
    };
    let first = usize::from(rng.random::<bool>());
    let mut workers = [None, None];
    for side in [first, 1 - first] {
        workers[side] = Some(greet_with(needs(side), programs[side], stop).map_err(of(side))?);
    }
    let [Some(base), Some(head)] = workers else { unreachable!("both were started") };
    let mut workers = [base, head];
    // The heap lies anew in each pair, in both alike.
    let place = Place { stack_offset: None, arena_offset: Some(arena_offset(rng)) };
    for (slot, task) in (0..).zip(tasks) {
        for side in [first, 1 - first] {
            prepare(&mut workers[side], slot, task, place).map_err(of(side))?;
        }
    }
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.shuffle(rng);
    let mut logs = vec![0.0; tasks.len()];
    for at in order {
        let (slot, task) = (at as u32, tasks[at]);
        let mut times = [Vec::new(), Vec::new()];
        for side in [first, 1 - first] {
            run(&mut workers[side], slot, task, place, delay(side, task)).map_err(of(side))?;
        }
        for _ in 0..rng.random_range(QUADS[0]..=QUADS[1]) {
            let place =
                Place { stack_offset: Some(stack_offset(rng)), arena_offset: Some(arena_offset(rng)) };
            let outer = usize::from(rng.random::<bool>());
            for side in [outer, 1 - outer, 1 - outer, outer] {
                let time = run(&mut workers[side], slot, task, place, delay(side, task));
                times[side].push(time.map_err(of(side))?);
            }
        }
        logs[at] = (quartile(&mut times[1]) / quartile(&mut times[0])).ln();
    }
    Ok(logs)
}

/// The lower quartile: other work on the machine only ever adds to a slice.
fn quartile(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[(times.len() - 1) / 4]
}

fn stack_offset(rng: &mut impl Rng) -> u32 {
    16 * rng.random_range(0..256)
}

fn arena_offset(rng: &mut impl Rng) -> u32 {
    64 * rng.random_range(0..64)
}

#[cfg(all(test, unix))]
mod tests;
