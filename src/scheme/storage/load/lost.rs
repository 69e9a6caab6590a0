//! A table of starts with one piece of a node's state missing, empty, older or foreign, and everything else
//! intact. Each row gives the reason why the start is refused, or why the node may start.

use std::io;
use std::path::Path;

use super::*;
use crate::disk::{Change, Disk, Memory, Recorder, durable_write};
use crate::envelope::aad::{VALUE_HEADER_LEN, pebble_key};
use crate::envelope::{Header, Record};
use crate::scheme::storage::SEALED_OVERHEAD;
use crate::scheme::storage::proposal::{FRAME_LEN, looks_sealed, seal_proposal};
use crate::scheme::storage::registry::{PREFIX, encode_key};
use crate::scheme::storage::testing::{FILE, NODE, bootstrap, kek, keystore, rotation, row};
use crate::scheme::storage::wire::{Entry, Registration, Subtag};
use crate::scheme::storage::{Clear, LocalKek, Origin, Sign, SnapshotHeader};

/// A stopped node, and everything that it starts from.
struct State {
    enabled: bool,
    kek: Option<Arc<dyn Kek>>,
    path: bool,
    disk: Recorder,
    store: Arc<Memory>,
    /// Entries by index; `None` if the log cannot be read.
    log: Option<Vec<(u64, Vec<u8>)>>,
    scanner: bool,
    engine: u64,
    snapshot_cutover: u64,
    /// The sidecar and the registry before the last start.
    older: (Vec<u8>, Vec<Change>),
}

impl LogScanner for State {
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
        let log = self.log.as_ref().ok_or_else(|| io::Error::other("unreadable"))?;
        let within = log.iter().filter(|(index, _)| (first..=last).contains(index));
        within.for_each(|(index, data)| entry(*index, data));
        Ok(())
    }
}

fn rows(store: &Memory) -> Vec<Change> {
    let rows = store.scan(b"", None, 99).unwrap();
    rows.into_iter().map(|(key, value)| (key, Some(value))).collect()
}

impl State {
    /// A cluster that was bootstrapped (1), seals values (2) and entries (3), wrote a value (4), and was
    /// started and registered a second time (5, 6); the last index is the engine's.
    fn grown() -> Self {
        let mut state = Self {
            enabled: true,
            kek: Some(kek()),
            path: true,
            disk: Recorder::with_dir("/data"),
            store: Arc::default(),
            log: Some(Vec::new()),
            scanner: true,
            engine: 0,
            snapshot_cutover: 0,
            older: Default::default(),
        };
        let mut node = state.start().unwrap();
        state.propose(&mut node, &bootstrap().encode());
        state.propose(&mut node, &rotation(Subtag::EnableStorage, Purpose::Storage, 1, 0).encode());
        state.propose(&mut node, &rotation(Subtag::EnableRaft, Purpose::Raft, 2, 0).encode());
        state.propose(&mut node, &[0x10]);
        state.put(seal(&node.sealer, Origin::Direct).unwrap());
        state.older = (state.disk.read(Path::new(FILE)).unwrap(), rows(&state.store));
        let mut node = state.start().unwrap();
        for dek_id in [1, 2] {
            state.propose(&mut node, &Entry::Registration(row(dek_id, 1)).encode());
        }
        state
    }

    fn propose(&mut self, node: &mut Node, entry: &[u8]) {
        self.engine += 1;
        let data = node.proposals.seal(self.engine, entry).unwrap();
        let opened = node.proposals.open(self.engine, &data).unwrap();
        assert_eq!(opened, entry);
        node.applier.apply(self.engine, &opened).unwrap();
        self.log.as_mut().unwrap().push((self.engine, data));
    }

    fn put(&self, stored: Vec<u8>) {
        self.store.commit(&[(pebble_key(b"user", 9), Some(stored))]).unwrap();
    }

    fn load(&self) -> Result<Loaded, Error> {
        let shared: Arc<dyn Disk> = Arc::new(self.disk.clone());
        load(Start {
            encryption_enabled: self.enabled,
            kek: self.kek.clone(),
            sidecar: self.path.then(|| Arc::new(SidecarFile::new(shared, FILE))),
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            engine: crate::engine::find("sealmark").unwrap(),
            full_node_id: NODE,
            peers: vec![NODE, NODE + 1],
            snapshot_cutover: self.snapshot_cutover,
        })
    }

    /// Starts the node with an engine that has nothing left to replay.
    fn start(&self) -> Result<Node, Error> {
        let scanner = self.scanner.then_some(self as &dyn LogScanner);
        let loaded = self.load()?;
        loaded.begin_replay(self.engine, scanner)?;
        loaded.ready(self.engine, scanner)
    }

    fn without_sidecar(&mut self) {
        self.disk.remove(Path::new(FILE)).unwrap();
    }

    fn sidecar(&self, change: impl FnOnce(&mut Sidecar)) {
        let mut sidecar = Sidecar::read(&self.disk, Path::new(FILE)).unwrap();
        change(&mut sidecar);
        durable_write(&self.disk, Path::new(FILE), sidecar.to_json().as_bytes()).unwrap();
    }

    /// Removes every row with that prefix from the store.
    fn without_rows(&self, prefix: &[u8]) {
        let rows = self.store.scan(prefix, None, 99).unwrap();
        self.store.commit(&rows.into_iter().map(|(key, _)| (key, None)).collect::<Vec<_>>()).unwrap();
    }

    fn log(&mut self) -> &mut Vec<(u64, Vec<u8>)> {
        self.log.as_mut().unwrap()
    }
}

/// A value as the node stores it.
fn seal(sealer: &Sealer, origin: Origin) -> Result<Vec<u8>, Error> {
    let mut stored = vec![0; 1 + SEALED_OVERHEAD];
    let len = sealer.seal_into(b"user", 9, 0, b"v", origin, &mut stored)?;
    stored.truncate(len);
    Ok(stored)
}

/// A wrap under that id of a data key that is not the cluster's.
fn anothers(purpose: Purpose, id: u8) -> Vec<u8> {
    kek().wrap(purpose, id.into(), &[id + 100; 32]).unwrap()
}

enum Then {
    /// The start is refused for that reason.
    Refused(fn(&Error) -> bool),
    /// The node starts, for that reason.
    Starts(&'static str),
}
use Then::{Refused, Starts};

macro_rules! refused {
    ($($reason:tt)*) => { Refused(|error| matches!(error, $($reason)*)) };
}

type Row = (&'static str, fn(&mut State), Then);

const MISSING: &[Row] = &[
    ("sidecar missing", State::without_sidecar, refused!(Error::SidecarMissing(Sign::OwnRow(1)))),
    (
        "sidecar missing, and the flag is off",
        |state| {
            state.without_sidecar();
            (state.enabled, state.kek) = (false, None);
        },
        refused!(Error::SidecarMissing(Sign::OwnRow(1))),
    ),
    (
        "sidecar missing, and its path is not configured",
        |state| {
            state.without_sidecar();
            state.path = false;
        },
        refused!(Error::SidecarMissing(Sign::OwnRow(1))),
    ),
    (
        "sidecar without keys",
        |state| state.sidecar(|sidecar| *sidecar = Sidecar::default()),
        refused!(Error::SidecarMissing(Sign::OwnRow(1))),
    ),
    (
        "sidecar missing, and the store came from another member",
        |state| {
            state.without_sidecar();
            state.without_rows(PREFIX);
            let other = Registration { full_node_id: NODE + 1, ..row(7, 0) };
            Registry(&*state.store).register(&other).unwrap();
        },
        refused!(Error::SidecarMissing(Sign::OthersRow(7))),
    ),
    (
        "sidecar missing, and only the index is left of the registry",
        |state| {
            state.without_sidecar();
            [1, 2].iter().for_each(|dek_id| state.without_rows(&encode_key(*dek_id, NODE as u16)));
            assert_eq!(state.store.scan(PREFIX, None, 9).unwrap().len(), 1);
        },
        refused!(Error::SidecarMissing(Sign::Bookkeeping)),
    ),
    (
        "sidecar and registry missing: the values show it",
        |state| {
            state.without_sidecar();
            state.without_rows(PREFIX);
        },
        refused!(Error::SidecarMissing(Sign::SealedValue)),
    ),
    (
        "sidecar and store missing: the log shows it",
        |state| {
            state.without_sidecar();
            state.without_rows(b"");
        },
        refused!(Error::SidecarMissing(Sign::LogEntry(1))),
    ),
    (
        "sidecar and store missing, the flag off: the log shows it",
        |state| {
            state.without_sidecar();
            state.without_rows(b"");
            (state.enabled, state.kek) = (false, None);
        },
        refused!(Error::SidecarMissing(Sign::LogEntry(1))),
    ),
    (
        "sidecar and store missing, the log compacted: its sealed entries show it",
        |state| {
            state.without_sidecar();
            state.without_rows(b"");
            state.log().drain(..3);
        },
        refused!(Error::SidecarMissing(Sign::SealedEntry(4))),
    ),
    (
        "sidecar and store missing, and the log is not searched",
        |state| {
            state.without_sidecar();
            state.without_rows(b"");
            state.scanner = false;
        },
        refused!(Error::SidecarMissing(Sign::UnsearchedLog(6))),
    ),
    (
        "sidecar and store missing, and the log cannot be read",
        |state| {
            state.without_sidecar();
            state.without_rows(b"");
            state.log = None;
        },
        refused!(Error::LogScan(_)),
    ),
    (
        "sidecar, store and log missing: the snapshot shows it",
        |state| {
            state.without_sidecar();
            state.without_rows(b"");
            (state.log, state.engine, state.snapshot_cutover) = (Some(Vec::new()), 0, 3);
        },
        refused!(Error::EnvelopeCutoverDivergence { snapshot: 3, sidecar: 0 }),
    ),
];

const SIDECAR: &[Row] = &[
    (
        "sidecar empty",
        |state| durable_write(&state.disk, Path::new(FILE), b"").unwrap(),
        refused!(Error::SidecarJson(_)),
    ),
    (
        "sidecar older",
        |state| durable_write(&state.disk, Path::new(FILE), &state.older.0).unwrap(),
        refused!(Error::LocalEpochRollback(1)),
    ),
    (
        "sidecar of another node that was started less often",
        |state| state.sidecar(|sidecar| sidecar.entry_mut(2).unwrap().local_epoch = 0),
        refused!(Error::LocalEpochRollback(2)),
    ),
    (
        "sidecar of another node that was started more often",
        |state| state.sidecar(|sidecar| sidecar.keys.values_mut().for_each(|entry| entry.local_epoch = 9)),
        Starts("the keys are the cluster's, and the epochs only rise"),
    ),
    (
        "sidecar of another cluster under the same KEK",
        |state| {
            state.sidecar(|sidecar| {
                sidecar.entry_mut(1).unwrap().wrapped = anothers(Purpose::Storage, 1);
                sidecar.entry_mut(2).unwrap().wrapped = anothers(Purpose::Raft, 2);
            });
            // Nothing is left that only its raft key opens.
            state.log().truncate(3);
            state.engine = 3;
        },
        refused!(Error::SidecarInconsistent("the log brought keys that differ from its own")),
    ),
    (
        "sidecar of another cluster with its entries",
        |state| state.sidecar(|sidecar| sidecar.entry_mut(2).unwrap().wrapped = anothers(Purpose::Raft, 2)),
        refused!(Error::SidecarBehindRaftLog { sidecar: 3, engine: 6 }),
    ),
    (
        "sidecar of another cluster, cut over elsewhere",
        |state| state.sidecar(|sidecar| sidecar.storage_envelope_cutover_index = 1),
        refused!(Error::SidecarInconsistent("the log has no cut-over at the index that it gives")),
    ),
    (
        "sidecar of another cluster, with another KEK",
        |state| state.kek = Some(Arc::new(LocalKek::new(&[1; 32]).unwrap())),
        refused!(Error::KekMismatch(1)),
    ),
    ("KEK missing", |state| state.kek = None, refused!(Error::KekRequiredWithFlag)),
    ("flag missing", |state| state.enabled = false, refused!(Error::SidecarPresentWithoutFlag)),
];

const WRAPS: &[Row] = &[
    (
        "wraps missing",
        |state| {
            let text = String::from_utf8(state.disk.read(Path::new(FILE)).unwrap()).unwrap();
            let other = text.replace("\"wrapped\"", "\"wrapper\"");
            durable_write(&state.disk, Path::new(FILE), other.as_bytes()).unwrap();
        },
        refused!(Error::SidecarStrict(_)),
    ),
    (
        "an active key's wrap empty",
        |state| state.sidecar(|sidecar| sidecar.entry_mut(2).unwrap().wrapped.clear()),
        refused!(Error::SidecarInconsistent("an active key has no bytes")),
    ),
    (
        "an idle key's wrap empty",
        |state| {
            state.sidecar(|sidecar| {
                let mut idle = sidecar.entry(1).unwrap().clone();
                idle.wrapped.clear();
                sidecar.keys.insert("9".into(), idle);
            });
        },
        Starts("it looks like a retired key, and its values are refused when read"),
    ),
    (
        "wraps older, under the previous KEK",
        |state| {
            let before = LocalKek::new(&[1; 32]).unwrap();
            let wrapped = before.wrap(Purpose::Raft, 2, &[2; 32]).unwrap();
            state.sidecar(|sidecar| sidecar.entry_mut(2).unwrap().wrapped = wrapped);
        },
        refused!(Error::KekMismatch(2)),
    ),
    (
        "wraps swapped",
        |state| {
            state.sidecar(|sidecar| {
                let first = std::mem::take(&mut sidecar.entry_mut(1).unwrap().wrapped);
                let second = std::mem::replace(&mut sidecar.entry_mut(2).unwrap().wrapped, first);
                sidecar.entry_mut(1).unwrap().wrapped = second;
            });
            state.log().truncate(3);
            state.engine = 3;
        },
        refused!(Error::SidecarInconsistent("the log brought keys that differ from its own")),
    ),
    (
        "both with the same wrap",
        |state| {
            state.sidecar(|sidecar| {
                let first = sidecar.entry(1).unwrap().wrapped.clone();
                sidecar.entry_mut(2).unwrap().wrapped = first;
            });
        },
        refused!(Error::SameDek(1, 2)),
    ),
];

const REGISTRY: &[Row] = &[
    (
        "registry missing, or empty",
        |state| state.without_rows(PREFIX),
        refused!(Error::LocalEpochRollback(1)),
    ),
    (
        "registry missing before values are sealed",
        |state| {
            state.without_rows(PREFIX);
            state.sidecar(|sidecar| {
                (sidecar.storage_envelope_active, sidecar.storage_envelope_cutover_index) = (false, 0);
                (sidecar.raft_envelope_cutover_index, sidecar.raft_applied_index) = (0, 1);
            });
            state.log().truncate(1);
            state.engine = 1;
        },
        Starts("a bootstrap may bring no row, and the sidecar alone keeps epochs apart"),
    ),
    (
        "registry older",
        |state| {
            state.without_rows(PREFIX);
            state.store.commit(&state.older.1).unwrap();
        },
        Starts("the sidecar alone keeps epochs apart; all that is lost is the means to detect an old one"),
    ),
    (
        "registry of another cluster, with another node in this node's slot",
        |state| {
            state.without_rows(PREFIX);
            let twin = Registration { full_node_id: NODE ^ 1 << 63, ..row(1, 0) };
            Registry(&*state.store).register(&twin).unwrap();
        },
        refused!(Error::NodeIdCollision(..)),
    ),
    (
        "registry of another cluster, without this node",
        |state| {
            state.without_rows(PREFIX);
            let other = Registration { full_node_id: NODE + 1, ..row(1, 5) };
            Registry(&*state.store).register(&other).unwrap();
        },
        refused!(Error::LocalEpochRollback(1)),
    ),
    (
        "registry damaged",
        |state| state.store.commit(&[(encode_key(1, NODE as u16).into(), Some(vec![0; 11]))]).unwrap(),
        refused!(Error::RegistryValueMalformed),
    ),
];

const STORE: &[Row] = &[
    (
        "values missing",
        |state| state.without_rows(&pebble_key(b"user", 9)),
        Starts("a deleted row reads like one that was never written"),
    ),
    (
        "values older, or another node's",
        |state| {
            // Sealed by another member under the same key, in the same place.
            let theirs = NonceSource::new(node_id16(NODE + 1), 0);
            let cache = StateCache::of(&Sidecar {
                active_storage: 1,
                storage_envelope_active: true,
                ..Sidecar::default()
            });
            let sealer = Sealer::new(keystore(&[1]).into(), theirs.into(), cache.into(), Arc::default());
            state.put(seal(&sealer, Origin::Replicated).unwrap());
        },
        Starts("a record says neither who sealed it nor whether a newer one existed"),
    ),
];

const LOG: &[Row] = &[
    (
        "log missing, or empty",
        |state| (state.log, state.engine) = (Some(Vec::new()), 0),
        refused!(Error::SidecarNotOfRaftLog { sidecar: 3, engine: 0 }),
    ),
    (
        "log older",
        |state| {
            state.log().truncate(2);
            state.engine = 2;
        },
        refused!(Error::SidecarNotOfRaftLog { sidecar: 3, engine: 2 }),
    ),
    (
        "log of another cluster, without a key change at that index",
        |state| state.log()[2].1 = seal_proposal(3, &[0x10], None).unwrap(),
        refused!(Error::SidecarNotOfRaftLog { sidecar: 3, engine: 6 }),
    ),
    (
        "log of another cluster, with a later key change",
        |state| {
            let rotate = rotation(Subtag::Rotate, Purpose::Storage, 3, 0).encode();
            let sealing = (&keystore(&[2]).into(), 2, [9; 12]);
            state.log()[4].1 = seal_proposal(5, &rotate, Some(sealing)).unwrap();
        },
        refused!(Error::SidecarBehindRaftLog { sidecar: 3, engine: 6 }),
    ),
    (
        "log of another cluster, bootstrapped with other keys",
        |state| {
            let Entry::Bootstrap(mut other) = bootstrap() else { unreachable!() };
            other.wrapped_storage = anothers(Purpose::Storage, 1);
            state.log()[0].1 = seal_proposal(1, &Entry::Bootstrap(other).encode(), None).unwrap();
        },
        refused!(Error::SidecarInconsistent("the log brought keys that differ from its own")),
    ),
    (
        "log with a sealed entry before the cut-over",
        |state| {
            let sealing = (&keystore(&[7]).into(), 7, [9; 12]);
            state.log()[1].1 = seal_proposal(2, &[0x10], Some(sealing)).unwrap();
        },
        refused!(Error::SidecarInconsistent(_)),
    ),
    ("log not searched", |state| state.scanner = false, refused!(Error::SidecarBehindRaftLog { .. })),
    ("log unreadable", |state| state.log = None, refused!(Error::LogScan(_))),
    (
        "log compacted",
        |state| drop(state.log().drain(..4)),
        Starts("compacted entries were applied, and no longer show anything"),
    ),
];

const SNAPSHOT: &[Row] = &[
    (
        "snapshot header missing, empty, or from before the cut-over",
        |state| {
            let (header, _) = SnapshotHeader::decode(b"").unwrap();
            state.snapshot_cutover = header.cutover;
        },
        Starts("a snapshot from before the cut-over says 0, and the log continues from it"),
    ),
    (
        "snapshot of this cluster",
        |state| state.snapshot_cutover = 3,
        Starts("it was cut over at the sidecar's index"),
    ),
    (
        "snapshot of another cluster",
        |state| state.snapshot_cutover = 4,
        refused!(Error::EnvelopeCutoverDivergence { snapshot: 4, sidecar: 3 }),
    ),
];

/// Checks that a node that starts seals, under nonces of an epoch above the registry's.
fn serves_sealed(state: &State, mut node: Node, what: &str) {
    let identity = node.applier.identity();
    let registration = |purpose, dek_id| Entry::Registration(identity.registration(purpose, dek_id)).encode();
    node.applier.apply(90, &registration(Purpose::Storage, 1)).unwrap();
    let stored = seal(&node.sealer, Origin::Direct).unwrap();
    let data = node.proposals.seal(91, &registration(Purpose::Raft, 2)).unwrap();
    let sidecar = node.applier.sidecar().unwrap().unwrap();
    if sidecar.storage_envelope_active {
        let nonce = Record::decode(&stored[VALUE_HEADER_LEN..]).unwrap().header.nonce;
        assert!(u16::from_be_bytes([nonce[2], nonce[3]]) >= 2, "{what}");
        let read = node.sealer.read(Clear::Refused, &pebble_key(b"user", 9), &stored).unwrap();
        assert_eq!(read.value, b"v", "{what}");
    }
    if sidecar.raft_envelope_cutover_index != 0 {
        assert_eq!(looks_sealed(&data[FRAME_LEN..]), Some(2), "{what}");
        assert!(Header::decode(&data[FRAME_LEN..]).unwrap().nonce[3] >= 2, "{what}");
    }
    for (_, stored) in state.store.scan(b"user", None, 9).unwrap() {
        let read = node.sealer.read(Clear::Refused, &pebble_key(b"user", 9), &stored);
        assert_eq!(read.unwrap().value, b"v", "{what}");
    }
}

#[test]
fn every_missing_empty_older_or_foreign_piece_of_state_is_noticed_or_explained() {
    for (what, change, then) in
        [MISSING, SIDECAR, WRAPS, REGISTRY, STORE, LOG, SNAPSHOT].into_iter().flatten()
    {
        let mut state = State::grown();
        change(&mut state);
        match (state.start(), then) {
            (Err(error), Refused(reason)) => assert!(reason(&error), "{what}: {error}"),
            (Ok(node), Starts(_)) => serves_sealed(&state, node, what),
            (Err(error), Starts(why)) => panic!("{what}: it should start, because {why}; but {error}"),
            (Ok(_), Refused(_)) => panic!("{what}: the node starts"),
        }
    }
}

#[test]
fn values_of_another_cluster_are_refused_when_read() {
    let state = State::grown();
    let node = state.start().unwrap();
    let read = |node: &Node| {
        let stored = state.store.get(&pebble_key(b"user", 9)).unwrap().unwrap();
        node.sealer.read(Clear::Refused, &pebble_key(b"user", 9), &stored)
    };
    assert_eq!(read(&node).unwrap().value, b"v");
    let sealing = |key_id: u32, byte: u8| {
        let keys = Keystore::new(crate::engine::find("sealmark").unwrap());
        keys.set(key_id, &[byte; 32]).unwrap();
        let sidecar = Sidecar { active_storage: key_id, storage_envelope_active: true, ..Sidecar::default() };
        let (nonces, cache) = (NonceSource::new(1, 1).into(), StateCache::of(&sidecar).into());
        Sealer::new(Arc::new(keys).into(), nonces, cache, Arc::default())
    };
    state.put(seal(&sealing(1, 101), Origin::Direct).unwrap());
    assert!(matches!(read(&node), Err(Error::ReadIntegrity)));
    state.put(seal(&sealing(5, 5), Origin::Direct).unwrap());
    assert!(matches!(read(&node), Err(Error::Envelope(crate::envelope::Error::UnknownKeyId(5)))));
}

#[test]
fn no_plaintext_is_replayed_or_proposed_before_the_log_is_searched_for_lost_keys() {
    let mut state = State::grown();
    state.without_sidecar();
    state.without_rows(b"");
    // The engine continues after its last entry: the bootstrap is not replayed.
    let loaded = state.load().unwrap();
    let (sealer, value) = (loaded.sealer(), Origin::Replicated);
    assert!(matches!(seal(&sealer, value), Err(Error::NotReady(_))));
    let lost = loaded.begin_replay(state.engine, Some(&state)).unwrap_err();
    assert!(matches!(lost, Error::SidecarMissing(Sign::LogEntry(1))), "{lost}");
    assert!(matches!(seal(&sealer, value), Err(Error::NotReady(_))), "nor afterwards");
    assert!(matches!(loaded.proposals.seal(7, b"entry"), Err(Error::NotReady(_))));
    let sealed = &state.log.as_ref().unwrap()[3].1;
    let handed_on = loaded.proposals.open(4, sealed);
    assert!(matches!(handed_on, Err(Error::SealedEntry { index: 4, key_id: 2 })), "{handed_on:?}");

    // A node that never had keys replays plaintext, and is bootstrapped afterwards.
    state.log = Some((1..=3).map(|index| (index, seal_proposal(index, &[0x10], None).unwrap())).collect());
    let loaded = state.load().unwrap();
    assert!(matches!(seal(&loaded.sealer(), value), Err(Error::NotReady(_))));
    loaded.begin_replay(3, Some(&state)).unwrap();
    assert_eq!(seal(&loaded.sealer(), value).unwrap()[..1], [0]);
    let mut node = loaded.ready(3, Some(&state)).unwrap();
    assert_eq!(seal(&node.sealer, Origin::Direct).unwrap()[..1], [0]);
    node.applier.apply(4, &bootstrap().encode()).unwrap();
}

#[test]
fn a_snapshot_of_a_cluster_with_keys_stops_a_running_node_that_has_none() {
    let header = |cutover| SnapshotHeader { ceiling: 1, cutover };
    let mut state = State::grown();
    let node = state.start().unwrap();
    node.applier.restored(&header(3)).unwrap();
    node.applier.restored(&header(0)).unwrap();
    let other = node.applier.restored(&header(4)).unwrap_err();
    assert!(matches!(other, Error::EnvelopeCutoverDivergence { snapshot: 4, sidecar: 3 }), "{other}");
    let rows = rows(&state.store);
    state.without_sidecar();
    state.without_rows(b"");
    (state.log, state.engine) = (Some(Vec::new()), 0);
    let fresh = state.start().unwrap();
    fresh.applier.restored(&header(0)).unwrap();
    let sealed = fresh.applier.restored(&header(3)).unwrap_err();
    assert!(matches!(sealed, Error::EnvelopeCutoverDivergence { snapshot: 3, sidecar: 0 }), "{sealed}");
    state.store.commit(&rows).unwrap();
    let lost = fresh.applier.restored(&header(0)).unwrap_err();
    assert!(matches!(lost, Error::SidecarMissing(Sign::OwnRow(1))), "{lost}");
}

#[test]
fn an_applier_alone_does_not_mistake_a_lost_sidecar_for_a_new_node() {
    let mut state = State::grown();
    state.without_sidecar();
    let shared: Arc<dyn Disk> = Arc::new(state.disk.clone());
    let sidecar = Arc::new(SidecarFile::new(shared, FILE));
    let keys = applier::Keys { kek: kek(), keystore: keystore(&[]), sidecar };
    let identity = Identity { full_node_id: NODE, storage_epoch: 0, raft_epoch: 0 };
    let refused = Applier::new(Some(keys), Arc::clone(&state.store) as Arc<dyn Store>, identity).unwrap_err();
    assert!(matches!(refused, Error::SidecarMissing(Sign::OwnRow(1))), "{refused}");
}

#[test]
fn an_empty_sidecar_hydrates_nothing_and_an_empty_log_needs_no_scanner() {
    let keys = keystore(&[]);
    hydrate(&Sidecar::default(), &*kek(), &keys).unwrap();
    assert!(keys.ids().is_empty());
    missing::check_log(0, None, &|_, _| unreachable!("nothing is in the range")).unwrap();
    assert_eq!(guards::check_log(5, 5, None, &|_, _| unreachable!("nor here")).unwrap(), Gap::None);
}

#[test]
#[cfg(unix)]
fn a_sidecar_symlink_even_a_dangling_one_is_refused_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let sidecar = Arc::new(SidecarFile::new(Arc::new(crate::disk::Os) as Arc<dyn Disk>, at("keys.json")));
    std::os::unix::fs::symlink(at("real.json"), at("keys.json")).unwrap();
    let try_load = || {
        load(Start {
            encryption_enabled: true,
            kek: Some(kek()),
            sidecar: Some(Arc::clone(&sidecar)),
            store: Arc::<Memory>::default(),
            engine: crate::engine::find("sealmark").unwrap(),
            full_node_id: NODE,
            peers: Vec::new(),
            snapshot_cutover: 0,
        })
    };
    let good = State::grown().older.0;
    for text in [None, Some(&good)] {
        if let Some(text) = text {
            std::fs::write(at("real.json"), text).unwrap();
        }
        let refused = try_load().unwrap_err();
        assert!(matches!(refused, Error::Disk(crate::disk::Error::SymbolicLink { .. })), "{refused}");
    }
    assert_eq!(std::fs::read(at("real.json")).unwrap(), good);
    assert!(std::fs::symlink_metadata(at("keys.json")).unwrap().file_type().is_symlink());
    std::fs::remove_file(at("keys.json")).unwrap();
    try_load().unwrap();
}
