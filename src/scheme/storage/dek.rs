//! Loads data keys into the keystore and refuses two ids for one key.
//!
//! Nonces are kept apart by purpose and id, so a key with two ids or two purposes would see a nonce twice. A
//! compatible wrap binds neither (see [`kek`](super::kek)), so two wraps can hold the same key unnoticed; the
//! reference compares only ids.

use std::collections::HashMap;

use super::{Dek, Error};
use crate::envelope::Keystore;
use crate::primitive::sha256;

/// Loads data keys: all of them, or none if there is an error.
///
/// # Errors
/// [`Error::SameDek`]; those of [`Keystore::insert_all`], which also refuses an id that is already loaded
/// with other bytes.
pub(super) fn insert_distinct(keystore: &Keystore, deks: &[(u32, Dek)]) -> Result<(), Error> {
    // Compared by hash, since there may be thousands. The hash of a random key reveals nothing about it.
    let mut brought = HashMap::<[u8; 32], u32>::new();
    let loaded = keystore.keys();
    for (key_id, dek) in deks {
        let other = *brought.entry(sha256::digest(&dek[..])).or_insert(*key_id);
        let conflicts = loaded.holds(*key_id, dek) == Some(false);
        let twin = if other == *key_id { loaded.twin(*key_id, dek) } else { Some(other) };
        if let Some(twin) = twin.filter(|_| !conflicts) {
            return Err(Error::SameDek(twin, *key_id));
        }
    }
    let deks: Vec<(u32, &[u8])> = deks.iter().map(|(key_id, dek)| (*key_id, &dek[..])).collect();
    Ok(keystore.insert_all(&deks)?)
}
