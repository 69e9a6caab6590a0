//! The guards in their places, and a node's counters.

use std::io;

use super::*;
use crate::disk::{Memory, Recorder};
use crate::envelope::aad::{VALUE_HEADER_LEN, pebble_key};
use crate::scheme::storage::SEALED_OVERHEAD;
use crate::scheme::storage::proposal::seal_proposal;
use crate::scheme::storage::testing::{FILE, NODE, bootstrap, kek, keystore, rotation, row, sidecar_with};
use crate::scheme::storage::wire::{ROTATION, Subtag};
use crate::scheme::storage::{Clear, Origin};

fn start(file: Option<&Arc<SidecarFile>>, store: &Arc<Memory>) -> Start {
    Start {
        encryption_enabled: true,
        kek: Some(kek()),
        sidecar: file.cloned(),
        store: Arc::clone(store) as Arc<dyn Store>,
        engine: crate::engine::find("sealmark").unwrap(),
        full_node_id: NODE,
        peers: vec![NODE, NODE + 1],
        snapshot_cutover: 0,
    }
}

fn epoch_of(file: &SidecarFile, key_id: u32) -> u16 {
    file.read().unwrap().entry(key_id).unwrap().local_epoch
}

#[test]
fn a_snapshot_with_another_cut_over_is_refused_before_anything_is_touched() {
    let (disk, file) = sidecar_with(|sidecar| {
        sidecar.raft_envelope_cutover_index = 11;
        sidecar.raft_applied_index = 11;
    });
    let steps = disk.steps().len();
    let with = |snapshot_cutover, sidecar, kek| {
        load(Start { snapshot_cutover, kek, ..start(sidecar, &Arc::default()) })
    };
    let name = |result: Result<Loaded, Error>| result.map_err(|error| error.spec_name()).err();
    let diverges = Some("ErrEnvelopeCutoverDivergence");
    assert_eq!(name(with(12, Some(&file), Some(kek()))), diverges);
    assert_eq!(name(with(12, Some(&file), None)), diverges, "before the KEK is required");
    assert_eq!(name(with(5, None, Some(kek()))), diverges, "a missing sidecar counts as not cut over");
    assert_eq!(disk.steps().len(), steps);
    assert_eq!(name(with(11, Some(&file), Some(kek()))), None);
    assert_eq!(name(with(0, Some(&file), Some(kek()))), None, "a snapshot from before the cut-over");
    assert_eq!(epoch_of(&file, 1), 2);

    crate::disk::durable_write(&disk, file.path(), b"{").unwrap();
    let unreadable = with(12, Some(&file), Some(kek())).unwrap_err();
    assert!(matches!(unreadable, Error::SidecarJson(_)), "{unreadable}");
}

/// A log with key changes at these indices and values at the others up to its last; `None` if it cannot be
/// read.
struct Log(Option<(u64, Vec<u64>)>);

impl LogScanner for Log {
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
        let (end, changes) = self.0.as_ref().ok_or_else(|| io::Error::other("unreadable"))?;
        for index in first..=last.min(*end) {
            let opcode = if changes.contains(&index) { ROTATION } else { 0x10 };
            entry(index, &seal_proposal(index, &[opcode], None).unwrap());
        }
        Ok(())
    }
}

#[test]
fn a_node_whose_sidecar_missed_a_key_change_does_not_serve() {
    let ready = |applied, engine, log: Option<Log>| {
        let (_, file) = sidecar_with(|sidecar| sidecar.raft_applied_index = applied);
        let loaded = load(start(Some(&file), &Arc::default())).unwrap();
        let node = loaded.ready(engine, log.as_ref().map(|log| log as &dyn LogScanner));
        node.map(|node| node.gap).map_err(|error| match error {
            Error::SidecarNotOfRaftLog { .. } => "not of the log",
            error => error.spec_name(),
        })
    };
    let log = |last, changes: &[u64]| Some(Log(Some((last, changes.to_vec()))));
    let behind = Err("ErrSidecarBehindRaftLog");
    assert_eq!(ready(5, 9, log(9, &[5, 7])), behind);
    assert_eq!(ready(5, 9, log(9, &[5, 9])), behind);
    assert_eq!(ready(5, 9, None), behind, "an unsearched log may hide one");
    assert_eq!(ready(5, 9, Some(Log(None))), Err("OTHER"), "an unreadable log does not pass either");
    assert_eq!(ready(5, 9, log(10, &[5, 10])), Ok(Gap::None));
    assert_eq!(ready(7, 6, log(7, &[5, 7])), Ok(Gap::None), "applied, but not recorded before the crash");
    for (applied, engine, log) in [
        (6, 9, log(9, &[5, 7])),
        (92, 9, log(9, &[5])),
        (6, 4, log(4, &[4])),
        (6, 4, log(9, &[4])),
        (6, 4, None),
    ] {
        assert_eq!(ready(applied, engine, log), Err("not of the log"), "{applied}, {engine}");
    }
    assert_eq!(ready(5, 5, None), Ok(Gap::None));
    assert_eq!(ready(0, 9, None), Ok(Gap::Unknown));
}

#[test]
fn a_missed_key_change_is_also_found_after_the_raft_cut_over() {
    let ready = |entries: &[(u64, Vec<u8>)]| {
        let (_, file) = sidecar_with(|sidecar| {
            sidecar.raft_envelope_cutover_index = 5;
            sidecar.raft_applied_index = 5;
        });
        let loaded = load(start(Some(&file), &Arc::default())).unwrap();
        let node = loaded.ready(9, Some(&Sealed(entries.to_vec())));
        node.map(|node| node.gap).map_err(|error| error.spec_name())
    };
    let cipher = Cipher::from(keystore(&[2]));
    let sealed = |index: u64, payload: &[u8]| {
        (index, seal_proposal(index, payload, Some((&cipher, 2, [9; 12]))).unwrap())
    };
    let value = sealed(7, &[0x10]);
    let enable =
        |purpose, subtag| (5, seal_proposal(5, &rotation(subtag, purpose, 2, 0).encode(), None).unwrap());
    assert_eq!(ready(std::slice::from_ref(&value)), Ok(Gap::None), "the cut-over is compacted away");
    let cut_over = enable(Purpose::Raft, Subtag::EnableRaft);
    assert_eq!(ready(&[cut_over, value.clone()]), Ok(Gap::None));
    let not_cut_over = enable(Purpose::Storage, Subtag::EnableStorage);
    assert_eq!(ready(&[not_cut_over, value.clone()]), Err("OTHER"), "its index is another entry's");
    assert_eq!(ready(&[value.clone(), sealed(8, &[ROTATION])]), Err("ErrSidecarBehindRaftLog"));
    let mut altered = value.clone();
    *altered.1.last_mut().unwrap() ^= 1;
    assert_eq!(ready(&[altered]), Err("ErrSidecarBehindRaftLog"), "an entry that does not open may be one");
}

struct Sealed(Vec<(u64, Vec<u8>)>);

impl LogScanner for Sealed {
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
        let within = self.0.iter().filter(|(index, _)| (first..=last).contains(index));
        within.for_each(|(index, data)| entry(*index, data));
        Ok(())
    }
}

#[test]
fn an_epoch_that_the_registry_knows_is_refused_before_the_raise_and_again_after_the_replay() {
    let (_, file) = sidecar_with(|_| {});
    let store = Arc::<Memory>::default();
    let registry = Registry(&*store);
    registry.register(&row(1, 0)).unwrap();
    let loaded = load(start(Some(&file), &store)).unwrap();
    assert_eq!((epoch_of(&file, 1), loaded.applier.identity().storage_epoch), (1, 1));
    registry.register(&row(1, 1)).unwrap();
    let refused = loaded.ready(9, None).unwrap_err();
    assert!(matches!(refused, Error::LocalEpochRollback(1)), "before the log is searched: {refused}");
    registry.register(&row(1, 7)).unwrap();
    assert!(matches!(load(start(Some(&file), &store)), Err(Error::LocalEpochRollback(1))));
    assert_eq!(epoch_of(&file, 1), 1, "it was not raised");
}

/// A node on a disk, ready at that log index.
fn node(disk: &Recorder, store: &Arc<Memory>, index: u64) -> Node {
    let shared: Arc<dyn crate::disk::Disk> = Arc::new(disk.clone());
    let file = Arc::new(SidecarFile::new(shared, FILE));
    load(start(Some(&file), store)).unwrap().ready(index, None).unwrap()
}

#[test]
fn a_nodes_metrics_count_its_actions() {
    let (disk, store) = (Recorder::with_dir("/data"), Arc::<Memory>::default());
    let mut node_ = node(&disk, &store, 0);
    for (index, entry) in [
        (1, bootstrap()),
        (2, rotation(Subtag::EnableStorage, Purpose::Storage, 1, 0)),
        (3, rotation(Subtag::EnableRaft, Purpose::Raft, 2, 0)),
    ] {
        let data = node_.proposals.seal(index, &entry.encode()).unwrap();
        let entry = node_.proposals.open(index, &data).unwrap();
        assert!(node_.applier.apply(index, &entry).unwrap());
    }
    let sealed = |node: &Node| {
        let mut stored = vec![0; 5 + SEALED_OVERHEAD];
        node.sealer.seal_into(b"user", 9, 0, b"value", Origin::Direct, &mut stored).unwrap();
        stored
    };
    let stored = [sealed(&node_), sealed(&node_), sealed(&node_)];
    let data = node_.proposals.seal(4, &rotation(Subtag::Rotate, Purpose::Storage, 3, 0).encode()).unwrap();
    assert!(node_.applier.apply(4, &node_.proposals.open(4, &data).unwrap()).unwrap());
    sealed(&node_);
    let read = |stored: &[u8]| node_.sealer.read(Clear::Refused, &pebble_key(b"user", 9), stored);
    assert_eq!(read(&stored[0]).unwrap().value, b"value");
    for (at, byte, reason) in [
        (VALUE_HEADER_LEN, 9, "ErrEnvelopeVersion"),
        (VALUE_HEADER_LEN + 5, 99, "ErrUnknownKeyID"),
        (VALUE_HEADER_LEN + 20, 0xee, "ErrEncryptedReadIntegrity"),
    ] {
        let mut altered = stored[1].clone();
        assert_ne!(altered[at], byte);
        altered[at] = byte;
        let refused = read(&altered).unwrap_err();
        assert_eq!(refused.spec_name(), reason, "{at}");
    }
    assert_eq!(read(&stored[2][..20]).unwrap_err().spec_name(), "ErrEnvelopeShort");
    let mut altered = data.clone();
    *altered.last_mut().unwrap() ^= 1;
    let refused = node_.proposals.open(9, &altered).unwrap_err();
    assert_eq!(refused.spec_name(), "ErrRaftUnwrapFailed");

    let has = |node: &Node, lines: &[&str]| {
        let text = node.metrics().unwrap().to_string();
        for line in lines {
            let full = format!("elastickv_encryption_{line}");
            assert!(text.lines().any(|found| found == full), "{full}\n{text}");
        }
    };
    has(
        &node_,
        &[
            "active_dek_id{purpose=\"storage\"} 3",
            "active_dek_id{purpose=\"raft\"} 2",
            "decrypt_failures_total{reason=\"tag_mismatch\"} 2",
            "decrypt_failures_total{reason=\"unknown_key_id\"} 1",
            "decrypt_failures_total{reason=\"truncated\"} 1",
            "decrypt_failures_total{reason=\"bad_version\"} 1",
            "writes_per_dek{dek_id=\"1\"} 3",
            "writes_per_dek{dek_id=\"3\"} 1",
            "writes_per_dek{dek_id=\"2\"} 1",
            "rotation_due{purpose=\"raft\"} 0",
            "last_proposed_index_per_raft_dek{dek_id=\"2\"} 4",
            "kek_unwrap_seconds_count 3",
            "sidecar_raft_index 4",
        ],
    );
    // Each of the three keys is unwrapped by the guard, and again when it is loaded.
    let again = node(&disk, &store, 4);
    assert_eq!(again.proposals.key_id(), Some(2), "a starting node knows its cut-over");
    has(&again, &["kek_unwrap_seconds_count 6", "decrypt_failures_total{reason=\"tag_mismatch\"} 0"]);
}

#[test]
fn a_node_near_its_last_epoch_reports_it() {
    let near = |epoch| {
        let (_, file) = sidecar_with(|sidecar| sidecar.entry_mut(1).unwrap().local_epoch = epoch);
        let identity = load(start(Some(&file), &Arc::default())).unwrap().applier.identity();
        assert_eq!(identity.storage_epoch, epoch + 1);
        identity.epoch_nearly_used_up(Purpose::Storage)
    };
    assert!(!near(epoch::WARN_ABOVE - 1) && near(epoch::WARN_ABOVE));
}
