//! `rotate`: applying the log entry that makes another key the active one.
//!
//! The disk and the registry are in memory, so the time is this crate's and not a storage medium's. A
//! rotation's entry is encoded, as it is in the log. Before the first rotation there are as many keys as the
//! workload says. Each operation leaves its own key on disk and loaded, the last one active; a reset restores
//! the node.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use crate::aead::Alg;
use crate::disk::{Disk, Memory, Recorder, Store};
use crate::engine::Engine;
use crate::envelope::Keystore;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::none_refused;
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Scope, Size, Subject};
use crate::measure::workload::storage::fixture::{
    FILE, NODE, PURPOSE, SUBJECT, all_loaded, kek, refused, sidecar_of, wrapped,
};
use crate::scheme::storage::applier::{Applier, Identity, Keys};
use crate::scheme::storage::load::hydrate;
use crate::scheme::storage::wire::{Entry, Registration, Rotation, Subtag};
use crate::scheme::storage::{self, LocalKek, Sidecar, SidecarFile};
use crate::timing::Timed;

/// Applies the log entry that makes another key the active one.
pub(super) struct Rotate;

impl Kind for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn subject(&self) -> Subject {
        Subject::One(SUBJECT)
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(rotates(engine, workload.items, count)?))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }

    fn size(&self) -> Size {
        Size::Items
    }

    /// Only a few: each adds a key, and the total should stay close to the workload's number.
    fn default_count(&self, _: &Workload) -> usize {
        2
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

/// `count` rotations in a row, on a node with that many keys.
fn rotates(engine: &'static dyn Engine, keys: u32, count: usize) -> Result<Rotates, Error> {
    let kek = kek()?;
    let before = Recorder::with_dir("/data");
    let sidecar = sidecar_of(&kek, keys)?;
    sidecar.write(&before, Path::new(FILE)).map_err(refused)?;
    let keystore = Arc::new(Keystore::new(engine));
    hydrate(&sidecar, &*kek, &keystore).map_err(refused)?;
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
    fn applier(&self) -> Result<Applier, storage::Error> {
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
        none_refused(self.halted)?;
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

    #[test]
    fn keys_are_rotated_to_as_often_as_it_says() {
        for keys in [1, 10] {
            let mut timed = rotates(find("sealmark").unwrap(), keys, 3).unwrap();
            assert_eq!(timed.count(), 3);
            assert_eq!(pass(&mut timed), Ok(()));
            assert_eq!(pass(&mut timed), Ok(()), "again");
        }
    }

    #[test]
    fn a_wrong_engine_and_what_was_not_run_are_caught() {
        let mut wrong = rotates(Broken::with(Fault::FlipsTag), 2, 2).unwrap();
        assert!(pass(&mut wrong).is_err_and(|why| why.ends_with("is another")));
        let mut timed = rotates(find("sealmark").unwrap(), 2, 2).unwrap();
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("is active among")));
    }

    #[test]
    fn removed_work_shows_in_what_is_left() {
        // Which entries are applied: none, the first, every other one, the last alone.
        for kept in [&[][..], &[0], &[0, 2], &[3]] {
            let mut rotates = rotates(find("sealmark").unwrap(), 3, 4).unwrap();
            rotates.reset();
            let all = rotates.entries.clone();
            rotates.entries = kept.iter().map(|&i: &usize| all[i].clone()).collect();
            rotates.run();
            rotates.entries = all;
            assert!(rotates.check().is_err_and(|why| why.contains("is active among")), "{kept:?}");
        }
    }
}
