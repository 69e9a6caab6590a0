//! What a worker is asked and what it says: one [`Job`], then [`Answer`]s until the last of them.

use serde::{Deserialize, Serialize};

use crate::measure::{Arena, ClockInfo};

/// What a worker is asked to measure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Paths of workloads, in the order in which they are measured.
    pub workloads: Vec<String>,
    /// Names of engines.
    pub engines: Vec<String>,
    /// Seed of the order within rounds.
    pub seed: u64,
    /// Rounds of each workload.
    pub rounds: u32,
    /// Timed nanoseconds of each engine in a round.
    pub target_ns: f64,
}

/// What a worker says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It has begun, with this clock.
    Clock(ClockInfo),
    /// It is about to touch this engine alone.
    At {
        /// The workload's path.
        workload: String,
        /// The engine's name.
        engine: String,
    },
    /// It is about to run every engine of this workload in turn.
    Sampling {
        /// The workload's path.
        workload: String,
    },
    /// A workload is done.
    Workload {
        /// Its path.
        workload: String,
        /// One for each engine that offers it.
        rows: Vec<Measured>,
        /// Nanoseconds for a cycle of the core meanwhile: the lower quartile of the passes.
        cycle_ns: f64,
    },
    /// The job is done.
    Done,
}

/// Nanoseconds of single operations in one process.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantiles {
    /// An operation is too short for the clock to be timed alone.
    Below,
    /// The quantiles 0.5, 0.99 and 0.999.
    Ns([f64; 3]),
}

/// One workload on one engine in one process.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The engine.
    pub engine: String,
    /// The lower quartile of the passes: nanoseconds for one operation; or why there is none.
    pub ns: Result<f64, String>,
    /// The same in cycles of the core.
    pub cycles: Option<f64>,
    /// Of single operations; absent where the workload does not ask for it.
    pub tails: Option<Quantiles>,
    /// The buffers that were walked through.
    pub arena: Option<Arena>,
    /// Threads that shared the work; absent where the workload is of one thread by its nature.
    pub threads: Option<u32>,
    /// What one pass may be off by, in parts of it, where that is more than one in a hundred.
    pub clock_error: Option<f64>,
}

impl Measured {
    /// An engine and its time, of which nothing else is known.
    pub fn new(engine: &str, ns: Result<f64, String>) -> Self {
        let engine = engine.to_owned();
        Self { engine, ns, cycles: None, tails: None, arena: None, threads: None, clock_error: None }
    }
}
