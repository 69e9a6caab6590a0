//! How fast? Workloads, timed on every engine in interleaved rounds and in several fresh processes.
//!
//! Every timed operation leaves a result. The results of the first passes and of the last timed pass are
//! compared with another engine's, and `reset` overwrites them before each pass. Work that was skipped, or
//! done once for all operations, therefore shows in the results; no timing heuristic is needed. An engine
//! that opens must also refuse forged messages, before and after timing. A wrong engine gets a row with an
//! error and no time. Where no second engine is available, an engine is only compared with itself. The
//! process is the unit of replication: its sample is the lower quartile of the passes in its quiet rounds.
//!
//! `plan` says what to measure, `run` drives the processes of `worker`, and `result` holds what they found.
//! `publication` decides whether a run may become a baseline. Not here: whether a difference between two runs
//! matters.

mod coverage;
mod error;
pub mod limit;
mod plan;
pub mod publication;
pub mod ratio;
mod result;
mod run;
pub mod trace;
mod warning;
pub mod worker;
pub mod workload;

pub use crate::timing::Timed;
pub use error::Error;
pub use plan::Plan;
pub use result::{
    Arena, ClockInfo, EngineVersion, Estimate, Limit, Precision, Row, Run, SCHEMA, Tails, WITHIN,
};
pub use run::{Progress, run, run_and_keep};
pub use warning::warnings;
pub use worker::child::worker_main;
pub use workload::catalog::{Catalog, CatalogError, Suite, workloads};
pub use workload::kind::{Kind, Scope, Size, Subject};
pub use workload::{KINDS, Level, Workload, kinds};
