//! One member: its log and votes in a database on its disk, its state machine, and the storage scheme within it.

use std::fmt::Debug;
use std::io::Cursor;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::{Arc, Mutex};

use openraft::storage::{LogFlushed, RaftLogStorage, RaftStateMachine, Snapshot};
use openraft::{
    AnyError, Entry, EntryPayload, LogId, LogState, OptionalSend, RaftLogReader, RaftSnapshotBuilder,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership, Vote,
};
use sealmark::aead::Nonce;
use sealmark::disk::{Disk, Recorder, Redb, Store};
use sealmark::engine;
use sealmark::envelope::aad::{VALUE_HEADER_LEN, pebble_key};
use sealmark::envelope::{NonceSource, Record};
use sealmark::scheme::storage::guards::LogScanner;
use sealmark::scheme::storage::value::SEALED_OVERHEAD;
use sealmark::scheme::storage::wire::{is_sidecar_relevant, open_proposal, seal_proposal};
use sealmark::scheme::storage::{
    Applier, Identity, Kek, LocalKek, Origin, Sealer, Sidecar, SidecarFile, Start, load,
};

use crate::{Checker, Types};

pub const DIR: &str = "/data";
pub const SIDECAR: &str = "/data/keys.json";
/// The opcode of an entry that writes a value.
pub const VALUE: u8 = 0x10;

type Failure = StorageError<u64>;

/// The members' whole ids: their low 16 bits differ.
pub fn full_node_id(id: u64) -> u64 {
    0x5ea1_0000_0000_0000 | id
}

pub fn kek() -> Arc<dyn Kek> {
    Arc::new(LocalKek::new(&[0x4b; 32]).expect("every CPU can make a key"))
}

/// A database of the log: entries under their index, and what else must last.
#[derive(Clone, Debug)]
pub struct Log(Arc<Redb>);

fn entry_key(index: u64) -> Vec<u8> {
    [b"e", &index.to_be_bytes()[..]].concat()
}

fn failed(error: impl ToString) -> Failure {
    StorageIOError::write(AnyError::error(error.to_string())).into()
}

impl Log {
    pub fn open(disk: &Recorder) -> Result<Self, sealmark::disk::Error> {
        Ok(Self(Arc::new(Redb::open(disk, Path::new("/data/log"))?)))
    }

    fn put(&self, key: &[u8], value: &impl serde::Serialize) -> Result<(), Failure> {
        let value = serde_json::to_vec(value).map_err(failed)?;
        self.0.commit(&[(key.to_vec(), Some(value))]).map_err(failed)
    }

    fn find<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Failure> {
        let value = self.0.get(key).map_err(failed)?;
        value.map(|value| serde_json::from_slice(&value).map_err(failed)).transpose()
    }

    pub fn entries(&self) -> Result<Vec<Entry<Types>>, Failure> {
        let rows = self.0.scan(b"e", None, usize::MAX).map_err(failed)?;
        rows.iter().map(|(_, value)| serde_json::from_slice(value).map_err(failed)).collect()
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<Types>>, Failure> {
        Ok(self.entries()?.into_iter().filter(|entry| range.contains(&entry.log_id.index)).collect())
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, Failure> {
        let last_log_id = self.entries()?.last().map(|entry| entry.log_id);
        Ok(LogState { last_purged_log_id: None, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), Failure> {
        self.put(b"vote", vote)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, Failure> {
        self.find(b"vote")
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut changes = Vec::new();
        for entry in entries {
            changes.push((entry_key(entry.log_id.index), Some(serde_json::to_vec(&entry).map_err(failed)?)));
        }
        self.0.commit(&changes).map_err(failed)?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Result<(), Failure> {
        let gone = self.entries()?.into_iter().filter(|entry| entry.log_id.index >= from.index);
        let gone: Vec<_> = gone.map(|entry| (entry_key(entry.log_id.index), None)).collect();
        self.0.commit(&gone).map_err(failed)
    }

    async fn purge(&mut self, _: LogId<u64>) -> Result<(), Failure> {
        Err(failed("nothing is purged here"))
    }
}

impl LogScanner for Log {
    fn has_sidecar_relevant(&self, after: u64, through: u64) -> std::io::Result<bool> {
        let entries = self.entries().map_err(std::io::Error::other)?;
        let between = entries.iter().filter(|e| e.log_id.index > after && e.log_id.index <= through);
        // Behind the cut-over the opcode is sealed: such an entry may be relevant, which is the safe answer.
        Ok(between.filter_map(|e| payload(e)?.get(9)).any(|opcode| is_sidecar_relevant(*opcode)))
    }
}

fn payload(entry: &Entry<Types>) -> Option<&Vec<u8>> {
    match &entry.payload {
        EntryPayload::Normal(data) => Some(data),
        _ => None,
    }
}

/// A running member's state machine, and what proposing needs of it.
pub struct Machine {
    pub id: u64,
    applier: Applier,
    sealer: Sealer,
    raft_nonces: Arc<NonceSource>,
    pub file: Arc<SidecarFile>,
    sealing: Arc<Mutex<Option<(u32, u64)>>>,
    checker: Arc<Mutex<Checker>>,
    log: Log,
    disk: Recorder,
    applied: (Option<LogId<u64>>, StoredMembership<u64, openraft::BasicNode>),
}

impl Machine {
    /// Starts from a disk: guards, replay of what was applied from anywhere in it, guards.
    pub fn start(
        id: u64,
        disk: &Recorder,
        log: Log,
        checker: Arc<Mutex<Checker>>,
        replay_from: impl FnOnce(u64) -> u64,
    ) -> Result<Self, String> {
        let text = |error: sealmark::scheme::storage::Error| error.to_string();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let store = Redb::open(disk, Path::new("/data/registry")).map_err(|e| e.to_string())?;
        let file = Arc::new(SidecarFile::new(shared, SIDECAR));
        let mut loaded = load(Start {
            encryption_enabled: true,
            kek: Some(kek()),
            sidecar: Some(Arc::clone(&file)),
            store: Arc::new(store),
            engine: engine::find("sealmark").expect("our own engine is always there"),
            full_node_id: full_node_id(id),
            peers: [1, 2, 3].map(full_node_id).to_vec(),
            snapshot_cutover: 0,
        })
        .map_err(text)?;
        let sealing = Arc::<Mutex<Option<(u32, u64)>>>::default();
        let seen = Arc::clone(&sealing);
        loaded.applier = (loaded.applier)
            .with_installer(Box::new(move |key_id, cutover| {
                *seen.lock().unwrap() = Some((key_id, cutover));
                Ok(())
            }))
            .map_err(text)?;
        let applied: (Option<LogId<u64>>, _) =
            log.find(b"applied").map_err(|e| e.to_string())?.unwrap_or_default();
        let last = applied.0.map_or(0, |log_id| log_id.index);
        let sealer = loaded.sealer(Arc::default());
        let from = replay_from(last);
        for entry in log.entries().map_err(|e| e.to_string())? {
            let index = entry.log_id.index;
            if let (Some(data), true) = (payload(&entry), (from..=last).contains(&index)) {
                apply(id, &mut loaded.applier, &sealer, &sealing, &checker, index, data)?;
            }
        }
        let node = loaded.ready(last, Some(&log)).map_err(text)?;
        let (applier, sealer, raft_nonces) = (node.applier, node.sealer, node.raft_nonces);
        let disk = disk.clone();
        Ok(Self { id, applier, sealer, raft_nonces, file, sealing, checker, log, disk, applied })
    }

    pub fn identity(&self) -> Identity {
        self.applier.identity()
    }

    pub fn sidecar(&self) -> Option<Sidecar> {
        self.file.find().ok().flatten()
    }

    /// What goes into the log: sealed, once this member has applied the cut-over.
    pub fn proposal(&self, entry: &[u8]) -> Vec<u8> {
        let sealing = self.sealing.lock().unwrap().map(|(key_id, _)| {
            let nonce = self.raft_nonces.next().expect("2^64 are not used up");
            self.checker.lock().unwrap().issue(key_id, nonce);
            (self.sealer.cipher(), key_id, nonce)
        });
        seal_proposal(0, entry, sealing).expect("the key is loaded")
    }
}

/// Applies one entry: the scheme's, or a value, which every member seals for itself.
fn apply(
    id: u64,
    applier: &mut Applier,
    sealer: &Sealer,
    sealing: &Mutex<Option<(u32, u64)>>,
    checker: &Mutex<Checker>,
    index: u64,
    data: &[u8],
) -> Result<(), String> {
    let cutover = sealing.lock().unwrap().map_or(0, |(_, cutover)| cutover);
    let entry = open_proposal(data, index, cutover, Some(sealer.cipher())).map_err(|e| e.to_string())?;
    if entry.first() != Some(&VALUE) {
        return applier.apply(index, &entry).map(|_| ()).map_err(|halt| halt.to_string());
    }
    let mut stored = vec![0; 8 + SEALED_OVERHEAD];
    let value = index.to_be_bytes();
    let sealed = sealer.seal_into(b"key", index, 0, &value, Origin::Replicated, &mut stored);
    stored.truncate(sealed.map_err(|e| e.to_string())?);
    let mut checker = checker.lock().unwrap();
    if stored.len() == 8 + SEALED_OVERHEAD {
        let header = Record::decode(&stored[VALUE_HEADER_LEN..]).map_err(|e| e.to_string())?.header;
        checker.issue(header.key_id, header.nonce);
    }
    checker.records.push((id, pebble_key(b"key", index), stored));
    Ok(())
}

impl Checker {
    fn issue(&mut self, key_id: u32, nonce: Nonce) {
        if !self.issued.insert((key_id, nonce)) {
            self.broken.push(format!("nonce {nonce:02x?} is issued twice under key {key_id}"));
        }
    }
}

/// A member's machine, which the harness looks into as well.
#[derive(Clone)]
pub struct Shared(pub Arc<Mutex<Machine>>);

impl RaftStateMachine<Types> for Shared {
    type SnapshotBuilder = NoSnapshot;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, openraft::BasicNode>), Failure> {
        Ok(self.0.lock().unwrap().applied.clone())
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<()>, Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let machine = &mut *self.0.lock().unwrap();
        let mut answers = Vec::new();
        for entry in entries {
            let Machine { id, applier, sealer, sealing, checker, .. } = machine;
            if let EntryPayload::Membership(membership) = &entry.payload {
                machine.applied.1 = StoredMembership::new(Some(entry.log_id), membership.clone());
            } else if let Some(data) = payload(&entry)
                && let Err(why) = apply(*id, applier, sealer, sealing, checker, entry.log_id.index, data)
            {
                // A cut wire to the disk halts a member; anything else must not.
                if machine.disk.exists(Path::new(SIDECAR)).is_ok() {
                    checker.lock().unwrap().broken.push(format!("member {id} halts: {why}"));
                }
                return Err(failed(why));
            }
            machine.applied.0 = Some(entry.log_id);
            answers.push(());
        }
        machine.log.put(b"applied", &machine.applied)?;
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> NoSnapshot {
        NoSnapshot
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, Failure> {
        Err(failed("there are no snapshots here"))
    }

    async fn install_snapshot(
        &mut self,
        _: &SnapshotMeta<u64, openraft::BasicNode>,
        _: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), Failure> {
        Err(failed("there are no snapshots here"))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, Failure> {
        Ok(None)
    }
}

/// Logs are short here, and never compacted.
pub struct NoSnapshot;

impl RaftSnapshotBuilder<Types> for NoSnapshot {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, Failure> {
        Err(failed("there are no snapshots here"))
    }
}
