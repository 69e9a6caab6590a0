//! Greetings: the protocol version of each side, a worker's capabilities, and whether they suffice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The major version, which must be equal on both sides.
pub const MAJOR: u32 = 1;
/// The minor version, which counts additions within [`MAJOR`].
pub const MINOR: u32 = 1;

/// The capability of the command `prepare`.
pub const PREPARE: &str = "prepare";
/// The capability of the command `run`.
pub const RUN: &str = "run";
/// The capability of the command `check`.
pub const CHECK: &str = "check";
/// The capability of the command `tails`.
pub const TAILS: &str = "tails";
/// The capability of the command `sample`.
pub const SAMPLE: &str = "sample";
/// The capability of the member `cycles` of a slice.
pub const CYCLES: &str = "cycles";
/// The capability of the member `stack_offset`.
pub const STACK_OFFSET: &str = "stack_offset";
/// The capability of the member `arena_offset`. Version 1.0 lacks it.
pub const ARENA_OFFSET: &str = "arena_offset";

/// The capability of the member `turns` of a job, and of the command `go`. Version 1.0 lacks it.
pub const TURNS: &str = "turns";

/// The capabilities of a worker of this program.
pub const CAPABILITIES: [&str; 9] =
    [PREPARE, RUN, CHECK, TAILS, SAMPLE, CYCLES, STACK_OFFSET, ARENA_OFFSET, TURNS];

/// The protocol version and the capabilities of one side.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// Must be the same on both sides.
    pub major: u32,
    /// A higher minor version includes everything of a lower one.
    pub minor: u32,
    /// The program and its version.
    pub program: String,
    /// A worker's capabilities: its commands, and the optional members that it supports. A driver has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Whether the measuring thread is pinned to a core, in words. Absent from a driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinning: Option<String>,
}

impl Hello {
    /// This program as a driver.
    pub fn of_driver() -> Self {
        let program = concat!("sealmark ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { major: MAJOR, minor: MINOR, program, capabilities: Vec::new(), pinning: None }
    }

    /// This program as a worker.
    pub fn of_worker(pinning: String) -> Self {
        let capabilities = CAPABILITIES.map(str::to_owned).to_vec();
        Self { capabilities, pinning: Some(pinning), ..Self::of_driver() }
    }

    /// Checks that a driver of this program can work with that worker and that it has these capabilities.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn accept(&self, needs: &[&'static str]) -> Result<(), Misfit> {
        let Self { major, minor, program, .. } = self.clone();
        if major != MAJOR {
            return Err(Misfit::Major { program, major, minor });
        }
        let lacks = |need: &&&'static str| !self.capabilities.iter().any(|has| has == **need);
        match needs.iter().find(lacks) {
            None => Ok(()),
            Some(capability) => Err(Misfit::Lacks { program, minor, capability }),
        }
    }
}

/// Why a driver cannot work with a worker.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// Its major version differs.
    #[error(
        "{program} speaks version {major}.{minor} of the worker protocol, and this program {MAJOR}.{MINOR}: \
         they must have the same first number"
    )]
    Major {
        /// The worker's program.
        program: String,
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// It is too old.
    #[error(
        "{program} speaks version {MAJOR}.{minor} of the worker protocol and lacks `{capability}`, \
         which this program ({MAJOR}.{MINOR}) needs"
    )]
    Lacks {
        /// The worker's program.
        program: String,
        /// Its minor version.
        minor: u32,
        /// What it lacks.
        capability: &'static str,
    },
}
