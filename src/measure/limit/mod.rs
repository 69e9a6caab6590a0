//! The limit of this CPU: probed rates, and the bound that they set for a workload.

pub mod probe;
pub mod roofline;
