//! What a run found: rows, and what they were measured with. Schema `sealmark.bench/1`.

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::host::{Host, Variable};
use crate::measure::limit::probe::Limits;
use crate::measure::limit::roofline::Bound;
use crate::measure::publication::Precision;
use crate::measure::workload::{Level, Workload};
use crate::timing::Interval;
use crate::trace::Witness;

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
    /// Messages that go to the engine at once, or that a key seals; absent where each goes alone. An
    /// operation is one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// The engine; `sealmark` where no cipher takes part.
    pub engine: String,
    /// Nanoseconds for one operation. Absent when there is an error.
    pub ns: Option<Estimate>,
    /// Cycles of the core for one operation: its time in those of a chain of cycles that took its turn in
    /// the same rounds. Absent when there is an error, and where an operation has all cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<Estimate>,
    /// The least that this CPU allows, and how near the median of the cycles comes to it. Absent where
    /// nothing is known: no rounds of AES-GCM, no probes, no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// What the slowest of single operations take; absent where the workload does not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tails: Option<Tails>,
    /// Decimal gigabytes of message per second at the median; absent without a time or a message, and for a
    /// latency.
    pub gb_per_s: Option<f64>,
    /// Threads that shared the work: one for each core, or as many as a quota of processor time allows.
    /// Absent where the workload is of one thread by its nature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// What one pass may be off by for the clock's sake, in parts of it: the worst of all processes. Absent
    /// where that is at most 0.01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error: Option<f64>,
    /// Fresh processes that the interval is over; 0 when there is an error.
    pub processes: u32,
    /// Why further processes gave no sample: each died, and most did not. Where most did, that is the error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Each process's lower quartile of its passes, in nanoseconds for one operation, in the order in which
    /// the processes ran; none when there is an error.
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

    /// Whether its time is that of a call whose end the next one waits for. Bytes over such a time are no
    /// throughput.
    pub fn is_latency(&self) -> bool {
        self.op.starts_with("latency/")
    }

    /// The row of a workload and an engine of which nothing else is known.
    pub(in crate::measure) fn empty(workload: &Workload, engine: &str) -> Self {
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
    /// An operation takes less than 20 times what one reading of the clock may be off by: it cannot be timed
    /// alone.
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
    pub bound: Bound,
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

impl Arena {
    /// What `count` operations of a workload walk through; `None` where it has no arena.
    pub fn of(workload: &Workload, count: usize) -> Option<Self> {
        let bytes = workload.arena_len(count)?;
        Some(Self { bytes: bytes as u64, level: Level::holding(bytes).name().to_owned() })
    }
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
    /// Whether the run ended, or was ended, before it was done: rows have fewer processes than planned, and
    /// some are missing. A run in progress says so too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The probability with which the interval of a row that lost no process covers the true median over
    /// processes: 0.938 with five of them, 0.961 with twelve. A row that lost one says its own.
    pub coverage: f64,
    /// How wide an interval may be, in parts of its median, before the run warns of noise.
    #[serde(default = "usual_width")]
    pub within: f64,
    /// The precision at which the run could stop before its last process; absent where every process was
    /// planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Precision>,
    /// Seed of the order of engines within a round.
    pub seed: u64,
    /// The compiler and build profile.
    pub build: String,
    /// What the clock can tell; absent when no worker answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockInfo>,
    /// What this CPU can do at most, by backend, probed before the first process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limits>,
    /// Each engine's version.
    pub engines: Vec<EngineVersion>,
    /// One for each workload and engine.
    pub rows: Vec<Row>,
    /// How long it took.
    pub seconds: f64,
}

/// How wide an interval may be, in parts of its median, unless a plan says otherwise.
pub const WITHIN: f64 = 0.10;

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
    /// The core's clock in GHz while each workload was measured: the slowest and the quickest of all
    /// processes. Absent before the first workload is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ghz: Option<[f64; 2]>,
}
