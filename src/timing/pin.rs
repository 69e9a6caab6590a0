//! Keeping the measuring thread on one core, on Linux.
//!
//! A thread that migrates loses its caches and may land on a core with another clock rate. Other systems
//! offer no call that binds a thread, or only a hint; there the result states that the thread was not pinned.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use core_affinity::CoreId;

/// Whether this thread stays on one core.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pinning {
    /// It stays on this core.
    Core(usize),
    /// It may move, for this reason.
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

/// The cores available to the first thread that called this, before any thread was pinned: a pinned thread
/// sees only its own core, and so do the threads that it starts.
pub fn cores() -> &'static [CoreId] {
    static CORES: OnceLock<Vec<CoreId>> = OnceLock::new();
    CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default())
}

/// The number of threads that can run at once, determined at the first call, before any thread is pinned: one
/// for each of the [`cores`], or fewer if a CPU quota allows this process less. On Linux `std` reads both
/// versions of control groups and every ancestor group; a quota of 1.5 cores gives one thread.
pub fn parallelism() -> usize {
    static PARALLELISM: OnceLock<usize> = OnceLock::new();
    *PARALLELISM.get_or_init(|| bounded(cores().len(), std::thread::available_parallelism().ok()))
}

/// The smaller of two counts, either of which may be unknown; at least 1.
fn bounded(cores: usize, quota: Option<NonZeroUsize>) -> usize {
    let known = [NonZeroUsize::new(cores), quota];
    known.into_iter().flatten().min().map_or(1, usize::from)
}

/// Pins the calling thread to the last core that it may use; the first core handles most interrupts.
pub fn pin() -> Pinning {
    pin_to(0)
}

/// Pins the calling thread to a core that it may use: 0 is the last one, 1 the one before it, and so on,
/// wrapping around.
pub fn pin_to(nth: usize) -> Pinning {
    // Count before pinning: a pinned thread sees only one core.
    parallelism();
    if !cfg!(target_os = "linux") {
        return Pinning::Not("this system has no call that binds a thread to a core");
    }
    let Some(core) = cores().iter().rev().cycle().nth(nth).copied() else {
        return Pinning::Not("the system does not report which cores this thread may use");
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
    fn a_quota_bounds_the_threads_and_cores_bound_a_quota() {
        let quota = NonZeroUsize::new;
        for (cores, quota, threads) in
            [(8, quota(2), 2), (2, quota(8), 2), (4, None, 4), (0, quota(3), 3), (0, None, 1)]
        {
            assert_eq!(bounded(cores, quota), threads, "{cores} cores, {quota:?}");
        }
    }

    #[test]
    fn a_pinned_thread_does_not_hide_the_other_cores() {
        let before = parallelism();
        std::thread::spawn(move || {
            pin();
            assert_eq!(parallelism(), before);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_is_pinned_or_says_why_not() {
        let said = std::thread::spawn(|| pin().to_string()).join().unwrap();
        assert!(said.starts_with("pinned to core ") || said.starts_with("not pinned: "), "{said}");
    }
}
