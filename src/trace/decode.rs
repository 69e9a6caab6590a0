//! What a decoder says of an instruction. Each architecture has its own: `x86` and `arm`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an instruction is for. Each has one class: the first of these that fits.
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
    /// It writes memory.
    Store,
    /// It only brings memory into a register, or reads memory and is not for vectors.
    Load,
    /// It works on vector registers.
    Vector,
    /// Anything else.
    Other,
}

impl Class {
    /// Every class, in the order in which they are shown.
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

/// The widest vector register that an instruction names.
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
    /// As many bits as the CPU has, aarch64 with SVE.
    Z,
}

impl Width {
    /// Every width.
    const ALL: [Self; 5] = [Self::Xmm, Self::Ymm, Self::Zmm, Self::V, Self::Z];

    /// The width of that [`name`](Self::name).
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

/// One instruction, as far as counting goes.
#[cfg(any(test, all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Instruction {
    /// `vaesenc`.
    pub mnemonic: String,
    /// Mnemonic and operands without addresses: registers and displacements stay, targets of branches and
    /// what is relative to the instruction's own address go.
    pub text: String,
    /// What it is for.
    pub class: Class,
    /// The widest vector register that it names.
    pub width: Option<Width>,
    /// Whether it is a string instruction with a prefix that repeats it, which traps for every iteration.
    pub repeats: bool,
    /// Whether it is a jump: not a call and not a return.
    pub jumps: bool,
}
