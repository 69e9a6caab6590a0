//! The loaded data keys: a map from key id to key object, wait-free for readers, copied by writers.
//!
//! Follows elastickv `internal/encryption/keystore.go`. Once set, a key keeps its bytes until it is deleted.
//! Not here: the purpose of a key (storage or raft).

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Error;
use crate::aead::{Aead, Alg};
use crate::engine::Engine;

/// Bytes in a data key.
pub const DEK_LEN: usize = 32;

/// AES-256-GCM data keys by id. Readers take a snapshot with one load. A writer copies the map, changes the
/// copy and publishes it, and starts again if another writer was faster.
pub struct Keystore {
    engine: &'static dyn Engine,
    map: ArcSwap<Map>,
}

type Map = HashMap<u32, Arc<Entry>, BuildHasherDefault<IdHasher>>;

/// On its own cache line: a writer that copies the map increments every entry's reference count, and must not
/// invalidate the line from which readers load the key.
#[repr(align(64))]
struct Entry {
    dek: Zeroizing<[u8; DEK_LEN]>,
    aead: Box<dyn Aead>,
}

impl Entry {
    /// Copies the key directly to the heap, so that no copy is left on the stack.
    fn shared(dek: &[u8; DEK_LEN], aead: Box<dyn Aead>) -> Arc<Self> {
        let mut entry = Arc::new(Self { dek: Zeroizing::new([0; DEK_LEN]), aead });
        Arc::get_mut(&mut entry).expect("nothing else holds it yet").dek.copy_from_slice(dek);
        entry
    }
}

/// The keys as they were when [`Keystore::keys`] was called. Hold it for one call or batch, no longer: keys
/// deleted in the meantime stay in memory until it is dropped.
pub struct Keys(Guard<Arc<Map>>);

impl Keys {
    /// The key object with this id.
    ///
    /// # Errors
    /// [`Error::ReservedKeyId`] for 0, [`Error::UnknownKeyId`] if none is loaded.
    #[inline]
    pub fn find(&self, key_id: u32) -> Result<&dyn Aead, Error> {
        if key_id == 0 {
            return Err(Error::ReservedKeyId);
        }
        self.0.get(&key_id).map(|entry| &*entry.aead).ok_or(Error::UnknownKeyId(key_id))
    }

    /// The data key with this id, for wrapping; the caller must wipe any copy.
    pub fn dek(&self, key_id: u32) -> Option<&[u8; DEK_LEN]> {
        self.0.get(&key_id).map(|entry| &*entry.dek)
    }

    /// Whether the key with this id has these bytes; `None` if none is loaded. Compared in constant time.
    pub fn holds(&self, key_id: u32, dek: &[u8; DEK_LEN]) -> Option<bool> {
        self.0.get(&key_id).map(|entry| entry.dek.ct_eq(dek).into())
    }

    /// The lowest other id whose key has these bytes. Every comparison is constant-time.
    pub fn twin(&self, key_id: u32, dek: &[u8; DEK_LEN]) -> Option<u32> {
        let same = self.0.iter().filter(|(id, entry)| **id != key_id && entry.dek.ct_eq(dek).into());
        same.map(|(id, _)| *id).min()
    }

    /// The ids, sorted.
    pub fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<_> = self.0.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Keystore {
    /// An empty keystore whose keys this engine creates.
    pub fn new(engine: &'static dyn Engine) -> Self {
        Self { engine, map: ArcSwap::from_pointee(Map::default()) }
    }

    /// A snapshot of the keys: one load, wait-free, without allocation except in a thread's first call.
    #[inline]
    pub fn keys(&self) -> Keys {
        Keys(self.map.load())
    }

    /// Loads a data key. Loading the same bytes under the same id again succeeds and changes nothing.
    ///
    /// # Errors
    /// In this order: [`Error::ReservedKeyId`], [`Error::BadKeySize`], [`Error::KeyConflict`],
    /// [`Error::Aead`] if the engine cannot create the key.
    pub fn set(&self, key_id: u32, dek: &[u8]) -> Result<(), Error> {
        self.insert_all(&[(key_id, dek)])
    }

    /// Loads several data keys, published together: all of them, or none on an error.
    ///
    /// # Errors
    /// As for [`set`](Self::set), from the first key that is refused.
    pub fn insert_all(&self, keys: &[(u32, &[u8])]) -> Result<(), Error> {
        // Kept across retries, because expanding a key is the expensive part.
        let mut made = Map::default();
        loop {
            let current = self.map.load();
            let mut next = Map::clone(&current);
            for &(key_id, dek) in keys {
                if key_id == 0 {
                    return Err(Error::ReservedKeyId);
                }
                let dek: &[u8; DEK_LEN] = dek.try_into().map_err(|_| Error::BadKeySize)?;
                if let Some(loaded) = next.get(&key_id) {
                    if !bool::from(loaded.dek.ct_eq(dek)) {
                        return Err(Error::KeyConflict(key_id));
                    }
                    continue;
                }
                let entry = match made.entry(key_id) {
                    Slot::Occupied(slot) => Arc::clone(slot.get()),
                    Slot::Vacant(slot) => {
                        let aead = self.engine.key(Alg::Aes256Gcm, dek)?;
                        Arc::clone(slot.insert(Entry::shared(dek, aead)))
                    }
                };
                next.insert(key_id, entry);
            }
            if next.len() == current.len() || self.publish(&current, next) {
                return Ok(());
            }
        }
    }

    /// Deletes a key, if it is loaded. Its id may then be set to other bytes.
    pub fn delete(&self, key_id: u32) {
        loop {
            let current = self.map.load();
            if !current.contains_key(&key_id) {
                return;
            }
            let mut next = Map::clone(&current);
            next.remove(&key_id);
            if self.publish(&current, next) {
                return;
            }
        }
    }

    /// The ids, sorted.
    pub fn ids(&self) -> Vec<u32> {
        self.keys().ids()
    }

    /// The number of loaded keys.
    pub fn len(&self) -> usize {
        self.keys().len()
    }

    /// Whether no key is loaded.
    pub fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    /// Replaces `current` with `next`; returns false if another writer changed it first.
    fn publish(&self, current: &Guard<Arc<Map>>, next: Map) -> bool {
        let before = self.map.compare_and_swap(current, Arc::new(next));
        Arc::ptr_eq(&before, current)
    }
}

impl fmt::Debug for Keystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystore").field("engine", &self.engine.name()).field("ids", &self.ids()).finish()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("ids", &self.ids()).finish()
    }
}

/// Spreads a key id over 64 bits. Ids come from the cluster's own log, so nobody can choose them to collide,
/// and the standard hasher would cost more than the rest of a lookup.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    #[inline]
    fn write_u32(&mut self, id: u32) {
        let product = (u64::from(id) ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    fn store() -> Keystore {
        Keystore::new(engine::find("sealmark").unwrap())
    }

    #[test]
    fn set_checks_the_id_then_the_size_then_the_bytes() {
        let store = store();
        assert_eq!(store.set(0, &[1; 5]), Err(Error::ReservedKeyId));
        assert_eq!(store.set(9, &[1; 31]), Err(Error::BadKeySize));
        assert_eq!(store.set(9, &[1; 33]), Err(Error::BadKeySize));
        assert_eq!(store.set(9, &[1; 32]), Ok(()));
        assert_eq!(store.set(9, &[1; 32]), Ok(()));
        assert_eq!(store.set(9, &[2; 32]), Err(Error::KeyConflict(9)));
        assert_eq!(store.keys().dek(9), Some(&[1; 32]));
        assert_eq!(store.keys().find(8).err(), Some(Error::UnknownKeyId(8)));
        assert_eq!(store.keys().find(0).err(), Some(Error::ReservedKeyId));
        assert!(store.keys().find(9).is_ok());
    }

    #[test]
    fn a_deleted_id_is_free_for_other_bytes() {
        let store = store();
        store.delete(7);
        for (id, byte) in [(7, 1), (u32::MAX, 2), (3, 3)] {
            store.set(id, &[byte; 32]).unwrap();
        }
        assert_eq!(store.ids(), [3, 7, u32::MAX]);
        let before = store.keys();
        store.delete(7);
        assert_eq!((store.len(), before.len()), (2, 3));
        assert_eq!(store.set(7, &[9; 32]), Ok(()));
        assert_eq!(before.dek(7), Some(&[1; 32]));
        assert_eq!(store.keys().dek(7), Some(&[9; 32]));
    }

    #[test]
    fn a_refused_batch_loads_nothing() {
        let store = store();
        let (a, b) = ([1; 32], [2; 32]);
        assert_eq!(store.insert_all(&[(1, &a), (2, &b), (1, &b)]), Err(Error::KeyConflict(1)));
        assert_eq!(store.insert_all(&[(1, &a), (0, &b)]), Err(Error::ReservedKeyId));
        assert!(store.is_empty());
        assert_eq!(store.insert_all(&[(1, &a), (2, &b), (1, &a)]), Ok(()));
        assert_eq!(store.ids(), [1, 2]);
    }

    #[test]
    fn debug_shows_ids_and_no_key_bytes() {
        let store = store();
        store.set(5, &[0xab; 32]).unwrap();
        assert_eq!(format!("{store:?}"), r#"Keystore { engine: "sealmark", ids: [5] }"#);
        assert_eq!(format!("{:?}", store.keys()), "Keys { ids: [5] }");
    }
}
