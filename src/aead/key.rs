//! An expanded key: the round keys of FIPS 197, 5.2, and the powers of H that the kernel multiplies by.
//!
//! It is expanded in place, so that no copy is left on the stack, and wiped when dropped.

use zeroize::optimization_barrier;

use super::lanes::{Block, Doubling, Lanes};

/// Round keys of the largest key size: 14 rounds and the whitening.
const ROUND_KEYS: usize = 15;

/// A key expanded for one backend. It has the alignment that every allocator provides: for a larger one
/// glibc's allocator takes a slow path, and vectors may start at any power anyway.
#[repr(C, align(16))]
pub(super) struct Key<L: Lanes> {
    round: [L::RoundKey; ROUND_KEYS],
    /// Powers of H as field elements, down to H^1, then zeros.
    powers: L::Powers,
    /// The sums of halves of the powers that a turn uses.
    sums: L::Sums,
}

impl<L: Lanes> Key<L> {
    /// The round keys of a key with `ROUNDS` rounds.
    ///
    /// Not by slicing: in the largest functions, that would remain a call.
    #[inline(always)]
    pub fn round<const ROUNDS: usize>(&self) -> &[L::RoundKey] {
        const { assert!(ROUNDS < ROUND_KEYS, "as many as are stored") }
        // SAFETY: the array has `ROUND_KEYS` keys, more than `ROUNDS`.
        unsafe { core::slice::from_raw_parts((&raw const self.round).cast(), ROUNDS + 1) }
    }

    /// The highest stored power.
    pub const POWERS: usize = size_of::<L::Powers>() / size_of::<L::Power>() - (L::BLOCKS - 1);

    /// The powers H^n, H^(n-1), ..., by which `n` consecutive blocks are multiplied. A whole vector can be
    /// read at any of them.
    ///
    /// Not checked in release builds: the kernels use powers in hundreds of places, and the geometry of their
    /// loops guarantees the bounds.
    ///
    /// # Safety
    /// `n` is at least 1 and at most [`POWERS`](Self::POWERS).
    #[inline(always)]
    pub unsafe fn powers(&self, n: usize) -> *const L::Power {
        if cfg!(debug_assertions) {
            has_power(n, Self::POWERS);
        }
        // SAFETY: the caller's contract puts the offset inside the table.
        unsafe { (&raw const self.powers).cast::<L::Power>().add(Self::POWERS - n) }
    }

    /// Adds the products of two vectors of a turn, the first of which is `n` vectors from its end.
    ///
    /// # Safety
    /// As for [`Lanes`]; `n` is even, at least 2 and at most [`Lanes::LONG_TURN_VECTORS`].
    #[inline(always)]
    pub unsafe fn multiply_turn(&self, sum: &mut L::Product, x: [L::Vector; 2], n: usize) {
        const { assert!(L::BLOCKS * L::LONG_TURN_VECTORS <= Self::POWERS, "a power for each block") }
        // SAFETY: the caller's contract; the sums of a pair of powers are one block.
        unsafe {
            let sums = (&raw const self.sums).cast::<Block>().wrapping_add((L::LONG_TURN_VECTORS - n) / 2);
            L::multiply_turn(sum, x, self.powers(L::BLOCKS * n), sums);
        }
    }

    /// Computes the round keys and the powers of H. Writes all of `place`, which need not be initialised.
    ///
    /// # Safety
    /// As for [`Lanes`]; `place` may be written; `bytes` is a key for `ROUNDS` rounds.
    #[inline(always)]
    pub unsafe fn expand<const ROUNDS: usize>(place: *mut Self, bytes: &[u8]) {
        debug_assert_eq!(bytes.len(), key_len::<ROUNDS>());
        // SAFETY: the caller's contract; the places are those of the fields, and zero bytes are a valid value
        // of a round key.
        unsafe {
            let round = (&raw mut (*place).round).cast::<L::RoundKey>();
            round.add(ROUNDS + 1).write_bytes(0, ROUND_KEYS - ROUNDS - 1);
            L::expand::<ROUNDS>(bytes, round, &raw mut (*place).powers, &raw mut (*place).sums);
        }
    }
}

/// Bytes in a key with this many rounds (FIPS 197, table 3).
const fn key_len<const ROUNDS: usize>() -> usize {
    4 * (ROUNDS - 6)
}

/// The operations of a key schedule that goes word by word, for CPUs without an instruction that does more.
///
/// # Safety
/// As for [`Lanes`].
pub(super) trait Words: Lanes {
    /// Applies the AES S-box to each byte of a word.
    unsafe fn sub_word(word: u32) -> u32;
}

/// Computes the round keys word by word, and returns the coefficients of H, multiplied by x.
///
/// # Safety
/// As for [`Lanes`]; `bytes` is a key for `ROUNDS` rounds, and `round` has a place for every round key.
#[inline(always)]
pub(super) unsafe fn schedule<L: Words, const ROUNDS: usize>(bytes: &[u8], round: *mut L::RoundKey) -> u128 {
    // SAFETY: this function's contract is that of `Lanes`; every pointer below points to an array at least as
    // large as a vector, and the first `ROUNDS` + 1 round keys are written before they are read.
    unsafe {
        let words = const { key_len::<ROUNDS>() / 4 };
        let mut w = [0u32; 4 * ROUND_KEYS + 8];
        for (word, four) in w.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        }
        let (mut at, mut constant) = (words, 1u32);
        while at < 4 * (ROUNDS + 1) {
            // Make as many words as the key has; the last few may not be needed.
            let mut word = L::sub_word(w[at - 1].rotate_right(8)) ^ constant;
            for i in 0..words {
                if words == 8 && i == 4 {
                    word = L::sub_word(word);
                }
                word ^= w[at - words + i];
                w[at + i] = word;
            }
            at += words;
            constant = (constant << 1) ^ ((constant >> 7) * 0x11b);
        }
        for (i, four) in w.chunks_exact(4).take(ROUNDS + 1).enumerate() {
            let two = |low: u32, high: u32| u128::from(low) | u128::from(high) << 32;
            round.add(i).write(L::round_key(two(four[0], four[1]) | two(four[2], four[3]) << 64, i));
        }
        w.fill(0);
        optimization_barrier(&w);

        let keys = core::slice::from_raw_parts(round, ROUNDS + 1);
        let zeros = [Block::default(); 4];
        let mut state = L::whiten(L::load(zeros.as_ptr().cast()), &keys[0]);
        for key in &keys[1..ROUNDS] {
            state = L::round(state, key);
        }
        let mut first = [Block::default(); 4];
        let h = L::finish(state, &keys[ROUNDS], L::load(zeros.as_ptr().cast()));
        L::store(first.as_mut_ptr().cast(), h);

        // mulX of RFC 8452, appendix A, without a branch.
        let h = u128::from_be_bytes(first[0].0);
        first.fill(Block::default());
        optimization_barrier(&first);
        (h << 1) ^ ((h >> 127) * 0xc200_0000_0000_0000_0000_0000_0000_0001)
    }
}

/// Asserts that a power is in the table. Out of line, because the kernels use powers in hundreds of places.
#[inline(never)]
fn has_power(n: usize, all: usize) {
    assert!((1..=all).contains(&n), "power {n} of H requested, but the table has {all}");
}

/// Writes the powers of H and their sums: multiplying all known vectors of powers by the highest power
/// doubles their number. Each vector is stored once and read where it was stored, because a load that spans
/// two stores would wait for both.
///
/// # Safety
/// As for [`Lanes`]; both tables may be written, and need not be initialised.
#[inline(always)]
pub(super) unsafe fn double_powers<L: Doubling>(h: L::Hash, powers: *mut L::Powers, sums: *mut L::Sums) {
    const {
        assert!(Key::<L>::POWERS.is_multiple_of(L::BLOCKS), "powers are computed a vector at a time");
        assert!(L::BLOCKS * L::LONG_TURN_VECTORS <= Key::<L>::POWERS, "a power for each block of a turn");
        assert!(size_of::<L::Sums>() == 8 * L::LONG_TURN_VECTORS, "the sums of the powers of a turn");
    }
    let all = Key::<L>::POWERS / L::BLOCKS;
    // SAFETY: the caller's contract. Vector `i` holds the powers that end `i` vectors before H^1, and `i` is
    // below `all`; BLOCKS - 1 blocks of zeros follow H^1. A turn's powers were asserted to be in the table.
    unsafe {
        let end = powers.cast::<Block>().add(Key::<L>::POWERS);
        let vector = |i: usize| end.sub(L::BLOCKS * (i + 1)).cast::<u8>();
        end.write_bytes(0, L::BLOCKS - 1);
        let [first, mut factor] = L::first_powers(h);
        L::store(vector(0), first);
        let mut known = 1;
        while known < all {
            if known > 1 {
                factor = L::double(factor, L::load(vector(known - 1)));
            }
            for i in 0..known.min(all - known) {
                L::store(vector(known + i), L::times(L::load(vector(i)), factor));
            }
            known *= 2;
        }
        for pair in 0..L::LONG_TURN_VECTORS / 2 {
            let n = L::LONG_TURN_VECTORS - 2 * pair;
            let two = [L::load(vector(n - 1)), L::load(vector(n - 2))];
            L::store_half_sums(sums.cast::<Block>().add(pair), two);
        }
    }
}

impl<L: Lanes> Drop for Key<L> {
    fn drop(&mut self) {
        // SAFETY: a struct of integers, owned here: zero bytes are a valid value, and nothing reads it again.
        unsafe { core::ptr::from_mut(self).write_bytes(0, 1) };
        optimization_barrier(self);
    }
}
