//! A node over several loads, with a checker of every nonce: key changes that are retried, sidecars that are
//! restored or copied, and entries that count as applied but are not.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::aead::Nonce;
use crate::disk::{self, Disk, Fault, Memory, Recorder};
use crate::envelope::aad::{VALUE_HEADER_LEN, pebble_key};
use crate::envelope::{Header, Record};
use crate::scheme::storage::SEALED_OVERHEAD;
use crate::scheme::storage::proposal::FRAME_LEN;
use crate::scheme::storage::testing::{FILE, NODE, bootstrap, kek, rotation, row, sidecar_with, wrapped};
use crate::scheme::storage::wire::{Bootstrap, Entry, Subtag};
use crate::scheme::storage::{Clear, Origin, Sign};

fn start(disk: &Recorder, store: &Arc<Memory>) -> Start {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    Start {
        encryption_enabled: true,
        kek: Some(kek()),
        sidecar: Some(Arc::new(SidecarFile::new(shared, FILE))),
        store: Arc::clone(store) as Arc<dyn Store>,
        engine: crate::engine::find("sealmark").unwrap(),
        full_node_id: NODE,
        peers: vec![NODE, NODE + 1],
        snapshot_cutover: 0,
    }
}

/// A process that replays its log and may seal replicated values.
struct Replayed {
    loaded: Loaded,
    sealer: Sealer,
}

/// Every nonce issued, by key.
#[derive(Clone, Default)]
struct Issued(HashSet<(u32, Nonce)>);

impl Issued {
    /// Seals a replicated value and a log entry, each only if its cut-over has happened; panics if a nonce
    /// repeats.
    fn seal(&mut self, sealer: &Sealer, proposals: &Proposals) {
        let mut stored = vec![0; 1 + SEALED_OVERHEAD];
        let len = sealer.seal_into(b"user", 9, 0, b"v", Origin::Replicated, &mut stored).unwrap();
        if len == stored.len() {
            let header = Record::decode(&stored[VALUE_HEADER_LEN..]).unwrap().header;
            self.issue(header.key_id, header.nonce);
        }
        if proposals.key_id().is_some() {
            let data = proposals.seal(0, b"entry").unwrap();
            let header = Header::decode(&data[FRAME_LEN..]).unwrap();
            self.issue(header.key_id, header.nonce);
        }
    }

    fn issue(&mut self, key_id: u32, nonce: Nonce) {
        assert!(self.0.insert((key_id, nonce)), "nonce {nonce:02x?} was issued twice under key {key_id}");
    }
}

impl Replayed {
    fn load(disk: &Recorder, store: &Arc<Memory>) -> Result<Self, Error> {
        let loaded = load(start(disk, store))?;
        Ok(Self { sealer: loaded.sealer(), loaded })
    }

    /// Applies the entry and seals after it.
    fn apply(&mut self, issued: &mut Issued, index: u64, entry: &Entry) -> Result<(), Error> {
        self.loaded.applier.apply(index, &entry.encode()).map_err(|halt| halt.cause)?;
        issued.seal(&self.sealer, &self.loaded.proposals);
        Ok(())
    }
}

/// The same entry as proposed by another member.
fn of_another(entry: Entry) -> Entry {
    let Entry::Rotation(mut rotation) = entry else { unreachable!("only rotations have a proposer") };
    rotation.proposer.full_node_id = NODE + 1;
    Entry::Rotation(rotation)
}

#[test]
fn a_process_whose_folder_sync_failed_does_not_retry_a_key_change() {
    for entry in [
        rotation(Subtag::EnableRaft, Purpose::Raft, 2, 1),
        rotation(Subtag::EnableStorage, Purpose::Storage, 1, 1),
        rotation(Subtag::Rotate, Purpose::Raft, 3, 1),
    ] {
        let (disk, store, mut issued) = (sidecar_with(|_| {}).0, Arc::<Memory>::default(), Issued::default());
        let mut node = Replayed::load(&disk, &store).unwrap();
        disk.plan(disk.steps().len() + 5, Fault::Io);
        let refused = node.apply(&mut issued, 30, &entry).unwrap_err();
        let unsynced = matches!(refused, Error::Disk(disk::Error::UnsupportedFilesystem { .. }));
        assert!(unsynced, "the folder sync fails: {refused}");
        // A power cut may take away the file's current content.
        assert!(matches!(node.apply(&mut issued, 30, &entry), Err(Error::SidecarUnsure(_))), "{entry:?}");
        for left in disk.after_power_loss() {
            let mut again = Replayed::load(&left, &store).unwrap();
            again.apply(&mut issued.clone(), 30, &entry).unwrap();
        }
        let mut again = Replayed::load(&disk.after_restart(), &store).unwrap();
        again.apply(&mut issued, 30, &entry).unwrap();
    }
}

#[test]
fn a_raft_key_does_not_reuse_an_epoch_from_before_the_cut_over() {
    let (disk, store, mut issued) = (sidecar_with(|_| {}).0, Arc::<Memory>::default(), Issued::default());
    let enable = rotation(Subtag::EnableRaft, Purpose::Raft, 2, 1);
    let mut first = Replayed::load(&disk, &store).unwrap();
    let backup = disk.after_restart();
    first.apply(&mut issued, 6, &enable).unwrap();
    let mut restored = Replayed::load(&backup, &store).unwrap();
    restored.apply(&mut issued, 6, &enable).unwrap();
    assert_eq!(restored.loaded.applier.identity().raft_epoch, 2);
    assert_eq!(issued.0.len(), 2, "each sealed an entry");
}

#[test]
fn a_replayed_key_that_the_registry_knows_at_this_epoch_is_refused_before_it_seals() {
    let (disk, store, mut issued) = (sidecar_with(|_| {}).0, Arc::<Memory>::default(), Issued::default());
    let enable = of_another(rotation(Subtag::EnableStorage, Purpose::Storage, 1, 0));
    let rotate = of_another(rotation(Subtag::Rotate, Purpose::Storage, 3, 0));
    let mut node = Replayed::load(&disk, &store).unwrap();
    node.apply(&mut issued, 6, &enable).unwrap();
    let backup = disk.after_restart();
    node.apply(&mut issued, 7, &rotate).unwrap();
    let mut node = Replayed::load(&disk, &store).unwrap();
    let epoch = node.loaded.applier.identity().storage_epoch;
    node.apply(&mut issued, 8, &Entry::Registration(row(3, epoch))).unwrap();

    let mut restored = Replayed::load(&backup, &store).unwrap();
    assert_eq!(restored.loaded.applier.identity().storage_epoch, epoch, "the load's guards notice nothing");
    let refused = restored.apply(&mut issued, 7, &rotate).unwrap_err();
    assert!(matches!(refused, Error::LocalEpochRollback(3)), "{refused}");
}

#[test]
fn a_bootstrap_is_not_replayed_over_rows_that_it_brought_before() {
    let (store, mut issued) = (Arc::<Memory>::default(), Issued::default());
    let mut node = Replayed::load(&Recorder::with_dir("/data"), &store).unwrap();
    node.apply(&mut issued, 5, &bootstrap()).unwrap();
    // The sidecar is gone, but not the registry.
    let refused = Replayed::load(&Recorder::with_dir("/data"), &store).map(drop).unwrap_err();
    assert!(matches!(refused, Error::SidecarMissing(Sign::OwnRow(1))), "{refused}");
}

#[test]
fn a_sidecar_that_was_cut_over_but_lacks_its_sealing_key_is_refused() {
    let loads = |change: fn(&mut Sidecar)| {
        let (disk, _) = sidecar_with(|sidecar| {
            sidecar.raft_applied_index = 9;
            sidecar.storage_envelope_active = true;
            sidecar.storage_envelope_cutover_index = 8;
            sidecar.raft_envelope_cutover_index = 9;
            change(sidecar);
        });
        let steps = disk.steps().len();
        let loaded = Replayed::load(&disk, &Arc::default());
        assert!(loaded.is_ok() || disk.steps().len() == steps, "refused before an epoch is raised");
        loaded.map(drop)
    };
    loads(|_| {}).unwrap();
    for change in [
        (|sidecar| sidecar.active_storage = 0) as fn(&mut Sidecar),
        |sidecar| sidecar.active_raft = 0,
        |sidecar| sidecar.storage_envelope_active = false,
        |sidecar| sidecar.raft_envelope_cutover_index = 10,
        |sidecar| sidecar.storage_envelope_cutover_index = 10,
    ] {
        assert!(matches!(loads(change), Err(Error::SidecarInconsistent(_))));
    }
}

#[test]
fn an_entry_that_counts_as_applied_must_have_left_its_key() {
    let ahead = |entry: Entry| {
        let (disk, _) = sidecar_with(|sidecar| sidecar.raft_applied_index = 92);
        let store = Arc::<Memory>::default();
        Replayed::load(&disk, &store).unwrap().apply(&mut Issued::default(), 20, &entry)
    };
    ahead(bootstrap()).unwrap();
    ahead(rotation(Subtag::Rotate, Purpose::Storage, 1, 0)).unwrap();
    let brought = |storage: u8, raft: u8, bytes: [u8; 2]| {
        Entry::Bootstrap(Bootstrap {
            storage_id: storage.into(),
            wrapped_storage: wrapped(Purpose::Storage, bytes[0]),
            raft_id: raft.into(),
            wrapped_raft: wrapped(Purpose::Raft, bytes[1]),
            rows: Vec::new(),
        })
    };
    for entry in [
        rotation(Subtag::Rotate, Purpose::Storage, 3, 0),
        rotation(Subtag::Rotate, Purpose::Storage, 2, 0),
        rotation(Subtag::EnableStorage, Purpose::Storage, 3, 0),
        rotation(Subtag::EnableRaft, Purpose::Raft, 3, 0),
        brought(3, 4, [3, 4]),
        brought(2, 1, [2, 1]),
        brought(1, 2, [7, 2]),
    ] {
        let refused = ahead(entry.clone()).unwrap_err();
        assert_eq!(refused.spec_name(), "ErrEncryptionApply", "{entry:?}: {refused}");
    }
}

#[test]
fn one_data_key_under_two_ids_is_refused_from_the_log_and_from_the_sidecar() {
    let same = |wrapped_storage, wrapped_raft| {
        Entry::Bootstrap(Bootstrap {
            storage_id: 1,
            wrapped_storage,
            raft_id: 2,
            wrapped_raft,
            rows: Vec::new(),
        })
    };
    let mut node = Replayed::load(&Recorder::with_dir("/data"), &Arc::default()).unwrap();
    let twice = same(wrapped(Purpose::Storage, 1), wrapped(Purpose::Raft, 1));
    let refused = node.apply(&mut Issued::default(), 5, &twice).unwrap_err();
    assert!(matches!(refused, Error::SameDek(1, 2)), "{refused}");

    let mut node = Replayed::load(&sidecar_with(|_| {}).0, &Arc::default()).unwrap();
    let Entry::Rotation(mut again) = rotation(Subtag::Rotate, Purpose::Raft, 3, 1) else { unreachable!() };
    again.wrapped = wrapped(Purpose::Raft, 1);
    let refused = node.apply(&mut Issued::default(), 6, &Entry::Rotation(again)).unwrap_err();
    assert!(matches!(refused, Error::SameDek(1, 3)), "{refused}");

    let (disk, _) = sidecar_with(|sidecar| {
        let copied = sidecar.entry(1).unwrap().wrapped.clone();
        sidecar.entry_mut(2).unwrap().wrapped = copied;
    });
    assert!(matches!(Replayed::load(&disk, &Arc::default()), Err(Error::SameDek(1, 2))));
}

#[test]
fn threads_that_seal_while_a_key_is_rotated_repeat_no_nonce_and_every_value_opens() {
    let mut node = Replayed::load(&sidecar_with(|_| {}).0, &Arc::default()).unwrap();
    let enable = rotation(Subtag::EnableStorage, Purpose::Storage, 1, 1);
    node.apply(&mut Issued::default(), 6, &enable).unwrap();
    let (sealer, rotated) = (node.loaded.sealer(), AtomicBool::new(false));
    let values = std::thread::scope(|scope| {
        let seal = || {
            let mut values = Vec::new();
            // Each thread continues for a while after the last rotation.
            let mut left = 100;
            while left > 0 {
                let mut stored = vec![0; 1 + SEALED_OVERHEAD];
                sealer.seal_into(b"user", 9, 0, b"v", Origin::Replicated, &mut stored).unwrap();
                values.push(stored);
                left -= i32::from(rotated.load(Ordering::Relaxed));
            }
            values
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(seal)).collect();
        for (index, key_id) in (7..).zip(3..9) {
            let rotate = rotation(Subtag::Rotate, Purpose::Storage, key_id, 1).encode();
            node.loaded.applier.apply(index, &rotate).unwrap();
        }
        rotated.store(true, Ordering::Relaxed);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let (mut issued, key) = (Issued::default(), pebble_key(b"user", 9));
    for stored in &values {
        let header = Record::decode(&stored[VALUE_HEADER_LEN..]).unwrap().header;
        issued.issue(header.key_id, header.nonce);
        assert_eq!(sealer.read(Clear::Refused, &key, stored).unwrap().value, b"v");
    }
    assert!(issued.0.iter().any(|(key_id, _)| *key_id == 8) && values.len() >= 400);
}

#[test]
fn a_sealer_for_the_replay_serves_no_client() {
    let store = Arc::<Memory>::default();
    let (disk, _) = sidecar_with(|_| {});
    let mut node = Replayed::load(&disk, &store).unwrap();
    let enable = rotation(Subtag::EnableStorage, Purpose::Storage, 1, 1);
    // Its proposer's row registers this process, like a replayed row would register a node that was rolled
    // back.
    node.apply(&mut Issued::default(), 6, &enable).unwrap();
    assert!(node.loaded.cache().registered());
    let seal = |sealer: &Sealer| {
        let mut stored = vec![0; 1 + SEALED_OVERHEAD];
        sealer.seal_into(b"user", 9, 0, b"v", Origin::Direct, &mut stored).map(drop)
    };
    assert!(matches!(seal(&node.sealer), Err(Error::WriterNotRegistered)));
    let Replayed { mut loaded, .. } = Replayed::load(&disk, &store).unwrap();
    loaded.applier.apply(7, &Entry::Registration(row(1, 2)).encode()).unwrap();
    assert!(matches!(loaded.ready(6, None), Err(Error::LocalEpochRollback(1))), "nor does it become ready");
    let mut served = Replayed::load(&disk, &store).unwrap().loaded.ready(6, None).unwrap();
    assert!(matches!(seal(&served.sealer), Err(Error::WriterNotRegistered)));
    served.applier.apply(8, &Entry::Registration(row(1, 3)).encode()).unwrap();
    seal(&served.sealer).unwrap();
}
