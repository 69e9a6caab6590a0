//! The tables of a report, one file each.

pub mod cases;
pub mod cores;
pub mod curve;
pub mod engines;
pub mod heat;
pub mod latency_tail;
pub mod limits;
pub mod ratio;
pub mod usage;
pub mod waterfall;
pub mod witness;
