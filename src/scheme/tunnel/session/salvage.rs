//! The salvage ring: recent messages, kept to be sent again under new keys (spec §8).
//!
//! A slot keeps its memory from one message to the next, so that recording allocates nothing once the ring
//! has seen the usual length. The memory of all rings of a store comes from one [`Budget`]; a message for
//! which none is left is not kept. Slots are wiped when they are emptied and when the ring is dropped. For
//! the threat model: what is drained is sent to whoever completed the new exchange.

use std::ops::RangeInclusive;

use zeroize::{Zeroize, Zeroizing};

use crate::host::sync::Arc;
use crate::host::sync::atomic::{AtomicUsize, Ordering};

/// The memory that the rings of a store may hold together, in bytes.
#[derive(Debug)]
pub struct Budget {
    left: AtomicUsize,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    /// The bytes that no ring holds.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Takes bytes, all or none. Relaxed: the count guards no other memory.
    fn take(&self, bytes: usize) -> bool {
        let taken = |left: usize| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The recent messages of one session.
pub struct Ring {
    budget: Arc<Budget>,
    /// Messages older than this many milliseconds are not sent again.
    keep_ms: u64,
    slots: Box<[Slot]>,
    /// The slot of the oldest message.
    head: usize,
    len: usize,
}

#[derive(Default)]
struct Slot {
    at_ms: u64,
    /// The counter under which the message is sealed.
    counter: u64,
    /// Its whole length is initialised and counted in the budget; the message is its beginning.
    memory: Vec<u8>,
    len: usize,
}

impl Slot {
    /// Takes the place of the message before, without leaving any of it.
    #[inline]
    fn put(&mut self, at_ms: u64, counter: u64, message: &[u8]) {
        let (kept, rest) = self.memory.split_at_mut(message.len());
        kept.copy_from_slice(message);
        // A plain fill is not removed: the memory stays reachable. It is many times faster than a volatile
        // one.
        if self.len > message.len() {
            rest[..self.len - message.len()].fill(0);
        }
        (self.at_ms, self.counter, self.len) = (at_ms, counter, message.len());
    }

    fn wipe(&mut self) {
        self.memory[..self.len].fill(0);
        self.len = 0;
    }
}

impl Ring {
    /// A ring of up to `frames` messages, none older than `keep_ms`, that takes its memory from the budget.
    pub fn new(budget: Arc<Budget>, frames: usize, keep_ms: u64) -> Self {
        let slots = (0..frames).map(|_| Slot::default()).collect();
        Self { budget, keep_ms, slots, head: 0, len: 0 }
    }

    /// The number of messages in the ring.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many messages it holds at most.
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    /// Whether the ring has no message.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps a copy of a message that is sealed under this counter; forgets those that are too old, and the
    /// oldest if the ring is full. Returns whether it was kept: not without memory, nor in a ring without
    /// slots.
    #[inline]
    pub fn record(&mut self, now_ms: u64, counter: u64, message: &[u8]) -> bool {
        while self.len > 0 && self.is_old(self.head, now_ms) {
            self.slots[self.head].wipe();
            self.forget_oldest();
        }
        if self.slots.is_empty() {
            return false;
        }
        if self.len == self.slots.len() {
            self.forget_oldest();
        }
        let at = self.index(self.len);
        if self.slots[at].memory.len() < message.len() && !self.grow(at, message.len()) {
            self.slots[at].wipe();
            return false;
        }
        self.slots[at].put(now_ms, counter, message);
        self.len += 1;
        true
    }

    /// Forgets the messages of these counters, which could not be sealed.
    #[cold]
    pub fn forget(&mut self, counters: RangeInclusive<u64>) {
        let mut kept = 0;
        for nth in 0..self.len {
            let (from, to) = (self.index(nth), self.index(kept));
            if counters.contains(&self.slots[from].counter) {
                self.slots[from].wipe();
            } else {
                self.slots.swap(from, to);
                kept += 1;
            }
        }
        self.len = kept;
    }

    #[inline]
    fn index(&self, nth: usize) -> usize {
        let at = self.head + nth;
        if at >= self.slots.len() { at - self.slots.len() } else { at }
    }

    #[inline]
    fn is_old(&self, at: usize, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.slots[at].at_ms) > self.keep_ms
    }

    #[inline]
    fn forget_oldest(&mut self) {
        self.head = self.index(1);
        self.len -= 1;
    }

    /// Gives a slot memory for `len` bytes, rounded up so that slightly longer messages need no more.
    #[cold]
    fn grow(&mut self, at: usize, len: usize) -> bool {
        let slot = &mut self.slots[at];
        let wanted = len.next_multiple_of(256);
        if !self.budget.take(wanted) {
            return false;
        }
        self.budget.give_back(slot.memory.len());
        slot.memory.zeroize();
        (slot.memory, slot.len) = (vec![0; wanted], 0);
        true
    }

    /// Empties the ring and returns the messages that are not too old, the oldest first.
    pub fn drain(&mut self, now_ms: u64) -> Vec<Zeroizing<Vec<u8>>> {
        let mut drained = Vec::with_capacity(self.len);
        for nth in 0..self.len {
            let at = self.index(nth);
            if !self.is_old(at, now_ms) {
                let slot = &mut self.slots[at];
                self.budget.give_back(slot.memory.len());
                let (mut memory, len) = (std::mem::take(&mut slot.memory), std::mem::take(&mut slot.len));
                // What lies behind the message was wiped when it was put there.
                memory.truncate(len);
                drained.push(Zeroizing::new(memory));
            }
        }
        self.clear();
        drained
    }

    /// Forgets messages that are too old and, if none is left, returns the ring's memory to the budget.
    pub fn trim(&mut self, now_ms: u64) {
        while self.len > 0 && self.is_old(self.head, now_ms) {
            self.slots[self.head].wipe();
            self.forget_oldest();
        }
        if self.len == 0 {
            self.clear();
        }
    }

    /// Empties the ring and returns its memory.
    fn clear(&mut self) {
        for slot in &mut self.slots {
            self.budget.give_back(slot.memory.len());
            slot.memory.zeroize();
            *slot = Slot::default();
        }
        (self.head, self.len) = (0, 0);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Shows no message.
impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sync::{model, spawn};

    fn ring(bytes: usize) -> (Arc<Budget>, Ring) {
        let budget = Arc::new(Budget::new(bytes));
        (Arc::clone(&budget), Ring::new(budget, 4, 5_000))
    }

    fn drained(ring: &mut Ring, now_ms: u64) -> Vec<Vec<u8>> {
        ring.drain(now_ms).iter().map(|message| message.to_vec()).collect()
    }

    #[test]
    fn the_newest_four_are_drained_in_order_and_once() {
        let (_, mut ring) = ring(1 << 20);
        for (at, message) in [(0, b"aa"), (10, b"bb"), (20, b"cc"), (30, b"dd"), (40, b"ee")] {
            assert!(ring.record(at, 0, message));
        }
        assert_eq!(ring.len(), 4);
        assert_eq!(drained(&mut ring, 50), [b"bb", b"cc", b"dd", b"ee"]);
        assert_eq!(drained(&mut ring, 51), [[0; 0]; 0]);
        assert!(ring.record(60, 0, b"ff") && !ring.is_empty(), "it records again");
    }

    #[test]
    fn a_message_of_exactly_the_limits_age_stays_and_an_older_one_goes() {
        let (_, mut ring) = ring(1 << 20);
        ring.record(0, 0, b"1");
        ring.record(5_000, 0, b"2");
        assert_eq!(ring.len(), 2);
        assert_eq!(drained(&mut ring, 5_000), [b"1", b"2"]);
        ring.record(0, 0, b"1");
        ring.record(5_001, 0, b"2");
        assert_eq!((ring.len(), drained(&mut ring, 5_001)), (1, vec![b"2".to_vec()]));
        ring.record(0, 0, b"1");
        assert_eq!(drained(&mut ring, 5_001), [[0; 0]; 0]);
    }

    #[test]
    fn memory_is_taken_once_and_returned_by_a_drain_a_trim_and_a_drop() {
        let (budget, mut ring) = ring(1 << 20);
        for i in 0..100 {
            assert!(ring.record(i, 0, &[7; 1_350]));
        }
        assert_eq!(budget.left(), (1 << 20) - 4 * 1_536, "four slots, rounded up");
        assert_eq!(ring.drain(100).len(), 4);
        assert_eq!(budget.left(), 1 << 20);
        ring.record(100, 0, b"idle");
        ring.trim(5_100);
        assert_eq!((ring.len(), budget.left()), (1, (1 << 20) - 256));
        ring.trim(5_101);
        assert_eq!((ring.len(), budget.left()), (0, 1 << 20));
        ring.record(6_000, 0, b"last");
        drop(ring);
        assert_eq!(budget.left(), 1 << 20);
    }

    #[test]
    fn without_memory_a_message_is_not_kept_and_the_others_stay() {
        let (budget, mut ring) = ring(512);
        assert!(ring.record(0, 0, &[1; 300]));
        assert!(!ring.record(1, 0, &[2; 300]), "no second slot of 512 bytes");
        assert_eq!(drained(&mut ring, 1), [[1; 300]]);
        assert_eq!(budget.left(), 512);
        let mut none = Ring::new(budget, 0, 5_000);
        assert!(!none.record(0, 0, b"a") && none.drain(0).is_empty());
    }

    #[test]
    fn a_shorter_message_leaves_nothing_of_the_longer_one_before_it() {
        let (_, mut ring) = ring(1 << 20);
        for message in [&[0xaa; 300][..], &[0xbb; 20], &[], &[0xcc; 256]] {
            for at in 0..4 {
                ring.record(at, 0, message);
            }
            for slot in &ring.slots {
                assert_eq!(slot.memory[..slot.len], *message);
                assert!(slot.memory[slot.len..].iter().all(|byte| *byte == 0), "{} bytes", message.len());
            }
        }
    }

    #[test]
    fn a_message_that_is_too_old_is_wiped_when_the_next_is_recorded() {
        let (_, mut ring) = ring(1 << 20);
        for at in 0..3 {
            ring.record(at, 0, &[0xaa; 100]);
        }
        ring.record(9_000, 0, b"new");
        let left = ring.slots.iter().flat_map(|slot| &slot.memory).filter(|byte| **byte == 0xaa).count();
        assert_eq!((ring.len(), left), (1, 0));
    }

    #[test]
    fn messages_that_could_not_be_sealed_are_forgotten_and_the_others_keep_their_order() {
        let (_, mut ring) = ring(1 << 20);
        for counter in 1..=6 {
            assert!(ring.record(0, counter, &[counter as u8; 30]));
        }
        ring.forget(4..=5);
        ring.forget(9..=12);
        let left = ring.slots.iter().flat_map(|slot| &slot.memory).filter(|byte| [4, 5].contains(*byte));
        assert_eq!((ring.len(), left.count()), (2, 0));
        assert!(ring.record(0, 7, b"next"));
        assert_eq!(drained(&mut ring, 0), [vec![3; 30], vec![6; 30], b"next".to_vec()]);
    }

    /// Two rings that want the last memory of a store.
    #[test]
    fn model_memory_is_never_promised_twice_and_comes_back() {
        model(|| {
            let budget = Arc::new(Budget::new(256));
            let record = |budget: Arc<Budget>| {
                let mut ring = Ring::new(budget, 4, 5_000);
                ring.record(0, 0, b"message")
            };
            let theirs = Arc::clone(&budget);
            let other = spawn(move || record(theirs));
            let mine = record(Arc::clone(&budget));
            assert!(other() || mine, "one of them got it");
            assert_eq!(budget.left(), 256);
        });
    }
}
