//! Limits how much a key may seal in this process load: 2^32 values at most, with a warning at nine tenths
//! (spec §11).
//!
//! SP 800-38D asks for a limit on the use of one key; elastickv's design proposes a rotation at 90 % but does
//! not build it. Each key has its own counter, and the thread that seals a value counts it there. A thread
//! that pauses, and then continues under a key that others have left, therefore still counts for that key.
//! Only a request from a client of this node is refused. A value or an entry of the replicated log is sealed
//! and counted in any case, or else the cluster would halt, and the rotation that solves the problem could
//! not pass.

use std::collections::BTreeMap;
use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::Error;

/// Values that one key may seal in one process load.
pub const LIMIT: u64 = 1 << 32;

/// How much of its limit a key has used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Below nine tenths.
    Within,
    /// Rotate now: nine tenths are used.
    RotationDue,
    /// The limit is reached: the key seals nothing more for clients.
    UsedUp,
}

/// The use of each key in this process load. Any number of threads share it, and counting never blocks.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    counters: Table,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl Budget {
    /// A budget of `limit` values for each key.
    pub fn new(limit: u64) -> Self {
        Self { limit, counters: Table::with_len(FIRST_LEN) }
    }

    /// Checks that one more value may be sealed under the key. Threads that ask at the same time may all
    /// succeed, so each of them can exceed the limit by one value.
    ///
    /// # Errors
    /// [`Error::KeyUsedUp`].
    #[inline]
    pub fn check(&self, key_id: u32) -> Result<(), Error> {
        if self.used(key_id) >= self.limit { Err(Error::KeyUsedUp(key_id)) } else { Ok(()) }
    }

    /// Counts a value under the key. Allocates only if many keys have been counted already. Id 0 belongs to
    /// no key, and nothing is counted for it.
    #[inline]
    pub fn count(&self, key_id: u32) {
        if key_id != 0 {
            self.counters.of(key_id).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Values sealed under the key.
    #[inline]
    pub fn used(&self, key_id: u32) -> u64 {
        self.counters.find(key_id).map_or(0, |sealed| sealed.load(Ordering::Relaxed))
    }

    /// Values sealed under each key.
    pub fn writes(&self) -> BTreeMap<u32, u64> {
        self.counters.all().filter(|(_, sealed)| *sealed > 0).collect()
    }

    /// How much of its limit the key has used.
    pub fn state(&self, key_id: u32) -> Use {
        let used = self.used(key_id);
        if used >= self.limit {
            Use::UsedUp
        } else if used >= self.limit - self.limit / 10 {
            Use::RotationDue
        } else {
            Use::Within
        }
    }
}

/// Counters in the first table: more than the keys that a process sees between two rotations of each purpose.
const FIRST_LEN: usize = 32;
/// Counters in the longest table. Any number of keys may have ids with the same last bits, so the number of
/// tables has no limit.
const LONGEST: usize = 1024;
/// Consecutive places in a table that a key may take. Key ids are consecutive, so a key nearly always gets
/// the first one.
const PLACES: usize = 4;

/// A counter for each key, found by its id without blocking.
///
/// A key takes the first free one of its places, or, if none is free, a place in the next table, which is
/// longer. A taken place stays taken, so every thread finds a key where the first thread put it.
#[derive(Debug)]
struct Table {
    counters: Box<[Counter]>,
    next: OnceLock<Box<Table>>,
}

#[derive(Default, Debug)]
struct Counter {
    /// 0 while the place is free.
    key_id: AtomicU32,
    sealed: AtomicU64,
}

impl Table {
    /// `len` is a power of two.
    fn with_len(len: usize) -> Self {
        Self { counters: iter::repeat_with(Counter::default).take(len).collect(), next: OnceLock::new() }
    }

    #[inline]
    fn places(&self, key_id: u32) -> impl Iterator<Item = &Counter> {
        let (first, mask) = (key_id as usize, self.counters.len() - 1);
        (0..PLACES).map(move |place| &self.counters[first.wrapping_add(place) & mask])
    }

    /// The key's counter; a key without one takes a free place.
    #[inline]
    fn of(&self, key_id: u32) -> &AtomicU64 {
        let mut table = self;
        loop {
            for counter in table.places(key_id) {
                // Relaxed: the counter of a free place is 0 for every thread at any time.
                let taken = counter.key_id.load(Ordering::Relaxed) == key_id
                    || match counter.key_id.compare_exchange(0, key_id, Ordering::Relaxed, Ordering::Relaxed)
                    {
                        Ok(_) => true,
                        Err(other) => other == key_id,
                    };
                if taken {
                    return &counter.sealed;
                }
            }
            let len = (2 * table.counters.len()).min(LONGEST);
            table = table.next.get_or_init(|| Box::new(Self::with_len(len)));
        }
    }

    /// The key's counter, if it has one. It would be at the first free place, so none follows.
    #[inline]
    fn find(&self, key_id: u32) -> Option<&AtomicU64> {
        let mut table = self;
        loop {
            for counter in table.places(key_id) {
                match counter.key_id.load(Ordering::Relaxed) {
                    0 => return None,
                    id if id == key_id => return Some(&counter.sealed),
                    _ => {}
                }
            }
            table = table.next.get()?;
        }
    }

    fn all(&self) -> impl Iterator<Item = (u32, u64)> {
        let load = |c: &Counter| (c.key_id.load(Ordering::Relaxed), c.sealed.load(Ordering::Relaxed));
        self.tables().flat_map(move |table| table.counters.iter().map(load))
    }

    fn tables(&self) -> impl Iterator<Item = &Self> {
        iter::successors(Some(self), |table| table.next.get().map(Box::as_ref))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_key_is_due_at_nine_tenths_and_used_up_at_the_limit_and_the_next_starts_afresh() {
        let budget = Budget::new(10);
        for sealed in 0..10 {
            assert_eq!(budget.state(7), if sealed < 9 { Use::Within } else { Use::RotationDue });
            budget.check(7).unwrap();
            budget.count(7);
        }
        assert_eq!(budget.state(7), Use::UsedUp);
        assert!(matches!(budget.check(7), Err(Error::KeyUsedUp(7))));
        budget.count(7);
        assert_eq!(budget.used(7), 11, "replicated values are counted past the limit");
        budget.check(8).unwrap();
        budget.count(8);
        assert_eq!((budget.used(8), budget.state(8)), (1, Use::Within));
        assert_eq!(budget.writes(), [(7, 11), (8, 1)].into());
        assert!(matches!(budget.check(7), Err(Error::KeyUsedUp(7))), "its count is unchanged");
        budget.count(0);
        assert_eq!((budget.used(0), budget.writes().len()), (0, 2), "0 is no key's id");
    }

    /// A thread takes its nonce under key 7 and pauses; others seal under key 8; then the thread continues.
    /// Tries every order of the steps of three threads.
    #[test]
    fn values_that_others_seal_while_a_thread_pauses_count_for_their_key_in_every_order() {
        let mut orders = 0;
        for order in 0..3_u32.pow(6) {
            let thread = |step: u32| order / 3_u32.pow(step) % 3;
            let mut counts = [0; 3];
            (0..6).for_each(|step| counts[thread(step) as usize] += 1);
            if counts != [1, 2, 3] {
                continue;
            }
            let budget = Budget::new(100);
            for step in 0..6 {
                budget.count([7, 8, 9][thread(step) as usize]);
            }
            assert_eq!(budget.writes(), [(7, 1), (8, 2), (9, 3)].into(), "{order}");
            orders += 1;
        }
        assert_eq!(orders, 60);
    }

    #[test]
    fn a_thousand_keys_have_a_counter_each_whatever_their_ids() {
        let budget = Budget::default();
        // Consecutive ids, ids that share every place of the first tables, and the largest ids.
        let ids = (1..=500).chain((1..=500).map(|n| n << 20)).chain([u32::MAX, u32::MAX - 1]);
        for (times, key_id) in ids.clone().enumerate() {
            (0..=times % 3).for_each(|_| budget.count(key_id));
        }
        let expected: BTreeMap<u32, u64> =
            ids.enumerate().map(|(times, key_id)| (key_id, times as u64 % 3 + 1)).collect();
        assert_eq!(expected.len(), 1002);
        assert_eq!(budget.writes(), expected);
        assert!(expected.iter().all(|(key_id, used)| budget.used(*key_id) == *used));
        assert_eq!(budget.used(501), 0);
    }

    #[test]
    fn threads_that_count_the_same_new_keys_share_one_counter_for_each() {
        const EACH: u64 = 200;
        let budget = Budget::default();
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let budget = &budget;
                scope.spawn(move || {
                    for key in 0..EACH {
                        // All keys collide, and each thread starts with a different one.
                        budget.count((((key + 50 * thread) % EACH + 1) << 16) as u32);
                    }
                });
            }
        });
        let writes = budget.writes();
        assert_eq!(writes.len() as u64, EACH);
        assert!(writes.values().all(|sealed| *sealed == 4), "{writes:?}");
    }
}
