//! Keeping the measuring thread on one core, on Linux.
//!
//! A thread that moves loses its caches and may meet a core at another speed. Elsewhere the system offers no
//! binding call, or only a hint, and the result says that it was not pinned.

use std::fmt;
use std::sync::OnceLock;

use core_affinity::CoreId;

/// Whether this thread stays on one core.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pinning {
    /// It does: on this one.
    Core(usize),
    /// It may move, and why.
    Not(&'static str),
}

impl fmt::Display for Pinning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core(core) => write!(f, "pinned to core {core}"),
            Self::Not(why) => write!(f, "not pinned: {why}"),
        }
    }
}

/// The cores that the first thread that asked could use, which is before any is pinned: a pinned thread sees its own
/// alone, and so do the threads that it starts.
pub fn cores() -> &'static [CoreId] {
    static CORES: OnceLock<Vec<CoreId>> = OnceLock::new();
    CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default())
}

/// Pins the calling thread to the last core that it may use; the first serves most interrupts.
pub fn pin() -> Pinning {
    pin_to(0)
}

/// Pins the calling thread to a core that it may use: 0 is the last one, 1 the one before it, and so on, round and
/// round.
pub fn pin_to(nth: usize) -> Pinning {
    if !cfg!(target_os = "linux") {
        return Pinning::Not("this system has no call that binds a thread to a core");
    }
    let Some(core) = cores().iter().rev().cycle().nth(nth).copied() else {
        return Pinning::Not("the system does not say which cores this thread may use");
    };
    if core_affinity::set_for_current(core) {
        Pinning::Core(core.id)
    } else {
        Pinning::Not("the system refused")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_or_says_why_not() {
        let said = std::thread::spawn(|| pin().to_string()).join().unwrap();
        assert!(said.starts_with("pinned to core ") || said.starts_with("not pinned: "), "{said}");
    }
}
