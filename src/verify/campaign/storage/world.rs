//! A node's world: its actions, and the state that outlives it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::super::after_power_loss;
use super::rows::Rows;
use super::{Defect, Found, LEFT, NODE, Op, Stop};
use crate::aead::Nonce;
use crate::disk::{Disk, Fault, Recorder};
use crate::engine;
use crate::envelope::aad::{VALUE_HEADER_LEN, pebble_key};
use crate::envelope::{Cipher, Header, Keystore, Record};
use crate::scheme::storage::SEALED_OVERHEAD;
use crate::scheme::storage::guards::LogScanner;
use crate::scheme::storage::load::hydrate;
use crate::scheme::storage::proposal::{FRAME_LEN, open_proposal};
use crate::scheme::storage::request::{Cutover, Member};
use crate::scheme::storage::value::read;
use crate::scheme::storage::wire::{Entry, Rotation, Subtag};
use crate::scheme::storage::{
    Applier, Clear, Dek, Error, Kek, LocalKek, Node, Origin, Proposals, Purpose, Sealer, Sidecar,
    SidecarFile, Start, load,
};

pub(super) const SIDECAR: &str = "/data/keys.json";
/// The opcode of an entry that writes a value; it is not one of the scheme's.
const VALUE: u8 = 0x10;

/// The state that outlives the node: the log, the records, and the checker that saw every nonce.
#[derive(Clone)]
pub(super) struct World {
    defect: Option<Defect>,
    /// The writer registry.
    rows: Rows,
    pub kek: Arc<dyn Kek>,
    /// As the engine has it, index 1 first.
    log: Vec<Vec<u8>>,
    /// Entries applied without a failure.
    applied: usize,
    records: Vec<(Vec<u8>, Vec<u8>)>,
    issued: HashSet<(u32, Nonce)>,
    /// Every key that went into the log, starting with key 1.
    pub deks: Vec<Dek>,
    last_ts: u64,
}

/// A process that has started.
struct Process {
    node: Node,
    file: Arc<SidecarFile>,
}

enum Fail {
    /// The node refused to continue.
    Refused(Error),
    Found(Found),
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl World {
    pub fn new(defect: Option<Defect>) -> Self {
        let kek = LocalKek::new(&[0x4b; 32]).expect("every CPU has a backend that can make a key");
        Self {
            defect,
            rows: Default::default(),
            kek: Arc::new(kek),
            log: Vec::new(),
            applied: 0,
            records: Vec::new(),
            issued: HashSet::new(),
            deks: Vec::new(),
            last_ts: 0,
        }
    }

    /// Plays the operations from a disk in any state, to the end or to the first failure.
    pub fn play<'a>(&mut self, disk: &Recorder, ops: &'a [Op], rng: &mut ChaCha8Rng) -> Result<(), Stop<'a>> {
        let stop = |fail, rest| match fail {
            Fail::Refused(why) => Stop::Failed(why, rest),
            Fail::Found(found) => Stop::Broken(found),
        };
        let mut process = self.start(disk, rng).map_err(|fail| stop(fail, ops))?;
        for (i, op) in ops.iter().enumerate() {
            let rest = &ops[i + 1..];
            if *op == Op::Restart {
                drop(process);
                process = self.start(disk, rng).map_err(|fail| stop(fail, rest))?;
            } else {
                self.operate(&mut process, *op).map_err(|fail| stop(fail, rest))?;
            }
        }
        Ok(())
    }

    /// Continues from the disk that a fault left, half of the time into a second fault.
    pub fn go_on(mut self, left: &Recorder, mut rest: &[Op], rng: &mut ChaCha8Rng) -> Result<(), Found> {
        let mut disk = left.clone();
        if rng.random() {
            disk.plan(rng.random_range(0..80), Fault::Power);
            match self.play(&disk, rest, rng) {
                Ok(()) => rest = &[],
                Err(Stop::Broken(found)) => return Err(found),
                Err(Stop::Failed(why, left)) => {
                    if disk.exists(Path::new(SIDECAR)).is_ok() || !is_of_a_fault(&why) {
                        return Err(Found::Stuck(why.to_string()));
                    }
                    rest = left;
                }
            }
            let mut disks = after_power_loss(&disk, LEFT, rng);
            disk = disks.swap_remove(rng.random_range(0..disks.len()));
        }
        match self.play(&disk, rest, rng) {
            Ok(()) => self.check(&disk),
            Err(Stop::Broken(found)) => Err(found),
            Err(Stop::Failed(why, _)) => Err(Found::Stuck(why.to_string())),
        }
    }

    /// Starts a process: guards, replay, guards, registration.
    fn start(&mut self, disk: &Recorder, rng: &mut ChaCha8Rng) -> Result<Process, Fail> {
        let shared = Defect::disk(self.defect, disk);
        let store = self.rows.open(&shared).map_err(Error::from)?;
        let file = Arc::new(SidecarFile::new(shared, SIDECAR));
        if let Some(defect) = self.defect {
            defect.before_load(&file, &*store)?;
        }
        let mut loaded = load(Start {
            encryption_enabled: true,
            kek: Some(Arc::clone(&self.kek)),
            sidecar: Some(Arc::clone(&file)),
            store,
            engine: engine::find("sealmark").expect("the engine of our own choice always exists"),
            full_node_id: NODE,
            peers: vec![NODE, NODE + 1, NODE + 2],
            snapshot_cutover: 0,
        })?;
        if let Some(defect) = self.defect {
            defect.after_load(&file)?;
        }
        let (sealer, proposals) = (loaded.sealer(), Arc::clone(&loaded.proposals));
        loaded.begin_replay(self.applied as u64, Some(&Scanner(&self.log)))?;
        // An engine replays from its last recorded index, which may be any up to the last applied one.
        for index in rng.random_range(0..=self.applied)..self.log.len() {
            self.apply(&mut loaded.applier, &sealer, &proposals, &file, index)?;
        }
        let node = loaded.ready(self.log.len() as u64, Some(&Scanner(&self.log)))?;
        let mut process = Process { node, file };
        if self.log.is_empty() {
            self.bootstrap(&mut process)?;
        }
        for purpose in [Purpose::Storage, Purpose::Raft] {
            if let Some(entry) = process.node.applier.requests()?.register(purpose)? {
                self.propose(&mut process, &entry.encode())?;
            }
        }
        Ok(process)
    }

    fn operate(&mut self, process: &mut Process, op: Op) -> Result<(), Fail> {
        match op {
            Op::Restart => Ok(()),
            Op::Value => self.propose(process, &[VALUE]),
            Op::Direct => self.write(&process.node.sealer, Origin::Direct),
            Op::Rotate(purpose) => {
                let entry = process.node.applier.requests()?.rotate(purpose)?;
                if let Entry::Rotation(new) = &entry {
                    self.brings(purpose, new.dek_id, &new.wrapped)?;
                }
                self.propose(process, &entry.encode())
            }
            Op::Enable(purpose) => {
                let entry = match process.node.applier.requests()?.cut_over(purpose)? {
                    Cutover::Propose(entry) => entry,
                    // Proposed once more by a leader that did not know this: it changes nothing.
                    Cutover::Stands(_) => {
                        let subtag = match purpose {
                            Purpose::Storage => Subtag::EnableStorage,
                            Purpose::Raft => Subtag::EnableRaft,
                        };
                        let dek_id = process.file.read()?.active(purpose);
                        let proposer = process.node.applier.identity().registration(purpose, dek_id);
                        Entry::Rotation(Rotation { subtag, dek_id, purpose, wrapped: Vec::new(), proposer })
                    }
                };
                self.propose(process, &entry.encode())
            }
        }
    }

    fn bootstrap(&mut self, process: &mut Process) -> Result<(), Fail> {
        let identity = process.node.applier.identity();
        let own = Member { full_node_id: NODE, local_epoch: identity.storage_epoch.into() };
        let entry = process.node.applier.requests()?.bootstrap(&[own])?;
        if let Entry::Bootstrap(new) = &entry {
            self.brings(Purpose::Storage, new.storage_id, &new.wrapped_storage)?;
            self.brings(Purpose::Raft, new.raft_id, &new.wrapped_raft)?;
        }
        self.propose(process, &entry.encode())
    }

    /// Records a key that goes into the log, to check for it at the end. Ids are consecutive.
    fn brings(&mut self, purpose: Purpose, key_id: u32, wrapped: &[u8]) -> Result<(), Fail> {
        if key_id as usize != self.deks.len() + 1 {
            return Err(Fail::Found(Found::Lost(format!(
                "key {key_id} is proposed after {}",
                self.deks.len()
            ))));
        }
        self.deks.push(self.kek.unwrap(purpose, key_id, wrapped)?);
        Ok(())
    }

    /// Puts an entry into the log, sealed once cut over, and applies it.
    fn propose(&mut self, process: &mut Process, entry: &[u8]) -> Result<(), Fail> {
        let index = self.log.len() as u64 + 1;
        let data = process.node.proposals.seal(index, entry)?;
        if process.node.proposals.key_id().is_some() {
            let header = Header::decode(&data[FRAME_LEN..]).map_err(Error::from)?;
            self.issue(header.key_id, header.nonce)?;
        }
        self.log.push(data);
        let (Process { node, file }, at) = (process, self.log.len() - 1);
        let mut apply = || self.apply(&mut node.applier, &node.sealer, &node.proposals, file, at);
        match apply() {
            // An engine may retry an entry before it gives up.
            Err(Fail::Refused(_)) => apply(),
            applied => applied,
        }
    }

    /// Applies the entry at that position of the log.
    fn apply(
        &mut self,
        applier: &mut Applier,
        sealer: &Sealer,
        proposals: &Proposals,
        file: &SidecarFile,
        at: usize,
    ) -> Result<(), Fail> {
        let index = at as u64 + 1;
        let entry = proposals.open(index, &self.log[at])?;
        let done = file.find()?.is_some_and(|sidecar| sidecar.raft_applied_index >= index);
        if entry.first() == Some(&VALUE) {
            self.write(sealer, Origin::Replicated)?;
        } else {
            applier.apply(index, &entry).map_err(|halt| Fail::Refused(halt.cause))?;
        }
        if let Some(defect) = self.defect {
            defect.after_apply(file, &entry, done)?;
        }
        self.applied = self.applied.max(at + 1);
        Ok(())
    }

    /// Writes a value that was never written before.
    fn write(&mut self, sealer: &Sealer, origin: Origin) -> Result<(), Fail> {
        self.last_ts += 1;
        let value = self.last_ts.to_be_bytes();
        let mut stored = vec![0; value.len() + SEALED_OVERHEAD];
        let len = sealer.seal_into(b"user", self.last_ts, 0, &value, origin, &mut stored)?;
        stored.truncate(len);
        if len == value.len() + SEALED_OVERHEAD {
            let header = Record::decode(&stored[VALUE_HEADER_LEN..]).map_err(Error::from)?.header;
            self.issue(header.key_id, header.nonce)?;
        }
        self.records.push((pebble_key(b"user", self.last_ts), stored));
        Ok(())
    }

    /// The checker that sees every nonce.
    fn issue(&mut self, key_id: u32, nonce: Nonce) -> Result<(), Fail> {
        if self.issued.insert((key_id, nonce)) {
            Ok(())
        } else {
            Err(Fail::Found(Found::Repeated(key_id, nonce)))
        }
    }

    /// The number of plaintext records.
    #[cfg(test)]
    pub fn in_clear(&self) -> usize {
        self.records.iter().filter(|(_, stored)| stored[0] & 0b110 == 0).count()
    }

    /// Checks that the sidecar on that disk has every key, and opens every record and every entry of the log.
    pub fn check(&self, disk: &Recorder) -> Result<(), Found> {
        let lost = |error: Error| Found::Lost(error.to_string());
        let sidecar = Sidecar::read(disk, Path::new(SIDECAR)).map_err(lost)?;
        let keystore =
            Keystore::new(engine::find("sealmark").expect("the engine of our own choice always exists"));
        hydrate(&sidecar, &*self.kek, &keystore).map_err(lost)?;
        for (key_id, dek) in (1..).zip(&self.deks) {
            if keystore.keys().dek(key_id) != Some(&**dek) {
                return Err(Found::Lost(format!("key {key_id} is gone")));
            }
        }
        let cipher = Cipher::from(Arc::new(keystore));
        for (i, (key, stored)) in self.records.iter().enumerate() {
            let value = read(Some(&cipher), Clear::Allowed, key, stored).map_err(lost)?.value;
            let version = key.split_last_chunk::<8>().map(|(_, version)| !u64::from_be_bytes(*version));
            if version.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice) != Some(&value[..]) {
                return Err(Found::Lost(format!("record {i} reads as another one")));
            }
        }
        for (at, data) in self.log.iter().enumerate() {
            let cutover = sidecar.raft_envelope_cutover_index;
            open_proposal(data, at as u64 + 1, cutover, Some(&cipher)).map_err(lost)?;
        }
        Ok(())
    }
}

/// Whether the error follows from a planned fault, and is not the refusal of a sound node: either the failed
/// step itself, or the process's later refusal to use the file.
pub(super) fn is_of_a_fault(why: &Error) -> bool {
    match why {
        Error::SidecarUnsure(_) => true,
        Error::Disk(error) => {
            ["planned: ", "an earlier call failed"].iter().any(|of| error.to_string().contains(of))
        }
        _ => false,
    }
}

/// The log, index 1 first.
struct Scanner<'a>(&'a [Vec<u8>]);

impl LogScanner for Scanner<'_> {
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> std::io::Result<()> {
        let entries = (1..).zip(self.0).filter(|(index, _)| (first..=last).contains(index));
        entries.for_each(|(index, data)| entry(index, data));
        Ok(())
    }
}
