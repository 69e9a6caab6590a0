//! An expanded key: the round keys of FIPS 197, 5.2, and the powers of H that the kernel multiplies by.
//!
//! It is expanded in place, so that no copy is left on the stack, and wiped when dropped.

use zeroize::optimization_barrier;

use super::Alg;
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
    /// The precomputed sums that belong to the powers.
    sums: L::Sums,
}

impl<L: Lanes> Key<L> {
    /// The round keys of a key with `ROUNDS` rounds.
    #[inline(always)]
    pub fn round<const ROUNDS: usize>(&self) -> &[L::RoundKey] {
        &self.round[..=ROUNDS]
    }

    /// The highest stored power.
    pub const POWERS: usize = size_of::<L::Powers>() / size_of::<L::Power>() - (L::BLOCKS - 1);

    /// The powers H^n, H^(n-1), ..., by which `n` consecutive blocks are multiplied. A whole vector can be
    /// read at any of them; its sums follow at a distance of the table's length.
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

    /// Computes the round keys and the powers of H.
    ///
    /// # Safety
    /// As for [`Lanes`]; `bytes` has the algorithm's length.
    #[inline(always)]
    pub unsafe fn expand(&mut self, alg: Alg, bytes: &[u8]) {
        let words = bytes.len() / 4;
        let rounds = words + 6;
        debug_assert_eq!(bytes.len(), alg.key_len());

        // SAFETY: this function's contract is that of `Lanes`; every pointer below points to an array at
        // least as large as a vector.
        unsafe {
            let mut w = [0u32; 4 * ROUND_KEYS + 8];
            for (word, four) in w.iter_mut().zip(bytes.chunks_exact(4)) {
                *word = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
            }
            let (mut at, mut constant) = (words, 1u32);
            while at < 4 * (rounds + 1) {
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
            for (round, (key, four)) in self.round[..=rounds].iter_mut().zip(w.chunks_exact(4)).enumerate() {
                let two = |low: u32, high: u32| u128::from(low) | u128::from(high) << 32;
                *key = L::round_key(two(four[0], four[1]) | two(four[2], four[3]) << 64, round);
            }
            w.fill(0);
            optimization_barrier(&w);

            let zeros = [Block::default(); 4];
            let mut state = L::whiten(L::load(zeros.as_ptr().cast()), &self.round[0]);
            for key in &self.round[1..rounds] {
                state = L::round(state, key);
            }
            let mut first = [Block::default(); 4];
            let h = L::finish(state, &self.round[rounds], L::load(zeros.as_ptr().cast()));
            L::store(first.as_mut_ptr().cast(), h);

            // mulX of RFC 8452, appendix A, without a branch.
            let h = u128::from_be_bytes(first[0].0);
            first.fill(Block::default());
            optimization_barrier(&first);
            let h = (h << 1) ^ ((h >> 127) * 0xc200_0000_0000_0000_0000_0000_0000_0001);
            L::keep_powers(&mut self.powers, &mut self.sums, h);
        }
    }
}

/// Asserts that a power is in the table. Out of line, because the kernels use powers in hundreds of places.
#[inline(never)]
fn has_power(n: usize, all: usize) {
    assert!((1..=all).contains(&n), "power {n} of H requested, but the table has {all}");
}

/// [`Lanes::keep_powers`] by doubling: multiplying all known powers by the highest one doubles their number.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn double_powers<L: Doubling>(powers: &mut L::Powers, sums: &mut L::Powers, h: u128) {
    const { assert!(Key::<L>::POWERS.is_multiple_of(L::BLOCKS), "powers are computed a vector at a time") };
    let all = Key::<L>::POWERS;
    // The ends of both tables: H^n and its sums lie `n` blocks before, for n from 1 to `all`, and a whole
    // vector may be read there.
    let power = core::ptr::from_mut(powers).cast::<Block>().wrapping_add(all);
    let sum = core::ptr::from_mut(sums).cast::<Block>().wrapping_add(all);
    let zeros = [Block::default(); 4];
    // SAFETY: the caller's contract; every offset below is 1 to `all` places before the end of the powers,
    // after which BLOCKS - 1 blocks of zeros follow.
    unsafe {
        power.sub(1).write(Block(h.to_le_bytes()));
        let mut known = 1;
        while known < all {
            let target = all.min(2 * known);
            let mut n = known;
            while n < target {
                n = target.min(n + L::BLOCKS);
                // In lanes that already hold a power, the product is zero.
                let raised = L::raise(L::load(power.sub(n - known).cast()), power.sub(known));
                let there = L::load(power.sub(n).cast());
                L::store(power.sub(n).cast(), L::add(there, raised));
            }
            known = target;
        }
        let mut next = L::load(zeros.as_ptr().cast());
        for n in (L::BLOCKS..=all).step_by(L::BLOCKS) {
            let v = L::load(power.sub(n).cast());
            L::store(sum.sub(n).cast(), L::sums(v, next));
            next = v;
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
