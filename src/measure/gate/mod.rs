//! Did a change make it slower? Two builds, compared by what they execute, then by paired times.
//!
//! `exact` compares streams of instructions: a workload whose stream did not change is `Same` and is not
//! timed. `timed` times the rest in pairs of fresh processes (`pair`), one of the base and one of the head,
//! until `rule` decides. `result` is what comes out: schema `sealmark.gate/1`. `history` keeps one line of each
//! run. Not here: how a build comes about.

pub mod exact;
pub mod history;
pub mod pair;
mod result;
pub mod rule;
mod run;
pub mod timed;

pub use result::{Commits, Gate, Ratio, Row, SCHEMA};
pub use run::{Plan, Step, Subject, run};
