//! A node's world: its actions, the blobs that outlive it, and the promises that are checked.

use std::path::Path;
use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::super::after_power_loss;
use super::super::storage::sync_skipping::{Skipped, SyncSkippingDisk};
use super::attacker::{attacker_opens, mask_of};
use super::fixture::{FILE, MASTER, PLAINTEXT, context, id, master};
use super::{Found, LEFT, MASKS, Op, ROUNDS, Setting};
use crate::disk::{Disk, Fault, Recorder, durable_write};
use crate::engine;
use crate::envelope::wrap::KEY_LEN;
use crate::scheme::ephemeral::shred::{Shred, ShredFile};
use crate::scheme::ephemeral::{Error, Options, Record, RoundKey, Rounds};

/// Bytes of a slot.
const SLOT_LEN: usize = 256;

/// A defect to plant in a node. The campaign must find each of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// A purge replaces the file by one without the key, under the same name.
    PurgeByRename,
    /// A round without a key seals under the master key.
    Fallback,
    /// A key is used before it is on the medium.
    KeyNotSynced,
}

/// What is known of a round's current key.
#[derive(Clone, Default)]
struct Round {
    /// Its purge was begun and not reported as done.
    purging: bool,
    /// Blobs sealed under it.
    blobs: Vec<Vec<u8>>,
}

/// The state that outlives the node.
#[derive(Clone)]
pub(super) struct World {
    defect: Option<Defect>,
    setting: Setting,
    rounds: [Round; ROUNDS],
    /// Blobs of purged keys, with their rounds.
    dead: Vec<(usize, Vec<u8>)>,
    /// With masks, every record that was ever in the file, with its round: its medium keeps them all.
    kept: Vec<(Option<usize>, Record)>,
}

/// Why a story stops.
pub(super) enum Stop<'a> {
    /// The planned fault or its consequence, and the remaining operations.
    Failed(String, &'a [Op]),
    Broken(Found),
}

enum Fail {
    Refused(String),
    Found(Found),
}

impl From<Fail> for Found {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Refused(why) => Self::Stuck(why),
            Fail::Found(found) => found,
        }
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl World {
    pub fn new(setting: Setting, defect: Option<Defect>) -> Self {
        Self { defect, setting, rounds: Default::default(), dead: Vec::new(), kept: Vec::new() }
    }

    /// The node as a process starts it. Rounds whose purge was begun are settled: the key is either back, or
    /// gone for good. It is also gone if only its mask is: then the node purges the round again.
    fn start(&mut self, disk: &Recorder) -> Result<Rounds, Fail> {
        let planted: Arc<dyn Disk> = match self.defect {
            Some(Defect::KeyNotSynced) => Arc::new(SyncSkippingDisk(disk.clone(), Skipped::Creations)),
            _ => Arc::new(disk.clone()),
        };
        let mut options = Options { form: self.setting.form, ..Options::new(Path::new(FILE)) };
        if self.setting.masked {
            options.shred = Some(Box::new(ShredFile::open(&*planted, Path::new(MASKS))?) as Box<dyn Shred>);
        }
        let (rounds, _) = Rounds::start(&*planted, master(), options)?;
        self.remember(disk)?;
        let present = rounds.rounds();
        for round in 0..ROUNDS {
            let stored = present.contains(&id(round));
            // The snapshot lists every round that has a key.
            let here = match stored.then(|| rounds.hydrate(&id(round), true)).transpose() {
                Ok(hydrated) => hydrated.is_some(),
                // A purge erases the mask although it could not erase the record, and so does a failed
                // creation.
                Err(Error::RecordMissing(_)) if self.setting.masked => false,
                Err(error) => return Err(error.into()),
            };
            if self.rounds[round].purging && !here {
                self.bury(round);
            }
            self.rounds[round].purging = false;
            if !here && !self.rounds[round].blobs.is_empty() {
                let lost = Found::Lost("its key is gone after a start".into());
                return Err(Fail::Found(if self.is_under_master()? { Found::UnderMaster } else { lost }));
            }
            if stored && !here {
                rounds.purge(&id(round))?;
            }
        }
        Ok(rounds)
    }

    /// With masks, keeps a copy of every record in the file, as its medium does.
    fn remember(&mut self, disk: &Recorder) -> Result<(), Error> {
        if !self.setting.masked {
            return Ok(());
        }
        let bytes = crate::disk::read(disk, Path::new(FILE))?;
        for slot in bytes.chunks_exact(SLOT_LEN).skip(1).filter(|slot| slot[0] == b'A') {
            let Some(round) = (0..ROUNDS).find(|round| is_of(slot, *round)) else { continue };
            for record in Record::all_in(slot) {
                if !self.kept.iter().any(|(_, kept)| *kept == record) {
                    self.kept.push((Some(round), record));
                }
            }
        }
        Ok(())
    }

    /// The round's key is gone.
    fn bury(&mut self, round: usize) {
        let blobs = std::mem::take(&mut self.rounds[round]).blobs;
        self.dead.extend(blobs.into_iter().map(|blob| (round, blob)));
    }

    /// Plays the operations from a disk in any state, to the end or to the first failure.
    pub fn play<'a>(&mut self, disk: &Recorder, ops: &'a [Op]) -> Result<(), Stop<'a>> {
        let stop = |fail, rest| match fail {
            Fail::Refused(why) => Stop::Failed(why, rest),
            Fail::Found(found) => Stop::Broken(found),
        };
        let mut rounds = self.start(disk).map_err(|fail| stop(fail, ops))?;
        for (i, op) in ops.iter().enumerate() {
            let rest = &ops[i + 1..];
            let done = match *op {
                Op::Restart => Ok(true),
                op => self.operate(&rounds, disk, op),
            };
            if done.map_err(|fail| stop(fail, rest))? {
                drop(rounds);
                rounds = self.start(disk).map_err(|fail| stop(fail, rest))?;
            }
        }
        Ok(())
    }

    /// Does an operation; true if the node must restart.
    fn operate(&mut self, rounds: &Rounds, disk: &Recorder, op: Op) -> Result<bool, Fail> {
        match op {
            Op::Restart => Ok(true),
            // A round that this process purged is over.
            Op::Request(round) => match rounds.request(&id(round)) {
                Ok(_) => self.remember(disk).map(|()| false).map_err(Fail::from),
                Err(Error::AlreadyCompleted(_)) => Ok(false),
                Err(error) => Err(error.into()),
            },
            Op::Seal(round) => {
                match rounds.seal(&context(round), &mut PLAINTEXT.to_vec()) {
                    Ok(blob) => self.rounds[round].blobs.push(blob),
                    Err(Error::NoRoundKey(_)) if self.defect == Some(Defect::Fallback) => {
                        let (key, form) = (as_round_key(&MASTER)?, self.setting.form);
                        let fallback = key.seal(form, &context(round), &mut PLAINTEXT.to_vec())?;
                        self.rounds[round].blobs.push(fallback);
                    }
                    Err(Error::NoRoundKey(_)) if rounds.rounds().contains(&id(round)) => {
                        return Err(Fail::Found(Found::Lost("the key is stored, and refused".into())));
                    }
                    Err(Error::NoRoundKey(_)) => {}
                    Err(error) => return Err(error.into()),
                }
                Ok(false)
            }
            Op::Purge(round) => {
                if !rounds.rounds().contains(&id(round)) {
                    rounds.purge(&id(round))?;
                    return Ok(false);
                }
                self.rounds[round].purging = true;
                let renames = self.defect == Some(Defect::PurgeByRename);
                if renames {
                    if self.setting.masked {
                        purge_by_rename(disk, &Path::new(MASKS).join(ShredFile::NAME), round)?;
                    }
                    purge_by_rename(disk, Path::new(FILE), round)?
                } else {
                    rounds.purge(&id(round))?
                }
                self.bury(round);
                Ok(renames)
            }
        }
    }

    /// Continues from the disk that a fault left, half of the time into a second fault.
    pub fn go_on(mut self, mut disk: Recorder, mut rest: &[Op], rng: &mut ChaCha8Rng) -> Result<(), Found> {
        if rng.random() {
            let at = rng.random_range(0..40);
            disk.plan(at, Fault::Power);
            match self.play(&disk, rest) {
                Ok(()) => rest = &[],
                Err(Stop::Broken(found)) => return Err(found),
                Err(Stop::Failed(why, _)) if disk.steps().len() <= at => return Err(Found::Stuck(why)),
                Err(Stop::Failed(_, left)) => rest = left,
            }
            let mut disks = after_power_loss(&disk, LEFT, rng);
            disk = disks.swap_remove(rng.random_range(0..disks.len()));
        }
        match self.play(&disk, rest) {
            Ok(()) => self.check(&disk),
            Err(Stop::Broken(found)) => Err(found),
            Err(Stop::Failed(why, _)) => Err(Found::Stuck(why)),
        }
    }

    /// Stops a start at each of its steps, and checks the worst and the best disk that this may leave. The
    /// result is the number of disks.
    pub fn stop_each_start(&self, disk: &Recorder) -> Result<usize, Found> {
        let whole = disk.after_restart();
        drop(self.clone().start(&whole).map_err(Found::from)?);
        let mut histories = 0;
        for step in 0..whole.steps().len() {
            let (stopped, mut world) = (disk.after_restart(), self.clone());
            stopped.plan(step, Fault::Power);
            if let Err(Fail::Found(found)) = world.start(&stopped) {
                return Err(found);
            }
            for left in stopped.some_after_power_loss(2, |_| 0) {
                world.clone().check(&left)?;
                histories += 1;
            }
        }
        Ok(histories)
    }

    /// Whether a blob opens under the master key itself.
    fn is_under_master(&self) -> Result<bool, Error> {
        let (key, form) = (as_round_key(&MASTER)?, self.setting.form);
        let live = self.rounds.iter().enumerate();
        let live = live.flat_map(|(round, state)| state.blobs.iter().map(move |blob| (round, blob)));
        let dead = self.dead.iter().map(|(round, blob)| (*round, blob));
        Ok(live.chain(dead).any(|(round, blob)| key.open(form, &context(round), blob).is_ok()))
    }

    /// Starts once more, and checks every promise.
    pub fn check(&mut self, disk: &Recorder) -> Result<(), Found> {
        let rounds = self.start(disk).map_err(Found::from)?;
        if self.is_under_master().map_err(|error| Found::Stuck(error.to_string()))? {
            return Err(Found::UnderMaster);
        }
        for (round, state) in self.rounds.iter().enumerate() {
            for blob in &state.blobs {
                let opened =
                    rounds.open(&context(round), blob).map_err(|error| Found::Lost(error.to_string()))?;
                if opened[..] != *PLAINTEXT {
                    return Err(Found::Lost("it opens to another plaintext".into()));
                }
            }
        }
        if self.dead.iter().any(|(round, blob)| rounds.open(&context(*round), blob).is_ok()) {
            return Err(Found::Opened);
        }
        if self.is_recovered(disk) { Err(Found::Recovered) } else { Ok(()) }
    }

    /// Whether the attacker opens a blob of a purged round. Without masks the medium of the file erases. With
    /// masks it keeps every record, and only the medium of the masks erases.
    fn is_recovered(&self, disk: &Recorder) -> bool {
        let (mut records, mut masks) = (self.kept.clone(), Vec::new());
        for remnant in disk.remanence() {
            let stored = Record::all_in(&remnant.bytes);
            if remnant.path.starts_with(MASKS) {
                masks.extend(stored.map(|record| mask_of(&record.0[..KEY_LEN])));
            } else if !self.setting.masked {
                records.extend(stored.map(|record| (None, record)));
            }
        }
        attacker_opens(self.setting.form, &records, &masks, &self.dead)
    }
}

/// A round's key with bytes that a round's key never has, for the attacker and a planted defect.
fn as_round_key(bytes: &[u8]) -> Result<RoundKey, Error> {
    RoundKey::with_engine(engine::find("sealmark").expect("it always exists"), bytes)
}

/// The planted purge: a new file without the key replaces the old one.
fn purge_by_rename(disk: &Recorder, path: &Path, round: usize) -> Result<(), Error> {
    let mut bytes = crate::disk::read(disk, path)?;
    for slot in bytes.chunks_exact_mut(SLOT_LEN).skip(1) {
        if is_of(slot, round) {
            slot.fill(0);
        }
    }
    Ok(durable_write(disk, path, &bytes)?)
}

/// Whether the slot names this round.
fn is_of(slot: &[u8], round: usize) -> bool {
    let name = id(round).to_string();
    usize::from(slot[16]) == name.len() && slot[17..].starts_with(name.as_bytes())
}
