//! The crash campaign of the storage scheme: a node that is bootstrapped, cut over, rotated and restarted, stopped by a
//! fault at every step that it asks of its disk.
//!
//! A story is a list of operations drawn from a seed. It is told once for each step and fault; from the worst, the best
//! and a drawn one of the disks that may then be found, a node starts through all guards, replays the log from anywhere
//! that an engine may, tells the rest of the story (half of the time stopped a second time) and is checked: no nonce
//! was issued twice under a key, every record opens, and the node starts. The log itself is taken to be durable. Defects
//! can be planted, which must be found.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::PREFIX;
use crate::aead::Nonce;
use crate::disk::{Disk, Fault, Recorder, Redb, Store};
use crate::engine;
use crate::envelope::aad::{VALUE_HEADER_LEN, pebble_key};
use crate::envelope::{Cipher, Keystore, Record};
use crate::scheme::storage::guards::LogScanner;
use crate::scheme::storage::load::hydrate;
use crate::scheme::storage::registry::Registry;
use crate::scheme::storage::value::{SEALED_OVERHEAD, read};
use crate::scheme::storage::wire::{
    self, Bootstrap, Entry, Registration, Rotation, Subtag, open_proposal, seal_proposal,
};
use crate::scheme::storage::{
    Applier, Budget, Clear, Error, Kek, LocalKek, Node, Origin, Purpose, Sealer, Sidecar, SidecarFile, Start,
    kek, load,
};
use crate::verify::{Case, Check, Outcome, Set};
use careless::Careless;

mod careless;

/// The scheme that this is about.
pub const SCHEME: &str = "storage";
/// Stories in the set; each is a case.
const STORIES: u64 = 12;
/// Operations of a story after its bootstrap.
const OPS: usize = 7;
/// Disks that are tried, at most, of those that a power loss may leave at a step: everything unsynced lost, everything
/// there, and one that is drawn, another for each step, fault and story.
const LEFT: usize = 3;

const DIR: &str = "/data";
const SIDECAR: &str = "/data/keys.json";
const REGISTRY: &str = "/data/registry";
const NODE: u64 = 0x5ea1_0000_0000_0007;
/// The opcode of an entry that writes a value: none of the scheme's.
const VALUE: u8 = 0x10;

/// The set: one case for each story.
pub fn set(seed: u64) -> Set {
    let story = |i| Case { id: format!("story/{i}"), check: Box::new(Story(seed.wrapping_mul(1_000) + i)) };
    Set {
        name: format!("{PREFIX}{SCHEME}"),
        source: "generated: a node stopped at every step of its disk, over 10,000 histories".into(),
        declared: STORIES,
        must_run: Default::default(),
        cases: (0..STORIES).map(story).collect(),
        broken: Vec::new(),
    }
}

struct Story(u64);

impl Check for Story {
    fn uses_engine(&self) -> bool {
        false
    }

    fn run(&self, _: &'static dyn engine::Engine) -> Outcome {
        match tell(self.0, None) {
            Ok(tally) if tally.histories > 0 => Outcome::Agree,
            Ok(_) => Outcome::Wrong { what: "the story has no histories".into() },
            Err(found) => Outcome::Wrong { what: found.to_string() },
        }
    }
}

/// What can be planted in a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// A folder is not synced after a rename.
    DirSyncSkipped,
    /// The registry's commits are not synced.
    CommitNotSynced,
    /// The raised epoch is used and not kept.
    BumpForgotten,
    /// A bootstrap that is replayed takes the epochs back to 0, as in the reference.
    ReplayResetsEpoch,
    /// The registry learns of an epoch before the sidecar has it.
    RowBeforeSidecar,
}

/// How much of a story was told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Steps of the disk at which it was stopped, each by every fault.
    pub steps: usize,
    /// Ways in which it went on.
    pub histories: usize,
}

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// A nonce was issued twice under a key.
    #[error("step {step}, {fault:?}: nonce {nonce:02x?} is issued twice under key {key_id}")]
    NonceRepeated {
        /// Where the story was stopped.
        step: usize,
        /// By what.
        fault: Option<Fault>,
        /// The key.
        key_id: u32,
        /// The nonce.
        nonce: Nonce,
    },
    /// A record does not open any more.
    #[error("step {step}, {fault:?}: a record is lost: {why}")]
    RecordLost {
        /// Where the story was stopped.
        step: usize,
        /// By what.
        fault: Option<Fault>,
        /// How its reading ended.
        why: String,
    },
    /// The node does not start, or halts, though nothing fails any more.
    #[error("step {step}, {fault:?}: the node is stuck: {why}")]
    Stuck {
        /// Where the story was stopped.
        step: usize,
        /// By what.
        fault: Option<Fault>,
        /// What it says.
        why: String,
    },
}

/// Tells one story in all its histories.
///
/// # Errors
/// The first promise that is broken.
pub fn tell(seed: u64, defect: Option<Defect>) -> Result<Tally, Broken> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ops: Vec<Op> = (0..OPS).map(|_| Op::ALL[rng.random_range(0..Op::ALL.len())]).collect();
    let mut tally = Tally::default();
    loop {
        for fault in [Fault::Power, Fault::NoSpace, Fault::Io, Fault::ReadOnly] {
            let disk = Recorder::with_dir(DIR);
            disk.plan(tally.steps, fault);
            let mut world = World::new(defect);
            let told = world.play(&disk, &ops, &mut rng);
            let at = |what: Found| what.at(tally.steps, Some(fault));
            let rest = match told {
                Ok(()) if fault == Fault::Power => {
                    world.check(&disk).map_err(at)?;
                    return Ok(tally);
                }
                // The fault was met where a failure is allowed, such as taking a temporary file away.
                Ok(()) => &[][..],
                Err(Stop::Broken(found)) => return Err(at(found)),
                // Nothing had failed yet.
                Err(Stop::Failed(why, _)) if disk.steps().len() <= tally.steps => {
                    return Err(at(Found::Stuck(why)));
                }
                Err(Stop::Failed(_, rest)) => rest,
            };
            let mut found = after_power_loss(&disk, &mut rng);
            if fault != Fault::Power {
                found.push(disk.after_restart());
            }
            for left in found {
                tally.histories += 1;
                world.clone().go_on(&left, rest, &mut rng).map_err(at)?;
            }
        }
        tally.steps += 1;
    }
}

/// The disks that are tried of those that a power loss may leave.
fn after_power_loss(disk: &Recorder, rng: &mut ChaCha8Rng) -> Vec<Recorder> {
    disk.some_after_power_loss(LEFT, |of| rng.random_range(0..of))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Value,
    Direct,
    Rotate(Purpose),
    Enable(Purpose),
    Restart,
}

impl Op {
    const ALL: [Self; 8] = [
        Self::Value,
        Self::Direct,
        Self::Rotate(Purpose::Storage),
        Self::Rotate(Purpose::Raft),
        Self::Enable(Purpose::Storage),
        Self::Enable(Purpose::Raft),
        Self::Restart,
        Self::Restart,
    ];
}

/// What is found at the end of a history, without where it was stopped.
enum Found {
    Repeated(u32, Nonce),
    Lost(String),
    Stuck(String),
}

impl Found {
    fn at(self, step: usize, fault: Option<Fault>) -> Broken {
        match self {
            Self::Repeated(key_id, nonce) => Broken::NonceRepeated { step, fault, key_id, nonce },
            Self::Lost(why) => Broken::RecordLost { step, fault, why },
            Self::Stuck(why) => Broken::Stuck { step, fault, why },
        }
    }
}

/// Why a story does not go on.
enum Stop<'a> {
    /// The planned fault, or what it led to; and the operations that are left.
    Failed(String, &'a [Op]),
    Broken(Found),
}

/// What outlives the node: the log, the records, and the checker that saw every nonce.
#[derive(Clone)]
struct World {
    defect: Option<Defect>,
    kek: Arc<dyn Kek>,
    /// As the engine has it: index 1 first.
    log: Vec<Vec<u8>>,
    /// Indexes of the log whose entries change the sidecar.
    relevant: Vec<u64>,
    /// Entries that were applied without a failure.
    applied: usize,
    records: Vec<(Vec<u8>, Vec<u8>)>,
    issued: HashSet<(u32, Nonce)>,
    last_key: u32,
    last_ts: u64,
}

/// A process that has started.
struct Process {
    node: Node,
    file: Arc<SidecarFile>,
    sealing: Sealing,
}

/// The active raft key and the cut-over index, once there is one.
type Sealing = Arc<Mutex<Option<(u32, u64)>>>;

enum Fail {
    /// The node refused to go on.
    Refused(String),
    Found(Found),
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl World {
    fn new(defect: Option<Defect>) -> Self {
        let kek = LocalKek::new(&[0x4b; 32]).expect("every CPU can make a key of some backend");
        Self {
            defect,
            kek: Arc::new(kek),
            log: Vec::new(),
            relevant: Vec::new(),
            applied: 0,
            records: Vec::new(),
            issued: HashSet::new(),
            last_key: 0,
            last_ts: 0,
        }
    }

    fn disk(&self, disk: &Recorder) -> Arc<dyn Disk> {
        match self.defect {
            Some(defect @ (Defect::DirSyncSkipped | Defect::CommitNotSynced)) => {
                Arc::new(Careless(disk.clone(), defect))
            }
            _ => Arc::new(disk.clone()),
        }
    }

    /// Tells the operations from a disk in any state, to their end or to the first failure.
    fn play<'a>(&mut self, disk: &Recorder, ops: &'a [Op], rng: &mut ChaCha8Rng) -> Result<(), Stop<'a>> {
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

    /// Goes on from what was found after a fault, half of the time into a second one.
    fn go_on(mut self, left: &Recorder, mut rest: &[Op], rng: &mut ChaCha8Rng) -> Result<(), Found> {
        let mut disk = left.clone();
        if rng.random() {
            disk.plan(rng.random_range(0..80), Fault::Power);
            match self.play(&disk, rest, rng) {
                Ok(()) => rest = &[],
                Err(Stop::Broken(found)) => return Err(found),
                Err(Stop::Failed(why, left)) => {
                    if disk.exists(Path::new(SIDECAR)).is_ok() {
                        return Err(Found::Stuck(why));
                    }
                    rest = left;
                }
            }
            let mut disks = after_power_loss(&disk, rng);
            disk = disks.swap_remove(rng.random_range(0..disks.len()));
        }
        match self.play(&disk, rest, rng) {
            Ok(()) => self.check(&disk),
            Err(Stop::Broken(found)) => Err(found),
            Err(Stop::Failed(why, _)) => Err(Found::Stuck(why)),
        }
    }

    /// Starts a process: guards, replay, guards, registration.
    fn start(&mut self, disk: &Recorder, rng: &mut ChaCha8Rng) -> Result<Process, Fail> {
        let shared = self.disk(disk);
        let store: Arc<dyn Store> = Arc::new(Redb::open(&shared, Path::new(REGISTRY)).map_err(Error::from)?);
        let file = Arc::new(SidecarFile::new(shared, SIDECAR));
        if self.defect == Some(Defect::RowBeforeSidecar) {
            register_early(&file, &*store)?;
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
        if self.defect == Some(Defect::BumpForgotten) {
            forget_bump(&file)?;
        }
        let sealing = Sealing::default();
        let seen = Arc::clone(&sealing);
        loaded.applier = loaded.applier.with_installer(Box::new(move |key_id, cutover| {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((key_id, cutover));
            Ok(())
        }))?;
        let sealer = loaded.sealer(Arc::<Budget>::default());
        // An engine replays from where it last noted: anywhere up to what it has applied.
        for index in rng.random_range(0..=self.applied)..self.log.len() {
            self.apply(&mut loaded.applier, &sealer, &sealing, &file, index)?;
        }
        let scanner = Scanner(self.relevant.clone());
        let node = loaded.ready(self.log.len() as u64, Some(&scanner))?;
        let mut process = Process { node, file, sealing };
        if self.log.is_empty() {
            self.bootstrap(&mut process)?;
        }
        let sidecar = process.file.read()?;
        for purpose in [Purpose::Storage, Purpose::Raft] {
            let identity = process.node.applier.identity();
            let entry = Entry::Registration(identity.registration(purpose, sidecar.active(purpose)));
            self.propose(&mut process, &entry.encode())?;
        }
        Ok(process)
    }

    fn operate(&mut self, process: &mut Process, op: Op) -> Result<(), Fail> {
        let identity = process.node.applier.identity();
        let rotation = |subtag, purpose, dek_id, wrapped| {
            let proposer = identity.registration(purpose, dek_id);
            Entry::Rotation(Rotation { subtag, dek_id, purpose, wrapped, proposer }).encode()
        };
        match op {
            Op::Restart => Ok(()),
            Op::Value => self.propose(process, &[VALUE]),
            Op::Direct => self.write(&process.node.sealer, Origin::Direct),
            Op::Rotate(purpose) => {
                let (key_id, wrapped) = self.new_key(purpose)?;
                self.propose(process, &rotation(Subtag::Rotate, purpose, key_id, wrapped))
            }
            Op::Enable(purpose) => {
                let subtag = match purpose {
                    Purpose::Storage => Subtag::EnableStorage,
                    Purpose::Raft => Subtag::EnableRaft,
                };
                let active = process.file.read()?.active(purpose);
                self.propose(process, &rotation(subtag, purpose, active, Vec::new()))
            }
        }
    }

    fn bootstrap(&mut self, process: &mut Process) -> Result<(), Fail> {
        let identity = process.node.applier.identity();
        let (storage_id, wrapped_storage) = self.new_key(Purpose::Storage)?;
        let (raft_id, wrapped_raft) = self.new_key(Purpose::Raft)?;
        let rows = [(Purpose::Storage, storage_id), (Purpose::Raft, raft_id)];
        let rows = rows.map(|(purpose, key_id)| identity.registration(purpose, key_id)).into();
        let entry = Bootstrap { storage_id, wrapped_storage, raft_id, wrapped_raft, rows };
        self.propose(process, &Entry::Bootstrap(entry).encode())
    }

    fn new_key(&mut self, purpose: Purpose) -> Result<(u32, Vec<u8>), Error> {
        self.last_key += 1;
        let dek = kek::new_dek()?;
        Ok((self.last_key, self.kek.wrap(purpose, self.last_key, &dek)?))
    }

    /// Puts an entry into the log, sealed once cut over, and applies it.
    fn propose(&mut self, process: &mut Process, entry: &[u8]) -> Result<(), Fail> {
        let index = self.log.len() as u64 + 1;
        let key = process.sealing.lock().unwrap_or_else(PoisonError::into_inner).map(|(key_id, _)| key_id);
        let sealing = match key {
            None => None,
            Some(key_id) => {
                let nonce = process.node.raft_nonces.next().map_err(Error::from)?;
                self.issue(key_id, nonce)?;
                Some((process.node.sealer.cipher(), key_id, nonce))
            }
        };
        self.log.push(seal_proposal(index, entry, sealing)?);
        if entry.first().is_some_and(|opcode| wire::is_sidecar_relevant(*opcode)) {
            self.relevant.push(index);
        }
        let Process { node, file, sealing } = process;
        self.apply(&mut node.applier, &node.sealer, sealing, file, self.log.len() - 1)
    }

    /// Applies the entry at that place of the log.
    fn apply(
        &mut self,
        applier: &mut Applier,
        sealer: &Sealer,
        sealing: &Sealing,
        file: &SidecarFile,
        at: usize,
    ) -> Result<(), Fail> {
        let index = at as u64 + 1;
        let cutover =
            sealing.lock().unwrap_or_else(PoisonError::into_inner).map_or(0, |(_, cutover)| cutover);
        let entry = open_proposal(&self.log[at], index, cutover, Some(sealer.cipher()))?;
        let done = file.find()?.is_some_and(|sidecar| sidecar.raft_applied_index >= index);
        if entry.first() == Some(&VALUE) {
            self.write(sealer, Origin::Replicated)?;
        } else {
            applier.apply(index, &entry).map_err(|halt| Fail::Refused(halt.to_string()))?;
        }
        if self.defect == Some(Defect::ReplayResetsEpoch) && done && entry.first() == Some(&wire::BOOTSTRAP) {
            file.update(|sidecar| {
                sidecar.keys.values_mut().for_each(|entry| entry.local_epoch = 0);
                Ok(())
            })?;
        }
        self.applied = self.applied.max(at + 1);
        Ok(())
    }

    /// Writes a value that nobody wrote before.
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

    /// That the sidecar on that disk opens every record and every entry of the log.
    fn check(&self, disk: &Recorder) -> Result<(), Found> {
        let lost = |error: Error| Found::Lost(error.to_string());
        let sidecar = Sidecar::read(disk, Path::new(SIDECAR)).map_err(lost)?;
        let keystore =
            Keystore::new(engine::find("sealmark").expect("the engine of our own choice always exists"));
        hydrate(&sidecar, &*self.kek, &keystore).map_err(lost)?;
        let cipher = Cipher::from(Arc::new(keystore));
        for (i, (key, stored)) in self.records.iter().enumerate() {
            let value = read(Some(&cipher), Clear::Allowed, key, stored).map_err(lost)?.value;
            let version = key.split_last_chunk::<8>().map(|(_, version)| !u64::from_be_bytes(*version));
            if version.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice) != Some(&value[..]) {
                return Err(Found::Lost(format!("record {i} reads as another")));
            }
        }
        for (at, data) in self.log.iter().enumerate() {
            let cutover = sidecar.raft_envelope_cutover_index;
            open_proposal(data, at as u64 + 1, cutover, Some(&cipher)).map_err(lost)?;
        }
        Ok(())
    }
}

/// The defect [`Defect::RowBeforeSidecar`].
fn register_early(file: &SidecarFile, store: &dyn Store) -> Result<(), Error> {
    let Some(sidecar) = file.find()? else { return Ok(()) };
    let dek_id = sidecar.active_storage;
    match sidecar.entry(dek_id) {
        Some(entry) => {
            let local_epoch = entry.local_epoch + 1;
            Registry(store).register(&Registration { dek_id, full_node_id: NODE, local_epoch })
        }
        None => Ok(()),
    }
}

/// The defect [`Defect::BumpForgotten`].
fn forget_bump(file: &SidecarFile) -> Result<(), Error> {
    let Some(sidecar) = file.find()? else { return Ok(()) };
    file.update(|changed| {
        if let Some(entry) = changed.entry_mut(sidecar.active_storage) {
            entry.local_epoch = entry.local_epoch.saturating_sub(1);
        }
        Ok(())
    })
}

/// Searches the log by what the world knows of it.
struct Scanner(Vec<u64>);

impl LogScanner for Scanner {
    fn has_sidecar_relevant(&self, after: u64, through: u64) -> std::io::Result<bool> {
        Ok(self.0.iter().any(|index| *index > after && *index <= through))
    }
}

#[cfg(test)]
mod tests;
