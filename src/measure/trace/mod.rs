//! The instructions that a workload executes on an engine: one call, single-stepped in a process of its own.
//!
//! The process prepares the workload's batch for one call, runs and checks it three times to warm up, and is
//! then stepped through a fourth run, which is checked like the others. The same batch on an engine whose
//! calls do nothing gives the cost of the harness: the loop over messages, the call through the trait, an
//! envelope around it. A workload too long to step is traced at a smaller size, which the result states.
//!
//! The traced process should execute the same code as a measured one. Both are this program, with pipes as
//! standard input and output, the caller's folder, limits and signal mask, and the same environment
//! (`host::environment`). They differ as follows, and none of it changes the code path of an engine:
//! - Addresses: fixed here, random there. Engines choose by `cpuid` and the environment, not by addresses. A
//!   copy may take another path for another alignment; the count is that of the addresses here.
//! - Core and thread: the traced process is bound to one core before it starts and works on its first thread;
//!   a measured one binds a second thread. Engines choose once, for the process.
//! - The argument: a verb of this program, which no engine reads.
//! - Tracing: `ptrace` preserves every register, and no engine checks for it.
//! - The amount: one call after three to warm up, not thousands.

pub mod witness;

use std::io::{Read, Write};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::aead::{self, Aead, Alg, Nonce, Tag};
use crate::engine::{self, Engine, Residue};
use crate::host::{Host, Variable, environment};
use crate::measure::{Catalog, Error, Scope, Workload};
use crate::timing::pin_to;
use crate::trace::{self, Diff, MAX_STEPS, Program, Trace};

/// The name and version of the JSON schema of a [`Traced`].
pub const SCHEMA: &str = "sealmark.trace/1";

/// The hidden verb that is traced.
#[doc(hidden)]
pub const VERB: &str = "step";

/// The result of `sealmark trace`: schema `sealmark.trace/1`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Traced {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of Sealmark that wrote it.
    pub sealmark: String,
    /// When it was traced, RFC 3339.
    pub started: String,
    /// Where it ran.
    pub host: Host,
    /// The compiler and build profile.
    pub build: String,
    /// The workload's path.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// The environment variables that were set and change what it executes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Variable>,
    /// Message bytes of each of its operations; 0 where there is no message.
    pub bytes: u64,
    /// Messages of the call.
    pub messages: u64,
    /// The size that the workload declares, where that is too long to step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Size>,
    /// The seed of keys, nonces and messages.
    pub seed: u64,
    /// Instructions of the same call on an engine that does nothing: the loop, the call, an envelope. Absent
    /// for workloads that use no engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness: Option<u64>,
    /// The executed instructions, harness included.
    pub trace: Trace,
    /// What changed since an earlier trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Diff>,
}

/// The size of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Size {
    /// Bytes of each message; 0 where there is no message.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

impl Size {
    /// Halves the size until its steps, estimated from those of `known`, are within the cap: first the length
    /// of its messages, then their number.
    fn within(mut self, known: Self, steps: u64, cap: u64) -> Self {
        let per_byte = steps as f64 / (known.bytes.max(1) * known.messages) as f64;
        let too_long = |size: Self| per_byte * (size.bytes.max(1) * size.messages) as f64 > cap as f64;
        while too_long(self) && self.bytes > known.bytes {
            self.bytes = self.bytes.div_ceil(2).max(known.bytes);
        }
        while too_long(self) && self.messages > 1 {
            self.messages /= 2;
        }
        self
    }
}

impl Traced {
    /// Instructions of the engine alone: without the harness.
    pub fn own(&self) -> u64 {
        self.trace.instructions.saturating_sub(self.harness.unwrap_or(0))
    }
}

/// The job of the traced process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Job {
    workload: String,
    /// Absent for the engine that does nothing.
    engine: Option<String>,
    size: Size,
    seed: u64,
}

/// The length of an encoded job: padded with spaces, so that no buffer's size depends on its content.
const JOB_LEN: usize = 1024;
/// The size that is always traced in full. The steps of a larger call are estimated from it first.
const SMALL: Size = Size { bytes: 1024, messages: 1 };

/// Traces one call of a workload on an engine, with keys, nonces and messages drawn from a seed.
///
/// The process is this program with the argument [`VERB`], which must call [`step_main`].
///
/// # Errors
/// [`Error::Trace`]; [`Error::Wrong`]; [`Error::Protocol`].
pub fn trace(workload: &Workload, engine: &dyn Engine, seed: u64) -> Result<Traced, Error> {
    if !workload.on_one_core() {
        return Err(trace::Error::Threads.into());
    }
    let started = jiff::Timestamp::now().to_string();
    let name = engine.name();
    let run = |engine: Option<&str>, size| {
        let engine = engine.map(str::to_owned);
        let job = Job { workload: workload.path.clone(), engine, size, seed };
        on_one_core(|| one(&job, MAX_STEPS, true))
    };
    let declared = Size { bytes: workload.bytes as u64, messages: workload.batch.max(1) as u64 };
    let small = Size { bytes: declared.bytes.min(SMALL.bytes), messages: SMALL.messages };
    let mut size = declared;
    if declared != small {
        size = declared.within(small, run(Some(name), small)?.steps, MAX_STEPS);
    }
    let trace = run(Some(name), size)?;
    let harness = match workload.scope() {
        Scope::EveryEngine => Some(run(None, size)?.instructions),
        Scope::CipherFree => None,
    };
    Ok(Traced {
        schema: SCHEMA.into(),
        sealmark: env!("CARGO_PKG_VERSION").into(),
        started,
        host: Host::detect(),
        build: env!("SEALMARK_BUILD").into(),
        workload: workload.path.clone(),
        engine: name.to_owned(),
        version: engine.version(),
        environment: environment::steering(engine.variables()),
        bytes: size.bytes,
        messages: size.messages,
        declared: (size != declared).then_some(declared),
        seed,
        harness,
        trace,
        diff: None,
    })
}

/// Runs on a pinned thread, and the traced process inherits its core. Tracer and tracee alternate at every
/// step and should not have to change cores for it. Each thread of the pool has a core of its own.
fn on_one_core<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let nth = rayon::current_thread_index().unwrap_or(0);
        let tracer = scope.spawn(move || {
            pin_to(nth);
            run()
        });
        tracer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Traces the first `steps` steps of one call.
pub(in crate::measure) fn beginning(
    workload: &Workload,
    engine: &dyn Engine,
    bytes: u64,
    steps: u64,
) -> Result<Trace, Error> {
    let size = Size { bytes, messages: 1 };
    let job = Job { workload: workload.path.clone(), engine: Some(engine.name().to_owned()), size, seed: 0 };
    on_one_core(|| one(&job, steps, false))
}

fn one(job: &Job, cap: u64, whole: bool) -> Result<Trace, Error> {
    let mut input = serde_json::to_vec(job)?;
    input.resize(JOB_LEN.max(input.len()), b' ');
    let wrong =
        |why: String| Error::Wrong { engine: job.engine.clone().unwrap_or_else(|| "nothing".into()), why };
    let said = |output: &[u8]| serde_json::from_slice::<Result<(), String>>(output);
    let program = Program { arguments: &[VERB], environment: &environment::for_children(), cap, whole };
    match trace::record(&program, &input) {
        Ok((trace, output)) => {
            said(&output)?.map_err(wrong)?;
            Ok(trace)
        }
        Err(trace::Error::NoMark { how, output }) => match said(&output) {
            Ok(Err(why)) => Err(wrong(why)),
            _ => Err(trace::Error::NoMark { how, output }.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The hidden verb [`VERB`]: reads a job, prepares its call, and marks one run of it.
///
/// # Errors
/// [`Error::Protocol`] where standard input is not a job; [`Error::Worker`] where the parent is gone or does
/// not trace; [`Error::Unknown`] for a workload that does not exist.
#[doc(hidden)]
pub fn step_main(engines: &[&'static dyn Engine], catalog: &Catalog) -> Result<(), Error> {
    if !trace::is_traced() {
        return Err(Error::Worker(std::io::Error::other(
            "nobody traces this process: `step` is for internal use",
        )));
    }
    let mut text = String::with_capacity(2 * JOB_LEN);
    std::io::stdin().read_to_string(&mut text)?;
    let job: Job = serde_json::from_str(&text)?;
    let found = catalog.find(&job.workload).ok_or_else(|| Error::Unknown(job.workload.clone()))?;
    let (bytes, messages) = (job.size.bytes as usize, job.size.messages as usize);
    let workload = Workload { bytes, seed: job.seed, ..found.clone() };
    let result = match &job.engine {
        None => marked(&workload, messages, &Nothing, false),
        Some(name) => match engines.iter().copied().find(|e| e.name() == name).or_else(|| engine::find(name))
        {
            Some(engine) => marked(&workload, messages, engine, true),
            None => Err(format!("no engine is called {name}")),
        },
    };
    Ok(std::io::stdout().write_all(serde_json::to_string(&result)?.as_bytes())?)
}

/// One call between marks, after three to warm up. Each is `checked`, unless the engine does nothing.
fn marked(
    workload: &Workload,
    messages: usize,
    engine: &'static dyn Engine,
    checked: bool,
) -> Result<(), String> {
    let mut batch = workload.prepare(engine, messages).map_err(|e| e.to_string())?;
    for _ in 0..3 {
        batch.reset();
        batch.run();
        if checked {
            batch.check()?;
        }
    }
    batch.reset();
    trace::mark();
    batch.run();
    trace::mark();
    if checked { batch.check() } else { Ok(()) }
}

/// An engine whose calls do nothing and report success, so that only the harness remains. It is no wrapper
/// around another engine: the wrapper's own instructions would be counted.
struct Nothing;

impl Engine for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn version(&self) -> String {
        String::new()
    }

    fn residue(&self) -> Residue {
        Residue::Ciphertext
    }

    fn key(&self, _: Alg, _: &[u8]) -> Result<Box<dyn Aead>, aead::Error> {
        Ok(Box::new(NoKey))
    }
}

/// A key of [`Nothing`].
struct NoKey;

impl Aead for NoKey {
    fn seal(&self, _: &Nonce, _: &[u8], _: &mut [u8], _: &mut Tag) -> Result<(), aead::Error> {
        Ok(())
    }

    fn open(&self, _: &Nonce, _: &[u8], _: &mut [u8], _: &Tag) -> Result<(), aead::Error> {
        Ok(())
    }

    fn seal_batch(&self, _: &mut [aead::Message<'_>]) -> Result<(), aead::Error> {
        Ok(())
    }

    fn open_batch(&self, _: &mut [aead::Message<'_>], _: &mut [Result<(), aead::Error>]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::catalog;

    #[test]
    fn a_workload_is_halved_until_it_can_be_stepped_through() {
        let cut = |bytes, messages, steps| {
            let size = Size { bytes, messages }.within(SMALL, steps, 2_000_000);
            (size.bytes, size.messages)
        };
        assert_eq!(cut(1 << 20, 1, 1_000), (1 << 20, 1));
        assert_eq!(cut(1 << 20, 1, 2_000), (1 << 19, 1));
        assert_eq!(cut(16_384, 1, 150_000), (8_192, 1));
        assert_eq!(cut(1350, 1, 10_000_000), (1024, 1), "and no further");
        assert_eq!(cut(1024, 64, 150_000), (1024, 8));
        assert_eq!(cut(16_384, 1, 0), (16_384, 1));
        let nothing = Size { bytes: 0, messages: 1 };
        assert_eq!(nothing.within(nothing, 99, 10), nothing);
    }

    #[test]
    fn the_harness_runs_every_workload_on_nothing() {
        let mut seen = 0;
        for workload in catalog::workloads().iter().filter(|w| w.scope() == Scope::EveryEngine) {
            let mut batch = workload.prepare(&Nothing, workload.batch).unwrap();
            batch.reset();
            batch.run();
            seen += 1;
        }
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn a_process_that_nobody_traces_does_not_mark() {
        assert!(trace::is_traced() || matches!(step_main(&[], Catalog::ours()), Err(Error::Worker(_))));
    }
}
