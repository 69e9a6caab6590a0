//! Plain integer arithmetic, for any CPU. Constant-time by construction: no branch and no index depends on a
//! key, a message or a hash; it relies on the CPU multiplying integers in constant time.
//!
//! AES is bitsliced: four blocks, eight words, one for each bit of a byte; bit `16 row + 4 column + block` of
//! word `n` is bit `n` of that byte. The S-box is the circuit of Boyar and Peralta ("A small depth-16 circuit
//! for the AES S-box", 2011). Carry-less products come from integer products of numbers with holes, in which
//! no carry reaches the next bit that counts.

use crate::aead::key::Key;
use crate::aead::lanes::{Block, Lanes};
use crate::aead::{Alg, Backend, Tag, kernel};

pub(super) const BACKEND: Backend = super::row::<Portable>("portable", &[]);

#[derive(Clone, Copy)]
pub(super) struct Portable;

super::edge!(Portable, one_by_one, true);

/// Four bitsliced blocks.
type Slices = [u64; 8];

/// Low, middle (Karatsuba: of the sums of the halves) and high part of a sum of products.
#[derive(Clone, Copy)]
pub(super) struct Product {
    low: u128,
    middle: u128,
    high: u128,
}

// Each method is safe code, but for the two that go through a pointer.
impl Lanes for Portable {
    const BLOCKS: usize = 4;
    const LAST: usize = 3;
    const FLIGHT: usize = 2;
    const GROUP: usize = 2;
    const REMEMBERS: bool = false;
    type Powers = [Block; 20 + 3];
    /// Little-endian blocks.
    type Vector = [u128; 4];
    type State = Slices;
    type RoundKey = Slices;
    /// The first counter block, big-endian.
    type Counter = u128;
    type Product = Product;
    type Hash = u128;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> [u128; 4] {
        // SAFETY: the contract of `Lanes`: four blocks can be read there.
        let bytes = unsafe { from.cast::<[[u8; 16]; 4]>().read_unaligned() };
        bytes.map(u128::from_le_bytes)
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, v: [u128; 4]) {
        // SAFETY: the contract of `Lanes`: four blocks can be written there.
        unsafe { to.cast::<[[u8; 16]; 4]>().write_unaligned(v.map(u128::to_le_bytes)) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, start: usize, end: usize) -> [u128; 4] {
        // SAFETY: the contract of `Lanes`: these bytes can be read.
        let part = unsafe { core::slice::from_raw_parts(from.wrapping_add(start), end - start) };
        let mut v = [0; 4];
        for (block, bytes) in v[start / 16..].iter_mut().zip(part.chunks(16)) {
            *block = kernel::short_block(bytes);
        }
        v
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut u8, start: usize, end: usize, v: [u128; 4]) {
        // SAFETY: the contract of `Lanes`: these bytes can be written.
        let part = unsafe { core::slice::from_raw_parts_mut(to.wrapping_add(start), end - start) };
        for (block, bytes) in v[start / 16..].iter().zip(part.chunks_mut(16)) {
            kernel::store_short(bytes, *block);
        }
    }

    #[inline(always)]
    unsafe fn keep(mut v: [u128; 4], start: usize, end: usize) -> [u128; 4] {
        for (i, block) in v.iter_mut().enumerate() {
            let bits = 8 * end.saturating_sub(16 * i);
            *block &= if 16 * i < start {
                0
            } else {
                u128::MAX.checked_shr(128u32.saturating_sub(bits as u32)).unwrap_or(0)
            };
        }
        v
    }

    #[inline(always)]
    unsafe fn sub_word(word: u32) -> u32 {
        let mut slices = pack([word.into(), 0, 0, 0]);
        sub_bytes(&mut slices);
        unpack(slices)[0] as u32
    }

    #[inline(always)]
    unsafe fn round_key(key: u128) -> Slices {
        pack([key; 4])
    }

    #[inline(always)]
    unsafe fn counter(first: u128) -> u128 {
        first.swap_bytes()
    }

    #[inline(always)]
    unsafe fn count(counter: &mut u128) -> [u128; 4] {
        let fixed = *counter & !u128::from(u32::MAX);
        let number = *counter as u32;
        let block = |i: u32| (fixed | u128::from(number.wrapping_add(i))).swap_bytes();
        *counter = fixed | u128::from(number.wrapping_add(4));
        [block(0), block(1), block(2), block(3)]
    }

    #[inline(always)]
    unsafe fn whiten(v: [u128; 4], key: &Slices) -> Slices {
        add_round_key(pack(v), key)
    }

    #[inline(always)]
    unsafe fn round(s: Slices, key: &Slices) -> Slices {
        round(s, key)
    }

    #[inline(always)]
    unsafe fn add_states(a: Slices, b: Slices) -> Slices {
        add_round_key(a, &b)
    }

    #[inline(always)]
    unsafe fn finish(mut s: Slices, key: &Slices, data: [u128; 4]) -> [u128; 4] {
        sub_bytes(&mut s);
        let blocks = unpack(add_round_key(shift_rows(s), key));
        core::array::from_fn(|i| blocks[i] ^ data[i])
    }

    #[inline(always)]
    unsafe fn fence(_: &mut Slices, _: &mut Product) {}

    #[inline(always)]
    unsafe fn replace_first(mut v: [u128; 4], block: u128) -> [u128; 4] {
        v[0] = block;
        v
    }

    #[inline(always)]
    unsafe fn add(a: [u128; 4], b: [u128; 4]) -> [u128; 4] {
        core::array::from_fn(|i| a[i] ^ b[i])
    }

    #[inline(always)]
    unsafe fn elements(v: [u128; 4]) -> [u128; 4] {
        v.map(u128::swap_bytes)
    }

    #[inline(always)]
    unsafe fn no_product() -> Product {
        Product { low: 0, middle: 0, high: 0 }
    }

    #[inline(always)]
    unsafe fn multiply(mut sum: Product, x: [u128; 4], h: *const Block) -> Product {
        // SAFETY: the contract of `Lanes`: a vector's worth of powers can be read.
        let h = unsafe { Self::load(h.cast()) };
        for (x, h) in x.into_iter().zip(h) {
            sum = multiply(sum, x, h);
        }
        sum
    }

    #[inline(always)]
    unsafe fn multiply_two(sum: Product, x: [[u128; 4]; 2], h: *const Block) -> Product {
        // SAFETY: as `multiply`; the second vector's powers follow the first's.
        unsafe { Self::multiply(Self::multiply(sum, x[0], h), x[1], h.add(4)) }
    }

    #[inline(always)]
    unsafe fn raise(v: [u128; 4], h: *const Block) -> [u128; 4] {
        // SAFETY: as above.
        v.map(|x| unsafe { Self::reduce(Self::multiply_one(Self::no_product(), x, h)) })
    }

    #[inline(always)]
    unsafe fn sums(v: [u128; 4], _: [u128; 4]) -> [u128; 4] {
        // Not used: a product takes the halves' sums as it goes.
        v
    }

    #[inline(always)]
    unsafe fn multiply_one(sum: Product, x: u128, h: *const Block) -> Product {
        // SAFETY: the contract of `Lanes`: a power can be read.
        multiply(sum, x, u128::from_le_bytes(unsafe { (*h).0 }))
    }

    #[inline(always)]
    unsafe fn reduce(sum: Product) -> u128 {
        // Adding word 0, then word 1, times the polynomial clears them (Montgomery); the rest is the result.
        let middle = sum.middle ^ sum.low ^ sum.high;
        let low = sum.low ^ (middle << 64);
        let high = sum.high ^ (middle >> 64);
        let fold = |low: u128| {
            let word = u128::from(low as u64);
            low.rotate_left(64) ^ (word << 63) ^ (word << 62) ^ (word << 57)
        };
        high ^ fold(fold(low))
    }

    #[inline(always)]
    unsafe fn hash(coefficients: u128) -> u128 {
        coefficients
    }

    #[inline(always)]
    unsafe fn element(bytes: &[u8]) -> u128 {
        kernel::short_block(bytes).swap_bytes()
    }

    #[inline(always)]
    unsafe fn coefficients(hash: u128) -> u128 {
        hash
    }

    #[inline(always)]
    unsafe fn add_first(mut v: [u128; 4], hash: u128) -> [u128; 4] {
        v[0] ^= hash;
        v
    }

    #[inline(always)]
    unsafe fn tag(tag: &mut Tag, hash: u128, mask: [u128; 4]) {
        tag.0 = (hash.swap_bytes() ^ mask[0]).to_le_bytes();
    }

    const REGISTERS: usize = 2;

    #[inline(always)]
    unsafe fn carryless(x: [u128; 4], y: [u128; 4]) -> [u128; 4] {
        low_products(x, y)
    }
}

/// Adds a product of two elements.
#[inline(never)]
fn multiply(sum: Product, a: u128, b: u128) -> Product {
    let (a0, a1, b0, b1) = (a as u64, (a >> 64) as u64, b as u64, (b >> 64) as u64);
    Product {
        low: sum.low ^ carryless(a0, b0),
        middle: sum.middle ^ carryless(a0 ^ a1, b0 ^ b1),
        high: sum.high ^ carryless(a1, b1),
    }
}

/// The carry-less product of two words.
#[inline(always)]
fn carryless(x: u64, y: u64) -> u128 {
    // Of every four bits one is kept, so up to 15 ones can be summed without reaching the next. `y` has 15
    // bits of each class once its four highest are taken out; those are added below.
    const CLASS: u64 = 0x1111_1111_1111_1111;
    let top = y >> 60;
    let y = y & (u64::MAX >> 4);
    let x_of: [u128; 4] = core::array::from_fn(|i| u128::from(x & (CLASS << i)));
    let y_of: [u128; 4] = core::array::from_fn(|i| u128::from(y & (CLASS << i)));
    let mut product = 0;
    for class in 0..4 {
        let mut sum = 0;
        for i in 0..4 {
            sum ^= x_of[i] * y_of[(class + 4 - i) % 4];
        }
        product |= sum & ((u128::from(CLASS) << 64 | u128::from(CLASS)) << class);
    }
    for bit in 0..4 {
        let mask = 0u64.wrapping_sub((top >> bit) & 1);
        product ^= u128::from(x & mask) << (60 + bit);
    }
    product
}

/// The carry-less products of the low words. Not inlined: it is long, and a probe writes out many.
#[inline(never)]
fn low_products(x: [u128; 4], y: [u128; 4]) -> [u128; 4] {
    core::array::from_fn(|i| carryless(x[i] as u64, y[i] as u64))
}

/// Bytes to slices.
#[inline(always)]
fn pack(blocks: [u128; 4]) -> Slices {
    let mut words = [0; 8];
    for (k, block) in blocks.into_iter().enumerate() {
        for parity in 0..2 {
            let left = (block >> (32 * parity)) as u32;
            let right = (block >> (32 * parity + 64)) as u32;
            words[4 * parity + k] = spread(left) | spread(right) << 8;
        }
    }
    transpose(&mut words);
    words
}

/// Slices to bytes.
#[inline(always)]
fn unpack(mut words: Slices) -> [u128; 4] {
    transpose(&mut words);
    let mut blocks = [0; 4];
    for (k, block) in blocks.iter_mut().enumerate() {
        for parity in 0..2 {
            let word = words[4 * parity + k];
            *block |= u128::from(gather(word)) << (32 * parity);
            *block |= u128::from(gather(word >> 8)) << (32 * parity + 64);
        }
    }
    blocks
}

/// Moves byte `n` to byte `2 n`.
#[inline(always)]
fn spread(word: u32) -> u64 {
    let x = u64::from(word);
    let x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    (x | x << 8) & 0x00ff_00ff_00ff_00ff
}

/// Moves byte `2 n` to byte `n`.
#[inline(always)]
fn gather(word: u64) -> u32 {
    let x = word & 0x00ff_00ff_00ff_00ff;
    let x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
    (x | x >> 16) as u32
}

/// Bit `j` of each byte of word `i` becomes bit `i` of that byte of word `j`.
#[inline(always)]
fn transpose(words: &mut Slices) {
    for (shift, low) in
        [(1, 0x5555_5555_5555_5555u64), (2, 0x3333_3333_3333_3333), (4, 0x0f0f_0f0f_0f0f_0f0f)]
    {
        for i in 0..8 {
            if i & shift == 0 {
                let swap = ((words[i] >> shift) ^ words[i + shift]) & low;
                words[i] ^= swap << shift;
                words[i + shift] ^= swap;
            }
        }
    }
}

#[inline(always)]
fn add_round_key(s: Slices, key: &Slices) -> Slices {
    core::array::from_fn(|i| s[i] ^ key[i])
}

/// One full round. Not inlined: written out for every round and state it is too much for the instruction cache.
#[inline(never)]
fn round(mut s: Slices, key: &Slices) -> Slices {
    sub_bytes(&mut s);
    add_round_key(mix_columns(shift_rows(s)), key)
}

/// Row `r` moves left by `r` columns (FIPS 197, 5.1.2).
#[inline(always)]
fn shift_rows(s: Slices) -> Slices {
    s.map(|x| {
        (x & 0x0000_0000_0000_ffff)
            | (x >> 4 & 0x0000_0000_0fff_0000)
            | (x << 12 & 0x0000_0000_f000_0000)
            | (x >> 8 & 0x0000_00ff_0000_0000)
            | (x << 8 & 0x0000_ff00_0000_0000)
            | (x >> 12 & 0x000f_0000_0000_0000)
            | (x << 4 & 0xfff0_0000_0000_0000)
    })
}

/// FIPS 197, 5.1.3: with b = a + the row below, each row becomes 2 b + the row below + b two rows below.
#[inline(always)]
fn mix_columns(a: Slices) -> Slices {
    let below = a.map(|x| x.rotate_right(16));
    let b: Slices = core::array::from_fn(|i| a[i] ^ below[i]);
    let twice = [b[7], b[0] ^ b[7], b[1], b[2] ^ b[7], b[3] ^ b[7], b[4], b[5], b[6]];
    core::array::from_fn(|i| twice[i] ^ below[i] ^ b[i].rotate_right(32))
}

/// The S-box on every byte.
#[inline(always)]
fn sub_bytes(q: &mut Slices) {
    let [x7, x6, x5, x4, x3, x2, x1, x0] = *q;

    let y14 = x3 ^ x5;
    let y13 = x0 ^ x6;
    let y9 = x0 ^ x3;
    let y8 = x0 ^ x5;
    let t0 = x1 ^ x2;
    let y1 = t0 ^ x7;
    let y4 = y1 ^ x3;
    let y12 = y13 ^ y14;
    let y2 = y1 ^ x0;
    let y5 = y1 ^ x6;
    let y3 = y5 ^ y8;
    let t1 = x4 ^ y12;
    let y15 = t1 ^ x5;
    let y20 = t1 ^ x1;
    let y6 = y15 ^ x7;
    let y10 = y15 ^ t0;
    let y11 = y20 ^ y9;
    let y7 = x7 ^ y11;
    let y17 = y10 ^ y11;
    let y19 = y10 ^ y8;
    let y16 = t0 ^ y11;
    let y21 = y13 ^ y16;
    let y18 = x0 ^ y16;

    let t2 = y12 & y15;
    let t3 = (y3 & y6) ^ t2;
    let t5 = (y4 & x7) ^ t2;
    let t7 = y13 & y16;
    let t8 = (y5 & y1) ^ t7;
    let t10 = (y2 & y7) ^ t7;
    let t12 = y9 & y11;
    let t13 = (y14 & y17) ^ t12;
    let t15 = (y8 & y10) ^ t12;
    let t21 = t3 ^ t13 ^ y20;
    let t22 = t5 ^ t15 ^ y19;
    let t23 = t8 ^ t13 ^ y21;
    let t24 = t10 ^ t15 ^ y18;

    let t25 = t21 ^ t22;
    let t26 = t21 & t23;
    let t27 = t24 ^ t26;
    let t28 = t25 & t27;
    let t29 = t28 ^ t22;
    let t30 = t23 ^ t24;
    let t31 = t22 ^ t26;
    let t32 = t31 & t30;
    let t33 = t32 ^ t24;
    let t34 = t23 ^ t33;
    let t35 = t27 ^ t33;
    let t36 = t24 & t35;
    let t37 = t36 ^ t34;
    let t38 = t27 ^ t36;
    let t39 = t29 & t38;
    let t40 = t25 ^ t39;
    let t41 = t40 ^ t37;
    let t42 = t29 ^ t33;
    let t43 = t29 ^ t40;
    let t44 = t33 ^ t37;
    let t45 = t42 ^ t41;

    let z0 = t44 & y15;
    let z1 = t37 & y6;
    let z2 = t33 & x7;
    let z3 = t43 & y16;
    let z4 = t40 & y1;
    let z5 = t29 & y7;
    let z6 = t42 & y11;
    let z7 = t45 & y17;
    let z8 = t41 & y10;
    let z9 = t44 & y12;
    let z10 = t37 & y3;
    let z11 = t33 & y4;
    let z12 = t43 & y13;
    let z13 = t40 & y5;
    let z14 = t29 & y2;
    let z15 = t42 & y9;
    let z16 = t45 & y14;
    let z17 = t41 & y8;

    let t46 = z15 ^ z16;
    let t47 = z10 ^ z11;
    let t48 = z5 ^ z13;
    let t49 = z9 ^ z10;
    let t50 = z2 ^ z12;
    let t51 = z2 ^ z5;
    let t52 = z7 ^ z8;
    let t53 = z0 ^ z3;
    let t54 = z6 ^ z7;
    let t55 = z16 ^ z17;
    let t56 = z12 ^ t48;
    let t57 = t50 ^ t53;
    let t58 = z4 ^ t46;
    let t59 = z3 ^ t54;
    let t60 = t46 ^ t57;
    let t61 = z14 ^ t57;
    let t62 = t52 ^ t58;
    let t63 = t49 ^ t58;
    let t64 = z4 ^ t59;
    let t65 = t61 ^ t62;
    let t66 = z1 ^ t63;
    let s0 = t59 ^ t63;
    let s6 = t56 ^ !t62;
    let s7 = t48 ^ !t60;
    let t67 = t64 ^ t65;
    let s3 = t53 ^ t66;
    let s4 = t51 ^ t66;
    let s5 = t47 ^ t65;
    let s1 = t64 ^ !s3;
    let s2 = t55 ^ !t67;
    *q = [s7, s6, s5, s4, s3, s2, s1, s0];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carryless_product_is_the_schoolbook_one() {
        let schoolbook = |x: u64, y: u64| {
            (0..64).filter(|bit| y >> bit & 1 == 1).fold(0, |sum, bit| sum ^ (u128::from(x) << bit))
        };
        let edges =
            [0, 1, 15 << 60, u64::MAX, 0x8000_0000_0000_0001, 0x1111_1111_1111_1111, 0x0123_4567_89ab_cdef];
        for x in edges {
            for y in edges {
                assert_eq!(carryless(x, y), schoolbook(x, y), "{x:x} by {y:x}");
            }
        }
    }

    #[test]
    fn slices_return_the_blocks_they_were_made_of() {
        let blocks = [1, u128::MAX - 7, 0x0123_4567_89ab_cdef << 50, 1 << 127];
        assert_eq!(unpack(pack(blocks)), blocks);
    }
}
