//! Batches that are prepared once and run in slices, as a driver wants them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The batch to prepare.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Prepare {
    /// Where the batch is kept, below [`SLOTS`]; 0 when absent.
    #[serde(default)]
    pub slot: u32,
    /// The workload's path.
    pub workload: String,
    /// The engine's name.
    pub engine: String,
    /// What keys, nonces and messages are drawn from; the workload's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Operations of one pass, which decide on the size of the buffers; the workload's own count when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// Where slices run that do not say.
    #[serde(flatten)]
    pub place: Place,
}

/// Batches that a worker keeps at once.
pub const SLOTS: u32 = 256;

/// The slice to run. It ends with the pass that reaches `operations` or `ns`, whichever comes first; after
/// one pass where both are absent.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Slice {
    /// The slot; 0 when absent.
    #[serde(default)]
    pub slot: u32,
    /// Operations to do, rounded up to whole passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// Timed nanoseconds to spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns: Option<f64>,
    /// Whether the answer tells cycles too: a chain of cycles runs after the slice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cycles: bool,
    /// Where it runs; as prepared when absent.
    #[serde(flatten)]
    pub place: Place,
}

/// Where a batch runs: 4 KiB aliasing between stack and buffers changes its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Bytes that the stack lies lower than usual: a multiple of 16 below 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_offset: Option<u32>,
    /// Bytes from the beginning of a page to the first buffer: a multiple of 64 below 4096. Given when a
    /// batch is prepared, it moves what the batch has on the heap as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena_offset: Option<u32>,
}
