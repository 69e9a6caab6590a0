//! Did a change make it slower? Two builds, compared by what they execute, then by paired times.
//!
//! `exact` compares streams of instructions: a workload whose stream did not change is `Same` and is not
//! timed. `timed` times the rest in pairs of fresh processes (`pair`), one of the base and one of the head,
//! until `rule` decides, and `orders` finds the builds of both sides apart. `result` is what comes out:
//! schema `sealmark.gate/1`; a `baseline` is a stored one, and `history` keeps one line of each run. `config`
//! chooses the workloads. `self_check` plants slowdowns in them, and `calibrate` counts how often the gate is
//! right. Not here: how a build comes about.

pub mod baseline;
pub mod calibrate;
pub mod config;
pub mod exact;
pub mod history;
pub mod orders;
pub mod pair;
mod result;
pub mod rule;
mod run;
pub mod self_check;
pub mod timed;

pub use result::{Commits, Gate, Ratio, Row, SCHEMA, Setup, Stored, Times, WhenUnsure};
pub use run::{Plan, Step, Subject, run};
