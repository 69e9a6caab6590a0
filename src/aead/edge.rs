//! The kernels' entry points as one trait, which each backend instantiates in functions that carry its target
//! features.

use super::block::j0_of_nonce;
use super::key::Key;
use super::lanes::{Doubling, Lanes, MOST_LANES};
use super::{Message, Probe, Probed, Tag};

/// The kernel's entry points, instantiated for one backend.
///
/// # Safety
/// Every method except `detected` is called only on a CPU for which `detected` is true, and with a key of
/// `ROUNDS` rounds.
pub(super) trait Edge: Lanes {
    /// Whether this CPU has all the features.
    fn detected() -> bool;
    /// Expands a key in place ([`Key::expand`]).
    unsafe fn expand_key<const ROUNDS: usize>(place: *mut Key<Self>, bytes: &[u8]);
    /// J0 of an IV that does not have 96 bits (SP 800-38D, 7.1, step 2), as a little-endian integer.
    unsafe fn j0(key: &Key<Self>, iv: &[u8]) -> u128;
    /// Processes a long message up to its last pass ([`long`](super::bulk::long)), out of line.
    unsafe fn long<const ROUNDS: usize, const SEAL: bool>(
        key: &Key<Self>,
        j0: u128,
        aad: &[u8],
        in_out: &mut [u8],
        into: &mut Self::Product,
    ) -> usize;
    /// Encrypts and computes the tag.
    unsafe fn seal<const ROUNDS: usize>(
        key: &Key<Self>,
        j0: u128,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    );
    /// Decrypts and computes the tag that the message should carry.
    unsafe fn open<const ROUNDS: usize>(
        key: &Key<Self>,
        j0: u128,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    );
    /// Runs `turns` iterations of a probe's loop.
    unsafe fn probe(probe: Probe, turns: u64) -> Probed;
    /// Seals messages of allowed lengths.
    unsafe fn seal_batch<const ROUNDS: usize>(key: &Key<Self>, messages: &mut [Message<'_>]) {
        // SAFETY: the same contract.
        unsafe { one_by_one::<Self, ROUNDS, true>(key, messages, &mut []) }
    }
    /// Decrypts messages of allowed lengths and computes the tags that they should carry.
    unsafe fn open_batch<const ROUNDS: usize>(
        key: &Key<Self>,
        messages: &mut [Message<'_>],
        tags: &mut [Tag],
    ) {
        // SAFETY: the same contract.
        unsafe { one_by_one::<Self, ROUNDS, false>(key, messages, tags) }
    }
}

/// The further operations of a batch, which has one message in each lane.
///
/// # Safety
/// As for [`Lanes`]. Arrays of pointers, lengths and blocks have one entry per lane.
pub(super) trait ManyLanes: Edge + Doubling {
    /// Adds vectors.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Makes a counter from counter blocks, one per lane, each with its own number.
    unsafe fn counters(blocks: Self::Vector) -> Self::Counter;
    /// Returns the counter blocks and adds 1 to each number.
    unsafe fn count_each(counter: &mut Self::Counter) -> Self::Vector;
    /// Adds to the number in the last four bytes of each counter block.
    unsafe fn advance(counter: &mut Self::Counter, by: &[u32; MOST_LANES]);
    /// Loads the first `lens` bytes at each pointer, at most 16, and no others; the rest is zero.
    unsafe fn load_each(from: &[*const u8; MOST_LANES], lens: &[usize; MOST_LANES]) -> Self::Vector;
    /// Loads 16 bytes at each pointer.
    unsafe fn load_blocks(from: &[*const u8; MOST_LANES]) -> Self::Vector;
    /// Writes the first `lens` bytes of each lane, at most 16, and no others.
    unsafe fn store_each(to: &[*mut u8; MOST_LANES], lens: &[usize; MOST_LANES], v: Self::Vector);
    /// Writes 16 bytes at each pointer.
    unsafe fn store_blocks(to: &[*mut u8; MOST_LANES], v: Self::Vector);
    /// The same integer in every lane.
    unsafe fn splat(value: u128) -> Self::Vector;
    /// One integer in each lane.
    unsafe fn gather(values: &[u128; MOST_LANES]) -> Self::Vector;
    /// Keeps bytes `0..lens` of each lane; the rest becomes zero.
    unsafe fn keep_each(v: Self::Vector, lens: &[usize; MOST_LANES]) -> Self::Vector;
    /// Like [`multiply`](Lanes::multiply), with the same power for every lane.
    unsafe fn multiply_same(sum: Self::Product, x: Self::Vector, h: *const Self::Power) -> Self::Product;
    /// Like [`multiply`](Lanes::multiply), with a separate power for each lane.
    unsafe fn multiply_each(
        sum: Self::Product,
        x: Self::Vector,
        h: &[*const Self::Power; MOST_LANES],
    ) -> Self::Product;
    /// Reduces each lane separately.
    unsafe fn reduce_each(sum: Self::Product) -> Self::Vector;
}

/// Processes each message separately.
///
/// # Safety
/// As for [`Edge`]; the lengths are allowed.
pub(super) unsafe fn one_by_one<L: Edge, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    messages: &mut [Message<'_>],
    tags: &mut [Tag],
) {
    for (i, m) in messages.iter_mut().enumerate() {
        let j0 = j0_of_nonce(&m.nonce);
        // SAFETY: the caller's contract is that of `Edge`.
        unsafe {
            if SEAL {
                L::seal::<ROUNDS>(key, j0, m.aad, m.in_out, &mut m.tag);
            } else {
                L::open::<ROUNDS>(key, j0, m.aad, m.in_out, &mut tags[i]);
            }
        }
    }
}
