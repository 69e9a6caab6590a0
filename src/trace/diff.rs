//! The differences between two traces, by mnemonic and by symbol.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Trace;

/// The differences between two traces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Diff {
    /// Instructions in the earlier trace.
    pub before: u64,
    /// Instructions in the later one.
    pub after: u64,
    /// Whether both took the same path through the same code: their digests are equal.
    pub same_digest: bool,
    /// Changed counts by mnemonic and width (`vaesenc zmm`), largest change first.
    pub mnemonics: Vec<Change>,
    /// Changed counts by symbol, largest change first.
    pub symbols: Vec<Change>,
}

/// A count that changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Change {
    /// The mnemonic or symbol.
    pub name: String,
    /// In the earlier trace.
    pub before: u64,
    /// In the later one.
    pub after: u64,
}

impl Diff {
    /// The changes from `before` to `after`.
    pub fn between(before: &Trace, after: &Trace) -> Self {
        let mnemonics = |trace: &Trace| {
            let name = |row: &super::ByMnemonic| match row.width {
                Some(width) => format!("{} {width}", row.mnemonic),
                None => row.mnemonic.clone(),
            };
            trace.mnemonics.iter().map(|row| (name(row), row.count)).collect::<Vec<_>>()
        };
        let symbols = |trace: &Trace| {
            trace.symbols.iter().map(|row| (row.symbol.clone(), row.count)).collect::<Vec<_>>()
        };
        Self {
            before: before.instructions,
            after: after.instructions,
            same_digest: before.digest == after.digest,
            mnemonics: changes(mnemonics(before), mnemonics(after)),
            symbols: changes(symbols(before), symbols(after)),
        }
    }
}

fn changes(before: Vec<(String, u64)>, after: Vec<(String, u64)>) -> Vec<Change> {
    let mut counts = BTreeMap::<String, (u64, u64)>::new();
    for (name, count) in before {
        counts.entry(name).or_default().0 += count;
    }
    for (name, count) in after {
        counts.entry(name).or_default().1 += count;
    }
    let mut changes: Vec<_> = counts
        .into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|(name, (before, after))| Change { name, before, after })
        .collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.before.abs_diff(change.after)));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_counts_are_listed_and_unchanged_ones_left_out() {
        let counts = |list: &[(&str, u64)]| list.iter().map(|&(n, c)| (n.to_owned(), c)).collect::<Vec<_>>();
        let found = changes(
            counts(&[("mov", 10), ("aesenc xmm", 14), ("ret", 1), ("f", 2), ("f", 3)]),
            counts(&[("mov", 12), ("vaesenc zmm", 14), ("ret", 1), ("f", 5)]),
        );
        let found: Vec<_> = found.iter().map(|c| (c.name.as_str(), c.before, c.after)).collect();
        assert_eq!(found, [("aesenc xmm", 14, 0), ("vaesenc zmm", 0, 14), ("mov", 10, 12)]);
    }
}
