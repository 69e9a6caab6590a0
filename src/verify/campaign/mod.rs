//! Crash campaigns: a scheme's life cycle, cut off at every step, started again, and checked. One file for each scheme.

use super::Set;

pub mod storage;

/// What the sets' names begin with; a scheme's name follows.
pub const PREFIX: &str = "campaign/";

/// The names of the sets.
pub fn names() -> Vec<String> {
    vec![format!("{PREFIX}{}", storage::SCHEME)]
}

/// The set of that name.
pub fn set(name: &str, seed: u64) -> Option<Set> {
    (name.strip_prefix(PREFIX) == Some(storage::SCHEME)).then(|| storage::set(seed))
}
