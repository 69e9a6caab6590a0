//! Batches over a sidecar of many keys: loading them all, as a node does that starts, and rotating to one more.
//!
//! The disk and the registry are in memory, so that what is timed is this crate's work and not a medium's. A rotation's
//! entry comes encoded, as out of the log; the first adds to as many keys as the workload says.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use crate::aead::{Aead, Alg, NONCE_LEN, Tag};
use crate::disk::{Disk, Memory, Recorder, Store};
use crate::engine::Engine;
use crate::envelope::Keystore;
use crate::envelope::keystore::DEK_LEN;
use crate::measure::Error;
use crate::measure::workload::fixture::reference::reference;
use crate::scheme::storage::applier::{Applier, Identity, Keys};
use crate::scheme::storage::load::hydrate;
use crate::scheme::storage::wire::{Entry, Registration, Rotation, Subtag};
use crate::scheme::storage::{LocalKek, Purpose, Sidecar, SidecarFile, sidecar};
use crate::timing::Timed;

const FILE: &str = "/data/keys.json";
const NODE: u64 = 7;
const PURPOSE: Purpose = Purpose::Storage;

fn dek(key_id: u32) -> [u8; DEK_LEN] {
    let mut dek = [0x42; DEK_LEN];
    dek[..4].copy_from_slice(&key_id.to_be_bytes());
    dek
}

fn kek() -> Result<Arc<LocalKek>, Error> {
    Ok(Arc::new(LocalKek::new(&[0x4b; 32])?))
}

fn wrapped(kek: &LocalKek, key_id: u32) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE_LEN];
    nonce[..4].copy_from_slice(&key_id.to_be_bytes());
    Ok(kek.wrap_with(&nonce, PURPOSE, key_id, &dek(key_id))?)
}

/// A sidecar of the keys 1 to `keys`, the last of them active.
fn sidecar_of(kek: &LocalKek, keys: u32) -> Result<Sidecar, Error> {
    let entry = |key_id: u32| {
        let (wrapped, created) = (wrapped(kek, key_id)?, "2026-06-01T12:00:00Z".to_owned());
        let entry = sidecar::Entry { purpose: PURPOSE, wrapped, created, local_epoch: 0 };
        Ok((key_id.to_string(), entry))
    };
    let keys_by_name = (1..=keys).map(entry).collect::<Result<_, Error>>()?;
    Ok(Sidecar { active_storage: keys, raft_applied_index: 1, keys: keys_by_name, ..Sidecar::default() })
}

/// That the keystore has the keys 1 to `last`, and that each seals as another engine's does.
fn all_loaded(keystore: &Keystore, last: u32, other: &dyn Engine) -> Result<(), String> {
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

struct Hydrates {
    engine: &'static dyn Engine,
    kek: Arc<LocalKek>,
    sidecar: Sidecar,
    loaded: Vec<Keystore>,
    count: usize,
    refused: usize,
}

/// `count` times all of so many keys are unwrapped and loaded.
pub(in crate::measure) fn hydrates(
    engine: &'static dyn Engine,
    keys: u32,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    let kek = kek()?;
    let sidecar = sidecar_of(&kek, keys)?;
    Ok(Box::new(Hydrates { engine, kek, sidecar, loaded: Vec::with_capacity(count), count, refused: 0 }))
}

impl Timed for Hydrates {
    fn reset(&mut self) {
        self.loaded.clear();
    }

    fn run(&mut self) {
        for _ in 0..self.count {
            let keystore = Keystore::new(self.engine);
            let done = hydrate(black_box(&self.sidecar), &*self.kek, &keystore);
            self.refused += usize::from(done.is_err());
            self.loaded.push(black_box(keystore));
        }
    }

    fn count(&self) -> u64 {
        self.count as u64
    }

    fn check(&mut self) -> Result<(), String> {
        crate::measure::workload::fixture::compare::none_refused(self.refused)?;
        if self.loaded.len() != self.count {
            return Err(format!("keys were loaded {} times, not {}", self.loaded.len(), self.count));
        }
        let (last, other) = (self.sidecar.active_storage, reference(self.engine, Alg::Aes256Gcm));
        self.loaded.iter().try_for_each(|keystore| all_loaded(keystore, last, other))
    }
}

struct Rotates {
    engine: &'static dyn Engine,
    kek: Arc<LocalKek>,
    keystore: Arc<Keystore>,
    keys: u32,
    entries: Vec<Vec<u8>>,
    /// The disk before the first rotation.
    before: Recorder,
    disk: Recorder,
    applier: Option<Applier>,
    halted: usize,
}

/// `count` rotations, one after the other, on a node that has so many keys.
pub(in crate::measure) fn rotates(
    engine: &'static dyn Engine,
    keys: u32,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(rotates_of(engine, keys, count)?))
}

fn rotates_of(engine: &'static dyn Engine, keys: u32, count: usize) -> Result<Rotates, Error> {
    let kek = kek()?;
    let before = Recorder::with_dir("/data");
    let sidecar = sidecar_of(&kek, keys)?;
    sidecar.write(&before, Path::new(FILE))?;
    let keystore = Arc::new(Keystore::new(engine));
    hydrate(&sidecar, &*kek, &keystore)?;
    let entry = |dek_id: u32| {
        let proposer = Registration { dek_id, full_node_id: NODE, local_epoch: 0 };
        let wrapped = wrapped(&kek, dek_id)?;
        let rotation = Rotation { subtag: Subtag::Rotate, dek_id, purpose: PURPOSE, wrapped, proposer };
        Ok(Entry::Rotation(rotation).encode())
    };
    let entries = (0..count as u32).map(|i| entry(keys + 1 + i)).collect::<Result<_, Error>>()?;
    let disk = before.after_restart();
    Ok(Rotates { engine, kek, keystore, keys, entries, before, disk, applier: None, halted: 0 })
}

impl Rotates {
    fn applier(&self) -> Result<Applier, crate::scheme::storage::Error> {
        let shared: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let sidecar = Arc::new(SidecarFile::new(shared, FILE));
        let keys = Keys { kek: Arc::clone(&self.kek) as _, keystore: Arc::clone(&self.keystore), sidecar };
        let identity = Identity { full_node_id: NODE, storage_epoch: 0, raft_epoch: 0 };
        Applier::new(Some(keys), Arc::<Memory>::default() as Arc<dyn Store>, identity)
    }
}

impl Timed for Rotates {
    fn reset(&mut self) {
        (1..=self.entries.len() as u32).for_each(|i| self.keystore.delete(self.keys + i));
        self.disk = self.before.after_restart();
        self.applier = self.applier().ok();
    }

    fn run(&mut self) {
        let Some(applier) = &mut self.applier else { return };
        for (i, entry) in self.entries.iter().enumerate() {
            self.halted += usize::from(applier.apply(i as u64 + 2, black_box(entry)).is_err());
        }
    }

    fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        crate::measure::workload::fixture::compare::none_refused(self.halted)?;
        let sidecar = Sidecar::read(&self.disk, Path::new(FILE)).map_err(|error| error.to_string())?;
        let last = self.keys + self.entries.len() as u32;
        if (sidecar.active_storage, sidecar.keys.len()) != (last, last as usize) {
            return Err(format!("key {} is active among {}", sidecar.active_storage, sidecar.keys.len()));
        }
        all_loaded(&self.keystore, last, reference(self.engine, Alg::Aes256Gcm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::testing::{Broken, Fault, pass};

    type Make = fn(&'static dyn Engine, u32, usize) -> Result<Box<dyn Timed>, Error>;
    const MAKES: [Make; 2] = [hydrates, rotates];

    #[test]
    fn keys_are_loaded_and_rotated_to_as_often_as_it_says() {
        for make in MAKES {
            for keys in [1, 10] {
                let mut batch = make(find("sealmark").unwrap(), keys, 3).unwrap();
                assert_eq!(batch.count(), 3);
                assert_eq!(pass(&mut *batch), Ok(()));
                assert_eq!(pass(&mut *batch), Ok(()), "again");
            }
        }
    }

    #[test]
    fn a_wrong_engine_and_what_was_not_run_are_caught() {
        for make in MAKES {
            assert!(pass(&mut *make(Broken::with(Fault::FlipsTag), 2, 2).unwrap()).is_err());
            let mut batch = make(find("sealmark").unwrap(), 2, 2).unwrap();
            batch.reset();
            assert!(batch.check().is_err());
        }
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        let engine = find("sealmark").unwrap();
        let (kek, count) = (kek().unwrap(), 4);
        let sidecar = sidecar_of(&kek, 3).unwrap();
        let mut hydrates = Hydrates { engine, kek, sidecar, loaded: Vec::new(), count, refused: 0 };
        assert_eq!(pass(&mut hydrates), Ok(()));
        for done in [0, 1, 2] {
            hydrates.reset();
            hydrates.count = done;
            hydrates.run();
            hydrates.count = count;
            assert!(hydrates.check().is_err_and(|why| why.contains("not 4")), "{done}");
        }
        // Which entries are applied: none, the first, every other one, the last alone.
        for kept in [&[][..], &[0], &[0, 2], &[3]] {
            let mut rotates = rotates_of(engine, 3, count).unwrap();
            rotates.reset();
            let all = rotates.entries.clone();
            rotates.entries = kept.iter().map(|&i: &usize| all[i].clone()).collect();
            rotates.run();
            rotates.entries = all;
            assert!(rotates.check().is_err_and(|why| why.contains("is active among")), "{kept:?}");
        }
    }
}
