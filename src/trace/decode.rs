//! The result of decoding an instruction. Each architecture has its own decoder: `x86` and `arm`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an instruction does. Each has one class: the first of these that fits.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A round of AES, or a step of its key schedule.
    Aes,
    /// A carry-less multiply.
    Multiply,
    /// A jump, a call, a return.
    Branch,
    /// A write to memory.
    Store,
    /// A plain load into a register, or any other instruction that reads memory and uses no vector register.
    Load,
    /// Any other instruction that uses vector registers.
    Vector,
    /// Anything else.
    Other,
}

impl Class {
    /// Every class, in display order.
    pub const ALL: [Self; 7] =
        [Self::Aes, Self::Multiply, Self::Vector, Self::Load, Self::Store, Self::Branch, Self::Other];

    /// Its name in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes => "aes",
            Self::Multiply => "multiply",
            Self::Branch => "branch",
            Self::Store => "store",
            Self::Load => "load",
            Self::Vector => "vector",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The widest vector register that an instruction uses.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// 128 bits, x86.
    Xmm,
    /// 256 bits, x86.
    Ymm,
    /// 512 bits, x86.
    Zmm,
    /// 128 bits, aarch64.
    V,
    /// The CPU's own vector length, aarch64 with SVE.
    Z,
}

impl Width {
    /// Every width.
    const ALL: [Self; 5] = [Self::Xmm, Self::Ymm, Self::Zmm, Self::V, Self::Z];

    /// The width with that [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|width| width.name() == name)
    }

    /// Its name in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xmm => "xmm",
            Self::Ymm => "ymm",
            Self::Zmm => "zmm",
            Self::V => "v",
            Self::Z => "z",
        }
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A decoded instruction, with the details that counting needs.
#[cfg(any(test, all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Instruction {
    /// `vaesenc`.
    pub mnemonic: String,
    /// Mnemonic and operands without addresses: registers and displacements stay; branch targets and operands
    /// relative to the instruction's own address are left out.
    pub text: String,
    /// Its class.
    pub class: Class,
    /// The widest vector register that it uses.
    pub width: Option<Width>,
    /// Whether it is a string instruction with a repeat prefix, which traps once per iteration.
    pub repeats: bool,
    /// Whether it is a jump, as opposed to a call or a return.
    pub jumps: bool,
}
