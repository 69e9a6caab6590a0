//! Where workloads run: worker processes, the protocol that drives them, and what is collected of their
//! answers.
//!
//! A driver ([`parent`]) sends [`protocol`] commands to a worker ([`child`]) and gets answers. A bench starts
//! fresh workers (`fresh`) that each sample every workload (`sample`), and collects their rows
//! (`collector`).

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
pub mod stack;
mod tail;
