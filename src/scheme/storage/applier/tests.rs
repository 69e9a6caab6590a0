//! Replays, power cuts and refusals, and their effect on the write path.

use std::sync::Mutex;

use super::*;
use crate::disk::{Disk, Memory, Recorder};
use crate::scheme::storage::load::hydrate;
use crate::scheme::storage::testing::{FILE, NODE, applier, bootstrap, kek, rotation, row};

fn sidecar(disk: &Recorder) -> Sidecar {
    Sidecar::read(disk, std::path::Path::new(FILE)).unwrap()
}

fn begun() -> (Recorder, Arc<dyn Store>, Applier) {
    let (disk, store) = (Recorder::with_dir("/data"), Arc::<Memory>::default() as Arc<dyn Store>);
    let mut applier = applier(&disk, Arc::clone(&store), 0);
    applier.apply(5, &bootstrap().encode()).unwrap();
    (disk, store, applier)
}

#[test]
fn replayed_entries_change_no_key_and_no_epoch_and_restore_missing_rows() {
    let (disk, store, mut first) = begun();
    let entries = [
        (6, rotation(Subtag::Rotate, Purpose::Storage, 3, 0)),
        (7, rotation(Subtag::EnableStorage, Purpose::Storage, 3, 0)),
        (8, rotation(Subtag::Rotate, Purpose::Storage, 4, 0)),
    ];
    for (index, entry) in &entries {
        assert!(first.apply(*index, &entry.encode()).unwrap());
    }
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    epoch::bump(&SidecarFile::new(shared, FILE), 4).unwrap();
    let before = sidecar(&disk);
    assert_eq!((before.active_storage, before.entry(4).unwrap().local_epoch), (4, 1));
    let key = crate::scheme::storage::registry::encode_key(4, node_id16(NODE));
    store.commit(&[(key.into(), None)]).unwrap();

    let mut again = applier(&disk, Arc::clone(&store), 1);
    again.apply(5, &bootstrap().encode()).unwrap();
    for (index, entry) in &entries {
        again.apply(*index, &entry.encode()).unwrap();
    }
    assert_eq!(sidecar(&disk), before);
    assert_eq!(Registry(&*store).find(4, node_id16(NODE)).unwrap().unwrap().last_seen, 0);
}

#[test]
fn a_replayed_cut_over_restores_its_proposers_row_and_a_stale_one_adds_none() {
    let (disk, store, mut first) = begun();
    let by = |node: u64, entry: Entry| {
        let Entry::Rotation(mut new) = entry else { unreachable!() };
        new.proposer.full_node_id = node;
        Entry::Rotation(new)
    };
    let entries = [
        (6, by(NODE + 1, rotation(Subtag::EnableStorage, Purpose::Storage, 1, 4))),
        (7, by(NODE + 2, rotation(Subtag::EnableRaft, Purpose::Raft, 2, 5))),
        (8, by(NODE + 3, rotation(Subtag::EnableStorage, Purpose::Storage, 1, 6))),
        (9, by(NODE + 3, rotation(Subtag::EnableRaft, Purpose::Raft, 2, 6))),
        (10, rotation(Subtag::Rotate, Purpose::Storage, 3, 0)),
        (11, by(NODE + 4, rotation(Subtag::EnableStorage, Purpose::Storage, 1, 6))),
    ];
    for (index, entry) in &entries {
        first.apply(*index, &entry.encode()).unwrap();
    }
    let rows = || store.scan(b"", None, 99).unwrap();
    let (whole, file) = (rows(), sidecar(&disk));
    assert_eq!(whole.len(), 2 + 2 + 1, "the bootstrap's, the cut-overs', the rotation's");
    for (dek_id, node, epoch) in [(1, NODE + 1, 4), (2, NODE + 2, 5)] {
        let key = crate::scheme::storage::registry::encode_key(dek_id, node_id16(node));
        for lower in [None, Some(Registration { dek_id, full_node_id: node, local_epoch: epoch - 1 })] {
            store.commit(&[(key.into(), None)]).unwrap();
            if let Some(lower) = lower {
                Registry(&*store).register(&lower).unwrap();
            }
            let mut again = applier(&disk, Arc::clone(&store), 1);
            for (index, entry) in &entries {
                again.apply(*index, &entry.encode()).unwrap();
            }
            assert_eq!(Registry(&*store).find(dek_id, node_id16(node)).unwrap().unwrap().last_seen, epoch);
            assert_eq!((rows().len(), sidecar(&disk)), (whole.len(), file.clone()));
        }
    }
}

#[test]
fn after_a_power_cut_at_any_step_of_a_bootstrap_its_replay_completes_it() {
    let (whole, _, _) = begun();
    for cut in 0..=whole.steps().len() {
        let (disk, store) = (Recorder::with_dir("/data"), Arc::<Memory>::default() as Arc<dyn Store>);
        disk.plan(cut, crate::disk::Fault::Power);
        let applied = applier(&disk, Arc::clone(&store), 0).apply(5, &bootstrap().encode());
        let done = match applied {
            Ok(_) => true,
            Err(halt) => {
                assert!(halt.to_string().contains("planned: the power is gone"), "{halt}");
                false
            }
        };
        assert_eq!(done, cut == whole.steps().len());
        let rows = store.scan(b"", None, 9).unwrap();
        assert_eq!(rows.len(), if done { 2 } else { 0 }, "no row exists before its key");
        for left in disk.after_power_loss() {
            // Each continues from the rows that were in the registry.
            let store = Arc::<Memory>::default();
            store
                .commit(&rows.iter().cloned().map(|(key, row)| (key, Some(row))).collect::<Vec<_>>())
                .unwrap();
            let mut again = applier(&left, Arc::clone(&store) as Arc<dyn Store>, 0);
            let keystore = Arc::clone(&again.keys.as_ref().unwrap().keystore);
            if let Some(sidecar) = again.sidecar().unwrap() {
                hydrate(&sidecar, &*kek(), &keystore).unwrap();
            }
            again.apply(5, &bootstrap().encode()).unwrap();
            let seen = sidecar(&left);
            assert_eq!((seen.active_storage, seen.active_raft, seen.raft_applied_index), (1, 2, 5));
            assert_eq!(keystore.ids(), [1, 2]);
            for (key_id, dek) in [(1, [1; 32]), (2, [2; 32])] {
                assert_eq!(keystore.keys().dek(key_id), Some(&dek));
                assert_eq!(Registry(&*store).writers(key_id).unwrap().len(), 1);
            }
        }
    }
}

#[test]
fn a_key_is_not_rotated_to_another_purpose_or_below_an_epoch_that_it_had() {
    let (disk, _, mut applier) = begun();
    let halt = applier.apply(6, &rotation(Subtag::Rotate, Purpose::Raft, 1, 0).encode()).unwrap_err();
    assert!(halt.to_string().contains("another purpose"), "{halt}");
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    epoch::bump(&SidecarFile::new(shared, FILE), 1).unwrap();
    let halt = applier.apply(6, &rotation(Subtag::Rotate, Purpose::Storage, 1, 0).encode()).unwrap_err();
    assert!(halt.to_string().contains("higher epoch"), "{halt}");
    assert_eq!(sidecar(&disk).raft_applied_index, 5);
}

#[test]
fn the_cache_follows_the_state_on_disk() {
    let (disk, _, mut applier) = begun();
    let cache = Arc::clone(applier.cache());
    assert!(cache.registered() && !cache.storage_envelope_active());
    applier.apply(6, &rotation(Subtag::EnableStorage, Purpose::Storage, 1, 0).encode()).unwrap();
    assert!(cache.storage_envelope_active());
    // Another node rotates: this one is not registered under the new key until its own registration.
    let Entry::Rotation(mut new) = rotation(Subtag::Rotate, Purpose::Storage, 3, 0) else { unreachable!() };
    new.proposer.full_node_id = NODE + 1;
    applier.apply(7, &Entry::Rotation(new).encode()).unwrap();
    assert!(cache.active_storage() == Some(3) && !cache.registered());
    applier.apply(8, &Entry::Registration(row(3, 0)).encode()).unwrap();
    assert!(cache.registered());
    disk.plan(disk.steps().len(), crate::disk::Fault::Power);
    let halt = applier.apply(9, &rotation(Subtag::Rotate, Purpose::Storage, 4, 0).encode()).unwrap_err();
    assert!(halt.to_string().contains("planned: the power is gone"), "{halt}");
    assert_eq!(cache.active_storage(), Some(3));
}

#[test]
fn a_failing_installer_halts_and_one_added_later_is_called_at_once() {
    let (disk, store, applier_) = begun();
    let refuse: Installer = Box::new(|_, _| Err(Error::Apply("the engine refused")));
    let mut refusing = applier_.with_installer(refuse).unwrap();
    let enable = rotation(Subtag::EnableRaft, Purpose::Raft, 2, 0).encode();
    let halt = refusing.apply(6, &enable).unwrap_err();
    assert!(matches!(halt, Halt { index: 6, cause: Error::Apply("the engine refused") }), "{halt}");
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let record: Installer = Box::new(move |key_id, cutover| {
        seen.lock().unwrap().push((key_id, cutover));
        Ok(())
    });
    let mut again = applier(&disk, store, 0).with_installer(record).unwrap();
    again.apply(6, &enable).unwrap();
    assert_eq!(*calls.lock().unwrap(), [(2, 6), (2, 6)]);
}

#[test]
fn an_entry_whose_row_is_refused_is_refused_again_on_replay() {
    let (disk, _, mut applier) = begun();
    let other = Registration { full_node_id: NODE + 0x1_0000, ..row(3, 0) };
    applier.apply(6, &Entry::Registration(other).encode()).unwrap();
    let before = sidecar(&disk);
    let rotate = rotation(Subtag::Rotate, Purpose::Storage, 3, 0).encode();
    for _ in 0..2 {
        let halt = applier.apply(7, &rotate).unwrap_err();
        assert!(halt.to_string().contains("two nodes share the 16 bits"), "{halt}");
        assert_eq!(sidecar(&disk), before);
    }
    let Entry::Bootstrap(mut twice) = bootstrap() else { unreachable!() };
    twice.rows.push(Registration { full_node_id: NODE + 0x1_0000, ..row(1, 0) });
    let (disk, empty) = (Recorder::with_dir("/data"), Arc::<Memory>::default());
    let mut applier = super::super::testing::applier(&disk, empty, 0);
    let halt = applier.apply(5, &Entry::Bootstrap(twice).encode()).unwrap_err();
    assert!(halt.to_string().contains("two nodes share the 16 bits"), "its own rows collide: {halt}");
    assert!(applier.sidecar().unwrap().is_none());
}

#[test]
fn a_raft_rotation_whose_installer_failed_installs_when_retried() {
    let (_, _, applier) = begun();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&calls);
    let fails_once: Installer = Box::new(move |key_id, cutover| {
        let mut calls = record.lock().unwrap();
        calls.push((key_id, cutover));
        if calls.len() == 2 { Err(Error::Apply("the engine refused")) } else { Ok(()) }
    });
    let mut applier = applier.with_installer(fails_once).unwrap();
    applier.apply(6, &rotation(Subtag::EnableRaft, Purpose::Raft, 2, 0).encode()).unwrap();
    let rotate = rotation(Subtag::Rotate, Purpose::Raft, 3, 0).encode();
    let halt = applier.apply(7, &rotate).unwrap_err();
    assert!(matches!(halt.cause, Error::Apply("the engine refused")), "{halt}");
    applier.apply(7, &rotate).unwrap();
    assert_eq!(*calls.lock().unwrap(), [(2, 6), (3, 6), (3, 6)]);
}

#[test]
fn times_are_whole_seconds_in_utc() {
    let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_780_315_200_999);
    assert_eq!(rfc3339(time), "2026-06-01T12:00:00Z");
}
