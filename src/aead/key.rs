//! An expanded key: the round keys of FIPS 197, 5.2 and the powers of H that the kernel multiplies by.
//!
//! Expanded in place, so that no copy is left on the stack; wiped when dropped.

use core::mem::MaybeUninit;

use zeroize::{Zeroize, Zeroizing};

use super::Alg;
use super::lanes::{Block, Lanes};

/// Round keys of the longest key size: 14 rounds and the whitening.
const ROUND_KEYS: usize = 15;

/// A type for which all-zero bytes are a value and which owns nothing: it can be wiped by overwriting.
///
/// # Safety
/// The implementor is an integer, a SIMD vector of integers, or an array of those.
pub(super) unsafe trait Plain: Copy + Send + Sync {}

// SAFETY: arrays of integers.
unsafe impl Plain for [u64; 8] {}
// SAFETY: arrays of bytes.
unsafe impl<const N: usize> Plain for [Block; N] {}

/// What one key becomes for one backend.
#[repr(C, align(64))]
pub(super) struct Key<L: Lanes> {
    round: [L::RoundKey; ROUND_KEYS],
    /// Powers of H down to H^1, then zeros; as elements.
    powers: L::Powers,
    /// Beside each power the sum of its halves, in both halves: the middle factor of Karatsuba.
    sums: L::Powers,
    /// 10, 12 or 14.
    pub rounds: usize,
}

impl<L: Lanes> Key<L> {
    /// A key of zeros in its final place, to be expanded.
    pub fn empty() -> Box<Self> {
        // SAFETY: `RoundKey: Plain` and the other fields are integers, for which zero bytes are a value.
        unsafe { Box::new(MaybeUninit::<Self>::zeroed()).assume_init() }
    }

    /// The round keys of a key with that many rounds.
    #[inline(always)]
    pub fn round<const ROUNDS: usize>(&self) -> &[L::RoundKey] {
        &self.round[..=ROUNDS]
    }

    /// The highest power that is kept.
    pub const POWERS: usize = size_of::<L::Powers>() / size_of::<Block>() - (L::BLOCKS - 1);

    /// The powers H^n, H^(n-1), ... : what `n` consecutive blocks are multiplied by. A vector can be read wherever
    /// one of them stands, and [`sums`] at the same place of its own table.
    #[inline(always)]
    pub fn powers(&self, n: usize) -> *const Block {
        debug_assert!((1..=Self::POWERS).contains(&n));
        // SAFETY: `n` is at least 1 and at most POWERS, so the offset is inside the table; every caller's `n` is
        // bounded by the geometry of its loop.
        unsafe { (&raw const self.powers).cast::<Block>().add(Self::POWERS - n) }
    }

    /// Fills in the round keys and the powers of H.
    ///
    /// # Safety
    /// As [`Lanes`]; `bytes` has the algorithm's length.
    #[inline(always)]
    pub unsafe fn expand(&mut self, alg: Alg, bytes: &[u8]) {
        let words = bytes.len() / 4;
        self.rounds = words + 6;
        debug_assert_eq!(bytes.len(), alg.key_len());

        // SAFETY: this function's contract is that of `Lanes`; every pointer below is to an array of a vector.
        unsafe {
            let mut w = Zeroizing::new([0u32; 4 * ROUND_KEYS]);
            for (word, four) in w.iter_mut().zip(bytes.chunks_exact(4)) {
                *word = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
            }
            let mut constant = 1u32;
            for i in words..4 * (self.rounds + 1) {
                let mut word = w[i - 1];
                if i % words == 0 {
                    word = L::sub_word(word.rotate_right(8)) ^ constant;
                    constant = (constant << 1) ^ ((constant >> 7) * 0x11b);
                } else if words == 8 && i % 8 == 4 {
                    word = L::sub_word(word);
                }
                w[i] = w[i - words] ^ word;
            }
            let mut four = Zeroizing::new([0u8; 16]);
            for (round, key) in self.round.iter_mut().enumerate().take(self.rounds + 1) {
                for (to, word) in four.chunks_exact_mut(4).zip(&w[4 * round..]) {
                    to.copy_from_slice(&word.to_le_bytes());
                }
                *key = L::round_key(&four);
            }

            let zeros = [Block::default(); 4];
            let mut state = L::whiten(L::load(zeros.as_ptr().cast()), &self.round[0]);
            for key in &self.round[1..self.rounds] {
                state = L::round(state, key);
            }
            let mut first = Zeroizing::new([[0u8; 16]; 4]);
            let h = L::finish(state, &self.round[self.rounds], L::load(zeros.as_ptr().cast()));
            L::store(first.as_mut_ptr().cast(), h);

            // mulX of RFC 8452, appendix A, without a branch.
            let h = u128::from_be_bytes(first[0]);
            let h = (h << 1) ^ ((h >> 127) * 0xc200_0000_0000_0000_0000_0000_0000_0001);
            self.set_power(1, h);
            for n in 2..=Self::POWERS {
                // Eight chains side by side, each waiting only for itself.
                let step = (n.next_power_of_two() / 2).min(8);
                let below = L::hash(u128::from_le_bytes((*self.powers(n - step)).0));
                let next = L::reduce(L::multiply_one(L::no_product(), below, self.powers(step)));
                self.set_power(n, L::coefficients(next));
            }
        }
    }
}

impl<L: Lanes> Key<L> {
    #[inline(always)]
    fn set_power(&mut self, n: usize, power: u128) {
        let at = Self::POWERS - n;
        self.powers.as_mut()[at] = Block(power.to_le_bytes());
        self.sums.as_mut()[at] = Block((power ^ power.rotate_left(64)).to_le_bytes());
    }
}

impl<L: Lanes> Drop for Key<L> {
    fn drop(&mut self) {
        const { assert!(size_of::<Self>().is_multiple_of(8) && align_of::<Self>() >= 8) };
        let words = core::ptr::from_mut(self).cast::<u64>();
        // SAFETY: a struct of integers, owned here, of whole words: any bytes are a value, and none is used again.
        let words = unsafe { core::slice::from_raw_parts_mut(words, size_of::<Self>() / 8) };
        words.zeroize();
    }
}
