//! How fast? Workloads, timed on every engine in interleaved rounds and in several fresh processes.
//!
//! Every timed operation leaves a result that is compared with another engine's after the first passes and after the
//! last one that was timed; `reset` puts something else in its place before each. So work that was skipped, or done
//! once for all, shows in what is left, and no timing is needed to tell. An engine that opens must also refuse forged
//! messages, before and after. One that is wrong gets a row with an error and no time. Where no other engine can be
//! had, it is only compared with itself. Here the process is the unit of replication, and the lower quartile of its passes the
//! sample.
//! Not here: whether a difference between two runs matters.

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::host::{Host, Variable};
use crate::timing::Interval;
use crate::trace::Witness;

mod coverage;
pub mod limit;
mod plan;
pub mod trace;
mod warning;
pub mod worker;
pub mod workload;

pub use crate::timing::Timed;
pub use plan::{Plan, Progress, run, run_and_keep};
pub use warning::{WITHIN, warnings};
pub use worker::child::worker_main;
pub use workload::catalog::{Catalog, CatalogError, Suite, workloads};
pub use workload::kind::{Kind, Scope, Size, Subject};
pub use workload::{KINDS, Level, Workload, kinds};

/// Why nothing could be measured. What goes wrong with one engine is a row instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No workload of the suite fits the filter, or no engine was named.
    #[error("nothing to measure: no workload of suite {0} with an engine to run it")]
    Nothing(String),
    /// There is no workload of this path.
    #[error("there is no workload {0}")]
    Unknown(String),
    /// There is no engine of this name.
    #[error("no engine is called {0}")]
    NoEngine(String),
    /// An engine refused while a workload was made ready.
    #[error("{engine}: {refusal}")]
    Engine {
        /// Its name.
        engine: String,
        /// What it said.
        refusal: crate::aead::Error,
    },
    /// The envelope refused while a workload was made ready.
    #[error("the envelope: {0}")]
    Envelope(#[from] crate::envelope::Error),
    /// A scheme refused while a workload was made ready.
    #[error("the scheme {scheme}: {refusal}")]
    Scheme {
        /// Its name.
        scheme: String,
        /// What it said: an error of its own.
        refusal: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of workloads is not right.
    #[error("the workloads: {0}")]
    Catalog(#[from] CatalogError),
    /// A worker process could not be started or spoken to.
    #[error("a worker process could not be started or spoken to")]
    Worker(#[from] std::io::Error),
    /// The system, or the workload, does not let it be traced.
    #[error("tracing: {0}")]
    Trace(#[from] crate::trace::Error),
    /// What was traced is wrong: there is no trace of it.
    #[error("{engine} is wrong, so it is not traced: {why}")]
    Wrong {
        /// The engine.
        engine: String,
        /// What is wrong, for a person to read.
        why: String,
    },
    /// A worker was sent, or sent back, something else than its protocol.
    #[error("a worker does not understand its job, or is not understood")]
    Protocol(#[from] serde_json::Error),
}

impl Error {
    fn engine(engine: &dyn Engine, refusal: crate::aead::Error) -> Self {
        Self::Engine { engine: engine.name().to_owned(), refusal }
    }
}

/// The name and version of the JSON that [`Run`] is written as.
pub const SCHEMA: &str = "sealmark.bench/1";

/// What one operation takes, in nanoseconds or in cycles: the median over processes and an interval for it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Estimate {
    /// The median over the processes, of which each gives the lower quartile of its passes.
    pub median: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl Estimate {
    /// From a sample of each process; `None` without any.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        Interval::of(samples).map(|i| Self { median: i.median, low: i.low, high: i.high })
    }
}

/// One workload on one engine.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Row {
    /// Its path: `seal/aes-256-gcm/16384`.
    pub workload: String,
    /// The operation: `seal`, `open`, `latency/seal`, `seal_batch`, `key`, `nonce`, `lookup`, ...
    pub op: String,
    /// `aes-256-gcm` and the like, or what the operation works on.
    pub algorithm: String,
    /// Message bytes of one operation; 0 where there is no message.
    pub bytes: u64,
    /// Messages that go to the engine at once, or that a key seals; absent where each goes alone. An operation is one
    /// of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// The engine; `sealmark` where no cipher takes part.
    pub engine: String,
    /// Nanoseconds for one operation. Absent when there is an error.
    pub ns: Option<Estimate>,
    /// Cycles of the core for one operation: its time in those of a chain of cycles that took its turn in the same
    /// rounds. Absent when there is an error, and where an operation has all cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<Estimate>,
    /// The least that this CPU allows, and how near the median of the cycles comes to it. Absent where nothing is
    /// known: no rounds of AES-GCM, no probes, no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// What the slowest of single operations take; absent where the workload does not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tails: Option<Tails>,
    /// Decimal gigabytes of message per second at the median; absent without a time or a message, and for a latency.
    pub gb_per_s: Option<f64>,
    /// Threads that shared the work: one for each core, or as many as a quota of processor time allows. Absent where the
    /// workload is of one thread by its nature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// What one pass may be off by for the clock's sake, in parts of it: the worst of all processes. Absent where that is
    /// at most 0.01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error: Option<f64>,
    /// Fresh processes that the interval is over; 0 when there is an error.
    pub processes: u32,
    /// Why further processes gave no sample: each died, and most did not. Where most did, that is the error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Each process's lower quartile of its passes, in nanoseconds for one operation, in the order in which the
    /// processes ran; none when there is an error.
    pub samples: Vec<f64>,
    /// Bytes of buffers that the operations walk through, and the cache level that holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena: Option<Arena>,
    /// What the CPU really executed for one seal of that key size, long or short as the messages are.
    #[serde(default)]
    pub witness: Option<Witness>,
    /// Why there is no witness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_witness: Option<String>,
    /// The probability with which the interval of this row covers the true median, where the row lost a
    /// process and has fewer than the run's fullest; else it is the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Why there is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Row {
    /// The row of an engine that is not measured on a workload, and why.
    pub fn refused(workload: &Workload, engine: &dyn Engine, why: String) -> Self {
        Self { error: Some(why), ..Self::empty(workload, engine.name()) }
    }

    /// Whether its time is that of a call whose end the next one waits for. Bytes over such a time are no throughput.
    pub fn is_latency(&self) -> bool {
        self.op.starts_with("latency/")
    }

    /// The row of a workload and an engine of which nothing else is known.
    fn empty(workload: &Workload, engine: &str) -> Self {
        Self {
            workload: workload.path.clone(),
            op: workload.op().to_owned(),
            algorithm: workload.algorithm.clone(),
            bytes: workload.bytes as u64,
            batch: (workload.batch > 1).then_some(workload.batch as u64),
            engine: engine.to_owned(),
            ns: None,
            cycles: None,
            limit: None,
            tails: None,
            gb_per_s: None,
            threads: None,
            clock_error: None,
            processes: 0,
            lost: Vec::new(),
            samples: Vec::new(),
            arena: None,
            witness: None,
            no_witness: None,
            coverage: None,
            error: None,
        }
    }
}

/// How the times of single operations are distributed.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tails {
    /// An operation takes less than 20 times what one reading of the clock may be off by: it cannot be timed alone.
    BelowTheClock,
    /// Nanoseconds, of some thousand operations in each process.
    Ns {
        /// Half of the operations take no longer.
        p50: Estimate,
        /// One in a hundred takes longer.
        p99: Estimate,
        /// One in a thousand takes longer.
        p999: Estimate,
    },
}

/// How far an engine is from what its CPU can do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Limit {
    /// The least that the operation can take.
    pub bound: limit::roofline::Bound,
    /// The bound's cycles in percent of the measured ones: 100 is the limit itself.
    pub percent: f64,
}

/// The buffers that a workload walks through.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Arena {
    /// Their sum in bytes.
    pub bytes: u64,
    /// `L1`, `L2`: the cache level they are sized to.
    pub level: String,
}

/// What `sealmark bench` measured: schema `sealmark.bench/1`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of Sealmark that wrote it.
    pub sealmark: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// Where it ran.
    pub host: Host,
    /// The suite, or the filter that chose the workloads.
    pub suite: String,
    /// Whether the run ended, or was ended, before it was done: rows have fewer processes than planned, and some are
    /// missing. A run in progress says so too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The probability with which the interval of a row that lost no process covers the true median over
    /// processes: 0.938 with five of them, 0.961 with twelve. A row that lost one says its own.
    pub coverage: f64,
    /// How wide an interval may be, in parts of its median, before the run warns of noise.
    #[serde(default = "usual_width")]
    pub within: f64,
    /// Seed of the order of engines within a round.
    pub seed: u64,
    /// The compiler and build profile.
    pub build: String,
    /// What the clock can tell; absent when no worker answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockInfo>,
    /// What this CPU can do at most, by backend, probed before the first process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<limit::probe::Limits>,
    /// Each engine's version.
    pub engines: Vec<EngineVersion>,
    /// One for each workload and engine.
    pub rows: Vec<Row>,
    /// How long it took.
    pub seconds: f64,
}

/// What a run that does not say it was asked for.
const fn usual_width() -> f64 {
    WITHIN
}

/// An engine and the version of the code behind it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EngineVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Why it was not measured; absent when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// The environment variables that were set and change what it executes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Variable>,
}

/// What the clock could tell, and whether the measuring thread kept to one core.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClockInfo {
    /// The step in which it moves, in nanoseconds.
    pub grain_ns: f64,
    /// What an empty timed pass appeared to take, in nanoseconds; taken off each pass.
    pub overhead_ns: f64,
    /// `pinned to core 1`, or `not pinned: ` and why.
    pub pinning: String,
    /// Rounds in each process.
    pub rounds: u32,
    /// Timed nanoseconds of each engine in a round.
    pub target_ns: f64,
    /// The core's clock in GHz while each workload was measured: the slowest and the quickest of all processes. Absent
    /// before the first workload is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ghz: Option<[f64; 2]>,
}
