//! Sampling jobs, and their rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::Arena;

/// What to sample.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Paths of workloads, in the order in which they are measured.
    pub workloads: Vec<String>,
    /// Names of engines.
    pub engines: Vec<String>,
    /// Seed of the order within rounds.
    pub seed: u64,
    /// Rounds of each workload.
    pub rounds: u32,
    /// Timed nanoseconds per engine and round.
    pub target_ns: f64,
    /// Whether the worker waits for a `go` before each step: the preparation of some workloads, a round of
    /// each, or their checks. So a driver can have several workers take turns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub turns: bool,
}

/// Quantiles of single operations in one process.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantiles {
    /// An operation is too short for the clock to be timed alone.
    Below,
    /// The quantiles 0.5, 0.99 and 0.999.
    Ns([f64; 3]),
}

/// One workload on one engine in one process: a time, or an error.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// The engine.
    pub engine: String,
    /// Nanoseconds per operation, the lower quartile of the passes in the quiet rounds. Absent if there is an
    /// error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns: Option<f64>,
    /// Why there is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `ns` in core cycles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<f64>,
    /// Quantiles of single operations. Absent where the workload does not ask for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tails: Option<Quantiles>,
    /// The buffers that the operations cycled through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena: Option<Arena>,
    /// Threads that shared the work. Absent for single-threaded workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// The clock's error as a fraction of one pass, where it exceeds 0.01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error: Option<f64>,
}

impl Measured {
    /// An engine and its time, or the reason for having none.
    pub fn new(engine: &str, ns: Result<f64, String>) -> Self {
        let engine = engine.to_owned();
        let (ns, error) = match ns {
            Ok(ns) => (Some(ns), None),
            Err(why) => (None, Some(why)),
        };
        Self { engine, ns, error, cycles: None, tails: None, arena: None, threads: None, clock_error: None }
    }

    /// The time, or why there is none.
    ///
    /// # Errors
    /// The row's own error, or one for a row with neither a time nor an error, or with an impossible time.
    pub fn time(&self) -> Result<f64, String> {
        match (self.ns, &self.error) {
            (_, Some(why)) => Err(why.clone()),
            (Some(ns), None) if ns > 0.0 => Ok(ns),
            (Some(ns), None) => Err(format!("a worker process measured {ns} ns, which is not a valid time")),
            (None, None) => Err("a worker process gave neither a time nor a reason".into()),
        }
    }
}
