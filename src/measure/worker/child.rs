//! The worker's end of the protocol: one loop that reads a command, carries it out, and answers.
//!
//! The loop runs on a thread of its own, so that pinning it binds nobody else. A command that cannot be
//! carried out is answered by an error, and the loop goes on; it ends with `end`, with its input, or with a
//! parent that is gone.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::thread;

use crate::engine::Engine;
use crate::measure::worker::cycles::Cycles;
use crate::measure::worker::known::Known;
use crate::measure::worker::protocol::{
    ARENA_OFFSET, Answer, Command, Fault, Hello, Job, MAJOR, Place, Prepare, SLOTS, Slice,
};
use crate::measure::worker::sample::{LONGEST, Sampling, Tell, prepare_checked};
use crate::measure::worker::{line, stack, tail};
use crate::measure::{Arena, Catalog, Error, Workload};
use crate::timing::{Clock, Pinning, Timed, pin};

/// What the hidden verb `worker` does: reads commands from standard input, carries them out with the engines
/// compiled in, these and the workloads of the catalog, and answers on standard output.
///
/// # Errors
/// [`Error::Worker`] where the parent is gone, or sends what is no line.
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
/// Those of `tell`, which end the job; [`Error::Unknown`] and [`Error::NoEngine`] for what does not exist.
pub(in crate::measure) fn sample_here(
    job: &Job,
    known: Known<'_>,
    tell: &mut (dyn FnMut(Answer) -> Result<(), Error> + Send),
) -> Result<(), Error> {
    on_own_thread(|| Session::begin(known).sample(job, tell))
}

fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// What a worker remembers between commands.
struct Session<'a> {
    known: Known<'a>,
    pinning: Pinning,
    clock: Clock,
    /// Made when it is first asked for: it takes a while to find its length.
    cycles: Option<Cycles>,
    slots: BTreeMap<u32, Slot>,
    /// Whether the driver speaks this protocol.
    greeted: bool,
}

/// A batch that was prepared.
struct Slot {
    workload: Workload,
    engine: &'static dyn Engine,
    batch: Box<dyn Timed>,
    place: Place,
}

/// Why a command was not carried out.
struct Refusal(Fault, String);

impl Refusal {
    fn command(why: impl Into<String>) -> Self {
        Self(Fault::Command, why.into())
    }
}

impl<'a> Session<'a> {
    /// Pins this thread, and calibrates its clock.
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
                Ok(command) => self.carry_out(command, tell)?,
                Err(error) => Err(Refusal::command(format!("this is no command: {error}"))),
            };
            if let Err(Refusal(cause, why)) = result {
                tell(Answer::Error { cause, why })?;
            }
        }
        Ok(())
    }

    /// Carries a command out, and answers it unless it is refused.
    fn carry_out(&mut self, command: Command, tell: Tell<'_>) -> Result<Result<(), Refusal>, Error> {
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
            Command::Sample(job) => match self.sample(&job, tell) {
                Ok(()) => Ok(Answer::Sampled),
                Err(error @ (Error::Unknown(_) | Error::NoEngine(_))) => {
                    Err(Refusal(Fault::Unknown, error.to_string()))
                }
                Err(error) => return Err(error),
            },
            Command::End => Ok(Answer::Ended),
        };
        match answer {
            Ok(answer) => tell(answer).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn sample(&self, job: &Job, tell: Tell<'_>) -> Result<(), Error> {
        Sampling { job, known: self.known, clock: self.clock, pinning: &self.pinning }.run(tell)
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
            return Err(of_engine(format!("it does not offer what {path} calls")));
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
        // The earlier one goes first: both need not be in memory at once.
        self.slots.remove(&slot);
        let (batch, pass_ns) = prepare_checked(&workload, engine, count, &self.clock).map_err(of_engine)?;
        let (operations, arena) = (batch.count(), Arena::of(workload, count));
        self.slots.insert(slot, Slot { workload, engine, batch, place });
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
        let Slot { batch, place: usual, .. } = self.slot(slot)?;
        let offset = place.stack_offset.or(usual.stack_offset).unwrap_or(0);
        let (mut operations, mut ns, mut spent_ns) = (0, 0.0, 0.0);
        loop {
            let mut pass_ns = 0.0;
            batch.reset();
            stack::lowered(offset, &mut || pass_ns = clock.time(|| batch.run()));
            operations += batch.count();
            ns += pass_ns;
            // A pass too short for the clock must not run for ever: it counts as what it may be off by.
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

    /// What a cycle of the core takes now.
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

/// Whether this worker can run a batch there. One that cannot must not time it elsewhere.
fn obeyable(place: Place) -> Result<(), Refusal> {
    let fits = |offset: u32| offset < stack::LIMIT && offset.is_multiple_of(stack::STEP);
    match place {
        Place { arena_offset: Some(_), .. } => {
            Err(Refusal::command(format!("this worker does not have the capability `{ARENA_OFFSET}`")))
        }
        Place { stack_offset: Some(offset), .. } if !fits(offset) => Err(Refusal::command(format!(
            "a stack offset is a multiple of {} below {}, not {offset}",
            stack::STEP,
            stack::LIMIT
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::worker::protocol::{CAPABILITIES, MINOR};
    use crate::measure::workload::testing::{Broken, Fault as Defect};

    const HELLO: &str = r#"{"command":"hello","major":1,"minor":0,"program":"a test"}"#;
    const PREPARE: &str =
        r#"{"command":"prepare","workload":"seal/aes-256-gcm/64","engine":"sealmark","operations":3}"#;

    const SAMPLE: &str = r#"{"command":"sample","engines":["sealmark"],"seed":1,"rounds":1,"target_ns":1,"workloads":["nonce"]}"#;

    fn session<'a>(engines: &'a [&'static dyn Engine]) -> Session<'a> {
        let clock = Clock { grain_ns: 1.0, overhead_ns: 0.0 };
        let pinning = Pinning::Not("a test has its core for itself no more than others");
        Session {
            known: Known::ours(engines),
            pinning,
            clock,
            cycles: None,
            slots: BTreeMap::new(),
            greeted: false,
        }
    }

    /// The answers of a session to these lines.
    fn answers_of(session: &mut Session<'_>, lines: &[&str]) -> Vec<Answer> {
        let mut told = Vec::new();
        let mut tell = |answer| {
            told.push(answer);
            Ok(())
        };
        session.serve(&mut lines.join("\n").as_bytes(), &mut tell).unwrap();
        told
    }

    /// The answers to these lines after a hello.
    fn answers(lines: &[&str]) -> Vec<Answer> {
        let told = answers_of(&mut session(&[]), &[&[HELLO], lines].concat());
        assert!(matches!(told[0], Answer::Hello(_)), "{told:?}");
        told[1..].to_vec()
    }

    /// The fault and the reason of an error.
    fn error(answer: &Answer) -> (Fault, &str) {
        match answer {
            Answer::Error { cause, why } => (*cause, why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_batch_is_prepared_run_in_slices_checked_and_timed_one_by_one() {
        let told = answers(&[
            PREPARE,
            r#"{"command":"run"}"#,
            r#"{"command":"run","operations":7,"cycles":true,"stack_offset":4080}"#,
            r#"{"command":"run","operations":3,"ns":1e15}"#,
            r#"{"command":"check"}"#,
            r#"{"command":"tails"}"#,
            r#"{"command":"end"}"#,
            r#"{"command":"run"}"#,
        ]);
        let Answer::Prepared { slot: 0, operations: 3, pass_ns, arena: Some(_) } = told[0] else {
            panic!("{told:?}")
        };
        assert!(pass_ns > 0.0);
        let ran: Vec<_> = told[1..4]
            .iter()
            .map(|answer| match answer {
                Answer::Ran { slot: 0, operations, ns, cycles } if *ns > 0.0 => (*operations, *cycles),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((ran[0], ran[2]), ((3, None), (3, None)), "one pass where nothing else is asked for");
        assert!(ran[1].0 == 9 && ran[1].1.is_some_and(|cycles| cycles > 0.0), "whole passes: {:?}", ran[1]);
        assert_eq!(told[4], Answer::Checked { slot: 0 });
        assert!(matches!(told[5], Answer::Tails { slot: 0, .. }));
        assert_eq!(told[6..], [Answer::Ended], "nothing is heard after the end");
    }

    #[test]
    fn a_slice_ends_with_the_pass_that_reaches_its_time() {
        struct Counted;
        impl Timed for Counted {
            fn reset(&mut self) {}
            fn run(&mut self) {}
            fn count(&self) -> u64 {
                5
            }
            fn check(&mut self) -> Result<(), String> {
                Err("it is wrong".into())
            }
        }
        let mut session = session(&[]);
        // No pass takes as long as this clock costs, so each counts as its error: 1000 ns.
        session.clock = Clock { grain_ns: 1000.0, overhead_ns: 1e12 };
        assert_eq!(answers_of(&mut session, &[HELLO, PREPARE]).len(), 2);
        session.slots.get_mut(&0).unwrap().batch = Box::new(Counted);
        let run = |most, ns| Slice { operations: most, ns, ..Slice::default() };
        for (slice, passes) in [
            (run(None, None), 1),
            (run(None, Some(3000.0)), 3),
            (run(None, Some(3001.0)), 4),
            (run(Some(10), Some(3000.0)), 2),
            (run(Some(1000), Some(2000.0)), 2),
            (run(Some(0), None), 1),
        ] {
            let Ok(Answer::Ran { operations, .. }) = session.run(&slice) else { panic!("{slice:?}") };
            assert_eq!(operations, passes * 5, "{slice:?}");
        }
        let told = answers_of(&mut session, &[r#"{"command":"check"}"#]);
        assert_eq!(error(&told[0]), (Fault::Engine, "sealmark: it is wrong"));
    }

    #[test]
    fn batches_are_kept_in_slots_and_replaced() {
        let in_slot = |slot: u32, bytes: u32| {
            let of = PREPARE.replace("seal/aes-256-gcm/64", &format!("open/aes-256-gcm/{bytes}"));
            of.replace(":3}", &format!(":{bytes},\"slot\":{slot},\"seed\":9}}"))
        };
        let run = |slot| format!(r#"{{"command":"run","slot":{slot}}}"#);
        let lines = [in_slot(0, 16), in_slot(255, 64), run(0), run(255), in_slot(0, 256), run(0)];
        let told = answers(&lines.each_ref().map(String::as_str));
        let ran: Vec<_> = told
            .iter()
            .filter_map(|answer| match answer {
                Answer::Ran { slot, operations, .. } => Some((*slot, *operations)),
                _ => None,
            })
            .collect();
        assert_eq!(ran, [(0, 16), (255, 64), (0, 256)]);
    }

    #[test]
    fn what_cannot_be_carried_out_is_an_error_and_the_worker_goes_on() {
        let place = |of: &str, offset: &str, at: u32| {
            format!(r#"{{"command":"{of}","{offset}":{at},"workload":"nonce","engine":"sealmark"}}"#)
        };
        let cases = [
            (r#"{"command":"fly"}"#.to_owned(), Fault::Command, "unknown variant `fly`"),
            ("{\"command\":".to_owned(), Fault::Command, "this is no command: EOF"),
            ("\"run\"".to_owned(), Fault::Command, "this is no command"),
            (r#"{"command":"run","slot":7}"#.to_owned(), Fault::Command, "nothing is prepared in slot 7"),
            (r#"{"command":"check","slot":7}"#.to_owned(), Fault::Command, "nothing is prepared in slot 7"),
            (r#"{"command":"tails","slot":7}"#.to_owned(), Fault::Command, "nothing is prepared in slot 7"),
            (PREPARE.replace("64", "65"), Fault::Unknown, "there is no workload seal/aes-256-gcm/65"),
            (PREPARE.replace("sealmark", "rong"), Fault::Unknown, "no engine is called rong"),
            (PREPARE.replace(":3}", ":0}"), Fault::Command, "has 1 to 16384 operations"),
            (PREPARE.replace(":3}", ":16385}"), Fault::Command, "has 1 to 16384 operations"),
            (PREPARE.replace(":3}", ":18446744073709551615}"), Fault::Command, "has 1 to 16384 operations"),
            (PREPARE.replace(":3}", ":3,\"slot\":256}"), Fault::Command, "the last one is 255"),
            (place("prepare", "stack_offset", 8), Fault::Command, "a multiple of 16 below 4096, not 8"),
            (place("run", "stack_offset", 4096), Fault::Command, "a multiple of 16 below 4096, not 4096"),
            (place("prepare", "arena_offset", 64), Fault::Command, "the capability `arena_offset`"),
            (place("run", "arena_offset", 0), Fault::Command, "the capability `arena_offset`"),
        ];
        let mut lines: Vec<&str> = cases.iter().map(|(line, ..)| line.as_str()).collect();
        lines.extend([PREPARE, r#"{"command":"run"}"#]);
        let told = answers(&lines);
        assert_eq!(told.len(), cases.len() + 2);
        for ((line, fault, reason), answer) in cases.iter().zip(&told) {
            let (cause, why) = error(answer);
            assert!(cause == *fault && why.contains(reason), "{line}: {cause:?}, {why}");
        }
        assert!(matches!(told[cases.len() + 1], Answer::Ran { operations: 3, .. }));
    }

    #[test]
    fn a_wrong_engine_is_not_prepared_and_its_slot_is_empty() {
        for (defect, reason) in [
            (Defect::FlipsTag, "tag"),
            (Defect::Unavailable, "it was told not to be"),
            (Defect::Unsupported, "does not offer what seal/aes-256-gcm/64 calls"),
        ] {
            let broken = Broken::with(defect);
            let prepare = PREPARE.replace("\"sealmark\"", &format!("{:?}", broken.name()));
            let mut session = session(&[]);
            let engines = [broken];
            session.known = Known::ours(&engines);
            let told = answers_of(&mut session, &[HELLO, &prepare, r#"{"command":"run"}"#]);
            let (cause, why) = error(&told[1]);
            assert!(
                cause == Fault::Engine && why.starts_with(broken.name()) && why.contains(reason),
                "{why}"
            );
            assert_eq!(error(&told[2]), (Fault::Command, "nothing is prepared in slot 0"));
        }
    }

    #[test]
    fn a_driver_of_another_version_is_told_which_one_this_is_and_nothing_else_is_done() {
        let newer = HELLO.replace("\"major\":1", "\"major\":2");
        let told = answers_of(&mut session(&[]), &[PREPARE, &newer, PREPARE, HELLO, PREPARE]);
        for refused in [&told[0], &told[2]] {
            assert_eq!(error(refused), (Fault::Command, "the first command is a `hello` of version 1"));
        }
        for greeting in [&told[1], &told[3]] {
            let Answer::Hello(hello) = greeting else { panic!("{greeting:?}") };
            assert_eq!((hello.major, hello.minor), (MAJOR, MINOR));
            assert_eq!(hello.capabilities, CAPABILITIES);
        }
        assert!(matches!(told[4], Answer::Prepared { .. }));
    }

    #[test]
    fn a_newer_driver_of_the_same_major_version_is_understood() {
        let told = answers_of(
            &mut session(&[]),
            &[
                r#"{"command":"hello","major":1,"minor":9,"program":"later","colour":"blue"}"#,
                &PREPARE.replace(":3}", ":3,\"later\":{\"still\":[1]}}"),
                r#"{"command":"run","later":true}"#,
            ],
        );
        assert!(matches!(told[2], Answer::Ran { operations: 3, .. }), "{told:?}");
    }

    #[test]
    fn sampling_is_one_command_among_others() {
        let told =
            answers(&[&SAMPLE.replace("\"nonce\"", "\"nonce\",\"rot-13\""), SAMPLE, r#"{"command":"end"}"#]);
        assert_eq!(error(&told[0]), (Fault::Unknown, "there is no workload rot-13"));
        assert!(matches!(told[1], Answer::Clock(_)));
        let done = &told[told.len() - 3..];
        assert!(matches!(&done[0], Answer::Workload { rows, .. } if rows[0].time().is_ok()), "{done:?}");
        assert_eq!(done[1..], [Answer::Sampled, Answer::Ended]);
    }
}
