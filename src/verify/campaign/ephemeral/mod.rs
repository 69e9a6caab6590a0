//! The crash campaign of the scheme of ephemeral keys: rounds that are requested, sealed under, restored and
//! purged, by a node that a fault stops at every step that it asks of its disk.
//!
//! A story is a list of operations drawn from a seed. It is played once for each step and fault. A fault
//! may leave the disk in several states; the campaign continues from the worst, the best and one drawn at
//! random. From each the node starts, restores its rounds, plays the rest of the story (half of the time
//! with a second stop) and is checked: every blob of an active round opens, so its key was durable before
//! it was used; no blob of a purged round opens, neither by the node nor by an attacker who has the master
//! key, every byte that the medium still holds, and every blob; and the node starts. After each power loss
//! the start itself is stopped at every one of its steps. Blobs are compatible or bound, and half of the
//! stories have masks; then the medium of the keys keeps every record, and only that of the masks erases.
//! Planted defects must be found. Not here: the process's memory.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{PREFIX, after_power_loss, stories};
use crate::disk::{Fault, Medium, Recorder};
use crate::engine;
use crate::scheme::ephemeral::Form;
use crate::scheme::schemes;
use crate::verify::{Case, Check, Outcome, Set};

mod attacker;
mod fixture;
mod world;

pub use world::Defect;
use world::{Stop, World};

/// The family that this campaign is about.
pub const SCHEME: &str = "ephemeral";
/// Stories in the set; each is a case.
const STORIES: u64 = 12;
/// Operations of a story.
const OPS: usize = 88;
/// Operations of a story with masks, where a request and a purge take twice the steps.
const MASKED_OPS: usize = 56;
/// Rounds in a story.
const ROUNDS: usize = 4;
/// Disk states to try, at most, of those that a power loss may leave at a step.
const LEFT: usize = 3;

const DIR: &str = "/node";
/// The folder of the masks.
const MASKS: &str = "/node/masks";

/// The set: one case for each story, and one for each kind of medium, with and without masks.
pub fn set(seed: u64) -> Set {
    let media = [
        (Medium::InPlace, None, "medium/in-place"),
        (Medium::CopyOnWrite, None, "medium/copy-on-write"),
        (Medium::CopyOnWrite, Some(Medium::InPlace), "medium/copy-on-write/masks-in-place"),
        (Medium::CopyOnWrite, Some(Medium::CopyOnWrite), "medium/copy-on-write/masks-copy-on-write"),
    ];
    let media = media.map(|(keys, masks, id)| Case { id: id.into(), check: Box::new(Purged(keys, masks)) });
    let cases: Vec<Case> = stories(seed, STORIES, |seed| {
        tell(seed, None).map(|tally| tally.histories).map_err(|broken| broken.to_string())
    })
    .chain(media)
    .collect();
    Set {
        name: format!("{PREFIX}{SCHEME}"),
        source: "generated: a node stopped at every step of its file of keys".into(),
        declared: cases.len() as u64,
        must_run: Default::default(),
        cases,
        rulings: None,
        broken: Vec::new(),
    }
}

/// A purge on a kind of medium, without masks or with masks on another medium.
struct Purged(Medium, Option<Medium>);

impl Check for Purged {
    fn uses_engine(&self) -> bool {
        false
    }

    /// The attacker must open the blobs exactly if every medium keeps what was overwritten and the scheme
    /// declares that there are such media: a declaration is checked both ways.
    fn run(&self, _: &'static dyn engine::Engine) -> Outcome {
        let &Self(keys, masks) = self;
        let kept = [Some(keys), masks].into_iter().flatten().all(|medium| medium == Medium::CopyOnWrite);
        let mut modes = schemes().into_iter().filter(|scheme| scheme.family() == SCHEME);
        let blind = kept && modes.all(|mode| !mode.blind_media().is_empty());
        match attacker::opened_after_purge(keys, masks) {
            Ok(opened) if opened == blind => Outcome::Agree,
            Ok(true) => {
                Outcome::Wrong { what: "the master key and the medium open a blob of a purged round".into() }
            }
            Ok(false) => {
                Outcome::Wrong { what: "the scheme declares a blind spot that it does not have".into() }
            }
            Err(what) => Outcome::Wrong { what },
        }
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
    /// A blob of an active round does not open.
    #[error("a blob of an active round does not open: {0}")]
    Lost(String),
    /// The node opens a blob of a purged round.
    #[error("the node opens a blob of a purged round")]
    Opened,
    /// The attacker opens a blob of a purged round.
    #[error("the master key and the medium open a blob of a purged round")]
    Recovered,
    /// A blob was sealed under the master key.
    #[error("a blob opens under the master key itself")]
    UnderMaster,
    /// The node does not start, or refuses an operation although nothing fails any more.
    #[error("the node is stuck: {0}")]
    Stuck(String),
}

/// How a story's node is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Setting {
    form: Form,
    /// Masks, on the same disk in a folder of their own.
    masked: bool,
}

impl Setting {
    /// Each of four consecutive seeds has another one.
    fn of(seed: u64) -> Self {
        let form = if seed.is_multiple_of(2) { Form::Compatible } else { Form::Bound };
        Self { form, masked: seed % 4 >= 2 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Request(usize),
    Seal(usize),
    Purge(usize),
    Restart,
}

impl Op {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let round = rng.random_range(0..ROUNDS);
        match rng.random_range(0..8) {
            0..=2 => Self::Request(round),
            3..=4 => Self::Seal(round),
            5..=6 => Self::Purge(round),
            _ => Self::Restart,
        }
    }
}

/// Plays one story in all its histories.
///
/// # Errors
/// The first broken promise.
pub fn tell(seed: u64, defect: Option<Defect>) -> Result<Tally, Broken> {
    let (mut rng, setting) = (ChaCha8Rng::seed_from_u64(seed), Setting::of(seed));
    let len = if setting.masked { MASKED_OPS } else { OPS };
    // Every story has a round from its request to a seal after its purge, and stops between its first seal
    // and its purge.
    let whole = [Op::Request(0), Op::Seal(0), Op::Request(1), Op::Purge(0), Op::Seal(0)];
    let ops: Vec<Op> = whole.into_iter().chain((whole.len()..len).map(|_| Op::draw(&mut rng))).collect();
    let mut tally = Tally::default();
    loop {
        let step = tally.steps;
        for fault in [Fault::Power, Fault::NoSpace, Fault::Io, Fault::ReadOnly] {
            let at = |found| Broken { step, fault, found };
            // With both folders.
            let disk = Recorder::with_dir(MASKS);
            disk.plan(step, fault);
            let mut world = World::new(setting, defect);
            let rest = match world.play(&disk, &ops) {
                Ok(()) if disk.steps().len() <= step => {
                    world.check(&disk).map_err(at)?;
                    return Ok(tally);
                }
                // The fault hit a step that may fail, such as removing a temporary file.
                Ok(()) => &[][..],
                Err(Stop::Broken(found)) => return Err(at(found)),
                Err(Stop::Failed(why, _)) if disk.steps().len() <= step => return Err(at(Found::Stuck(why))),
                Err(Stop::Failed(_, rest)) => rest,
            };
            let mut left = after_power_loss(&disk, LEFT, &mut rng);
            if fault != Fault::Power {
                left.push(disk.after_restart());
            }
            for disk in left {
                if fault == Fault::Power {
                    tally.histories += world.stop_each_start(&disk).map_err(at)?;
                }
                tally.histories += 1;
                world.clone().go_on(disk, rest, &mut rng).map_err(at)?;
            }
        }
        tally.steps += 1;
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;
    use crate::engine;

    #[test]
    fn no_story_breaks_a_promise_in_over_10_000_histories() {
        let told: Vec<_> = (0..STORIES).into_par_iter().map(|i| (i, tell(1_000 + i, None))).collect();
        let mut all = Tally::default();
        for (story, tally) in told {
            let tally = tally.unwrap_or_else(|broken| panic!("story {story}: {broken}"));
            all.steps += tally.steps;
            all.histories += tally.histories;
        }
        println!("{} steps, {} histories", all.steps, all.histories);
        assert!(all.histories >= 10_000, "{all:?}");
    }

    #[test]
    fn every_setting_has_stories() {
        let settings: Vec<Setting> = (0..4).map(Setting::of).collect();
        for form in [Form::Compatible, Form::Bound] {
            for masked in [false, true] {
                assert!(settings.contains(&Setting { form, masked }), "{form:?}, {masked}");
            }
        }
        assert_eq!((4..STORIES).map(Setting::of).collect::<Vec<_>>(), [&settings[..], &settings].concat());
    }

    #[test]
    fn every_planted_defect_is_found_in_every_story() {
        for (defect, expected) in [
            (Defect::PurgeByRename, Found::Recovered),
            (Defect::Fallback, Found::UnderMaster),
            (Defect::KeyNotSynced, Found::Lost(String::new())),
        ] {
            for story in 0..STORIES {
                let found = tell(1_000 + story, Some(defect)).err().map(|broken| broken.found);
                let found = found.unwrap_or_else(|| panic!("{defect:?} was not found in story {story}"));
                let same = std::mem::discriminant(&found) == std::mem::discriminant(&expected);
                assert!(same, "{defect:?}, story {story}: {found}");
            }
        }
    }

    #[test]
    fn a_medium_that_keeps_its_bytes_gives_the_blobs_away_unless_masks_lie_on_one_that_erases() {
        let engine = engine::find("sealmark").unwrap();
        for case in set(1).cases.iter().filter(|case| case.id.starts_with("medium/")) {
            assert_eq!(case.check.run(engine), Outcome::Agree, "{}", case.id);
        }
        let opened = |masks| attacker::opened_after_purge(Medium::CopyOnWrite, masks).unwrap();
        let masks = [None, Some(Medium::InPlace), Some(Medium::CopyOnWrite)];
        assert_eq!(masks.map(opened), [true, false, true]);
    }
}
