//! Leaf locks: each is taken alone, held for a few lines, and released before any call to the outside.
//!
//! Debug builds count the locks that each thread holds: taking a second one panics, and so does
//! [`outside`], which stands before every hook, sender and publisher. Release builds and loom's models, whose
//! threads share one system thread, do not count. The locks are those of `host::sync`.

use std::ops::{Deref, DerefMut};

use crate::host::sync;

/// Why a poisoned lock cannot be: no code panics while it holds one.
const SOUND: &str = "no thread panics with this lock";

/// A mutex that must be the only lock that its thread holds.
#[derive(Default, Debug)]
pub struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    /// Locks it.
    ///
    /// # Panics
    /// In debug builds, if this thread holds another leaf lock.
    #[inline]
    pub fn lock(&self) -> Guard<sync::MutexGuard<'_, T>> {
        let held = Held::new();
        Guard { guard: self.0.lock().expect(SOUND), _held: held }
    }
}

/// A reader-writer lock that must be the only lock that its thread holds.
#[derive(Default, Debug)]
pub struct RwLock<T>(sync::RwLock<T>);

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub fn new(value: T) -> Self {
        Self(sync::RwLock::new(value))
    }

    /// Locks it for reading, together with other readers.
    ///
    /// # Panics
    /// In debug builds, if this thread holds another leaf lock.
    #[inline]
    pub fn read(&self) -> Guard<sync::RwLockReadGuard<'_, T>> {
        let held = Held::new();
        Guard { guard: self.0.read().expect(SOUND), _held: held }
    }

    /// Locks it for writing, alone.
    ///
    /// # Panics
    /// In debug builds, if this thread holds another leaf lock.
    #[inline]
    pub fn write(&self) -> Guard<sync::RwLockWriteGuard<'_, T>> {
        let held = Held::new();
        Guard { guard: self.0.write().expect(SOUND), _held: held }
    }
}

/// Access to what a lock protects, until dropped.
#[derive(Debug)]
pub struct Guard<G> {
    // Released before the count goes down.
    guard: G,
    _held: Held,
}

impl<G: Deref> Deref for Guard<G> {
    type Target = G::Target;

    #[inline]
    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Guard<G> {
    #[inline]
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

/// Asserts that this thread holds no leaf lock. It stands before every call of a hook, sender or publisher.
///
/// # Panics
/// In debug builds, if it holds one.
#[inline]
pub fn outside() {
    assert_eq!(held(), 0, "a call to the outside while a lock is held");
}

#[cfg(all(debug_assertions, not(all(test, sealmark_loom))))]
mod count {
    use std::cell::Cell;

    thread_local! {
        static HELD: Cell<u32> = const { Cell::new(0) };
    }

    /// One lock held by this thread.
    #[derive(Debug)]
    pub struct Held(());

    impl Held {
        pub fn new() -> Self {
            let before = HELD.get();
            assert_eq!(before, 0, "a leaf lock is taken while another is held");
            HELD.set(before + 1);
            Self(())
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            HELD.set(HELD.get() - 1);
        }
    }

    pub fn held() -> u32 {
        HELD.get()
    }
}

#[cfg(not(all(debug_assertions, not(all(test, sealmark_loom)))))]
mod count {
    /// Nothing: these builds do not count.
    #[derive(Debug)]
    pub struct Held(());

    impl Held {
        #[inline(always)]
        pub fn new() -> Self {
            Self(())
        }
    }

    #[inline(always)]
    pub fn held() -> u32 {
        0
    }
}

use count::{Held, held};

#[cfg(all(test, debug_assertions, not(sealmark_loom)))]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn panic_of(run: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let payload = catch_unwind(run).expect_err("it must panic");
        payload.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    #[test]
    fn a_second_lock_of_the_same_thread_is_found() {
        let said = panic_of(|| {
            let (a, b) = (Mutex::new(1), RwLock::new(2));
            let _a = a.lock();
            let _b = b.read();
        });
        assert!(said.contains("a leaf lock is taken while another is held"), "{said}");
        assert_eq!(held(), 0, "the count is right again");
    }

    #[test]
    fn a_call_to_the_outside_with_a_lock_is_found_and_one_without_is_fine() {
        let said = panic_of(|| {
            let lock = RwLock::new(1);
            let _guard = lock.write();
            outside();
        });
        assert!(said.contains("a call to the outside while a lock is held"), "{said}");
        let lock = Mutex::new(1);
        *lock.lock() += 1;
        outside();
        assert_eq!(*lock.lock(), 2);
    }

    #[test]
    fn locks_of_other_threads_do_not_count() {
        let lock = Mutex::new(1);
        let _guard = lock.lock();
        std::thread::scope(|scope| {
            scope.spawn(outside).join().expect("it does not panic");
        });
    }
}
