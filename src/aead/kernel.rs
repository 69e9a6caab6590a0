//! AES-GCM over lanes (SP 800-38D: GCTR is 6.5, GHASH 6.4, sealing 7.1 and opening 7.2), and the last pass
//! that ends every message. That pass processes J0 and the rest of the message as one sequence of blocks, so
//! that a short message needs one trip through AES and one reduction. Longer messages go through
//! [`bulk`](super::bulk) first.

use super::Tag;
use super::block::{lengths, number_in};
use super::edge::Edge;
use super::interleave::{counter, crypt_rounds, each, span};
use super::key::Key;
use super::lanes::Lanes;

/// The first counter block for an IV that is not 96 bits long: GHASH of the IV and its length.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn j0_of_iv<L: Lanes>(key: &Key<L>, iv: &[u8]) -> u128 {
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let mut y = L::hash(0);
        absorb::<L>(key, &mut y, iv);
        absorb::<L>(key, &mut y, &lengths(0, iv.len()).to_be_bytes());
        L::coefficients(y).swap_bytes()
    }
}

/// Seals (if `SEAL`) or opens, and writes the tag that belongs to the ciphertext.
///
/// # Safety
/// As for [`Lanes`]; `key` has `ROUNDS` rounds.
#[inline(always)]
pub(super) unsafe fn crypt<L: Edge, const ROUNDS: usize, const SEAL: bool>(
    key: &Key<L>,
    j0: u128,
    aad: &[u8],
    in_out: &mut [u8],
    tag: &mut Tag,
) {
    const {
        assert!(
            L::BLOCKS * L::TAIL_VECTORS < Key::<L>::POWERS,
            "each block of the last pass needs a power of H"
        )
    }
    let number = number_in(j0);
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        let lengths = L::hash(lengths(aad.len(), in_out.len()));
        if aad.len() <= 16 && in_out.len() <= span::<L>(L::TAIL_VECTORS) - 16 {
            let mut counter = counter::<L>(j0, number);
            let first = L::count(&mut counter);
            let last = Last { key, first, counter, before: L::element(aad), sum: L::no_product() };
            last.pass::<ROUNDS, SEAL>(in_out, lengths, tag);
        } else {
            let mut sum = L::no_product();
            let done = L::long::<ROUNDS, SEAL>(key, j0, aad, in_out, &mut sum);
            let mut counter = counter::<L>(j0, number.wrapping_add((done / 16) as u32));
            let first = L::replace_first(L::count(&mut counter), j0);
            let last = Last { key, first, counter, before: L::hash(0), sum };
            last.pass::<ROUNDS, SEAL>(&mut in_out[done..], lengths, tag);
        }
    }
}

/// The inputs of a message's last pass, besides its bytes.
struct Last<'a, L: Lanes> {
    key: &'a Key<L>,
    /// J0 and the counter blocks that follow it in the first vector.
    first: L::Vector,
    /// The counter blocks after those.
    counter: L::Counter,
    /// The block of AAD that precedes the message, or 0.
    before: L::Hash,
    /// The sum of products that are not reduced yet.
    sum: L::Product,
}

impl<L: Lanes> Last<'_, L> {
    /// Takes J0, the rest of the message and the lengths through AES and GHASH, and writes the tag.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn pass<const ROUNDS: usize, const SEAL: bool>(
        &self,
        rest: &mut [u8],
        lengths: L::Hash,
        tag: &mut Tag,
    ) {
        let width = span::<L>(1);
        let vectors = (16 + rest.len()).div_ceil(width);
        // The first block is for J0 and the message follows it; `part` is the range of message bytes in the
        // last vector.
        let base = rest.as_mut_ptr().wrapping_sub(16);
        let end = base.wrapping_add((vectors - 1) * width);
        let part = (if vectors == 1 { 16 } else { 0 }, 16 + rest.len() - (vectors - 1) * width);
        let blocks = rest.len().div_ceil(16);
        macro_rules! as_many {
            ($data:ident, $sum:ident, $($n:literal)+) => {
                match vectors {
                    $($n if const { $n <= L::TAIL_VECTORS } => {
                        self.vectors::<$n, ROUNDS, SEAL>($sum, base, $data, part, blocks, tag)
                    },)+
                    _ => unreachable!("the caller leaves no more than TAIL_VECTORS vectors"),
                }
            };
        }
        // SAFETY: the caller's contract is that of `Lanes`; `part` is inside `rest`; the match is on the
        // number of vectors; every table has the first power.
        unsafe {
            let data = L::load_part(end, part.0, part.1);
            let sum = L::multiply_one(self.sum, lengths, self.key.powers(1));
            as_many!(data, sum, 1 2 3 4 5 6 7 8);
        }
    }

    /// [`pass`](Self::pass) with `V` vectors at `base`; `data` is the last one. Every vector is stored as soon
    /// as it is known, and not after the tag: the next message often begins where this one ends, and its
    /// first load would wait for the store.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn vectors<const V: usize, const ROUNDS: usize, const SEAL: bool>(
        &self,
        mut sum: L::Product,
        base: *mut u8,
        data: L::Vector,
        part: (usize, usize),
        blocks: usize,
        tag: &mut Tag,
    ) {
        let key = self.key;
        let keys = key.round::<ROUNDS>();
        let width = span::<L>(1);
        let starts = |i: usize| if i == 0 { 16 } else { 0 };
        // SAFETY: the caller's contract is that of `Lanes`: all vectors at `base` except the last are whole,
        // the first one from its second block on. The powers used are at least 2, because the last vector
        // starts at or before the last of `blocks` + 1 blocks. They are at most `blocks` + 2, which is at
        // most BLOCKS * TAIL_VECTORS + 1 and so at most POWERS.
        unsafe {
            let mut counter = self.counter;
            let mut states = [L::whiten(self.first, &keys[0]); V];
            let mut all = [data; V];
            each!(I < V, {
                if I != 0 {
                    states[I] = L::whiten(L::count(&mut counter), &keys[0]);
                }
                if I < V - 1 {
                    all[I] = L::load_part(base.wrapping_add(I * width), starts(I), width);
                }
            });
            if !SEAL {
                each!(I < V, {
                    let mut x = L::elements(all[I]);
                    if I == 0 {
                        x = L::add_first(x, self.before);
                    }
                    sum = L::multiply(sum, x, key.powers(blocks + 2 - I * L::BLOCKS));
                });
            }
            crypt_rounds::<L, V, ROUNDS, 0>(&mut states, keys);
            let mut mask = data;
            each!(I < V, {
                let out = L::finish(states[I], &keys[ROUNDS], all[I]);
                let mut kept = out;
                if I == V - 1 {
                    L::store_part(base.wrapping_add(I * width), part.0, part.1, out);
                    kept = L::keep(out, part.0, part.1);
                } else {
                    L::store_part(base.wrapping_add(I * width), starts(I), width, out);
                    if I == 0 {
                        kept = L::keep(out, 16, width);
                    }
                }
                if I == 0 {
                    mask = out;
                }
                if SEAL {
                    let mut x = L::elements(kept);
                    if I == 0 {
                        x = L::add_first(x, self.before);
                    }
                    sum = L::multiply(sum, x, key.powers(blocks + 2 - I * L::BLOCKS));
                }
            });
            L::tag(tag, L::reduce(sum), mask);
        }
    }
}

/// Hashes any number of bytes, padded with zeros to whole blocks, with one reduction for every `POWERS`
/// blocks.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn absorb<L: Lanes>(key: &Key<L>, y: &mut L::Hash, data: &[u8]) {
    let width = span::<L>(1);
    for piece in data.chunks(Key::<L>::POWERS / L::BLOCKS * width) {
        let blocks = piece.len().div_ceil(16);
        // SAFETY: the caller's contract is that of `Lanes`; a vector is read up to the end of the piece. A
        // piece has 1 to POWERS blocks, and its vector `i` starts at or before the last of them.
        unsafe {
            let mut sum = L::multiply_one(L::no_product(), *y, key.powers(blocks));
            for (i, vector) in piece.chunks(width).enumerate() {
                let x = L::elements(L::load_part(vector.as_ptr(), 0, vector.len()));
                sum = L::multiply(sum, x, key.powers(blocks - i * L::BLOCKS));
            }
            *y = L::reduce(sum);
        }
    }
}
