//! Locks and atomics for state that threads share: `std`'s, or those of a model checker that tries every
//! interleaving.
//!
//! Code whose result depends on the order of threads (a key cache and its eviction, a replay window and a
//! forgery) uses these types and has a test called `model_...` that runs under `model`:
//!
//! ```text
//! RUSTFLAGS="--cfg sealmark_loom" cargo test --lib model
//! ```
//!
//! The switch has a name of its own because dependencies react to `--cfg loom`. Loom is a dependency of this
//! crate's tests only, and its types work only inside a model: with the switch on, run only tests of that
//! name. Use a separate target directory, or changing the switch rebuilds everything. Not here: plain
//! counters, such as metrics.

#[cfg(not(all(test, sealmark_loom)))]
pub use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[cfg(all(test, sealmark_loom))]
pub use loom::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Atomics, with the orderings.
pub mod atomic {
    #[cfg(not(all(test, sealmark_loom)))]
    pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

    #[cfg(all(test, sealmark_loom))]
    pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
}

/// Runs a test with threads: once on real threads, or under loom in every interleaving that can differ.
#[cfg(test)]
pub fn model(test: impl Fn() + Send + Sync + 'static) {
    #[cfg(sealmark_loom)]
    loom::model(test);
    #[cfg(not(sealmark_loom))]
    test();
}

/// Starts a thread in a [`model`].
#[cfg(test)]
pub fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> impl FnOnce() -> T {
    #[cfg(sealmark_loom)]
    let thread = loom::thread::spawn(run);
    #[cfg(not(sealmark_loom))]
    let thread = std::thread::spawn(run);
    move || thread.join().expect("a thread in a model does not panic")
}
