//! Deterministic nonces: node id, epoch and write count, big-endian, without random bits.
//!
//! Follows elastickv `internal/encryption/nonce_factory.go`. The write count lasts as long as the process.
//! The epoch keeps two processes apart: it must be raised durably before each process's first nonce. Not
//! here: raising it.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;
use crate::aead::Nonce;

/// Issues the nonces of one node under one data key and epoch. Any number of threads may share it.
///
/// The first nonce has write count 1, the last all ones; after that every call is refused permanently.
/// Wait-free: a call is one load and one add. No value repeats as long as the process has fewer than 2^31
/// threads.
#[derive(Debug)]
pub struct NonceSource {
    prefix: [u8; 4],
    lower: Counts,
    upper: Counts,
}

/// A range of write counts. A plain 64-bit counter would wrap after all ones, and another thread could take a
/// used count between the add that wraps and any latch set after it. This counter spans at most 2^63 counts
/// and no thread adds to it once it is spent, so it overshoots its end by at most one add of 2^32 per thread
/// and never wraps.
#[derive(Debug)]
struct Counts {
    first: u64,
    len: u64,
    taken: AtomicU64,
}

const HALF: u64 = 1 << 63;

impl Counts {
    const fn new(first: u64, len: u64) -> Self {
        Self { first, len, taken: AtomicU64::new(0) }
    }

    /// The first of up to `at_most` consecutive counts, and how many there are.
    #[inline]
    fn take(&self, at_most: u32) -> Option<(u64, u32)> {
        // Relaxed: uniqueness needs only a total order of the adds to this one word, which atomics guarantee.
        if self.taken.load(Ordering::Relaxed) >= self.len {
            return None;
        }
        let taken = self.taken.fetch_add(at_most.into(), Ordering::Relaxed);
        let left = self.len.checked_sub(taken).filter(|left| *left > 0)?;
        Some((self.first + taken, u32::try_from(left).map_or(at_most, |left| left.min(at_most))))
    }

    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed).min(self.len)
    }
}

impl NonceSource {
    /// A source whose first nonce carries write count 1.
    pub const fn new(node_id: u16, local_epoch: u16) -> Self {
        Self::after(node_id, local_epoch, 0)
    }

    /// A source that continues after `writes_before` writes. For tests and published vectors only: a new
    /// process never continues an old count, it raises the epoch.
    pub const fn after(node_id: u16, local_epoch: u16, writes_before: u64) -> Self {
        let [a, b] = node_id.to_be_bytes();
        let [c, d] = local_epoch.to_be_bytes();
        // Counts writes_before + 1 ..= 2^63 - 1, then up to 2^64 - 1; either may be empty.
        let (lower, upper) = if writes_before < HALF {
            (Counts::new(writes_before + 1, HALF - 1 - writes_before), Counts::new(HALF, HALF))
        } else {
            (Counts::new(0, 0), Counts::new(writes_before.wrapping_add(1), u64::MAX - writes_before))
        };
        Self { prefix: [a, b, c, d], lower, upper }
    }

    /// The next nonce.
    ///
    /// # Errors
    /// [`Error::WriteCountExhausted`] always, once the all-ones count has been issued.
    #[inline]
    pub fn next(&self) -> Result<Nonce, Error> {
        let (count, _) = self.counts(1)?;
        Ok(nonce(self.prefix, count))
    }

    /// The next nonces, between one and `at_most`, for the cost of one. They count as issued whether or not
    /// they are used.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    #[inline]
    pub fn take(&self, at_most: NonZeroU32) -> Result<Nonces, Error> {
        let (count, left) = self.counts(at_most.get())?;
        Ok(Nonces { prefix: self.prefix, count, left })
    }

    #[inline]
    fn counts(&self, at_most: u32) -> Result<(u64, u32), Error> {
        self.lower.take(at_most).or_else(|| self.upper.take(at_most)).ok_or(Error::WriteCountExhausted)
    }

    /// The number of nonces that this source has issued, for callers that limit the use of a key; see
    /// [`usage`](super::usage).
    pub fn issued(&self) -> u64 {
        self.lower.taken() + self.upper.taken()
    }
}

#[inline]
fn nonce(prefix: [u8; 4], count: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&prefix);
    nonce[4..].copy_from_slice(&count.to_be_bytes());
    nonce
}

/// Consecutive nonces from [`NonceSource::take`].
#[derive(Debug)]
pub struct Nonces {
    prefix: [u8; 4],
    count: u64,
    left: u32,
}

impl Iterator for Nonces {
    type Item = Nonce;

    #[inline]
    fn next(&mut self) -> Option<Nonce> {
        self.left = self.left.checked_sub(1)?;
        let nonce = nonce(self.prefix, self.count);
        // After all ones no nonce is left, so the wrapped sum is never used.
        self.count = self.count.wrapping_add(1);
        Some(nonce)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Nonces {}

/// The node id of a raft member: the 64-bit FNV-1a hash of its id. The empty id gives 0, which is reserved
/// for that: a hash of 0 becomes 1.
pub const fn full_node_id(raft_id: &str) -> u64 {
    if raft_id.is_empty() {
        return 0;
    }
    let bytes = raft_id.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    if hash == 0 { 1 } else { hash }
}

/// The part of a node id that goes into a nonce: its low 16 bits.
pub const fn node_id16(full_node_id: u64) -> u16 {
    (full_node_id & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(nonce: Result<Nonce, Error>) -> u64 {
        u64::from_be_bytes(nonce.unwrap()[4..].try_into().unwrap())
    }

    #[test]
    fn the_first_nonce_has_write_count_one() {
        let source = NonceSource::new(0x0102, 0x0304);
        assert_eq!(source.next(), Ok([1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 1]));
        assert_eq!(count(source.next()), 2);
        assert_eq!(source.issued(), 2);
    }

    #[test]
    fn counts_continue_across_the_middle() {
        let source = NonceSource::after(0, 0, HALF - 3);
        let counts: Vec<_> = (0..4).map(|_| count(source.next())).collect();
        assert_eq!(counts, [HALF - 2, HALF - 1, HALF, HALF + 1]);
        for before in [HALF - 1, HALF] {
            assert_eq!(count(NonceSource::after(0, 0, before).next()), before + 1);
        }
    }

    #[test]
    fn all_ones_is_issued_and_nothing_after_it() {
        for left in [0, 1, 5] {
            let source = NonceSource::after(1, 2, u64::MAX - left);
            for n in (0..left).rev() {
                assert_eq!(count(source.next()), u64::MAX - n);
            }
            for _ in 0..100 {
                assert_eq!(source.next(), Err(Error::WriteCountExhausted));
            }
            assert_eq!(source.issued(), left);
        }
    }

    #[test]
    fn nonces_taken_together_equal_those_taken_one_by_one() {
        let eight = NonZeroU32::new(8).unwrap();
        for before in [0, HALF - 5, u64::MAX - 13] {
            let (together, single) = (NonceSource::after(1, 2, before), NonceSource::after(1, 2, before));
            let mut taken = Vec::new();
            while taken.len() < 13 {
                let run = together.take(eight).unwrap();
                assert!((1..=8).contains(&run.len()));
                taken.extend(run);
            }
            let expected: Vec<_> = taken.iter().map(|_| single.next().unwrap()).collect();
            assert_eq!(taken, expected);
            assert_eq!(together.take(eight).is_err(), before == u64::MAX - 13);
        }
        let source = NonceSource::after(1, 2, u64::MAX);
        assert_eq!(source.take(eight).err(), Some(Error::WriteCountExhausted));
    }

    #[test]
    fn node_ids_are_fnv_1a_and_never_zero_for_a_name() {
        assert_eq!(full_node_id(""), 0);
        assert_eq!(full_node_id("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(node_id16(full_node_id("a")), 0xec8c);
    }
}
