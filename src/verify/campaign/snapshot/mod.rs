//! The crash campaign of the snapshot stream: a driver that pushes snapshots by a simulated clock, and a
//! receiver that puts them into a file and is stopped by a fault at every step that it asks of its disk.
//!
//! A story is a list of pushes drawn from a seed: whole, cut short by a sender that is killed, or, if the
//! stream is authentic, altered on the way. It is played once for each step and fault. A fault may leave the
//! disk in several states; the campaign continues from the worst, the best and one drawn at random, half of
//! the time into a second stop, with a new driver and a new receiver. After every push and after every fault
//! the file must hold the old snapshot or the new one, the new one if the receiver said so, and nothing else;
//! cycles begin when the clock says, and the counts add up. Half of the stories are in mode `safe`, half are
//! hardened. Planted defects must be found. Not here: processes that are killed (`tests/snapshot_kill`).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{PREFIX, after_power_loss, stories};
use crate::disk::{Fault, Recorder};
use crate::verify::Set;

mod defect;
mod play;
mod wire;

pub use defect::Defect;
use play::{Play, Played};

/// The family that this campaign is about.
pub const SCHEME: &str = "snapshot";
/// Stories in the set; each is a case.
const STORIES: u64 = 8;
/// Pushes of a story before its last one, which is whole.
const PUSHES: usize = 5;
/// Disk states to try, at most, of those that a power loss may leave at a step.
const LEFT: usize = 3;
/// The longest snapshot: three chunks of the hardened stream.
const LONGEST: usize = 40_000;

const DIR: &str = "/data";
const FILE: &str = "/data/snapshot";

/// The set: one case for each story.
pub fn set(seed: u64) -> Set {
    Set {
        name: format!("{PREFIX}{SCHEME}"),
        source: "generated: a receiver stopped at every step of its file, and senders that are killed".into(),
        declared: STORIES,
        must_run: Default::default(),
        cases: stories(seed, STORIES, |seed| {
            tell(seed, None).map(|tally| tally.histories).map_err(|broken| broken.to_string())
        })
        .collect(),
        broken: Vec::new(),
        rulings: None,
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
#[error("step {step}, {fault:?}: {found}")]
pub struct Broken {
    /// The step at which the story was stopped.
    pub step: usize,
    /// The fault that stopped it.
    pub fault: Fault,
    /// The promise.
    pub found: Found,
}

/// Which promise was broken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Found {
    /// The file holds neither the old snapshot nor the new one.
    #[error("the file holds {0} bytes that are neither the old snapshot nor the new one, or is gone")]
    Mixture(usize),
    /// The receiver said that the snapshot is there, and it is not.
    #[error("the receiver took the snapshot, and the file holds the old one")]
    Lost,
    /// The receiver refused the snapshot, and it is there.
    #[error("the receiver refused the snapshot, and the file holds it")]
    Untold,
    /// A cut or altered stream was accepted.
    #[error("a stream that was cut or altered is accepted")]
    Accepted,
    /// A whole stream is refused although nothing fails any more.
    #[error("the receiver is stuck: {0}")]
    Stuck(String),
    /// A temporary file stays behind.
    #[error("a temporary file stays behind")]
    Stale,
    /// The driver's cycles or counts are wrong.
    #[error("the driver: {0}")]
    Driver(String),
}

/// A push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Push {
    Whole,
    /// The sender is killed after this share of the stream, in 256ths.
    Cut(u8),
    /// A bit is flipped after this share of the stream.
    Flip(u8),
}

/// What does not change while a story is played.
#[derive(Debug)]
struct Story {
    hardened: bool,
    pushes: Vec<Push>,
    /// The snapshot of each push, after the one that the file holds before the first.
    snapshots: Vec<Vec<u8>>,
}

impl Story {
    fn draw(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let hardened = seed.is_multiple_of(2);
        let mut push = || match rng.random_range(0..4) {
            0 => Push::Cut(rng.random()),
            1 if hardened => Push::Flip(rng.random()),
            _ => Push::Whole,
        };
        // Every story replaces the file, has a push that fails and then replaces the file again.
        let mut pushes = vec![Push::Whole, Push::Cut(200)];
        pushes.extend((2..PUSHES).map(|_| push()));
        pushes.push(Push::Whole);
        let mut snapshot = |number: usize| {
            let len = if number == 1 { LONGEST } else { rng.random_range(1..=LONGEST) };
            vec![number as u8 + 1; len]
        };
        let snapshots = (0..=pushes.len()).map(&mut snapshot).collect();
        Self { hardened, pushes, snapshots }
    }
}

/// Plays one story in all its histories.
///
/// # Errors
/// The first broken promise.
pub fn tell(seed: u64, defect: Option<Defect>) -> Result<Tally, Broken> {
    let (story, mut rng) = (Story::draw(seed), ChaCha8Rng::seed_from_u64(!seed));
    let mut tally = Tally::default();
    loop {
        let step = tally.steps;
        for fault in [Fault::Power, Fault::NoSpace, Fault::Io, Fault::ReadOnly] {
            let at = |found| Broken { step, fault, found };
            let disk = Recorder::with_files(DIR, [(FILE.into(), story.snapshots[0].clone())]);
            disk.plan(step, fault);
            let mut play = Play::new(&story, defect);
            let played = play.go(&disk).map_err(at)?;
            match played {
                Played::Whole if disk.steps().len() <= step => return Ok(tally),
                Played::Stopped(why) if disk.steps().len() <= step => return Err(at(Found::Stuck(why))),
                _ => {}
            }
            let mut left = after_power_loss(&disk, LEFT, &mut rng);
            if fault != Fault::Power {
                left.push(disk.after_restart());
            }
            for disk in left {
                tally.histories += 1;
                go_on(play.clone(), disk, &mut rng).map_err(at)?;
            }
        }
        tally.steps += 1;
    }
}

/// Continues from the disk that a fault left, half of the time into a second fault.
fn go_on(mut play: Play<'_>, mut disk: Recorder, rng: &mut ChaCha8Rng) -> Result<(), Found> {
    play.check_after_fault(&disk)?;
    if rng.random() {
        disk.plan(rng.random_range(0..20), Fault::Power);
        play.go(&disk)?;
        let mut disks = after_power_loss(&disk, LEFT, rng);
        disk = disks.swap_remove(rng.random_range(0..disks.len()));
        play.check_after_fault(&disk)?;
    }
    let pushes = play.next < play.story.pushes.len();
    match play.go(&disk)? {
        Played::Whole => play.check_end(&disk, pushes),
        Played::Stopped(why) => Err(Found::Stuck(why)),
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn no_story_breaks_a_promise_in_over_1_500_histories() {
        let told: Vec<_> = (0..STORIES).into_par_iter().map(|i| (i, tell(1_000 + i, None))).collect();
        let mut all = Tally::default();
        for (story, tally) in told {
            let tally = tally.unwrap_or_else(|broken| panic!("story {story}: {broken}"));
            all.steps += tally.steps;
            all.histories += tally.histories;
        }
        println!("{} steps, {} histories", all.steps, all.histories);
        assert!(all.histories >= 1_500, "{all:?}");
    }

    #[test]
    fn every_planted_defect_is_found_in_every_story() {
        for (defect, expected) in [
            (Defect::FolderNotSynced, &[Found::Lost][..]),
            // Where the old file's removal is lost, so is the new one.
            (Defect::InPlace, &[Found::Mixture(0), Found::Lost]),
            // A stream in mode safe reaches the sink as a whole or not at all, so it aborts nothing.
            (Defect::AbortCommits, &[Found::Mixture(0)]),
        ] {
            for seed in (1_000..1_000 + STORIES).filter(|s| defect != Defect::AbortCommits || s % 2 == 0) {
                let found = tell(seed, Some(defect)).err().map(|broken| broken.found);
                let found = found.unwrap_or_else(|| panic!("{defect:?} was not found in story {seed}"));
                let alike = |other: &Found| std::mem::discriminant(&found) == std::mem::discriminant(other);
                assert!(expected.iter().any(alike), "{defect:?}, story {seed}: {found}");
            }
        }
    }
}
