//! AES-GCM over lanes: the bulk loop, the short groups after it, the last partial block.
//!
//! SP 800-38D: GCTR is 6.5, GHASH 6.4, the whole 7.1 and 7.2. `N` vectors are in flight in the bulk loop; their
//! counter blocks go through AES while as many blocks of ciphertext are multiplied by powers of H, with one
//! reduction for them all. A seal hashes what the turn before wrote, an open what it is about to decrypt.

use super::Tag;
use super::key::{Key, POWERS};
use super::lanes::{Block, Lanes};

/// Bytes in the vectors in flight.
const fn span<L: Lanes, const N: usize>() -> usize {
    16 * L::BLOCKS * N
}

/// The first counter block of a 96-bit nonce (SP 800-38D, 7.1, step 2).
#[inline(always)]
pub(super) fn j0_of_nonce(nonce: &[u8; 12]) -> Block {
    let mut j0 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    j0[..12].copy_from_slice(nonce);
    Block(j0)
}

/// The first counter block of any other IV: GHASH of it and its length.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub(super) unsafe fn j0_of_iv<L: Lanes, const N: usize>(key: &Key<L>, iv: &[u8]) -> Block {
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let mut y = L::hash(&Block::default());
        absorb::<L, N>(key, &mut y, iv);
        absorb_lengths::<L>(key, &mut y, 0, iv.len());
        let mut bytes = L::bytes(y).0;
        bytes.reverse();
        Block(bytes)
    }
}

/// Seals (`SEAL`) or opens, and writes the tag that belongs to the ciphertext.
///
/// # Safety
/// As [`Lanes`]; `key` has `ROUNDS` rounds.
#[inline(always)]
pub(super) unsafe fn crypt<L: Lanes, const N: usize, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    j0: &Block,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &mut Tag,
) {
    // SAFETY: this function's contract is that of `Lanes`; the slices split below are at least `span` long.
    unsafe {
        let mut y = L::hash(&Block::default());
        absorb::<L, N>(key, &mut y, aad);

        let mut first = *j0;
        let number = u32::from_be_bytes([j0.0[12], j0.0[13], j0.0[14], j0.0[15]]);
        first.0[12..].copy_from_slice(&number.wrapping_add(1).to_be_bytes());
        let mut counter = L::counter(&first);

        let len = in_out.len();
        let mut rest = bulk::<L, N, ROUNDS, SEAL>(key, &mut counter, &mut y, in_out);
        rest = groups::<L, 4, ROUNDS, SEAL>(key, &mut counter, &mut y, rest);
        rest = groups::<L, 2, ROUNDS, SEAL>(key, &mut counter, &mut y, rest);
        rest = groups::<L, 1, ROUNDS, SEAL>(key, &mut counter, &mut y, rest);
        partial::<L, ROUNDS, SEAL>(key, &mut counter, &mut y, rest);
        absorb_lengths::<L>(key, &mut y, aad.len(), len);

        let mut mask = [Block::default(); 4];
        let keys = key.round::<ROUNDS>();
        let mut state = [L::whiten(L::count(&mut L::counter(j0)), &keys[0])];
        rounds::<L, 1, ROUNDS>(&mut state, keys);
        L::store(mask.as_mut_ptr().cast(), L::finish(state[0], &keys[ROUNDS]));
        let y = u128::from_le_bytes(L::bytes(y).0).swap_bytes();
        tag.0 = (u128::from_le_bytes(mask[0].0) ^ y).to_le_bytes();
    }
}

/// Rounds 1 to `ROUNDS` - 1 of every state.
#[inline(always)]
unsafe fn rounds<L: Lanes, const N: usize, const ROUNDS: usize>(
    states: &mut [L::State; N],
    keys: &[L::RoundKey],
) {
    for key in &keys[1..ROUNDS] {
        for state in states.iter_mut() {
            // SAFETY: the caller's contract is that of `Lanes`.
            *state = unsafe { L::round(*state, key) };
        }
    }
}

/// The longest part of `in_out` that fills all vectors in flight; returns what is left.
#[inline(always)]
unsafe fn bulk<'a, L: Lanes, const N: usize, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    counter: &mut L::Counter,
    y: &mut L::Hash,
    in_out: &'a mut [u8],
) -> &'a mut [u8] {
    const { assert!(L::BLOCKS * N <= POWERS, "a power of H for each block in flight") };
    let span = span::<L, N>();
    let (whole, rest) = in_out.split_at_mut(in_out.len() / span * span);
    if whole.is_empty() {
        return rest;
    }
    let start = whole.as_mut_ptr();
    let turns = whole.len() / span;
    // SAFETY: the caller's contract is that of `Lanes`; `start` is valid for `turns * span` bytes, and every
    // pointer below stays `span` or more before its end.
    unsafe {
        if SEAL {
            encrypt::<L, N, ROUNDS>(key, counter, start);
            for turn in 1..turns {
                let at = start.add(turn * span);
                turn_of_bulk::<L, N, ROUNDS>(key, counter, y, at.sub(span), at);
            }
            hash_vectors::<L, N>(key, y, start.add((turns - 1) * span));
        } else {
            for turn in 0..turns {
                let at = start.add(turn * span);
                turn_of_bulk::<L, N, ROUNDS>(key, counter, y, at, at);
            }
        }
    }
    rest
}

/// Adds key stream at `at` while hashing the ciphertext at `ciphertext`.
#[inline(always)]
unsafe fn turn_of_bulk<L: Lanes, const N: usize, const ROUNDS: usize>(
    key: &Key<L>,
    counter: &mut L::Counter,
    y: &mut L::Hash,
    ciphertext: *const u8,
    at: *mut u8,
) {
    let step = 16 * L::BLOCKS;
    let keys = key.round::<ROUNDS>();
    let powers = key.powers(L::BLOCKS * N);
    // SAFETY: the caller's contract is that of `Lanes`, with `span` bytes at both pointers; `powers` has as many.
    unsafe {
        let mut states = [L::whiten(L::count(counter), &keys[0]); N];
        for state in &mut states[1..] {
            *state = L::whiten(L::count(counter), &keys[0]);
        }
        let mut sum = L::no_product();
        for (i, round_key) in keys[1..ROUNDS].iter().enumerate() {
            for state in &mut states {
                *state = L::round(*state, round_key);
            }
            if i < N {
                let mut x = L::elements(L::load(ciphertext.add(step * i)));
                if i == 0 {
                    x = L::add_first(x, *y);
                }
                sum = L::multiply(sum, x, L::load(powers.add(step * i)));
            }
        }
        *y = L::reduce(sum);
        for (i, state) in states.into_iter().enumerate() {
            let to = at.add(step * i);
            L::store(to, L::xor(L::finish(state, &keys[ROUNDS]), L::load(to)));
        }
    }
}

/// Adds key stream to `N` vectors.
#[inline(always)]
unsafe fn encrypt<L: Lanes, const N: usize, const ROUNDS: usize>(
    key: &Key<L>,
    counter: &mut L::Counter,
    at: *mut u8,
) {
    let keys = key.round::<ROUNDS>();
    // SAFETY: the caller's contract is that of `Lanes`, with `span` bytes at `at`.
    unsafe {
        let mut states = [L::whiten(L::count(counter), &keys[0]); N];
        for state in &mut states[1..] {
            *state = L::whiten(L::count(counter), &keys[0]);
        }
        rounds::<L, N, ROUNDS>(&mut states, keys);
        for (i, state) in states.into_iter().enumerate() {
            let to = at.add(16 * L::BLOCKS * i);
            L::store(to, L::xor(L::finish(state, &keys[ROUNDS]), L::load(to)));
        }
    }
}

/// Hashes `N` vectors with one reduction.
#[inline(always)]
unsafe fn hash_vectors<L: Lanes, const N: usize>(key: &Key<L>, y: &mut L::Hash, at: *const u8) {
    // SAFETY: the caller's contract is that of `Lanes`, with `span` bytes at `at`; `powers` has as many.
    unsafe {
        let powers = key.powers(L::BLOCKS * N);
        let mut sum = L::no_product();
        for i in 0..N {
            let step = 16 * L::BLOCKS * i;
            let mut x = L::elements(L::load(at.add(step)));
            if i == 0 {
                x = L::add_first(x, *y);
            }
            sum = L::multiply(sum, x, L::load(powers.add(step)));
        }
        *y = L::reduce(sum);
    }
}

/// Whole groups of `N` vectors, without the interleaving of [`bulk`]; returns what is left.
#[inline(always)]
unsafe fn groups<'a, L: Lanes, const N: usize, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    counter: &mut L::Counter,
    y: &mut L::Hash,
    mut in_out: &'a mut [u8],
) -> &'a mut [u8] {
    if L::BLOCKS * N > POWERS {
        return in_out;
    }
    while in_out.len() >= span::<L, N>() {
        let (group, rest) = in_out.split_at_mut(span::<L, N>());
        // SAFETY: the caller's contract is that of `Lanes`; `group` has `span` bytes.
        unsafe {
            if !SEAL {
                hash_vectors::<L, N>(key, y, group.as_ptr());
            }
            encrypt::<L, N, ROUNDS>(key, counter, group.as_mut_ptr());
            if SEAL {
                hash_vectors::<L, N>(key, y, group.as_ptr());
            }
        }
        in_out = rest;
    }
    in_out
}

/// What is shorter than a vector.
#[inline(always)]
unsafe fn partial<L: Lanes, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    counter: &mut L::Counter,
    y: &mut L::Hash,
    in_out: &mut [u8],
) {
    if in_out.is_empty() {
        return;
    }
    let mut vector = zeroize::Zeroizing::new([0u8; 64]);
    vector[..in_out.len()].copy_from_slice(in_out);
    // SAFETY: the caller's contract is that of `Lanes`; `vector` has room for the widest one.
    unsafe {
        if !SEAL {
            absorb_vector::<L>(key, y, in_out);
        }
        encrypt::<L, 1, ROUNDS>(key, counter, vector.as_mut_ptr());
        in_out.copy_from_slice(&vector[..in_out.len()]);
        if SEAL {
            absorb_vector::<L>(key, y, in_out);
        }
    }
}

/// Hashes any number of bytes, padded with zeros to whole blocks.
#[inline(always)]
unsafe fn absorb<L: Lanes, const N: usize>(key: &Key<L>, y: &mut L::Hash, mut data: &[u8]) {
    // SAFETY: the caller's contract is that of `Lanes`; each piece has the length that it is hashed by.
    unsafe {
        while let Some((group, rest)) = data.split_at_checked(span::<L, N>()) {
            hash_vectors::<L, N>(key, y, group.as_ptr());
            data = rest;
        }
        for piece in data.chunks(16 * L::BLOCKS) {
            absorb_vector::<L>(key, y, piece);
        }
    }
}

/// Hashes at most a vector of bytes, padded with zeros to whole blocks.
#[inline(always)]
unsafe fn absorb_vector<L: Lanes>(key: &Key<L>, y: &mut L::Hash, data: &[u8]) {
    let mut vector = [0u8; 64];
    vector[..data.len()].copy_from_slice(data);
    // SAFETY: the caller's contract is that of `Lanes`; `vector` holds the widest one, and the powers end in
    // zeros for the lanes that hold nothing.
    unsafe {
        let x = L::add_first(L::elements(L::load(vector.as_ptr())), *y);
        let sum = L::multiply(L::no_product(), x, L::load(key.powers(data.len().div_ceil(16))));
        *y = L::reduce(sum);
    }
}

/// Hashes the block of the two lengths, in bits.
#[inline(always)]
unsafe fn absorb_lengths<L: Lanes>(key: &Key<L>, y: &mut L::Hash, aad_len: usize, message_len: usize) {
    let mut lengths = [0u8; 16];
    lengths[..8].copy_from_slice(&(aad_len as u64 * 8).to_be_bytes());
    lengths[8..].copy_from_slice(&(message_len as u64 * 8).to_be_bytes());
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe { absorb_vector::<L>(key, y, &lengths) }
}
