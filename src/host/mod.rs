//! Which CPU this is.
//!
//! A result belongs to a [`Host`]; its fingerprint says which results may be compared as "the same machine".

use serde::{Deserialize, Serialize};

/// The machine that a result was obtained on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Host {
    /// 16 hex digits over the members from `vendor` to `virtualised` except those marked otherwise.
    pub fingerprint: String,
    /// The CPU's own name for itself. Shown, not part of the fingerprint.
    pub cpu: String,
    /// `GenuineIntel`, `AuthenticAMD`, or what the operating system calls it.
    pub vendor: String,
    /// CPU family, as `cpuid` or the system numbers it.
    pub family: u32,
    /// CPU model.
    pub model: u32,
    /// CPU stepping.
    pub stepping: u32,
    /// CPU features that matter to AES-GCM and that `std` detects, sorted.
    pub features: Vec<String>,
    /// `linux`, `macos`, `windows`.
    pub os: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// Whether a hypervisor runs this system; `None` where that cannot be told.
    pub virtualised: Option<bool>,
    /// Cores that this process may use. Not part of the fingerprint.
    pub cores: usize,
    /// Kernel release. Not part of the fingerprint.
    pub kernel: Option<String>,
    /// Microcode revision. Not part of the fingerprint.
    pub microcode: Option<String>,
}
