//! Batches that are prepared once and run in slices under a driver's control.

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
    /// The seed of keys, nonces and messages; the workload's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Operations per pass, which determine the size of the buffers; the workload's own count when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// The default place of its slices.
    #[serde(flatten)]
    pub place: Place,
}

/// The number of batches that a worker keeps at once.
pub const SLOTS: u32 = 512;

/// The longest delay of a slice: a second.
pub const LONGEST_DELAY_NS: f64 = 1e9;

/// The slice to run. It ends with the pass that reaches `operations` or `ns`, whichever comes first, or after
/// one pass if both are absent.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Slice {
    /// The slot; 0 when absent.
    #[serde(default)]
    pub slot: u32,
    /// Operations to run, rounded up to whole passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// Timed nanoseconds to spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns: Option<f64>,
    /// Whether the answer also gives cycles; a chain of cycles then runs after the slice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cycles: bool,
    /// Nanoseconds by which the slice is made longer, once and within its time: at most
    /// [`LONGEST_DELAY_NS`]. With it a driver plants a slowdown, to see whether it would find one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ns: Option<f64>,
    /// Where it runs; the batch's default when absent.
    #[serde(flatten)]
    pub place: Place,
}

/// Where a batch runs: 4 KiB aliasing between stack and buffers changes its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Bytes by which the stack is lowered: a multiple of 16 below 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_offset: Option<u32>,
    /// Bytes from the beginning of a page to the first buffer: a multiple of 64 below 4096. Given when a
    /// batch is prepared, it moves what the batch has on the heap as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arena_offset: Option<u32>,
}
