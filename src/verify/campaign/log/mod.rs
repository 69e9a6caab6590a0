//! The crash campaign of the log: an engine that writes, flushes, compacts and installs, and is stopped by a
//! fault at every step that it asks of its disk.
//!
//! A story is a list of operations drawn from a seed. It is played once for each step and fault. A power loss
//! may leave the disk in several states, within the recorder's bound ([`crate::disk::Recorder`]): each
//! unsynced write lost, half done, zeros or done, each unsynced change of a name lost or done. The campaign
//! continues from the worst, the best and some drawn at random, half of the time into a second stop. It also
//! continues from the disk as it is, as after a kill: the next process starts on what the system still has in
//! its memory, repeats the last request or flushes first, and then the power goes. After every start the log
//! must hold what was acknowledged, and of what was not a beginning: whole writes in their order, an install
//! as a whole or not at all; and what it holds then counts as acknowledged. Request ids are known exactly for
//! the writes that are there. A start that is strict about tails gives the same or refuses by name. Planted
//! defects must be found. Not here: real kills of processes (`tests/log_kill.rs`), clusters
//! (`tests/log_cluster`).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{PREFIX, after_power_loss, stories};
use crate::disk::{Fault, Recorder};
use crate::verify::Set;

mod defect;
mod model;
mod play;
mod story;

pub use defect::Defect;
use play::{Play, Played};
use story::Story;

/// The family that this campaign is about.
pub const SCHEME: &str = "log";
/// Stories in the set; each is a case.
const STORIES: u64 = 12;
/// Disk states to try, at most, of those that a power loss may leave at a step.
const LEFT: usize = 4;
/// Steps after which a second stop may come.
const SECOND: usize = 30;

/// The folder of the log.
const DIR: &str = "/log";
/// The folder of its tables.
const TABLES: &str = "/log/sst";

/// The set: one case for each story.
pub fn set(seed: u64) -> Set {
    Set {
        name: format!("{PREFIX}{SCHEME}"),
        source: "generated: an engine stopped at every step of its logs, tables and installs".into(),
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
    /// Starts from a log whose last write was torn.
    pub torn: usize,
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
    /// An acknowledged write, or its request id, is not there.
    #[error("an acknowledged write is lost: {0}")]
    Lost(String),
    /// The log holds something that no beginning of the unacknowledged writes explains.
    #[error("the log holds neither the old state nor a whole beginning of the new: {0}")]
    Mixture(String),
    /// A write shows before it is on the medium.
    #[error("a write that was refused shows: {0}")]
    Early(String),
    /// The log does not open, or refuses to work, although nothing fails any more.
    #[error("the engine is stuck: {0}")]
    Stuck(String),
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
            let disk = Recorder::with_dir(TABLES);
            disk.plan(step, fault);
            let mut play = Play::new(&story, defect);
            match play.go(&disk).map_err(at)? {
                Played::Whole if disk.steps().len() <= step => return Ok(tally),
                Played::Stopped(why) if disk.steps().len() <= step => return Err(at(Found::Stuck(why))),
                _ => {}
            }
            let mut left = after_power_loss(&disk, LEFT, &mut rng);
            if fault != Fault::Power {
                left.push(disk.after_restart());
            }
            left.push(disk.after_kill());
            for disk in left {
                tally.histories += 1;
                go_on(play.clone(), disk, &mut rng, &mut tally.torn).map_err(at)?;
            }
            for flushes in [false, true] {
                let (killed, mut play) = (disk.after_kill(), play.clone());
                play.repeat(&killed, flushes).map_err(at)?;
                for disk in after_power_loss(&killed, LEFT, &mut rng) {
                    tally.histories += 1;
                    go_on(play.clone(), disk, &mut rng, &mut tally.torn).map_err(at)?;
                }
            }
        }
        tally.steps += 1;
    }
}

/// Continues from the disk that a fault left, half of the time into a second fault.
fn go_on(
    mut play: Play<'_>,
    mut disk: Recorder,
    rng: &mut ChaCha8Rng,
    torn: &mut usize,
) -> Result<(), Found> {
    *torn += usize::from(play.check_strict(&disk)?);
    if rng.random() {
        disk.plan(rng.random_range(0..SECOND), Fault::Power);
        play.go(&disk)?;
        let mut disks = after_power_loss(&disk, LEFT, rng);
        disk = disks.swap_remove(rng.random_range(0..disks.len()));
        *torn += usize::from(play.check_strict(&disk)?);
    }
    match play.go(&disk)? {
        Played::Whole => play.check_end(&disk),
        Played::Stopped(why) => Err(Found::Stuck(why)),
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn no_story_breaks_a_promise_in_over_10_000_histories() {
        let told: Vec<_> = (0..STORIES).into_par_iter().map(|i| (i, tell(1_000 + i, None))).collect();
        let mut all = Tally::default();
        for (story, tally) in told {
            let tally = tally.unwrap_or_else(|broken| panic!("story {story}: {broken}"));
            all.steps += tally.steps;
            all.histories += tally.histories;
            all.torn += tally.torn;
        }
        println!("{} steps, {} histories, {} torn tails", all.steps, all.histories, all.torn);
        assert!(all.histories >= 10_000, "{all:?}");
        assert!(all.torn >= 100, "{all:?}");
    }

    #[test]
    fn every_planted_defect_is_found_in_every_story() {
        let (lost, mixture) = (Found::Lost(String::new()), Found::Mixture(String::new()));
        let stuck = Found::Stuck(String::new());
        for (defect, expected) in [
            // A name that is lost takes the log with it; a table's name, what the engine counts on.
            (Defect::FolderNotSynced, &[&lost, &mixture, &stuck][..]),
            // Zeros of a write that was lost, with later writes behind them, are no torn tail.
            (Defect::AcknowledgedBeforeSync, &[&lost, &mixture, &stuck]),
            (Defect::InstallWipesFirst, &[&lost, &mixture]),
            // A torn end of a generation that is no longer the last is damage.
            (Defect::ResumesUnsynced, &[&lost, &mixture, &stuck]),
        ] {
            for seed in 1_000..1_000 + STORIES {
                let found = tell(seed, Some(defect)).err().map(|broken| broken.found);
                let found = found.unwrap_or_else(|| panic!("{defect:?} was not found in story {seed}"));
                println!("{defect:?}, story {seed}: {found}");
                let alike = |other: &&Found| std::mem::discriminant(&found) == std::mem::discriminant(*other);
                assert!(expected.iter().any(alike), "{defect:?}, story {seed}: {found}");
            }
        }
    }
}
