//! What this CPU can do at most: probed rates, and the bound that they put on a workload.

pub mod probe;
pub mod roofline;
