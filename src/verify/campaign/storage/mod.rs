//! The crash campaign of the storage scheme: a node that is bootstrapped, cut over, rotated and restarted,
//! and stopped by a fault at every step that it asks of its disk.
//!
//! A story is a list of operations drawn from a seed. It is played once for each step and fault. A fault may
//! leave the disk in several states; the campaign continues from the worst, the best and one drawn at random.
//! From each, a node starts through all guards, replays the log from any index that an engine may start at,
//! plays the rest of the story (half of the time with a second stop) and is checked: no nonce was issued
//! twice under a key, every key that the log brought is there, every record opens, and the node starts. The
//! log itself is assumed to be durable. Planted defects must be found.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{PREFIX, after_power_loss, stories};
use crate::aead::Nonce;
use crate::disk::{Fault, Recorder};
use crate::scheme::storage::{Error, Purpose};
use crate::verify::Set;

mod defect;
mod rows;
pub(super) mod sync_skipping;
mod world;

pub use defect::Defect;
use world::World;

/// The family that this campaign is about.
pub const SCHEME: &str = "storage";
/// The node's id.
const NODE: u64 = 0x5ea1_0000_0000_0007;
/// Stories in the set; each is a case.
const STORIES: u64 = 12;
/// Operations of a story after its bootstrap: more of them if each has fewer steps.
const OPS: usize = if cfg!(feature = "redb") { 7 } else { 10 };
/// Disk states to try, at most, of those that a power loss may leave at a step: all unsynced data lost, all
/// of it kept, and one drawn at random for each step, fault and story.
const LEFT: usize = 3;

const DIR: &str = "/data";

/// The set: one case for each story.
pub fn set(seed: u64) -> Set {
    Set {
        name: format!("{PREFIX}{SCHEME}"),
        source: format!(
            "generated: a node stopped at every step of {}",
            if cfg!(feature = "redb") {
                "its sidecar and of its registry in redb"
            } else {
                "its sidecar (with the feature redb, of its registry too)"
            }
        ),
        declared: STORIES,
        must_run: Default::default(),
        cases: stories(seed, STORIES, |seed| {
            tell(seed, None).map(|tally| tally.histories).map_err(|broken| broken.to_string())
        })
        .collect(),
        rulings: None,
        broken: Vec::new(),
    }
}

/// The extent of a story.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Steps of the disk at which it was stopped, each with every fault.
    pub steps: usize,
    /// Ways in which it continued.
    pub histories: usize,
}

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// A nonce was issued twice under a key.
    #[error("step {step}, {fault:?}: nonce {nonce:02x?} was issued twice under key {key_id}")]
    NonceRepeated {
        /// The step at which the story was stopped.
        step: usize,
        /// The fault that stopped it.
        fault: Option<Fault>,
        /// The key.
        key_id: u32,
        /// The nonce.
        nonce: Nonce,
    },
    /// A key is gone, or a record no longer opens.
    #[error("step {step}, {fault:?}: a key or a record is lost: {why}")]
    Lost {
        /// The step at which the story was stopped.
        step: usize,
        /// The fault that stopped it.
        fault: Option<Fault>,
        /// The error from reading it.
        why: String,
    },
    /// The node does not start, or halts, although nothing fails any more.
    #[error("step {step}, {fault:?}: the node is stuck: {why}")]
    Stuck {
        /// The step at which the story was stopped.
        step: usize,
        /// The fault that stopped it.
        fault: Option<Fault>,
        /// The node's error.
        why: String,
    },
}

/// Plays one story in all its histories.
///
/// # Errors
/// The first broken promise.
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
                // The fault hit a step that may fail, such as removing a temporary file.
                Ok(()) => &[][..],
                Err(Stop::Broken(found)) => return Err(at(found)),
                // The fault had not occurred yet, or it is not what stopped the node.
                Err(Stop::Failed(why, _))
                    if disk.steps().len() <= tally.steps || !world::is_of_a_fault(&why) =>
                {
                    return Err(at(Found::Stuck(why.to_string())));
                }
                Err(Stop::Failed(_, rest)) => rest,
            };
            let mut found = after_power_loss(&disk, LEFT, &mut rng);
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

/// What a history ended with, without the step at which it was stopped.
enum Found {
    Repeated(u32, Nonce),
    Lost(String),
    Stuck(String),
}

impl Found {
    fn at(self, step: usize, fault: Option<Fault>) -> Broken {
        match self {
            Self::Repeated(key_id, nonce) => Broken::NonceRepeated { step, fault, key_id, nonce },
            Self::Lost(why) => Broken::Lost { step, fault, why },
            Self::Stuck(why) => Broken::Stuck { step, fault, why },
        }
    }
}

/// Why a story stops.
enum Stop<'a> {
    /// The planned fault or its consequence, and the remaining operations.
    Failed(Error, &'a [Op]),
    Broken(Found),
}

#[cfg(test)]
mod tests;
