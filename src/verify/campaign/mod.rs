//! Crash campaigns: a scheme's life cycle is interrupted at every step, restarted, and checked. Each family
//! of schemes has a folder here and a line in `CAMPAIGNS`.

use super::Set;

pub mod ephemeral;
pub mod log;
pub mod snapshot;
pub mod storage;
pub mod tunnel;

/// The prefix of the sets' names; the family follows.
pub const PREFIX: &str = "campaign/";

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
