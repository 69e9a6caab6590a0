//! Worker processes, in which workloads run, and the protocol that drives them.
//!
//! A driver ([`parent`]) sends [`protocol`] commands to a worker ([`child`]) and receives answers. A bench
//! starts fresh workers (`fresh`) that each sample every workload (`sample`), and turns their answers into
//! rows (`collector`).

pub mod child;
pub(in crate::measure) mod collector;
mod cycles;
pub mod failure;
pub(in crate::measure) mod fresh;
pub mod known;
pub mod line;
pub mod parent;
pub mod protocol;
pub(in crate::measure) mod sample;
mod tail;
