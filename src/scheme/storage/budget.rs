//! How much a key may still seal in this process load: 2^32 values at most, a warning at nine tenths (spec §11).
//!
//! SP 800-38D asks for a bound on one key's use; elastickv's design proposes a rotation at 90 % and does not build it.
//! Counting costs the write path nothing: the nonce source counts already, and a key's use is what was issued since
//! it became active. Only what a client asks of this node is refused: a value or an entry of the replicated log is
//! sealed and counted in any case, or the cluster would halt, and the rotation that helps could not pass.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Error;

/// Values that one key may seal in one process load.
pub const LIMIT: u64 = 1 << 32;

/// How far the active key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Below nine tenths.
    Within,
    /// Rotate now: nine tenths are used.
    RotationDue,
    /// It seals nothing more that a client asks for.
    UsedUp,
}

/// The use of each key in this process load.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    key_id: AtomicU32,
    issued_before: AtomicU64,
    /// The use of the keys that were active before, by key.
    past: Mutex<BTreeMap<u32, u64>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl Budget {
    /// A budget of `limit` values for each key.
    pub const fn new(limit: u64) -> Self {
        let (key_id, issued_before) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { limit, key_id, issued_before, past: Mutex::new(BTreeMap::new()) }
    }

    /// That one more value may be sealed under the key, where so many nonces were issued.
    ///
    /// # Errors
    /// [`Error::KeyUsedUp`].
    #[inline]
    pub fn check(&self, key_id: u32, issued: u64) -> Result<(), Error> {
        let used =
            if self.key_id.load(Ordering::Acquire) == key_id { self.used(issued) } else { self.past(key_id) };
        if used >= self.limit { Err(Error::KeyUsedUp(key_id)) } else { Ok(()) }
    }

    /// Counts a value under the key, where so many nonces were issued with its own.
    ///
    /// Threads that see a new key at once may count a few values to the other one: the bound is not that sharp.
    #[inline]
    pub fn count(&self, key_id: u32, issued: u64) {
        if self.key_id.load(Ordering::Acquire) != key_id {
            self.turn_to(key_id, issued.saturating_sub(1));
        }
    }

    #[cold]
    fn past(&self, key_id: u32) -> u64 {
        self.past.lock().unwrap_or_else(PoisonError::into_inner).get(&key_id).copied().unwrap_or(0)
    }

    /// Counts under another key from here on, and from where it was left when it had been active before.
    #[cold]
    fn turn_to(&self, key_id: u32, issued: u64) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.key_id.load(Ordering::Acquire);
        if old == key_id {
            return;
        }
        if old != 0 {
            past.insert(old, self.used(issued));
        }
        let used = past.remove(&key_id).unwrap_or(0);
        self.issued_before.store(issued.saturating_sub(used), Ordering::Release);
        self.key_id.store(key_id, Ordering::Release);
    }

    /// Values sealed under the active key, of so many nonces issued.
    pub fn used(&self, issued: u64) -> u64 {
        issued.saturating_sub(self.issued_before.load(Ordering::Acquire))
    }

    /// Values sealed under each key, of so many nonces issued.
    pub fn writes(&self, issued: u64) -> BTreeMap<u32, u64> {
        let mut writes = self.past.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match self.key_id.load(Ordering::Acquire) {
            0 => {}
            key_id => drop(writes.insert(key_id, self.used(issued))),
        }
        writes
    }

    /// How far the active key is.
    pub fn state(&self, issued: u64) -> Use {
        let used = self.used(issued);
        if used >= self.limit {
            Use::UsedUp
        } else if used >= self.limit - self.limit / 10 {
            Use::RotationDue
        } else {
            Use::Within
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_at_nine_tenths_and_used_up_at_the_limit_and_the_next_begins_anew() {
        let budget = Budget::new(10);
        for issued in 1..=10 {
            assert_eq!(budget.state(issued - 1), if issued < 10 { Use::Within } else { Use::RotationDue });
            budget.check(7, issued - 1).unwrap();
            budget.count(7, issued);
        }
        assert_eq!(budget.state(10), Use::UsedUp);
        assert!(matches!(budget.check(7, 10), Err(Error::KeyUsedUp(7))));
        budget.count(7, 11);
        assert_eq!(budget.used(11), 11, "what is replicated is counted past the limit");
        budget.check(8, 11).unwrap();
        budget.count(8, 12);
        assert_eq!((budget.used(12), budget.state(12)), (1, Use::Within));
        assert_eq!(budget.writes(12), [(7, 11), (8, 1)].into());
        assert!(budget.check(7, 12).is_err(), "a key that comes back is as used as it was");
    }
}
