//! `keystore/lookup`: finding the key of a record among a hundred.
//!
//! Each operation stores the address of the key with its own id; a reset stores no address.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aead::{Aead, Alg, NONCE_LEN, Tag};
use crate::engine::Engine;
use crate::envelope::Keystore;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::timing::Timed;

/// Finds a key by its number.
pub(super) struct Lookup;

impl Kind for Lookup {
    fn name(&self) -> &'static str {
        "lookup"
    }

    fn subject(&self) -> Subject {
        Subject::Part("keystore")
    }

    fn prepare(
        &self,
        _: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(Lookups::new(engine, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }
}

/// Bytes of a key.
pub(super) const DEK_LEN: usize = Alg::Aes256Gcm.key_len();
/// The number of keys in the store.
const KEYS: u32 = 100;

/// Lookups of keys in one store.
pub(super) struct Lookups {
    pub keystore: Arc<Keystore>,
    other: &'static dyn Engine,
    ids: Vec<u32>,
    /// The address of each key that was found; 0 for none.
    found: Vec<usize>,
}

/// The address of a key, which distinguishes it from every other key of a keystore.
fn address(key: &dyn Aead) -> usize {
    std::ptr::from_ref(key).cast::<()>().addr()
}

/// The bytes of the key of that id.
pub(super) fn dek(id: u32) -> [u8; DEK_LEN] {
    let mut dek = [0x42; DEK_LEN];
    dek[..4].copy_from_slice(&id.to_be_bytes());
    dek
}

impl Lookups {
    /// `count` lookups of one key among a hundred, each with its own view of the store.
    pub fn new(engine: &'static dyn Engine, count: usize) -> Result<Self, Error> {
        let keystore = Arc::new(Keystore::new(engine));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let all: Vec<u32> = (0..KEYS).map(|_| rng.next_u32() | 1).collect();
        let deks: Vec<_> = all.iter().map(|&id| dek(id)).collect();
        keystore.insert_all(&all.iter().zip(&deks).map(|(&id, dek)| (id, &dek[..])).collect::<Vec<_>>())?;
        let ids = (0..count).map(|_| all[rng.next_u32() as usize % all.len()]).collect();
        let (other, found) = (reference(engine, Alg::Aes256Gcm), vec![0; count]);
        Ok(Self { keystore, other, ids, found })
    }
}

impl Timed for Lookups {
    fn reset(&mut self) {
        self.found.fill(0);
    }

    fn run(&mut self) {
        for (&id, found) in self.ids.iter().zip(&mut self.found) {
            let keys = black_box(&self.keystore).keys();
            *found = black_box(keys.find(black_box(id))).map_or(0, address);
        }
        black_box(&self.found);
    }

    fn count(&self) -> u64 {
        self.ids.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        let tag = |key: &dyn Aead| {
            let mut tag = Tag::default();
            key.seal(&[1; NONCE_LEN], b"", &mut [], &mut tag).map_err(|e| e.to_string())?;
            Ok::<_, String>(tag.0)
        };
        let keys = self.keystore.keys();
        let mut right = BTreeMap::new();
        for (i, (&id, &found)) in self.ids.iter().zip(&self.found).enumerate() {
            let expected = match right.get(&id) {
                Some(&address) => address,
                None => {
                    let key = keys.find(id).map_err(|e| e.to_string())?;
                    let other = self.other.key(Alg::Aes256Gcm, &dek(id)).map_err(|e| e.to_string())?;
                    if tag(key)? != tag(&*other)? {
                        return Err(format!("the key of id {id} is another"));
                    }
                    right.insert(id, address(key));
                    address(key)
                }
            };
            if found != expected {
                return Err(format!("lookup {i} did not find the key of id {id}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, pass, removed};

    #[test]
    fn lookups_are_counted_and_right() {
        let mut lookups = Lookups::new(find("sealmark").unwrap(), 10).unwrap();
        assert_eq!(lookups.count(), 10);
        lookups.reset();
        assert!(lookups.check().is_err_and(|why| why.contains("lookup 0 did not find")), "not run yet");
        assert_eq!(pass(&mut lookups), Ok(()));
        assert_eq!(pass(&mut lookups), Ok(()));
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        let mut lookups = Lookups::new(find("sealmark").unwrap(), 4).unwrap();
        assert_eq!(pass(&mut lookups), Ok(()));
        for left in removed(&lookups.found.clone(), &0) {
            lookups.found = left;
            assert!(lookups.check().is_err_and(|why| why.contains("did not find")), "{:?}", lookups.found);
        }
    }

    #[test]
    fn a_keystore_whose_engine_makes_wrong_keys_is_caught() {
        let mut wrong = Lookups::new(Broken::with(Fault::FlipsTag), 3).unwrap();
        assert!(pass(&mut wrong).is_err_and(|why| why.ends_with("is another")));
    }
}
