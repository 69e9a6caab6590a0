//! Fixtures shared by the tests of this scheme.

use std::path::Path;
use std::sync::Arc;

use super::applier::{Applier, Identity, Keys};
use super::wire::{Bootstrap, Entry, Registration, Rotation, Subtag};
use super::{Kek, LocalKek, Purpose, Sidecar, SidecarFile, sidecar};
use crate::disk::{Disk, Recorder, Store};
use crate::engine;
use crate::envelope::Keystore;

/// The path of the sidecar.
pub const FILE: &str = "/data/keys.json";
/// This node's id.
pub const NODE: u64 = 0x0102_0304_0506_0708;

/// A keystore with those keys, whose bytes are their ids.
pub fn keystore(ids: &[u8]) -> Arc<Keystore> {
    let keystore = Keystore::new(engine::find("sealmark").unwrap());
    ids.iter().for_each(|id| keystore.set((*id).into(), &[*id; 32]).unwrap());
    Arc::new(keystore)
}

pub fn kek() -> Arc<dyn Kek> {
    Arc::new(LocalKek::new(&[9; 32]).unwrap())
}

/// A data key whose bytes are its id, wrapped.
pub fn wrapped(purpose: Purpose, id: u8) -> Vec<u8> {
    kek().wrap(purpose, id.into(), &[id; 32]).unwrap()
}

/// A disk with a sidecar of storage key 1 and raft key 2, both active, then changed by `change`.
pub fn sidecar_with(change: impl FnOnce(&mut Sidecar)) -> (Recorder, Arc<SidecarFile>) {
    let disk = Recorder::with_dir("/data");
    let mut sidecar =
        Sidecar { active_storage: 1, active_raft: 2, raft_applied_index: 5, ..Sidecar::default() };
    for (id, purpose) in [(1, Purpose::Storage), (2, Purpose::Raft)] {
        let wrapped = wrapped(purpose, id);
        let entry = sidecar::Entry { purpose, wrapped, created: "then".into(), local_epoch: 0 };
        sidecar.keys.insert(id.to_string(), entry);
    }
    change(&mut sidecar);
    sidecar.write(&disk, Path::new(FILE)).unwrap();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    (disk, Arc::new(SidecarFile::new(shared, FILE)))
}

pub fn applier(disk: &Recorder, store: Arc<dyn Store>, epoch: u16) -> Applier {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let sidecar = Arc::new(SidecarFile::new(shared, FILE));
    let keys = Keys { kek: kek(), keystore: keystore(&[]), sidecar };
    let identity = Identity { full_node_id: NODE, storage_epoch: epoch, raft_epoch: epoch };
    Applier::new(Some(keys), store, identity).unwrap()
}

pub fn row(dek_id: u32, local_epoch: u16) -> Registration {
    Registration { dek_id, full_node_id: NODE, local_epoch }
}

/// The bootstrap with storage key 1 and raft key 2.
pub fn bootstrap() -> Entry {
    Entry::Bootstrap(Bootstrap {
        storage_id: 1,
        wrapped_storage: wrapped(Purpose::Storage, 1),
        raft_id: 2,
        wrapped_raft: wrapped(Purpose::Raft, 2),
        rows: vec![row(1, 0), row(2, 0)],
    })
}

pub fn rotation(subtag: Subtag, purpose: Purpose, id: u8, epoch: u16) -> Entry {
    let wrapped = if subtag == Subtag::Rotate { wrapped(purpose, id) } else { Vec::new() };
    Entry::Rotation(Rotation { subtag, dek_id: id.into(), purpose, wrapped, proposer: row(id.into(), epoch) })
}
