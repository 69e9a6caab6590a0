//! The keys in memory, and the marks of those that are gone.
//!
//! A resolver reads a round's record, unwraps the key and puts it here. If the round is purged in the
//! meantime, the key must not come back: eviction leaves a mark, and insertion looks for it under the same
//! lock. Keys are used under the lock and never handed out, so once [`KeyCache::evict`] returns, nobody
//! holds the key. Not here: records on disk.

use std::collections::{HashMap, HashSet};

use super::RoundId;
use crate::host::sync::RwLock;

/// The keys of active rounds. The type of the keys is a parameter only for the model of the locks.
pub struct KeyCache<K> {
    inner: RwLock<Inner<K>>,
}

struct Inner<K> {
    keys: HashMap<RoundId, K>,
    gone: HashSet<RoundId>,
}

/// Why the cache does not use a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absent {
    /// It is not here; its record may be.
    Unknown,
    /// It was evicted for good.
    Gone,
}

impl<K> Default for KeyCache<K> {
    fn default() -> Self {
        Self { inner: RwLock::new(Inner { keys: HashMap::new(), gone: HashSet::new() }) }
    }
}

impl<K> KeyCache<K> {
    /// Uses the round's key.
    ///
    /// # Errors
    /// Why there is none.
    pub fn with<T>(&self, round: &RoundId, use_key: impl FnOnce(&K) -> T) -> Result<T, Absent> {
        let inner = self.inner.read().expect("no thread panics with this lock");
        match inner.keys.get(round) {
            Some(key) => Ok(use_key(key)),
            None if inner.gone.contains(round) => Err(Absent::Gone),
            None => Err(Absent::Unknown),
        }
    }

    /// Whether there is a key, or why not.
    ///
    /// # Errors
    /// As for [`Self::with`].
    pub fn look(&self, round: &RoundId) -> Result<(), Absent> {
        self.with(round, |_| ())
    }

    /// Puts a key here; a key that is already here stays. False if the round's key is gone: the new one is
    /// then dropped.
    #[must_use]
    pub fn insert(&self, round: &RoundId, key: K) -> bool {
        let mut inner = self.inner.write().expect("no thread panics with this lock");
        if inner.gone.contains(round) {
            return false;
        }
        inner.keys.entry(round.clone()).or_insert(key);
        true
    }

    /// Drops the round's key for good, after the calls that use it have ended.
    pub fn evict(&self, round: &RoundId) {
        let mut inner = self.inner.write().expect("no thread panics with this lock");
        inner.gone.insert(round.clone());
        inner.keys.remove(round);
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.inner.read().expect("no thread panics with this lock").keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K> std::fmt::Debug for KeyCache<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyCache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sync::atomic::{AtomicBool, Ordering};
    use crate::host::sync::{Arc, model, spawn};
    use crate::scheme::ephemeral::testing::round;

    #[test]
    fn an_evicted_key_is_gone_and_does_not_come_back() {
        let cache = KeyCache::default();
        assert_eq!(cache.look(&round(1)), Err(Absent::Unknown));
        assert!(cache.insert(&round(1), 7) && cache.insert(&round(1), 8));
        assert_eq!(cache.with(&round(1), |key| *key), Ok(7), "the first key stays");
        cache.evict(&round(1));
        assert_eq!(cache.look(&round(1)), Err(Absent::Gone));
        assert!(!cache.insert(&round(1), 9));
        assert_eq!((cache.look(&round(1)), cache.len()), (Err(Absent::Gone), 0));
        assert!(cache.insert(&round(2), 9), "another round is not affected");
    }

    /// A purge and a resolver that read the record before it was erased, in every interleaving under `--cfg
    /// sealmark_loom`.
    #[test]
    fn model_a_resolver_that_raced_with_the_purge_does_not_bring_the_key_back() {
        model(|| {
            let (cache, record) = (Arc::new(KeyCache::default()), Arc::new(AtomicBool::new(true)));
            let resolver = {
                let (cache, record) = (Arc::clone(&cache), Arc::clone(&record));
                spawn(move || {
                    let absent = cache.look(&round(1)) == Err(Absent::Unknown);
                    absent && record.load(Ordering::Acquire) && cache.insert(&round(1), 7)
                })
            };
            record.store(false, Ordering::Release);
            cache.evict(&round(1));
            assert_eq!(cache.look(&round(1)), Err(Absent::Gone));
            let inserted = resolver();
            assert_eq!((cache.look(&round(1)), cache.len()), (Err(Absent::Gone), 0), "inserted: {inserted}");
        });
    }

    /// A user and an eviction: once the eviction has returned, no use of the key begins.
    #[test]
    fn model_no_use_of_a_key_begins_after_its_eviction() {
        model(|| {
            let (cache, evicted) = (Arc::new(KeyCache::default()), Arc::new(AtomicBool::new(false)));
            assert!(cache.insert(&round(1), 7));
            let user = {
                let (cache, evicted) = (Arc::clone(&cache), Arc::clone(&evicted));
                spawn(move || cache.with(&round(1), |_| evicted.load(Ordering::Acquire)))
            };
            cache.evict(&round(1));
            evicted.store(true, Ordering::Release);
            assert_ne!(user(), Ok(true), "the key was used after its eviction");
        });
    }
}
