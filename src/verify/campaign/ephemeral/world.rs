//! A node's world: its actions, the blobs that outlive it, and the attacker.

use std::path::Path;
use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::super::storage::sync_skipping::{Skipped, SyncSkippingDisk};
use super::{DIR, Found, MASKS, Op, ROUNDS, after_power_loss};
use crate::disk::{Disk, Fault, Medium, Recorder, durable_write};
use crate::engine;
use crate::envelope::wrap::{KEY_LEN, SecretKey};
use crate::scheme::ephemeral::shred::{Shred, ShredFile};
use crate::scheme::ephemeral::{
    Context, Error, Form, MasterKey, Options, Purpose, Record, Role, RoundId, RoundKey, Rounds,
};

const FILE: &str = "/node/round-keys";
/// The master key. No round's key has these bytes.
const MASTER: [u8; 32] = [0x4d; 32];
const PLAINTEXT: &[u8] = b"a keyshare";

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
    rounds: [Round; ROUNDS],
    /// Blobs of purged keys, with their rounds.
    dead: Vec<(usize, Vec<u8>)>,
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

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Refused(error.to_string())
    }
}

fn master() -> MasterKey {
    MasterKey::from_bytes(&MASTER).expect("every CPU has a backend that can make a key")
}

fn id(round: usize) -> RoundId {
    RoundId::new(1, &round.to_string()).expect("a number is an id")
}

fn context(round: usize) -> Context {
    Context { round: id(round), role: Role::AtRest, purpose: Purpose::Keyshare }
}

impl World {
    pub fn new(defect: Option<Defect>) -> Self {
        Self { defect, rounds: Default::default(), dead: Vec::new() }
    }

    /// The node as a process starts it. Rounds whose purge was begun are settled: the key is either back, or
    /// gone for good.
    fn start(&mut self, disk: &Recorder) -> Result<Rounds, Fail> {
        let planted: Arc<dyn Disk> = match self.defect {
            Some(Defect::KeyNotSynced) => Arc::new(SyncSkippingDisk(disk.clone(), Skipped::Creations)),
            _ => Arc::new(disk.clone()),
        };
        let (rounds, _) = Rounds::start(&*planted, master(), Options::new(Path::new(FILE)))?;
        let present = rounds.rounds();
        for round in 0..ROUNDS {
            let here = present.contains(&id(round));
            if self.rounds[round].purging && !here {
                self.bury(round);
            }
            self.rounds[round].purging = false;
            if !here && !self.rounds[round].blobs.is_empty() {
                let lost = Found::Lost("its key is gone after a start".into());
                return Err(Fail::Found(if self.is_under_master()? { Found::UnderMaster } else { lost }));
            }
            // The snapshot lists every round that has a key.
            if here {
                rounds.hydrate(&id(round), true)?;
            }
        }
        Ok(rounds)
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
                Ok(_) | Err(Error::AlreadyCompleted(_)) => Ok(false),
                Err(error) => Err(error.into()),
            },
            Op::Seal(round) => {
                match rounds.seal(&context(round), &mut PLAINTEXT.to_vec()) {
                    Ok(blob) => self.rounds[round].blobs.push(blob),
                    Err(Error::NoRoundKey(_)) if self.defect == Some(Defect::Fallback) => {
                        let fallback = as_round_key(&MASTER)?.seal_with(&[7; 12], &mut PLAINTEXT.to_vec());
                        self.rounds[round].blobs.push(fallback?);
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
                    purge_by_rename(disk, round)?
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
            let mut disks = after_power_loss(&disk, rng);
            disk = disks.swap_remove(rng.random_range(0..disks.len()));
        }
        match self.play(&disk, rest) {
            Ok(()) => self.check(&disk),
            Err(Stop::Broken(found)) => Err(found),
            Err(Stop::Failed(why, _)) => Err(Found::Stuck(why)),
        }
    }

    /// Whether a blob opens under the master key itself.
    fn is_under_master(&self) -> Result<bool, Error> {
        let key = as_round_key(&MASTER)?;
        let dead = self.dead.iter().map(|(_, blob)| blob);
        let mut blobs = self.rounds.iter().flat_map(|round| &round.blobs).chain(dead);
        Ok(blobs.any(|blob| key.open_compatible(blob).is_ok()))
    }

    /// Starts once more, and checks every promise.
    pub fn check(&mut self, disk: &Recorder) -> Result<(), Found> {
        let rounds = self.start(disk).map_err(|fail| match fail {
            Fail::Refused(why) => Found::Stuck(why),
            Fail::Found(found) => found,
        })?;
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
        let dead: Vec<&Vec<u8>> = self.dead.iter().map(|(_, blob)| blob).collect();
        if opens(disk, None, &dead) { Err(Found::Recovered) } else { Ok(()) }
    }
}

/// A round's key with bytes that a round's key never has, for the attacker and a planted defect.
fn as_round_key(bytes: &[u8]) -> Result<RoundKey, Error> {
    RoundKey::with_engine(engine::find("sealmark").expect("it always exists"), bytes)
}

/// Whether the master key opens one of the blobs, with any record that the medium still holds, and any mask
/// that the medium of the masks does.
fn opens(disk: &Recorder, masks: Option<&Recorder>, blobs: &[&Vec<u8>]) -> bool {
    let master = master();
    // A record also meets no mask, in case none was put over its key.
    let mut tried: Vec<Option<SecretKey>> = vec![None];
    for remnant in masks.map(Recorder::remanence).unwrap_or_default() {
        tried.extend(masks_in(&remnant.bytes));
    }
    // A record is stored after its length.
    let prefix = 60_u64.to_le_bytes();
    disk.remanence().iter().any(|remnant| {
        let places = remnant.bytes.windows(68).filter(|bytes| bytes[..8] == prefix);
        let records = places.map(|bytes| Record(bytes[8..].try_into().expect("60 of 68 bytes")));
        records.into_iter().any(|record| {
            let unwrap = |mask: &Option<SecretKey>| {
                master.unwrap(Form::Compatible, &id(0), &record, mask.as_ref()).ok()
            };
            let keys = tried.iter().filter_map(unwrap);
            keys.into_iter().any(|key| blobs.iter().any(|blob| key.open_compatible(blob).is_ok()))
        })
    })
}

/// Everything in these bytes that could be a mask.
fn masks_in(bytes: &[u8]) -> impl Iterator<Item = Option<SecretKey>> {
    bytes.windows(KEY_LEN).filter(|window| **window != [0; KEY_LEN]).map(|window| {
        let mut mask = SecretKey::default();
        mask.copy_from_slice(window);
        Some(mask)
    })
}

/// The planted purge: a new file without the key replaces the old one.
fn purge_by_rename(disk: &Recorder, round: usize) -> Result<(), Error> {
    let path = Path::new(FILE);
    let mut bytes = crate::disk::read(disk, path)?;
    let name = id(round).to_string();
    for slot in bytes.chunks_mut(256).skip(1) {
        if slot[16] == name.len() as u8 && slot[17..].starts_with(name.as_bytes()) {
            slot.fill(0);
        }
    }
    Ok(durable_write(disk, path, &bytes)?)
}

/// Whether the attacker opens a blob after its round was purged, with everything that the medium of the keys
/// and that of the masks, if there are any, still hold.
///
/// # Errors
/// Why the round did not get that far.
pub(super) fn opened_after_purge(keys: Medium, masks: Option<Medium>) -> Result<bool, String> {
    let disk = Recorder::with_dir(DIR).on(keys);
    let masks = masks.map(|medium| Recorder::with_dir(MASKS).on(medium));
    let run = || -> Result<Vec<u8>, Error> {
        let mut options = Options::new(Path::new(FILE));
        if let Some(masks) = &masks {
            options.shred = Some(Box::new(ShredFile::open(masks, Path::new(MASKS))?) as Box<dyn Shred>);
        }
        let (rounds, _) = Rounds::start(&disk, master(), options)?;
        rounds.request(&id(0))?;
        let blob = rounds.seal(&context(0), &mut PLAINTEXT.to_vec())?;
        rounds.purge(&id(0))?;
        Ok(blob)
    };
    let blob = run().map_err(|error| error.to_string())?;
    Ok(opens(&disk, masks.as_ref(), &[&blob]))
}
