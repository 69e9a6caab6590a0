//! What is timed of the storage scheme.

pub(in crate::measure) mod rotation;
pub(in crate::measure) mod value;
