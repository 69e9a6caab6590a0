//! Crash campaigns: a scheme's life cycle is interrupted at every step, restarted, and checked. Each family
//! of schemes has a folder here and a line in `CAMPAIGNS`.

use rand::{Rng, RngExt};

use super::{Case, Check, Outcome, Set};
use crate::disk::Recorder;
use crate::engine::Engine;

pub mod ephemeral;
pub mod log;
pub mod snapshot;
pub mod storage;
pub mod tunnel;

/// The prefix of the sets' names; the family follows.
pub const PREFIX: &str = "campaign/";

/// A case for each story of a family: `tell` plays all histories of the story with that seed, and returns how
/// many there were, or what broke a promise.
fn stories(seed: u64, count: u64, tell: fn(u64) -> Result<usize, String>) -> impl Iterator<Item = Case> {
    (0..count).map(move |i| Case {
        id: format!("story/{i}"),
        check: Box::new(Story { seed: seed.wrapping_mul(1_000).wrapping_add(i), tell }),
    })
}

struct Story {
    seed: u64,
    tell: fn(u64) -> Result<usize, String>,
}

impl Check for Story {
    fn uses_engine(&self) -> bool {
        false
    }

    fn run(&self, _: &'static dyn Engine) -> Outcome {
        match (self.tell)(self.seed) {
            Ok(0) => Outcome::Wrong { what: "the story has no histories".into() },
            Ok(_) => Outcome::Agree,
            Err(what) => Outcome::Wrong { what },
        }
    }
}

/// The disk states to try, at most so many, of those that a power loss may leave.
fn after_power_loss(disk: &Recorder, most: usize, rng: &mut impl Rng) -> Vec<Recorder> {
    disk.some_after_power_loss(most, |of| rng.random_range(0..of))
}

/// The campaign of a family of schemes.
struct Campaign {
    family: &'static str,
    set: fn(u64) -> Set,
}

const CAMPAIGNS: &[Campaign] = &[
    Campaign { family: storage::SCHEME, set: storage::set },
    Campaign { family: ephemeral::SCHEME, set: ephemeral::set },
    Campaign { family: tunnel::SCHEME, set: tunnel::set },
    Campaign { family: snapshot::SCHEME, set: snapshot::set },
    Campaign { family: log::SCHEME, set: log::set },
];

/// The families that have a campaign.
pub fn families() -> impl Iterator<Item = &'static str> {
    CAMPAIGNS.iter().map(|campaign| campaign.family)
}

/// The campaign of a family.
pub fn set(family: &str, seed: u64) -> Option<Set> {
    CAMPAIGNS.iter().find(|campaign| campaign.family == family).map(|campaign| (campaign.set)(seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::schemes;

    #[test]
    fn every_campaign_belongs_to_an_existing_family_and_names_it() {
        for family in families() {
            assert!(schemes().iter().any(|scheme| scheme.family() == family), "{family}");
            assert_eq!(set(family, 1).map(|set| set.name), Some(format!("{PREFIX}{family}")));
        }
        assert!(set("none", 1).is_none());
    }
}
