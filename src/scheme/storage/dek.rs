//! Data keys on their way into the keystore: no two ids may stand for one key.
//!
//! Nonces are kept apart by purpose and id, so that a key with two ids, or two purposes, would see one twice.
//! A compatible wrap binds neither (see [`kek`](super::kek)), so that two may hold the same key unnoticed;
//! the reference looks at the ids alone.

use std::collections::HashMap;

use super::{Dek, Error};
use crate::envelope::Keystore;
use crate::primitive::sha256;

/// Loads data keys, all of them or on an error none.
///
/// # Errors
/// [`Error::SameDek`]; as [`Keystore::insert_all`], which an id that is loaded with other bytes is left to.
pub(super) fn insert_distinct(keystore: &Keystore, deks: &[(u32, Dek)]) -> Result<(), Error> {
    // By their hashes, since there may be thousands: nothing can be told of a random key by its hash.
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
