//! Stored values and a sidecar of many keys, in memory, so that the time is that of this crate and not of a
//! storage medium.

use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aead::{Aead, Alg, NONCE_LEN, Tag};
use crate::engine::Engine;
use crate::envelope::keystore::DEK_LEN;
use crate::envelope::{Cipher, Keystore, NonceSource};
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::{Slots, stride};
use crate::measure::workload::fixture::reference::reference;
use crate::scheme::storage::{
    self, Budget, LocalKek, Purpose, SEALED_OVERHEAD, Sealer, Sidecar, StateCache, sidecar,
};

/// The subject of the kinds of this folder.
pub(in crate::measure) const SUBJECT: &str = "storage";

/// The error for the scheme's refusal while a workload was prepared.
pub(in crate::measure) fn refused(error: storage::Error) -> Error {
    Error::Scheme { scheme: SUBJECT.into(), refusal: Box::new(error) }
}

/// The id of the key for values.
pub(in crate::measure) const VALUE_KEY_ID: u32 = 7;
/// The store key of every value.
pub(in crate::measure) const USER_KEY: &[u8; 16] = b"user/0123456789a";
/// The timestamp of every value.
pub(in crate::measure) const COMMIT_TS: u64 = 1 << 40;

fn cipher(engine: &'static dyn Engine) -> Result<Cipher, Error> {
    let keystore = Keystore::new(engine);
    keystore.set(VALUE_KEY_ID, &[0x42; 32])?;
    Ok(Arc::new(keystore).into())
}

/// Messages, and the stored values around them.
pub(in crate::measure) struct Values {
    pub sealer: Sealer,
    pub other: Cipher,
    pub plain: Slots,
    pub stored: Slots,
    pub refused: usize,
}

impl Values {
    pub fn new(engine: &'static dyn Engine, bytes: usize, count: usize) -> Result<Self, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(bytes as u64);
        let mut plain = Slots::new(count, bytes);
        plain.iter_mut().for_each(|slot| rng.fill_bytes(slot));
        let cache = Arc::new(StateCache::of(&Sidecar {
            active_storage: VALUE_KEY_ID,
            storage_envelope_active: true,
            ..Sidecar::default()
        }));
        let nonces = Arc::new(NonceSource::new(1, 1));
        Ok(Self {
            sealer: Sealer::new(cipher(engine)?, nonces, cache, Arc::<Budget>::default()),
            other: cipher(reference(engine, Alg::Aes256Gcm))?,
            plain,
            stored: Slots::new(count, bytes + SEALED_OVERHEAD),
            refused: 0,
        })
    }

    pub fn count(&self) -> u64 {
        self.plain.iter().count() as u64
    }
}

/// Bytes of a message and the stored value beside it.
pub(in crate::measure) fn slot_len(workload: &Workload) -> usize {
    stride(workload.bytes) + stride(workload.bytes + SEALED_OVERHEAD)
}

/// The sidecar's file.
pub(in crate::measure) const FILE: &str = "/data/keys.json";
/// The node.
pub(in crate::measure) const NODE: u64 = 7;
/// The purpose of the keys.
pub(in crate::measure) const PURPOSE: Purpose = Purpose::Storage;

fn dek(key_id: u32) -> [u8; DEK_LEN] {
    let mut dek = [0x42; DEK_LEN];
    dek[..4].copy_from_slice(&key_id.to_be_bytes());
    dek
}

/// The key that wraps the other keys.
pub(in crate::measure) fn kek() -> Result<Arc<LocalKek>, Error> {
    LocalKek::new(&[0x4b; 32]).map(Arc::new).map_err(refused)
}

/// The key of that id, wrapped.
pub(in crate::measure) fn wrapped(kek: &LocalKek, key_id: u32) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE_LEN];
    nonce[..4].copy_from_slice(&key_id.to_be_bytes());
    kek.wrap_with(&nonce, PURPOSE, key_id, &dek(key_id)).map_err(refused)
}

/// A sidecar of the keys 1 to `keys`, the last of them active.
pub(in crate::measure) fn sidecar_of(kek: &LocalKek, keys: u32) -> Result<Sidecar, Error> {
    let entry = |key_id: u32| {
        let (wrapped, created) = (wrapped(kek, key_id)?, "2026-06-01T12:00:00Z".to_owned());
        let entry = sidecar::Entry { purpose: PURPOSE, wrapped, created, local_epoch: 0 };
        Ok((key_id.to_string(), entry))
    };
    let keys_by_name = (1..=keys).map(entry).collect::<Result<_, Error>>()?;
    Ok(Sidecar { active_storage: keys, raft_applied_index: 1, keys: keys_by_name, ..Sidecar::default() })
}

/// Checks that the keystore has the keys 1 to `last`, and that each seals as another engine does.
pub(in crate::measure) fn all_loaded(
    keystore: &Keystore,
    last: u32,
    other: &dyn Engine,
) -> Result<(), String> {
    if !keystore.ids().into_iter().eq(1..=last) {
        return Err(format!("{} keys are loaded, not those from 1 to {last}", keystore.len()));
    }
    let keys = keystore.keys();
    let tag = |key: &dyn Aead| {
        let mut tag = Tag::default();
        key.seal(&[1; NONCE_LEN], b"", &mut [], &mut tag).map_err(|error| error.to_string())?;
        Ok::<_, String>(tag.0)
    };
    for key_id in 1..=last {
        let expected = other.key(Alg::Aes256Gcm, &dek(key_id)).map_err(|error| error.to_string())?;
        if tag(keys.find(key_id).map_err(|error| error.to_string())?)? != tag(&*expected)? {
            return Err(format!("key {key_id} is another"));
        }
    }
    Ok(())
}
