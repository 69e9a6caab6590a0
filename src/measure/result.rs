//! The result of a run: its rows, and the circumstances of measurement. Schema `sealmark.bench/1`.

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::host::{Host, Variable};
use crate::measure::limit::probe::Limits;
use crate::measure::limit::roofline::Bound;
use crate::measure::workload::{Level, Workload};
use crate::timing::Interval;
use crate::trace::Witness;

/// The name and version of the JSON schema of a [`Run`].
pub const SCHEMA: &str = "sealmark.bench/1";

/// The duration of one operation in nanoseconds or cycles: the median over processes, with its interval.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Estimate {
    /// The median over processes. Each process contributes the lower quartile of the passes in its quietest
    /// rounds.
    pub median: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl Estimate {
    /// From one sample per process; `None` if there are none.
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
    /// The cipher, such as `aes-256-gcm`, or else the object of the operation, such as `record`.
    pub algorithm: String,
    /// Message bytes of one operation; 0 where there is no message.
    pub bytes: u64,
    /// Messages per call of a batch, or per key; absent where each message is a call of its own. One
    /// operation is one message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// The engine; `sealmark` where the operation uses no cipher.
    pub engine: String,
    /// Nanoseconds per operation. Absent if there is an error.
    pub ns: Option<Estimate>,
    /// Core cycles per operation: its time divided by the length of a cycle, which is measured in the same
    /// rounds. Absent if there is an error, and for operations on all cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<Estimate>,
    /// The fewest cycles that this CPU allows, and how close the median comes to them. Absent where that is
    /// unknown: the operation is not AES-GCM, the CPU was not probed, or there is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Quantiles of single operations; absent where the workload does not ask for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tails: Option<Tails>,
    /// Decimal gigabytes of message per second at the median. Absent without a time or a message, and for
    /// latencies.
    pub gb_per_s: Option<f64>,
    /// Threads that shared the work: one per core, or as many as a CPU quota allows. Absent for
    /// single-threaded workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// The clock's error as a fraction of one pass, in the worst process. Absent where it is at most 0.01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error: Option<f64>,
    /// Processes with a sample; 0 if there is an error.
    pub processes: u32,
    /// Why the other processes gave no sample, one reason each. If most processes died, that is the error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// One sample per process, in the order in which they ran: the lower quartile of the
    /// passes in its quietest rounds, in
    /// nanoseconds per operation. Empty if there is an error.
    pub samples: Vec<f64>,
    /// The buffers that the operations cycle through, and the cache level that holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena: Option<Arena>,
    /// What the CPU executed for one seal with that key size, short or long as the messages are.
    #[serde(default)]
    pub witness: Option<Witness>,
    /// Why there is no witness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_witness: Option<String>,
    /// The probability that this row's interval covers the true median, for a row with fewer processes than
    /// the fullest row. Otherwise the run's figure holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Why there is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Row {
    /// A row without a time, for an engine that is not measured on a workload, and why.
    pub fn refused(workload: &Workload, engine: &dyn Engine, why: String) -> Self {
        Self { error: Some(why), ..Self::empty(workload, engine.name()) }
    }

    /// Whether its time is a latency: each call waits for the one before, so bytes over time are not a
    /// throughput.
    pub fn is_latency(&self) -> bool {
        self.op.starts_with("latency/")
    }

    /// An empty row of a workload and an engine.
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

/// The distribution of the times of single operations.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tails {
    /// An operation takes less than 20 times the error of a clock reading, so it cannot be timed alone.
    BelowTheClock,
    /// Nanoseconds, from some thousand operations in each process.
    Ns {
        /// Half of the operations take no longer.
        p50: Estimate,
        /// One in a hundred takes longer.
        p99: Estimate,
        /// One in a thousand takes longer.
        p999: Estimate,
    },
}

/// How close an engine comes to the limit of its CPU.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Limit {
    /// The fewest cycles that the operation can take.
    pub bound: Bound,
    /// The bound's cycles as a percentage of the measured ones: 100 is the limit itself.
    pub percent: f64,
}

/// The buffers that a workload cycles through.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Arena {
    /// Their total size in bytes.
    pub bytes: u64,
    /// The cache level they are sized for: `L1`, `L2`.
    pub level: String,
}

impl Arena {
    /// The arena of `count` operations of a workload; `None` where it has none.
    pub fn of(workload: &Workload, count: usize) -> Option<Self> {
        let bytes = workload.arena_len(count)?;
        Some(Self { bytes: bytes as u64, level: Level::holding(bytes).name().to_owned() })
    }
}

/// The result of `sealmark bench`: schema `sealmark.bench/1`.
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
    /// Whether the run ended early. Rows then have fewer processes than planned, and some rows are missing.
    /// Also true of a run in progress.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The probability that the interval of a row covers the true median over processes: 0.938 with five
    /// processes, 0.961 with twelve. A row that lost a process states its own figure.
    pub coverage: f64,
    /// The width of an interval, as a fraction of its median, above which it counts as noisy.
    #[serde(default = "usual_width")]
    pub within: f64,
    /// The precision at which the run stops. Absent where the number of processes is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Precision>,
    /// Seed of the order of engines within a round.
    pub seed: u64,
    /// The compiler and build profile.
    pub build: String,
    /// The clock, and the thread that read it. Absent if no worker answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockInfo>,
    /// The limits of this CPU by backend, probed before the first process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limits>,
    /// Each engine's version.
    pub engines: Vec<EngineVersion>,
    /// One row per workload and engine.
    pub rows: Vec<Row>,
    /// How long the run took.
    pub seconds: f64,
}

/// The width above which an interval counts as noisy, unless a plan says otherwise.
pub const WITHIN: f64 = 0.10;

/// The width for files that do not state one.
const fn usual_width() -> f64 {
    WITHIN
}

/// The precision at which a run stops: that of every ratio that decides on publication.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Precision {
    /// How far an interval may reach from its median, as a fraction of the median.
    pub within: f64,
    /// The largest number of processes.
    pub most: u32,
}

/// An engine and the version of the code behind it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EngineVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Why it was not measured; absent if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// The environment variables that change what it executes and were set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Variable>,
}

/// The resolution of the clock, and whether the measuring thread was pinned to a core.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClockInfo {
    /// The clock's resolution in nanoseconds.
    pub grain_ns: f64,
    /// The apparent duration of an empty pass, in nanoseconds. It is subtracted from each pass.
    pub overhead_ns: f64,
    /// `pinned to core 1`, or `not pinned: ` and why.
    pub pinning: String,
    /// Rounds in each process.
    pub rounds: u32,
    /// Timed nanoseconds per engine and round.
    pub target_ns: f64,
    /// The core's clock in GHz during the workloads: the lowest and the highest over all processes. Absent
    /// before the first workload is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ghz: Option<[f64; 2]>,
}
