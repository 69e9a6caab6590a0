//! Crash campaigns: a scheme's life cycle, cut off at every step, started again, and checked. One folder for
//! each family of schemes, and a line in `CAMPAIGNS`.

use super::Set;

pub mod storage;

/// What the sets' names begin with; a family follows.
pub const PREFIX: &str = "campaign/";

/// The campaign of a family of schemes.
struct Campaign {
    family: &'static str,
    set: fn(u64) -> Set,
}

const CAMPAIGNS: [Campaign; 1] = [Campaign { family: storage::SCHEME, set: storage::set }];

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
    fn every_campaign_is_of_a_family_that_is_there_and_its_set_says_so() {
        for family in families() {
            assert!(schemes().iter().any(|scheme| scheme.family() == family), "{family}");
            assert_eq!(set(family, 1).map(|set| set.name), Some(format!("{PREFIX}{family}")));
        }
        assert!(set("none", 1).is_none());
    }
}
