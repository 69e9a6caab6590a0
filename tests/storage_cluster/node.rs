//! One member: its state machine, and the storage scheme within it.

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex};

use openraft::storage::{RaftStateMachine, Snapshot};
use openraft::{
    Entry, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, SnapshotMeta, StoredMembership,
};
use sealmark::disk::{Disk, Recorder, Redb};
use sealmark::engine;
use sealmark::envelope::aad::{VALUE_HEADER_LEN, pebble_key};
use sealmark::envelope::nonce::node_id16;
use sealmark::envelope::{Header, NonceSource, Record};
use sealmark::scheme::storage::SEALED_OVERHEAD;
use sealmark::scheme::storage::proposal::FRAME_LEN;
use sealmark::scheme::storage::{
    Applier, Identity, Kek, LocalKek, Origin, Proposals, Sealer, Sidecar, SidecarFile, Start, load,
};

use crate::Types;
use crate::checker::{Records, issue, place};
use crate::cluster::checker::Checker;
use crate::cluster::log::{Failure, Log, failed, payload};

pub const DIR: &str = "/data";
pub const SIDECAR: &str = "/data/keys.json";
/// The database of the log.
pub const LOG: &str = "/data/log";
/// The opcode of an entry that writes a value.
pub const VALUE: u8 = 0x10;

/// The members' full ids, whose low 16 bits differ.
pub fn full_node_id(id: u64) -> u64 {
    0x5ea1_0000_0000_0000 | id
}

pub fn kek() -> Arc<dyn Kek> {
    Arc::new(LocalKek::new(&[0x4b; 32]).expect("every CPU can make a key"))
}

/// Defects that can be planted in the members, and that must be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// The nonces of values carry epoch 0 in every process, which no guard can see.
    EpochLeftOut,
    /// The raised epoch is used but not stored.
    BumpForgotten,
}

/// A member's means of sealing, and the checker that watches it.
struct Member {
    id: u64,
    sealer: Sealer,
    proposals: Arc<Proposals>,
    file: Arc<SidecarFile>,
    seen: Seen,
}

/// What outlives the members: the checker, and every record that they wrote.
#[derive(Clone, Default)]
pub struct Seen {
    pub checker: Arc<Mutex<Checker>>,
    pub records: Arc<Mutex<Records>>,
}

/// A running member's state machine.
pub struct Machine {
    applier: Applier,
    member: Member,
    log: Log,
    disk: Recorder,
    applied: (Option<LogId<u64>>, StoredMembership<u64, openraft::BasicNode>),
}

impl Machine {
    /// Starts from a disk: guards, a replay of the applied entries from a random point, guards.
    pub fn start(
        id: u64,
        disk: &Recorder,
        log: Log,
        seen: Seen,
        defect: Option<Defect>,
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
        if defect == Some(Defect::BumpForgotten) {
            forget_bump(&file).map_err(text)?;
        }
        let applied: (Option<LogId<u64>>, _) =
            log.find(b"applied").map_err(|e| e.to_string())?.unwrap_or_default();
        log.note(Ok(applied.0));
        let last = applied.0.map_or(0, |log_id| log_id.index);
        let mut sealer = loaded.sealer();
        if defect == Some(Defect::EpochLeftOut) {
            let nonces = Arc::new(NonceSource::new(node_id16(full_node_id(id)), 0));
            sealer = Sealer::new(sealer.cipher().clone(), nonces, Arc::clone(loaded.cache()), Arc::default());
        }
        let proposals = Arc::clone(&loaded.proposals);
        let member = Member { id, sealer, proposals, file, seen };
        loaded.begin_replay(last, Some(&log)).map_err(text)?;
        let from = replay_from(last);
        for entry in log.entries().map_err(|e| e.to_string())? {
            let index = entry.log_id.index;
            if let (Some(data), true) = (payload(&entry), (from..=last).contains(&index)) {
                member.apply(&mut loaded.applier, index, data)?;
            }
        }
        let applier = loaded.ready(last, Some(&log)).map_err(text)?.applier;
        Ok(Self { applier, member, log, disk: disk.clone(), applied })
    }

    pub fn identity(&self) -> Identity {
        self.applier.identity()
    }

    pub fn sidecar(&self) -> Option<Sidecar> {
        self.member.file.find().ok().flatten()
    }

    /// The bytes for the log: sealed once this member has applied the cut-over.
    pub fn proposal(&self, entry: &[u8]) -> Vec<u8> {
        let Member { proposals, seen, .. } = &self.member;
        let data = proposals.seal(0, entry).expect("the key is loaded");
        if proposals.key_id().is_some() {
            let header = Header::decode(&data[FRAME_LEN..]).expect("it was just sealed");
            issue(&mut seen.checker.lock().unwrap(), header.key_id, header.nonce);
        }
        data
    }
}

impl Member {
    /// Applies one entry: one of the scheme's, or a value, which every member seals for itself.
    fn apply(&self, applier: &mut Applier, index: u64, data: &[u8]) -> Result<(), String> {
        let entry = self.proposals.open(index, data).map_err(|e| e.to_string())?;
        if entry.first() != Some(&VALUE) {
            return applier.apply(index, &entry).map(drop).map_err(|halt| halt.to_string());
        }
        let mut stored = vec![0; 8 + SEALED_OVERHEAD];
        let value = index.to_be_bytes();
        let sealed = self.sealer.seal_into(b"key", index, 0, &value, Origin::Replicated, &mut stored);
        stored.truncate(sealed.map_err(|e| e.to_string())?);
        let mut checker = self.seen.checker.lock().unwrap();
        if stored.len() == 8 + SEALED_OVERHEAD {
            let header = Record::decode(&stored[VALUE_HEADER_LEN..]).map_err(|e| e.to_string())?.header;
            issue(&mut checker, header.key_id, header.nonce);
        }
        let (key, value) = (pebble_key(b"key", index), Some(value.to_vec()));
        let place = place(self.id, &key);
        checker.begin(&place, value.clone());
        checker.acknowledge(&place, value);
        self.seen.records.lock().unwrap().push((self.id, key, stored));
        Ok(())
    }
}

/// The defect [`Defect::BumpForgotten`].
fn forget_bump(file: &SidecarFile) -> Result<(), sealmark::scheme::storage::Error> {
    if file.find()?.is_none() {
        return Ok(());
    }
    file.update(|sidecar| {
        let epochs = sidecar.keys.values_mut().map(|entry| &mut entry.local_epoch);
        epochs.for_each(|epoch| *epoch = epoch.saturating_sub(1));
        Ok(())
    })
}

/// A member's state machine, which the harness inspects too.
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
            let Machine { applier, member, disk, .. } = machine;
            if let EntryPayload::Membership(membership) = &entry.payload {
                machine.applied.1 = StoredMembership::new(Some(entry.log_id), membership.clone());
            } else if let Some(data) = payload(&entry)
                && let Err(why) = member.apply(applier, entry.log_id.index, data)
            {
                // A cut connection to the disk halts a member; nothing else may.
                if disk.exists(Path::new(SIDECAR)).is_ok() {
                    let halt = format!("member {} halts: {why}", member.id);
                    member.seen.checker.lock().unwrap().broken.push(halt);
                }
                return Err(failed(why));
            }
            machine.applied.0 = Some(entry.log_id);
            answers.push(());
        }
        machine.log.put(b"applied", &machine.applied)?;
        machine.log.note(Ok(machine.applied.0));
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

/// Logs are short here, so they are never compacted.
pub struct NoSnapshot;

impl RaftSnapshotBuilder<Types> for NoSnapshot {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, Failure> {
        Err(failed("there are no snapshots here"))
    }
}
