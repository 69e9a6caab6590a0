//! Where workloads run: worker processes, what they are asked, and what is collected of their answers.

pub mod child;
pub(in crate::measure) mod collector;
mod cycles;
pub(in crate::measure) mod parent;
pub mod protocol;
mod tail;
