//! How fast? Workloads, timed on every engine in interleaved rounds and in several fresh processes.
//!
//! Every timed operation leaves a result that is compared with another engine's after the first passes and
//! after the last one that was timed; `reset` puts something else in its place before each. So work that was
//! skipped, or done once for all, shows in what is left, and no timing is needed to tell. An engine that
//! opens must also refuse forged messages, before and after. One that is wrong gets a row with an error and
//! no time. Where no other engine can be had, it is only compared with itself. Here the process is the unit
//! of replication, and the lower quartile of its passes the sample.
//!
//! The way goes from `plan` (what to measure) over `run` (which drives the processes of `worker`) to
//! `result`. Not here: whether a difference between two runs matters.

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
pub use result::{Arena, ClockInfo, EngineVersion, Estimate, Limit, Row, Run, SCHEMA, Tails, WITHIN};
pub use run::{Progress, run, run_and_keep};
pub use warning::warnings;
pub use worker::child::worker_main;
pub use workload::catalog::{Catalog, CatalogError, Suite, workloads};
pub use workload::kind::{Kind, Scope, Size, Subject};
pub use workload::{KINDS, Level, Workload, kinds};
