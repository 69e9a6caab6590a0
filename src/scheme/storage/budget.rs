//! How much a key may still seal in this process load: 2^32 values at most, a warning at nine tenths (spec §11).
//!
//! SP 800-38D asks for a bound on one key's use; elastickv's design proposes a rotation at 90 % and does not build it.
//! Counting costs the write path nothing: the nonce source counts already, and a key's use is what was issued since
//! it became active.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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
    /// Nothing more is sealed under it.
    UsedUp,
}

/// The use of the active key.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    key_id: AtomicU32,
    issued_before: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl Budget {
    /// A budget of `limit` values for each key.
    pub const fn new(limit: u64) -> Self {
        Self { limit, key_id: AtomicU32::new(0), issued_before: AtomicU64::new(0) }
    }

    /// Counts from here when the key is another than before; that a value may be sealed under it.
    ///
    /// Two threads that see a new key at once may begin its count a few values apart: the bound is not that sharp.
    ///
    /// # Errors
    /// [`Error::KeyUsedUp`].
    #[inline]
    pub fn check(&self, key_id: u32, issued: u64) -> Result<(), Error> {
        if self.key_id.load(Ordering::Acquire) != key_id {
            self.issued_before.store(issued.saturating_sub(1), Ordering::Release);
            self.key_id.store(key_id, Ordering::Release);
        }
        if self.used(issued) > self.limit { Err(Error::KeyUsedUp(key_id)) } else { Ok(()) }
    }

    /// Values sealed under the active key, of so many nonces issued.
    pub fn used(&self, issued: u64) -> u64 {
        issued.saturating_sub(self.issued_before.load(Ordering::Acquire))
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
            budget.check(7, issued).unwrap();
        }
        assert_eq!(budget.state(10), Use::UsedUp);
        assert!(matches!(budget.check(7, 11), Err(Error::KeyUsedUp(7))));
        budget.check(8, 12).unwrap();
        assert_eq!((budget.used(12), budget.state(12)), (1, Use::Within));
    }
}
