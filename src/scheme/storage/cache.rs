//! The keys' state for the write path, kept in memory: the active key, and whether it may be used.

use super::Sidecar;
use crate::host::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// State shared by a process's threads (spec §8, `StateCache`). It changes only after the sidecar is on disk.
#[derive(Default, Debug)]
pub struct StateCache {
    active_storage: AtomicU32,
    storage_active: AtomicBool,
    registered: AtomicU32,
}

impl StateCache {
    /// The state of a node that is registered under that sidecar's active key, for measurements and tests.
    pub fn of(sidecar: &Sidecar) -> Self {
        let cache = Self::default();
        cache.refresh(sidecar, true);
        cache
    }

    /// The active storage key, if there is one.
    #[inline]
    pub fn active_storage(&self) -> Option<u32> {
        match self.active_storage.load(Ordering::Acquire) {
            0 => None,
            key_id => Some(key_id),
        }
    }

    /// Whether new values are sealed.
    #[inline]
    pub fn storage_envelope_active(&self) -> bool {
        self.storage_active.load(Ordering::Acquire)
    }

    /// Whether this node is registered under the active storage key with this process's epoch.
    #[inline]
    pub fn registered(&self) -> bool {
        self.active_storage().is_some_and(|key_id| self.registered.load(Ordering::Acquire) == key_id)
    }

    /// Takes over the sidecar's state. The key is stored last, so a thread that sees the key also sees the
    /// rest.
    pub(super) fn refresh(&self, sidecar: &Sidecar, registered: bool) {
        self.registered.store(if registered { sidecar.active_storage } else { 0 }, Ordering::Release);
        self.storage_active.store(sidecar.storage_envelope_active, Ordering::Release);
        self.active_storage.store(sidecar.active_storage, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sync::{Arc, model, spawn};

    #[test]
    fn a_rotation_clears_the_registration_until_the_new_key_is_registered() {
        let cache = StateCache::default();
        assert!(!cache.registered() && cache.active_storage().is_none());
        let at = |active_storage| Sidecar { active_storage, ..Sidecar::default() };
        cache.refresh(&at(5), true);
        assert!(cache.registered() && cache.active_storage() == Some(5));
        cache.refresh(&at(6), false);
        assert!(!cache.registered() && cache.active_storage() == Some(6));
    }

    /// A rotation with its registration and a concurrent writer, in every interleaving, under
    /// `--cfg sealmark_loom`.
    #[test]
    fn model_a_writer_that_sees_the_new_key_sees_the_cut_over_and_no_registration_of_the_old() {
        model(|| {
            let at = |active_storage, cut_over| Sidecar {
                active_storage,
                storage_envelope_active: cut_over,
                ..Sidecar::default()
            };
            let cache = Arc::new(StateCache::of(&at(5, false)));
            let rotating = {
                let cache = Arc::clone(&cache);
                spawn(move || cache.refresh(&at(6, true), false))
            };
            match cache.active_storage() {
                Some(5) => {}
                Some(6) => assert!(cache.storage_envelope_active() && !cache.registered()),
                other => panic!("the active key is {other:?}"),
            }
            rotating();
            assert!(!cache.registered() && cache.active_storage() == Some(6));
        });
    }
}
