//! The kernels' entry points as one trait, which each backend instantiates in functions that carry its target
//! features.

use super::block::blocks_of;
use super::interleave::span;
use super::key::Key;
use super::lanes::{Doubling, Lanes, MOST_LANES};
use super::{Error, Message, Nonce, Probe, Probed, Tag};

/// The kernel's entry points, instantiated for one backend.
///
/// # Safety
/// Every method except `detected` is called only on a CPU for which `detected` is true, and with a key of
/// `ROUNDS` rounds.
pub(super) trait Edge: Lanes {
    /// The longest message of a group; 0 if there are no groups.
    const LONGEST_IN_GROUP: usize = 0;
    /// Whether this CPU has all the features.
    fn detected() -> bool;
    /// Expands a key in place ([`Key::expand`]).
    unsafe fn expand_key<const ROUNDS: usize>(place: *mut Key<Self>, bytes: &[u8]);
    /// J0 of an IV that does not have 96 bits (SP 800-38D, 7.1, step 2), as a little-endian integer.
    unsafe fn j0(key: &Key<Self>, iv: &[u8]) -> u128;
    /// Hashes data ([`kernel::absorb`](super::kernel::absorb)), out of line.
    unsafe fn absorb(key: &Key<Self>, data: &[u8], y: &mut Self::Hash);
    /// Encrypts or decrypts any message whose lengths are allowed, and computes its tag
    /// ([`kernel::crypt`](super::kernel::crypt)), out of line.
    unsafe fn crypt<const ROUNDS: usize, const SEAL: bool>(
        key: &Key<Self>,
        nonce: &Nonce,
        number: u32,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    );
    /// Encrypts or decrypts a message of at most [`TAIL_VECTORS`](Lanes::TAIL_VECTORS), and writes its tag,
    /// out of line.
    unsafe fn only<const ROUNDS: usize, const SEAL: bool>(
        key: &Key<Self>,
        nonce: &Nonce,
        number: u32,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    );
    /// Encrypts or decrypts a longer message in turns of [`TURN_VECTORS`](Lanes::TURN_VECTORS), and writes
    /// its tag, out of line.
    unsafe fn turns<const ROUNDS: usize, const SEAL: bool>(
        key: &Key<Self>,
        nonce: &Nonce,
        number: u32,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    );
    /// The same in turns of [`LONG_TURN_VECTORS`](Lanes::LONG_TURN_VECTORS).
    unsafe fn long_turns<const ROUNDS: usize, const SEAL: bool>(
        key: &Key<Self>,
        nonce: &Nonce,
        number: u32,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    );
    /// Checks the lengths and seals: a jump to one of the next two.
    #[inline(always)]
    unsafe fn seal<const ROUNDS: usize>(
        key: &Key<Self>,
        nonce: &Nonce,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    ) -> Result<(), Error> {
        // SAFETY: the same contract.
        unsafe {
            if is_filled::<Self>(aad, in_out) {
                Self::seal_filled::<ROUNDS>(key, nonce, aad, in_out, tag)
            } else {
                Self::seal_unfilled::<ROUNDS>(key, nonce, aad, in_out, tag)
            }
        }
    }
    /// Seals a message that is [filled](is_filled), and no other, out of line.
    unsafe fn seal_filled<const ROUNDS: usize>(
        key: &Key<Self>,
        nonce: &Nonce,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    ) -> Result<(), Error>;
    /// Seals any message: one of at most [`ENTRY_VECTORS`](Lanes::ENTRY_VECTORS) itself, before it saves a
    /// register.
    unsafe fn seal_unfilled<const ROUNDS: usize>(
        key: &Key<Self>,
        nonce: &Nonce,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    ) -> Result<(), Error>;
    /// Seals any message, out of line.
    unsafe fn seal_rest<const ROUNDS: usize>(
        key: &Key<Self>,
        nonce: &Nonce,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &mut Tag,
    ) -> Result<(), Error>;
    /// Checks the lengths, opens and checks the tag: a jump to one of the next three. With one of them
    /// inside, it would save registers first.
    #[inline(always)]
    unsafe fn open<const ROUNDS: usize>(
        key: &Key<Self>,
        nonce: &Nonce,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &Tag,
    ) -> Result<(), Error> {
        // SAFETY: the same contract.
        unsafe {
            if is_short::<Self>(Self::ENTRY_VECTORS, aad, in_out) {
                Self::open_short::<ROUNDS>(key, nonce, aad, in_out, tag)
            } else if is_filled::<Self>(aad, in_out) {
                Self::open_filled::<ROUNDS>(key, nonce, aad, in_out, tag)
            } else {
                Self::open_rest::<ROUNDS>(key, nonce, aad, in_out, tag)
            }
        }
    }
    /// Opens a message that is [short](is_short) for [`ENTRY_VECTORS`](Lanes::ENTRY_VECTORS), and no
    /// other, out of line.
    unsafe fn open_short<const ROUNDS: usize>(
        key: &Key<Self>,
        nonce: &Nonce,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &Tag,
    ) -> Result<(), Error>;
    /// Opens a message that is [filled](is_filled), and no other, out of line.
    unsafe fn open_filled<const ROUNDS: usize>(
        key: &Key<Self>,
        nonce: &Nonce,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &Tag,
    ) -> Result<(), Error>;
    /// Opens any message, out of line.
    unsafe fn open_rest<const ROUNDS: usize>(
        key: &Key<Self>,
        nonce: &Nonce,
        aad: &[u8],
        in_out: &mut [u8],
        tag: &Tag,
    ) -> Result<(), Error>;
    /// Runs `turns` iterations of a probe's loop.
    unsafe fn probe(probe: Probe, turns: u64) -> Probed;
    /// Seals or opens in lanes, group by group, from the first message on, until a group has to be processed
    /// one by one; returns how many messages it has processed. An open writes a verdict for each of them.
    unsafe fn groups<const ROUNDS: usize, const SEAL: bool>(
        _: &Key<Self>,
        _: &mut [Message<'_>],
        _: &mut [Result<(), Error>],
    ) -> usize {
        0
    }
}

/// The further operations of a batch, which has one message in each lane.
///
/// # Safety
/// As for [`Lanes`]. Arrays of pointers, lengths and blocks have one entry per lane.
pub(super) trait ManyLanes: Edge + Doubling {
    /// The longest messages of equal length that take a lane each, at most 128 bytes.
    const LANE_BYTES: usize;
    /// The most vectors in messages of equal length that take their vectors for themselves, at most 4.
    const ROW_VECTORS: usize = 0;
    /// Whether short messages of different lengths share the lanes.
    const MIXES: bool;
    /// [`base`](Lanes::base) for a nonce in each lane.
    unsafe fn bases(nonces: &[*const u8; MOST_LANES], key: &Self::RoundKey) -> Self::State;
    /// Lane `k` in every lane. Called only for rows.
    unsafe fn splat_lane(_: Self::State, _: usize) -> Self::State {
        unreachable!("no rows")
    }
    /// In each lane, the sum of the lanes of one sum. Called only for rows.
    unsafe fn transpose(_: &[Self::Product; MOST_LANES]) -> Self::Product {
        unreachable!("no rows")
    }
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
    unsafe fn multiply_same(sum: &mut Self::Product, x: Self::Vector, h: *const Self::Power);
    /// Like [`multiply`](Lanes::multiply), with a separate power for each lane.
    unsafe fn multiply_each(sum: &mut Self::Product, x: Self::Vector, h: &[*const Self::Power; MOST_LANES]);
    /// Reduces each lane separately.
    unsafe fn reduce_each(sum: &Self::Product) -> Self::Vector;
}

/// Whether a message has at most `most` vectors and one block of AAD.
#[inline(always)]
pub(super) fn is_short<L: Lanes>(most: usize, aad: &[u8], in_out: &[u8]) -> bool {
    in_out.len() <= span::<L>(most) - 16 && aad.len() <= 16
}

/// Whether the blocks of a message fill their vectors, at most [`Lanes::APART_VECTORS`], and it has at most
/// one block of AAD.
#[inline(always)]
pub(super) fn is_filled<L: Lanes>(aad: &[u8], in_out: &[u8]) -> bool {
    const {
        assert!(
            L::BLOCKS * L::APART_VECTORS + 2 <= Key::<L>::POWERS,
            "a power for each block, AAD and lengths"
        )
    }
    let (blocks, most) = (blocks_of(in_out.len()), const { L::BLOCKS * L::APART_VECTORS });
    most > 0 && blocks % L::BLOCKS == 0 && (1..=most).contains(&blocks) && aad.len() <= 16
}

/// Seals each message.
///
/// # Safety
/// As for [`Edge`].
pub(super) unsafe fn seal_all<L: Edge, const ROUNDS: usize>(
    key: &Key<L>,
    mut messages: &mut [Message<'_>],
) -> Result<(), Error> {
    loop {
        // SAFETY: the caller's contract.
        let in_groups = unsafe { L::groups::<ROUNDS, true>(key, messages, &mut []) };
        messages = &mut messages[in_groups..];
        if messages.is_empty() {
            return Ok(());
        }
        let group;
        (group, messages) = messages.split_at_mut(alone::<L>(messages));
        for m in group {
            // SAFETY: the caller's contract.
            unsafe { L::seal::<ROUNDS>(key, &m.nonce, m.aad, m.in_out, &mut m.tag)? };
        }
    }
}

/// How many messages are processed one by one, once the first ones are no group: at least as many as a group
/// has, and more if those at the front are too long for one.
fn alone<L: Edge>(messages: &[Message<'_>]) -> usize {
    let long = messages.iter().take_while(|m| m.in_out.len() > L::LONGEST_IN_GROUP).count();
    long.max(L::BLOCKS).min(messages.len())
}

/// Opens each message and writes its verdict.
///
/// # Safety
/// As for [`Edge`]; there are as many verdicts as messages.
pub(super) unsafe fn open_all<L: Edge, const ROUNDS: usize>(
    key: &Key<L>,
    mut messages: &mut [Message<'_>],
    mut verdicts: &mut [Result<(), Error>],
) {
    loop {
        // SAFETY: the caller's contract.
        let in_groups = unsafe { L::groups::<ROUNDS, false>(key, messages, verdicts) };
        (messages, verdicts) = (&mut messages[in_groups..], &mut verdicts[in_groups..]);
        if messages.is_empty() {
            return;
        }
        let next = alone::<L>(messages);
        let (group, of_group);
        (group, messages) = messages.split_at_mut(next);
        (of_group, verdicts) = verdicts.split_at_mut(next);
        for (m, verdict) in group.iter_mut().zip(of_group) {
            // SAFETY: the caller's contract.
            *verdict = unsafe { L::open::<ROUNDS>(key, &m.nonce, m.aad, m.in_out, &m.tag) };
        }
    }
}
