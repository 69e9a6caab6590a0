//! AES (FIPS 197) on eight blocks at once, bitsliced and fixsliced.
//!
//! Word `n` holds bit `n` of every byte. Its lane `c` holds the bits of column `c`, where bit `8 row + block`
//! belongs to that row of that block. The loops run over the lanes, so that the compiler can vectorise them
//! for any target with vectors. ShiftRows is never performed: after round `r`, row `n` is `r n` columns away
//! from its place, and MixColumns and the round keys account for that (Adomnicai and Peyrin, "Fixslicing
//! AES-like Ciphers", 2020).

use super::sbox::sub_bytes;
use crate::aead::lanes::Plain;

/// The number of blocks that go through AES at once.
pub(super) const BLOCKS: usize = 8;

/// Eight bitsliced blocks.
type Slices = [[u32; 4]; 8];

/// One round key.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(in crate::aead::arch) struct RoundKey {
    bytes: u128,
    /// The same for eight blocks, with its rows shifted like those of the state in this round.
    slices: Slices,
}

// SAFETY: integers.
unsafe impl Plain for RoundKey {}

impl RoundKey {
    /// The key of round `round`; the key of round 0 is added to the blocks before slicing.
    pub(super) fn new(bytes: u128, round: usize) -> Self {
        // Shifting back `round` times is the same as shifting forward three times as often.
        let moved = shift_rows(bytes, 3 * round);
        Self { bytes, slices: pack(&[moved; BLOCKS]) }
    }

    /// The key as a block.
    #[inline(always)]
    pub(super) fn block(&self) -> u128 {
        self.bytes
    }
}

/// Takes blocks, with the key of round 0 already added, through all rounds.
#[inline(never)]
pub(super) fn encrypt<const ROUNDS: usize>(blocks: &mut [u128; BLOCKS], keys: &[RoundKey]) {
    let mut s = pack(blocks);
    let mut four = keys[1..ROUNDS].chunks_exact(4);
    for keys in &mut four {
        round::<1>(&mut s, &keys[0].slices);
        round::<2>(&mut s, &keys[1].slices);
        round::<3>(&mut s, &keys[2].slices);
        round::<0>(&mut s, &keys[3].slices);
    }
    for (i, key) in four.remainder().iter().enumerate() {
        match i {
            0 => round::<1>(&mut s, &key.slices),
            1 => round::<2>(&mut s, &key.slices),
            _ => round::<3>(&mut s, &key.slices),
        }
    }
    last_round(&mut s, &keys[ROUNDS].slices);
    *blocks = unpack(s);
    if ROUNDS % 4 == 2 {
        for block in blocks {
            *block = shift_rows(*block, 2);
        }
    }
}

/// A single round, without MixColumns if it is the `LAST`.
pub(super) fn one_round<const LAST: bool>(blocks: [u128; 4], key: &RoundKey) -> [u128; 4] {
    let mut eight = [0; BLOCKS];
    for (to, block) in eight.iter_mut().zip(blocks) {
        *to = shift_rows(block, 1);
    }
    let mut s = pack(&eight);
    let no_key = [[0; 4]; 8];
    if LAST {
        last_round(&mut s, &no_key);
    } else {
        round::<0>(&mut s, &no_key);
    }
    let blocks = unpack(s);
    core::array::from_fn(|i| blocks[i] ^ key.bytes)
}

/// Applies the S-box to each byte of a word.
pub(super) fn sub_word(word: u32) -> u32 {
    const BITS: u32 = 0x0101_0101;
    let after = sub_bytes(core::array::from_fn(|n| word >> n & BITS));
    (0..8).fold(0, |word, n| word | (after[n] & BITS) << n)
}

/// SubBytes, MixColumns and AddRoundKey, with row `n` `n TURN` columns away from its place.
///
/// Not inlined, so that the loops are still loops when the vectoriser runs.
#[inline(never)]
fn round<const TURN: usize>(s: &mut Slices, key: &Slices) {
    let mut below = [[0; 4]; 8];
    for c in 0..4 {
        let after = sub_bytes(core::array::from_fn(|n| s[n][c]));
        for n in 0..8 {
            s[n][c] = after[n];
            below[n][c] = after[n].rotate_right(8);
        }
    }
    for word in &mut below {
        *word = columns::<TURN>(*word);
    }
    // FIPS 197, 5.1.3: with b = a + the row below, each row becomes 2 b + the row below + b two rows below.
    let mut far = [[0; 4]; 8];
    for c in 0..4 {
        let b: [u32; 8] = core::array::from_fn(|n| s[n][c] ^ below[n][c]);
        let twice = [b[7], b[0] ^ b[7], b[1], b[2] ^ b[7], b[3] ^ b[7], b[4], b[5], b[6]];
        for n in 0..8 {
            s[n][c] = twice[n] ^ below[n][c] ^ key[n][c];
            far[n][c] = b[n].rotate_right(16);
        }
    }
    for (word, far) in s.iter_mut().zip(far) {
        let far = if TURN % 2 == 1 { columns::<2>(far) } else { far };
        for (lane, far) in word.iter_mut().zip(far) {
            *lane ^= far;
        }
    }
}

/// SubBytes and AddRoundKey.
#[inline(never)]
fn last_round(s: &mut Slices, key: &Slices) {
    for c in 0..4 {
        let after = sub_bytes(core::array::from_fn(|n| s[n][c]));
        for n in 0..8 {
            s[n][c] = after[n] ^ key[n][c];
        }
    }
}

/// Replaces each column with the one `BY` columns to its right.
#[inline(always)]
fn columns<const BY: usize>(word: [u32; 4]) -> [u32; 4] {
    [word[BY % 4], word[(BY + 1) % 4], word[(BY + 2) % 4], word[(BY + 3) % 4]]
}

/// ShiftRows (FIPS 197, 5.1.2) applied `times` times: row `n` moves left by `n times` columns.
#[inline(always)]
fn shift_rows(block: u128, times: usize) -> u128 {
    const ROW: u128 = 0x0000_00ff_0000_00ff_0000_00ff_0000_00ff;
    (0..4).fold(0, |sum, row| {
        let turned = block.rotate_right(32 * ((row * times) as u32 % 4));
        sum | turned & ROW << (8 * row)
    })
}

/// Converts blocks to slices.
#[inline(always)]
fn pack(blocks: &[u128; BLOCKS]) -> Slices {
    let mut s = [[0; 4]; 8];
    for (word, block) in s.iter_mut().zip(blocks) {
        for (c, lane) in word.iter_mut().enumerate() {
            *lane = (block >> (32 * c)) as u32;
        }
    }
    transpose(&mut s);
    s
}

/// Converts slices to blocks.
#[inline(always)]
fn unpack(mut s: Slices) -> [u128; BLOCKS] {
    transpose(&mut s);
    let mut blocks = [0; BLOCKS];
    for (block, word) in blocks.iter_mut().zip(s) {
        for (c, lane) in word.into_iter().enumerate() {
            *block |= u128::from(lane) << (32 * c);
        }
    }
    blocks
}

/// Moves bit `j` of each byte of word `i` to bit `i` of the same byte of word `j`.
///
/// Not inlined: if the compiler sees how the words are computed, it does not vectorise.
#[inline(never)]
fn transpose(s: &mut Slices) {
    for (shift, low) in [(1, 0x5555_5555), (2, 0x3333_3333), (4, 0x0f0f_0f0f)] {
        for i in 0..8 {
            if i & shift == 0 {
                let (words, others) = s.split_at_mut(i + shift);
                for (word, other) in words[i].iter_mut().zip(&mut others[0]) {
                    let swap = ((*word >> shift) ^ *other) & low;
                    *word ^= swap << shift;
                    *other ^= swap;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacking_slices_returns_the_packed_blocks() {
        let blocks =
            core::array::from_fn(|i| (0x0123_4567_89ab_cdef_u128 << 50).wrapping_mul(2 * i as u128 + 1));
        assert_eq!(unpack(pack(&blocks)), blocks);
    }

    #[test]
    fn all_rounds_at_once_equal_single_rounds() {
        let keys: [RoundKey; 15] =
            core::array::from_fn(|r| RoundKey::new(0x9e37_79b9_7f4a_7c15_u128.wrapping_pow(3 + r as u32), r));
        let start: [u128; BLOCKS] = core::array::from_fn(|i| u128::MAX / (2 * i as u128 + 3));
        let check = |rounds: usize, together: [u128; BLOCKS]| {
            for half in [0, 4] {
                let mut blocks: [u128; 4] = core::array::from_fn(|i| start[half + i]);
                for key in &keys[1..rounds] {
                    blocks = one_round::<false>(blocks, key);
                }
                blocks = one_round::<true>(blocks, &keys[rounds]);
                assert_eq!(blocks, together[half..half + 4], "{rounds} rounds");
            }
        };
        let (mut ten, mut twelve, mut fourteen) = (start, start, start);
        encrypt::<10>(&mut ten, &keys);
        encrypt::<12>(&mut twelve, &keys);
        encrypt::<14>(&mut fourteen, &keys);
        check(10, ten);
        check(12, twelve);
        check(14, fourteen);
    }
}
