//! Removed work, planted in five ways, shows in the results of a pass, and the instructions of every workload
//! grow with its operations. No test looks at times.
//!
//! With `worker` or `step` as its argument, this program is one of the processes that it measures and traces.
//! With `run KIND` it runs that kind once as a whole, and ends with 0 if it was found (`ci/deep removed`).
//! Without arguments it runs the tests.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use sealmark::aead::{Aead, Alg, Error};
use sealmark::engine::double::{Call, FaultyEngine};
use sealmark::engine::{Engine, find};
use sealmark::measure::{self, Catalog, Plan, Scope, Suite, Timed, Workload, trace, workloads};

/// Which calls of an engine do their work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Removed {
    /// All: nothing was removed.
    Nothing,
    /// Every second call.
    Half,
    /// The first one of a pass.
    AllButFirst,
    /// The first one of a pass, whose result the others copy.
    Copied,
    /// None.
    Everything,
    /// Those before a pass is timed.
    WhenTimed,
}

const KINDS: [(Removed, &str); 5] = [
    (Removed::Half, "planted/half"),
    (Removed::AllButFirst, "planted/all-but-first"),
    (Removed::Copied, "planted/copied"),
    (Removed::Everything, "planted/everything"),
    (Removed::WhenTimed, "planted/when-timed"),
];

/// The affected calls of an engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Calls {
    /// Sealing and opening.
    Messages,
    /// Making keys.
    Keys,
}

/// Bytes in place, and a tag.
type Left = (Vec<u8>, [u8; 16]);

#[derive(Clone, Copy)]
struct Planted {
    engine: &'static dyn Engine,
    state: &'static State,
}

struct State {
    removed: Removed,
    /// Calls since the pass began.
    calls: AtomicUsize,
    /// Calls before the passes are timed.
    warm: AtomicUsize,
    /// The result to copy, or the bytes of the last key.
    left: Mutex<Option<Left>>,
}

/// The workload of a whole run, without its variants.
const WORKLOAD: &str = "seal/aes-256-gcm/1638?";
/// Its calls in the three passes before timing, sixteen each.
const WARM: usize = 48;

impl State {
    /// Whether this call is one that does its work.
    fn works(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.removed {
            Removed::Nothing => true,
            Removed::Half => call.is_multiple_of(2),
            Removed::AllButFirst | Removed::Copied => call == 0,
            Removed::Everything => false,
            Removed::WhenTimed => call < self.warm.load(Ordering::Relaxed),
        }
    }

    fn left(&self) -> MutexGuard<'_, Option<Left>> {
        self.left.lock().expect("nobody panics")
    }

    /// Does a call, without the removed part.
    fn call(&self, sound: &dyn Aead, call: &mut Call<'_>) -> Result<(), Error> {
        if self.works() {
            call.run(sound)?;
            let tag = if let Call::Seal { tag, .. } = call { tag.0 } else { [0; 16] };
            *self.left() = Some((call.in_out().to_vec(), tag));
        } else if let (Removed::Copied, Some((text, earlier))) = (self.removed, &*self.left())
            && text.len() == call.in_out().len()
        {
            call.in_out().copy_from_slice(text);
            if let Call::Seal { tag, .. } = call {
                tag.0 = *earlier;
            }
        }
        Ok(())
    }

    /// Makes a key, or returns the previous one, or one that does nothing.
    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        let mut left = self.left();
        if self.works() {
            *left = Some((bytes.to_vec(), [0; 16]));
        }
        let zeros = vec![0; bytes.len()];
        right().key(alg, left.as_ref().map_or(&zeros, |(bytes, _)| bytes))
    }
}

impl Planted {
    fn new(name: &'static str, removed: Removed, what: Calls) -> Self {
        let (calls, warm) = (AtomicUsize::new(0), AtomicUsize::new(WARM));
        let state: &State = Box::leak(Box::new(State { removed, calls, warm, left: Mutex::new(None) }));
        let engine = FaultyEngine::new(name);
        let engine = match what {
            Calls::Messages => {
                engine.with_calls(Box::leak(Box::new(|sound: &dyn Aead, call: &mut Call<'_>| {
                    state.call(sound, call)
                })))
            }
            Calls::Keys => engine.with_keys(Box::leak(Box::new(|alg, bytes: &[u8]| state.key(alg, bytes)))),
        };
        Self { engine: Box::leak(Box::new(engine)), state }
    }

    /// A pass begins, timed or not.
    fn begin(&self, timed: bool) {
        self.state.calls.store(0, Ordering::Relaxed);
        self.state.warm.store(if timed { 0 } else { usize::MAX }, Ordering::Relaxed);
    }
}

fn right() -> &'static dyn Engine {
    find("sealmark").expect("always there")
}

/// The engines that this program's own processes know.
fn planted() -> Vec<&'static dyn Engine> {
    KINDS.map(|(removed, name)| Planted::new(name, removed, Calls::Messages).engine).to_vec()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["worker"] => measure::worker_main(&planted(), Catalog::ours()),
        [trace::VERB] => trace::step_main(&planted(), Catalog::ours()),
        ["run", kind] => {
            return match run(kind) {
                Ok(why) => {
                    println!("{kind}: found: {why}");
                    ExitCode::SUCCESS
                }
                Err(why) => {
                    println!("{kind}: NOT FOUND: {why}");
                    ExitCode::FAILURE
                }
            };
        }
        _ => {
            removed_work_is_found_in_every_workload();
            a_whole_run_gives_removed_work_no_time();
            instructions_grow_with_operations();
            println!("3 passed, 0 failed");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A pass as the sampler runs it.
fn pass(planted: &Planted, batch: &mut dyn Timed, timed: bool) {
    batch.reset();
    planted.begin(timed);
    batch.run();
}

/// The judgement of a batch after its warm-up passes and its timed ones.
fn judged(workload: &Workload, planted: Planted) -> Result<(), String> {
    // Enough operations for every other key to have some, and for a table to have several blocks.
    const COUNT: usize = 8;
    planted.begin(false);
    let mut batch = workload.prepare(planted.engine, COUNT).map_err(|e| e.to_string())?;
    for _ in 0..3 {
        pass(&planted, &mut *batch, false);
    }
    if planted.state.removed == Removed::WhenTimed {
        batch.check().expect("as long as it works it is right");
    }
    pass(&planted, &mut *batch, true);
    batch.check()?;
    planted.begin(true);
    batch.refuse_forgery()
}

fn removed_work_is_found_in_every_workload() {
    let (mut tried, mut found) = (0, 0);
    for workload in workloads().iter().filter(|w| w.scope() == Scope::EveryEngine) {
        // Neither the message length nor the number of messages for a key matters here.
        let (bytes, batch) = (workload.bytes.min(4096), workload.batch.min(2));
        let workload = Workload { bytes, batch, ..workload.clone() };
        let makes_keys = matches!(workload.op(), "key" | "amortised");
        let seals = workload.op() != "key";
        for what in [(seals, Calls::Messages), (makes_keys, Calls::Keys)] {
            let (true, what) = what else { continue };
            let control = judged(&workload, Planted::new("planted/nothing", Removed::Nothing, what));
            assert_eq!(control, Ok(()), "{}: nothing was removed", workload.path);
            for (removed, name) in KINDS {
                tried += 1;
                let said = judged(&workload, Planted::new(name, removed, what));
                assert!(said.is_err(), "{}: {removed:?} of {what:?} is not seen", workload.path);
                found += 1;
            }
        }
    }
    println!("removed work: {found} of {tried} found");
    assert!(tried > 1200, "{tried}");
}

/// One run with that engine in its own process: the error of its row.
fn run(kind: &str) -> Result<String, String> {
    let engine = planted().into_iter().find(|engine| engine.name() == kind);
    let engine = engine.ok_or_else(|| format!("no kind is called {kind}"))?;
    let plan = Plan {
        filter: Some(WORKLOAD.into()),
        processes: 1,
        budget: Duration::from_millis(100),
        ..Plan::new(Suite::Quick, vec![engine, right()])
    };
    let run = measure::run(&plan, &AtomicBool::new(false), &mut |_| {}).map_err(|e| e.to_string())?;
    let [of_planted, of_right, ..] = &run.rows[..] else { return Err(format!("{:?}", run.rows)) };
    if of_right.ns.is_none() {
        return Err(format!("the right engine has no time: {:?}", of_right.error));
    }
    match (&of_planted.error, of_planted.ns) {
        (Some(why), None) => Ok(why.clone()),
        other => Err(format!("{other:?}")),
    }
}

fn a_whole_run_gives_removed_work_no_time() {
    for (removed, name) in KINDS {
        let why = run(name).unwrap_or_else(|why| panic!("{name}: {why}"));
        let expected = if removed == Removed::WhenTimed { "wrong after it was timed: " } else { "" };
        let rest = why.strip_prefix(expected).unwrap_or_else(|| panic!("{name}: {why}"));
        assert!(rest.contains("not the reference's"), "{name}: {why}");
    }
}

/// The tracer counts that the second and the third operation of each kind cost their own instructions, so
/// none is left out or shared. If the system forbids tracing, the test says so and passes.
fn instructions_grow_with_operations() {
    /// The third operation's instructions over the second's. A missing operation takes next to none, and an
    /// allocator occasionally takes another path.
    const ALIKE: std::ops::RangeInclusive<f64> = 0.5..=2.0;
    let mut seen: Vec<(&str, bool, Option<&str>)> = Vec::new();
    for workload in workloads().iter().filter(|w| w.on_one_core()) {
        // One workload of each kind, with messages, with records and with the tunnel's frames. A sidecar
        // takes a hundred thousand steps, a handshake millions.
        let of = ["frame", "hardened-frame", "peers"].into_iter().find(|of| workload.algorithm == *of);
        let kind = (workload.op(), workload.alg.is_some(), of);
        if seen.contains(&kind) || matches!(workload.op(), "hydrate" | "rotate" | "handshake") {
            continue;
        }
        // A batch goes through the lanes of its kernel in groups.
        let at_once = if matches!(workload.op(), "seal_batch" | "open_batch") { 8 } else { 1 };
        let instructions = |operations: usize| {
            let bytes = workload.bytes.min(64);
            let workload = Workload { bytes, batch: operations * at_once, ..workload.clone() };
            trace::trace(&workload, right(), 0).map(|traced| traced.trace.instructions)
        };
        let counts = match [1, 2, 3].map(instructions) {
            [Ok(one), Ok(two), Ok(three)] => [one, two, three],
            [Err(measure::Error::Trace(error)), ..] => {
                println!("!!!!!!!! NOT TRACED: {}: {error}", workload.path);
                return;
            }
            other => panic!("{}: {other:?}", workload.path),
        };
        let second = counts[1].saturating_sub(counts[0]) as f64;
        let third = counts[2].saturating_sub(counts[1]) as f64;
        println!("{:<32} {counts:?}", workload.path);
        assert!(second > 0.0 && ALIKE.contains(&(third / second)), "{}: {counts:?}", workload.path);
        seen.push(kind);
    }
    assert!(seen.len() >= 43, "{seen:?}");
}
