//! Locks and atomics of what several threads share: `std`'s, or those of a model that tries every
//! interleaving.
//!
//! What decides by the order of threads (a cache of keys against its eviction, a window against a forgery)
//! takes these and has a test called `model_...` that runs under `model`:
//!
//! ```text
//! RUSTFLAGS="--cfg sealmark_loom" cargo test --lib model
//! ```
//!
//! The switch is ours: dependencies read `--cfg loom` as well, and would change with it. Loom is there for
//! tests of this crate alone, and its types work nowhere but inside of a model: under the switch, run only
//! tests of that name. Use another target directory, or the switch rebuilds everything twice. Not here: what
//! only counts, such as metrics.

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

/// Runs a test of threads: once, on the system's, or under the model in every interleaving that can differ.
#[cfg(test)]
pub fn model(test: impl Fn() + Send + Sync + 'static) {
    #[cfg(sealmark_loom)]
    loom::model(test);
    #[cfg(not(sealmark_loom))]
    test();
}

/// Starts a thread of a [`model`].
#[cfg(test)]
pub fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> impl FnOnce() -> T {
    #[cfg(sealmark_loom)]
    let thread = loom::thread::spawn(run);
    #[cfg(not(sealmark_loom))]
    let thread = std::thread::spawn(run);
    move || thread.join().expect("the thread of a model does not panic")
}
