//! A set of message numbers, kept as ranges, because most messages arrive in order.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// The numbers from `first` to `last`, both of them included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub(super) struct Range {
    pub first: u64,
    pub last: u64,
}

impl Range {
    /// How many numbers it holds.
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }
}

/// A set of numbers.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Ranges {
    /// The first number of each range, and the last. Two ranges never touch.
    ranges: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Whether a number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, last)| number <= *last)
    }

    /// Adds a number; false if it was there.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let below = self.ranges.range(..number).next_back().map(|(first, last)| (*first, *last));
        let first = match below {
            Some((first, last)) if last + 1 == number => first,
            _ => number,
        };
        // The range above begins at the next number, if it touches this one.
        let last = number.checked_add(1).and_then(|next| self.ranges.remove(&next)).unwrap_or(number);
        self.ranges.insert(first, last);
        true
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// The numbers of `from..until` that are not in the set, in at most `most` ranges. Behind them, the
    /// number from which the next call goes on: `until` if nothing is left.
    pub fn missing(&self, from: u64, until: u64, most: usize) -> (Vec<Range>, u64) {
        let (mut gaps, mut next) = (Vec::new(), from);
        let covering = self.ranges.range(..=from).next_back().filter(|(_, last)| **last >= from);
        let above = self.ranges.range(from.saturating_add(1)..);
        for (first, last) in covering.into_iter().chain(above) {
            if next >= until || *first >= until {
                break;
            }
            if next < *first {
                if gaps.len() == most {
                    return (gaps, next);
                }
                gaps.push(Range { first: next, last: first - 1 });
            }
            next = last.saturating_add(1);
        }
        if next < until {
            if gaps.len() == most {
                return (gaps, next);
            }
            gaps.push(Range { first: next, last: until - 1 });
        }
        (gaps, until.max(from))
    }
}

/// Ranges as text: `3, 7-9`. At most ten are written out.
pub(super) fn text(ranges: &[Range]) -> String {
    const SHOWN: usize = 10;
    let one = |range: &Range| match range.count() {
        1 => range.first.to_string(),
        _ => format!("{}-{}", range.first, range.last),
    };
    let mut words: Vec<String> = ranges.iter().take(SHOWN).map(one).collect();
    if ranges.len() > SHOWN {
        let rest: u64 = ranges[SHOWN..].iter().map(|range| range.count()).sum();
        words.push(format!("and {rest} more"));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_set_of_ranges_holds_what_a_plain_set_holds_and_misses_what_it_misses() {
        for seed in 0..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut ranges, mut plain) = (Ranges::default(), BTreeSet::new());
            for _ in 0..60 {
                let number = rng.random_range(0..50);
                assert_eq!(ranges.insert(number), plain.insert(number), "seed {seed}, {number}");
            }
            assert_eq!(ranges.len(), plain.len() as u64);
            for from in 0..52 {
                assert_eq!(ranges.contains(from), plain.contains(&from), "seed {seed}, {from}");
                for until in from..52 {
                    let expected: Vec<u64> = (from..until).filter(|n| !plain.contains(n)).collect();
                    // Three at a time, until all are there.
                    let (mut found, mut at) = (Vec::new(), from);
                    while at < until {
                        let (gaps, next) = ranges.missing(at, until, 3);
                        assert!(gaps.len() <= 3 && next > at, "seed {seed}");
                        found.extend(gaps.iter().flat_map(|gap| gap.first..=gap.last));
                        at = next;
                    }
                    assert_eq!(found, expected, "seed {seed}, {from}..{until}");
                }
            }
            let touching = ranges.ranges.iter().zip(ranges.ranges.iter().skip(1));
            assert!(touching.into_iter().all(|((_, last), (next, _))| last + 1 < *next), "seed {seed}");
        }
    }

    #[test]
    fn the_last_number_of_all_is_a_number_too() {
        let mut ranges = Ranges::default();
        assert!(ranges.insert(u64::MAX) && ranges.insert(u64::MAX - 1) && !ranges.insert(u64::MAX));
        assert!(ranges.contains(u64::MAX) && !ranges.contains(0));
    }

    #[test]
    fn ranges_are_written_as_people_write_them() {
        let range = |first, last| Range { first, last };
        assert_eq!(text(&[range(3, 3), range(7, 9)]), "3, 7-9");
        let many: Vec<Range> = (0..12).map(|n| range(3 * n, 3 * n + 1)).collect();
        assert!(text(&many).ends_with("27-28, and 4 more"), "{}", text(&many));
    }
}
