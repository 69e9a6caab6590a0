//! The worker's end of the protocol: one loop that reads a command, carries it out, and answers.
//!
//! The loop runs on a thread of its own, so that pinning affects no other thread. If a command cannot be
//! carried out, the worker answers with an error and continues. It ends at the command `end`, at the end of
//! its input, or when its parent is gone.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::thread;

use crate::engine::Engine;
use crate::measure::worker::cycles::Cycles;
use crate::measure::worker::known::Known;
use crate::measure::worker::protocol::{
    Answer, Command, Fault, Hello, Job, MAJOR, Place, Prepare, SLOTS, Slice,
};
use crate::measure::worker::sample::{LONGEST, Sampling, Tell, Wait, prepare_checked};
use crate::measure::worker::{line, tail};
use crate::measure::{Arena, Catalog, Error, Workload};
use crate::timing::{Clock, Pinning, Timed, pin, sampler, stack};

/// The hidden verb `worker`: reads commands from standard input, carries them out on the workloads of the
/// catalog with the compiled-in engines and the given ones, and answers on standard output.
///
/// # Errors
/// [`Error::Worker`] if the parent is gone or sends something other than a line.
#[doc(hidden)]
pub fn worker_main(engines: &[&'static dyn Engine], catalog: &Catalog) -> Result<(), Error> {
    on_own_thread(|| {
        let mut output = io::stdout();
        let mut tell = |answer: Answer| Ok(line::write(&mut output, &answer)?);
        Session::begin(Known { engines, catalog }).serve(&mut io::stdin().lock(), &mut tell)
    })
}

/// Samples a job in this process, as a worker would.
///
/// # Errors
/// Those of `tell`, which end the job; [`Error::Unknown`] and [`Error::NoEngine`] for a workload or an engine
/// that does not exist.
pub(in crate::measure) fn sample_here(
    job: &Job,
    known: Known<'_>,
    tell: &mut (dyn FnMut(Answer) -> Result<(), Error> + Send),
) -> Result<(), Error> {
    on_own_thread(|| Session::begin(known).sample(job, tell, &mut || Ok(())))
}

fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// The state of a worker between commands.
struct Session<'a> {
    known: Known<'a>,
    pinning: Pinning,
    clock: Clock,
    /// Created on first use, because finding its length takes a while.
    cycles: Option<Cycles>,
    slots: BTreeMap<u32, Slot>,
    /// Whether the driver has said `hello` in this version of the protocol.
    greeted: bool,
}

/// A prepared batch.
struct Slot {
    workload: Workload,
    engine: &'static dyn Engine,
    batch: Box<dyn Timed>,
    place: Place,
    /// Where the batch's buffers were moved to.
    moved_to: Option<u32>,
    /// Moves what the batch has on the heap.
    _room: Vec<u8>,
}

/// Why a command was not carried out.
struct Refusal(Fault, String);

impl Refusal {
    fn command(why: impl Into<String>) -> Self {
        Self(Fault::Command, why.into())
    }
}

impl<'a> Session<'a> {
    /// Pins this thread and calibrates its clock.
    fn begin(known: Known<'a>) -> Self {
        let (pinning, clock) = (pin(), Clock::calibrate());
        Self { known, pinning, clock, cycles: None, slots: BTreeMap::new(), greeted: false }
    }

    /// Answers commands until there are no more.
    fn serve(&mut self, input: &mut impl BufRead, tell: Tell<'_>) -> Result<(), Error> {
        let mut text = Vec::with_capacity(4096);
        while line::read(input, &mut text)? {
            let result = match serde_json::from_slice(&text) {
                Ok(Command::End) => return tell(Answer::Ended),
                Ok(command) => self.carry_out(command, input, tell)?,
                Err(error) => Err(Refusal::command(format!("this is not a command: {error}"))),
            };
            if let Err(Refusal(cause, why)) = result {
                tell(Answer::Error { cause, why })?;
            }
        }
        Ok(())
    }

    /// Carries out a command, and answers it unless it is refused.
    fn carry_out(
        &mut self,
        command: Command,
        input: &mut impl BufRead,
        tell: Tell<'_>,
    ) -> Result<Result<(), Refusal>, Error> {
        if !self.greeted && !matches!(command, Command::Hello(_)) {
            let why = format!("the first command is a `hello` of version {MAJOR}");
            return Ok(Err(Refusal::command(why)));
        }
        let answer = match command {
            Command::Hello(driver) => {
                self.greeted = driver.major == MAJOR;
                Ok(Answer::Hello(Hello::of_worker(self.pinning.to_string())))
            }
            Command::Prepare(wanted) => self.prepare(&wanted),
            Command::Run(slice) => self.run(&slice),
            Command::Check { slot } => self.check(slot),
            Command::Tails { slot } => self.tails(slot),
            Command::Sample(job) => match self.sample(&job, tell, &mut || go(input)) {
                Ok(()) => Ok(Answer::Sampled),
                Err(error @ (Error::Unknown(_) | Error::NoEngine(_))) => {
                    Err(Refusal(Fault::Unknown, error.to_string()))
                }
                Err(error) => return Err(error),
            },
            Command::Go => Err(Refusal::command("no sampling is waiting for its turn")),
            Command::End => Ok(Answer::Ended),
        };
        match answer {
            Ok(answer) => tell(answer).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn sample(&self, job: &Job, tell: Tell<'_>, wait: Wait<'_>) -> Result<(), Error> {
        Sampling { job, known: self.known, clock: self.clock, pinning: &self.pinning }.run(tell, wait)
    }

    fn prepare(&mut self, wanted: &Prepare) -> Result<Answer, Refusal> {
        let &Prepare { slot, seed, operations, place, .. } = wanted;
        if slot >= SLOTS {
            return Err(Refusal::command(format!("there is no slot {slot}: the last one is {}", SLOTS - 1)));
        }
        obeyable(place)?;
        let Prepare { workload: path, engine: name, .. } = wanted;
        let unknown = |error: Error| Refusal(Fault::Unknown, error.to_string());
        let workload = self.known.workload(path).ok_or_else(|| unknown(Error::Unknown(path.clone())))?;
        let engine = self.known.engine(name).ok_or_else(|| unknown(Error::NoEngine(name.clone())))?;
        let of_engine = |why| Refusal(Fault::Engine, format!("{name}: {why}"));
        engine.available().map_err(of_engine)?;
        if !workload.supported_by(engine) {
            return Err(of_engine(format!("it does not support the calls of {path}")));
        }
        let most = workload.count() * LONGEST;
        let count = match operations.map(usize::try_from) {
            None => workload.count(),
            Some(Ok(count)) if (1..=most).contains(&count) => count,
            Some(_) => {
                return Err(Refusal::command(format!("a pass of {path} has 1 to {most} operations")));
            }
        };
        let workload = Workload { seed: seed.unwrap_or(workload.seed), ..workload.clone() };
        // The old batch is dropped first, so that the two are never in memory together.
        self.slots.remove(&slot);
        let _room = Vec::with_capacity(place.arena_offset.unwrap_or(0) as usize);
        let (batch, pass_ns) = prepare_checked(&workload, engine, count, &self.clock).map_err(of_engine)?;
        let (operations, arena) = (batch.count(), Arena::of(&workload, count));
        self.slots.insert(slot, Slot { workload, engine, batch, place, moved_to: None, _room });
        Ok(Answer::Prepared { slot, operations, pass_ns, arena })
    }

    fn slot(&mut self, slot: u32) -> Result<&mut Slot, Refusal> {
        self.slots
            .get_mut(&slot)
            .ok_or_else(|| Refusal::command(format!("nothing is prepared in slot {slot}")))
    }

    fn run(&mut self, slice: &Slice) -> Result<Answer, Refusal> {
        let &Slice { slot, operations: most, ns: longest, cycles, place } = slice;
        obeyable(place)?;
        let clock = self.clock;
        let Slot { workload, batch, place: usual, moved_to, .. } = self.slot(slot)?;
        let offset = place.stack_offset.or(usual.stack_offset).unwrap_or(0);
        let arena_offset = place.arena_offset.or(usual.arena_offset);
        if let Some(to) = arena_offset.filter(|_| arena_offset != *moved_to) {
            if !batch.move_to(to as usize) {
                return Err(Refusal::command(format!("the buffers of {} cannot be moved", workload.path)));
            }
            *moved_to = arena_offset;
        }
        let (mut operations, mut ns, mut spent_ns) = (0, 0.0, 0.0);
        loop {
            let mut pass_ns = 0.0;
            batch.reset();
            stack::lowered(offset, &mut || pass_ns = clock.time(|| batch.run()));
            operations += batch.count();
            ns += pass_ns;
            // A pass too short for the clock counts as the clock's error, so that the loop ends.
            spent_ns += pass_ns.max(clock.error_ns());
            let reached = match (most, longest) {
                (None, None) => true,
                _ => {
                    most.is_some_and(|most| operations >= most)
                        || longest.is_some_and(|longest| spent_ns >= longest)
                }
            };
            if reached {
                break;
            }
        }
        let cycles = cycles.then(|| ns / self.cycle_ns());
        Ok(Answer::Ran { slot, operations, ns, cycles })
    }

    /// The current length of a core cycle.
    fn cycle_ns(&mut self) -> f64 {
        let clock = self.clock;
        let cycles = self.cycles.get_or_insert_with(|| Cycles::new(&clock));
        clock.time(|| cycles.run()) / cycles.count() as f64
    }

    fn check(&mut self, slot: u32) -> Result<Answer, Refusal> {
        let Slot { batch, engine, .. } = self.slot(slot)?;
        let right = batch.check().and_then(|()| batch.refuse_forgery());
        right.map_err(|why| Refusal(Fault::Engine, format!("{}: {why}", engine.name())))?;
        Ok(Answer::Checked { slot })
    }

    fn tails(&mut self, slot: u32) -> Result<Answer, Refusal> {
        let clock = self.clock;
        let Slot { workload, engine, .. } = self.slot(slot)?;
        let quantiles = tail::quantiles(workload, *engine, &clock)
            .map_err(|why| Refusal(Fault::Engine, format!("{}: {why}", engine.name())))?;
        Ok(Answer::Tails { slot, quantiles })
    }
}

/// Waits for the command `go`.
///
/// # Errors
/// [`Error::Worker`] if anything else comes, or the input ends: the sampling can neither go on nor be kept.
fn go(input: &mut impl BufRead) -> Result<(), Error> {
    let mut text = Vec::new();
    if !line::read(input, &mut text)? {
        // As when an answer finds no reader: the parent is gone.
        return Err(Error::Worker(io::ErrorKind::BrokenPipe.into()));
    }
    match serde_json::from_slice(&text) {
        Ok(Command::Go) => Ok(()),
        _ => Err(Error::Worker(io::ErrorKind::InvalidData.into())),
    }
}

/// Checks that this worker can run a batch at that place. A batch must not be timed anywhere else instead.
fn obeyable(place: Place) -> Result<(), Refusal> {
    let fits = |offset: Option<u32>, step: u32, what: &str| match offset {
        Some(offset) if offset >= stack::LIMIT || !offset.is_multiple_of(step) => {
            let limit = stack::LIMIT;
            Err(Refusal::command(format!(
                "{what} offset is a multiple of {step} below {limit}, not {offset}"
            )))
        }
        _ => Ok(()),
    };
    fits(place.stack_offset, stack::STEP, "a stack")?;
    fits(place.arena_offset, sampler::ARENA_STEP, "an arena")
}

#[cfg(test)]
mod tests;
