//! Greetings: which version each side speaks, what a worker can do, and whether that is enough.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Both sides must have the same.
pub const MAJOR: u32 = 1;
/// Counts what was added within [`MAJOR`].
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

/// What a worker of this program can do.
pub const CAPABILITIES: [&str; 8] = [PREPARE, RUN, CHECK, TAILS, SAMPLE, CYCLES, STACK_OFFSET, ARENA_OFFSET];

/// Which protocol a side speaks, and what it can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// Must be the same on both sides.
    pub major: u32,
    /// The higher one knows everything that the lower one does.
    pub minor: u32,
    /// The program and its version.
    pub program: String,
    /// What a worker can do: its commands, and members that not every worker obeys. Nothing when absent; a
    /// driver has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Whether the measuring thread keeps to one core, for a person to read; absent from a driver.
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

    /// Whether a driver of this program can work with that worker, of which it needs these capabilities.
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
    /// Its protocol is another one.
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
