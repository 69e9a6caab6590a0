//! Carry-less products (GHASH, SP 800-38D, 6.4) computed with integer multiplication, which is assumed to be
//! constant-time.
//!
//! If only every fourth bit of two numbers may be set, their integer product consists of 4-bit counts, so no
//! carry reaches the next count, and the lowest bit of each count is the bit of the carry-less product. A
//! 64-bit word splits into four such numbers. Two levels of Karatsuba's method need 9 products of these
//! instead of 16; a third level, for 128 bits, needs 27. The products of several blocks are added up before
//! the upper bits of their counts are cleared, once for all of them.

use crate::aead::lanes::Plain;

/// Every fourth bit.
const CLASS: u64 = 0x1111_1111_1111_1111;

/// A word to multiply by.
#[derive(Clone, Copy)]
struct Factor {
    /// Its four classes of bits, and their sums for Karatsuba's method, without the highest bit of each
    /// class: a count may be at most 15, and 16 would carry into the next count.
    classes: [u64; 9],
    /// For each class, all ones if its highest bit is set.
    highest: [u64; 4],
}

/// An element to multiply by: its low word, its high word, and their sum.
#[derive(Clone, Copy)]
pub(in crate::aead::arch) struct Power([Factor; 3]);

// SAFETY: integers.
unsafe impl Plain for Power {}

/// A sum of products of words.
#[derive(Clone, Copy)]
struct Sum {
    classes: [u128; 9],
    highest: [u64; 4],
}

/// A sum of products.
#[derive(Clone, Copy)]
pub(in crate::aead::arch) struct Product([Sum; 3]);

impl Power {
    pub(super) fn new(element: u128) -> Self {
        let (low, high) = (element as u64, (element >> 64) as u64);
        Self([Factor::new(low), Factor::new(high), Factor::new(low ^ high)])
    }
}

impl Factor {
    #[inline(always)]
    fn new(word: u64) -> Self {
        Self {
            classes: classes(word, CLASS >> 4),
            highest: core::array::from_fn(|i| 0u64.wrapping_sub(word >> (60 + i) & 1)),
        }
    }
}

impl Product {
    pub(super) const NONE: Self = Self([Sum { classes: [0; 9], highest: [0; 4] }; 3]);

    /// Adds a product of two elements.
    #[inline(never)]
    pub(super) fn add(&mut self, x: u128, h: &Power) {
        let (low, high) = (x as u64, (x >> 64) as u64);
        self.0[0].add(low, &h.0[0]);
        self.0[1].add(high, &h.0[1]);
        self.0[2].add(low ^ high, &h.0[2]);
    }

    /// The sum, reduced to an element in the bit order of POLYVAL (RFC 8452, 3).
    #[inline(never)]
    pub(super) fn reduce(&self) -> u128 {
        let [low, high, middle] = [self.0[0].value(), self.0[1].value(), self.0[2].value()];
        let middle = middle ^ low ^ high;
        let low = low ^ (middle << 64);
        let high = high ^ (middle >> 64);
        // Adding word 0, then word 1, times the polynomial clears them (Montgomery); the rest is the result.
        let fold = |low: u128| {
            let word = u128::from(low as u64);
            low.rotate_left(64) ^ (word << 63) ^ (word << 62) ^ (word << 57)
        };
        high ^ fold(fold(low))
    }
}

impl Sum {
    #[inline(always)]
    fn add(&mut self, x: u64, factor: &Factor) {
        for (i, x) in classes(x, CLASS).into_iter().enumerate() {
            self.classes[i] ^= u128::from(x) * u128::from(factor.classes[i]);
        }
        for i in 0..4 {
            self.highest[i] ^= x & factor.highest[i];
        }
    }

    /// The carry-less sum, 127 bits long.
    #[inline(always)]
    fn value(&self) -> u128 {
        let kept: [u128; 9] =
            core::array::from_fn(|i| self.classes[i] & (u128::from(CLASS) << 64 | u128::from(CLASS)));
        let two = |i: usize| kept[i] ^ ((kept[i] ^ kept[i + 1] ^ kept[i + 2]) << 1) ^ (kept[i + 1] << 2);
        let (low, high, middle) = (two(0), two(3), two(6));
        let mut value = low ^ ((low ^ high ^ middle) << 2) ^ (high << 4);
        for (i, highest) in self.highest.iter().enumerate() {
            value ^= u128::from(*highest) << (60 + i);
        }
        value
    }
}

/// The classes of those bits of a word that `mask` keeps, in the order for Karatsuba's method: two classes,
/// their sum, the other two, their sum, and the sums of the first three with the second three.
#[inline(always)]
fn classes(word: u64, mask: u64) -> [u64; 9] {
    let [a, b, c, d] = [word & mask, word >> 1 & mask, word >> 2 & mask, word >> 3 & mask];
    let (ac, bd) = (a ^ c, b ^ d);
    [a, b, a ^ b, c, d, c ^ d, ac, bd, ac ^ bd]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_products_matches_schoolbook_multiplication() {
        let schoolbook = |x: u64, y: u64| {
            (0..64).filter(|bit| y >> bit & 1 == 1).fold(0, |sum, bit| sum ^ (u128::from(x) << bit))
        };
        // All ones make the counts as large as possible.
        let edges =
            [0, 1, 15 << 60, u64::MAX, CLASS, CLASS << 3, 0x8000_0000_0000_0001, 0x0123_4567_89ab_cdef];
        let mut checked = 0;
        let (mut sum, mut expected) = (Product::NONE, 0);
        for x in edges {
            for y in edges {
                let mut one = Product::NONE;
                one.add(x.into(), &Power::new(y.into()));
                assert_eq!(one.0[0].value(), schoolbook(x, y), "{x:x} by {y:x}");
                assert_eq!((one.0[1].value(), one.0[2].value()), (0, schoolbook(x, y)), "{x:x} by {y:x}");
                sum.add(u128::from(x) << 64, &Power::new(u128::from(y) << 64));
                expected ^= schoolbook(x, y);
                assert_eq!(sum.0[1].value(), expected, "{checked} before {x:x} by {y:x}");
                checked += 1;
            }
        }
        assert_eq!(checked, 64);
    }
}
