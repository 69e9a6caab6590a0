//! AES and PMULL on 128-bit NEON vectors, for 64-bit little-endian ARM with the cryptographic extension.
//!
//! This file supplies two rows: `armv8`, and `armv8-sha3` for CPUs that also have EOR3 (Armv8.2 SHA-3: Apple
//! M1, Neoverse V1 and later), which adds three vectors with one instruction. A big-endian target has only
//! the portable backend. So far this code has run only under emulation: it is correct there, and no speed is
//! claimed.

use core::arch::aarch64::*;

use crate::aead::key::{self, Key, Words};
use crate::aead::lanes::{Block, Doubling, Lanes, Plain};
use crate::aead::{Error, Nonce, Tag, block, kernel};

/// The lanes; with `EOR3` if one instruction adds three vectors.
#[derive(Clone, Copy)]
pub(super) struct Armv8<const EOR3: bool>;

super::arm_backend!(BACKEND, Armv8<false>, "armv8", ["neon", "aes"]);
super::arm_backend!(BACKEND_SHA3, Armv8<true>, "armv8-sha3", ["neon", "aes", "sha3"]);

// SAFETY: a SIMD vector of integers.
unsafe impl Plain for uint8x16_t {}

/// A block inside AES, and the round key that it still lacks.
///
/// AESE adds its key before SubBytes, so each round of FIPS 197 leaves its key to the next instruction.
/// Carrying the key with the block costs nothing: AESE and AESMC stay adjacent, as cores that fuse them
/// require.
#[derive(Clone, Copy)]
pub(super) struct State {
    block: uint8x16_t,
    key: uint8x16_t,
}

/// Low, middle (Karatsuba: of the sums of the halves) and high part of a sum of products.
#[derive(Clone, Copy)]
pub(super) struct Product {
    low: uint8x16_t,
    middle: uint8x16_t,
    high: uint8x16_t,
}

// SAFETY of every block here: the contract of `Lanes`: the caller carries the features and owns the memory.
impl<const EOR3: bool> Lanes for Armv8<EOR3> {
    const BLOCKS: usize = 1;
    const WIDTH: Option<&'static str> = Some("v");
    const TAIL_VECTORS: usize = 8;
    const TURN_VECTORS: usize = 8;
    const CACHES_ROUNDS: bool = false;
    type Power = Block;
    type Powers = [Block; 9];
    type Sums = [Block; 4];
    type Vector = uint8x16_t;
    type State = State;
    type RoundKey = uint8x16_t;
    type Product = Product;
    type Hash = uint8x16_t;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, v: uint8x16_t) {
        // SAFETY: as above.
        unsafe { vst1q_u8(to, v) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, start: usize, end: usize) -> uint8x16_t {
        // SAFETY: as above; the slice is the requested part.
        unsafe {
            match (start, end) {
                (0, 16) => Self::load(from),
                (0, end) => Self::hash(block::short_block(core::slice::from_raw_parts(from, end))),
                _ => vdupq_n_u8(0),
            }
        }
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut u8, start: usize, end: usize, v: uint8x16_t) {
        // SAFETY: as above; the slice is the requested part.
        unsafe {
            match (start, end) {
                (0, 16) => Self::store(to, v),
                (0, end) => {
                    block::store_short(core::slice::from_raw_parts_mut(to, end), Self::coefficients(v));
                }
                _ => {}
            }
        }
    }

    #[inline(always)]
    unsafe fn keep(v: uint8x16_t, start: usize, end: usize) -> uint8x16_t {
        // SAFETY: as above.
        unsafe {
            let place = Self::load([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].as_ptr());
            let after_start = vcgeq_u8(place, vdupq_n_u8(start as u8));
            vandq_u8(v, vandq_u8(after_start, vcltq_u8(place, vdupq_n_u8(end as u8))))
        }
    }

    #[inline(always)]
    unsafe fn expand<const ROUNDS: usize>(
        bytes: &[u8],
        round: *mut uint8x16_t,
        powers: *mut Self::Powers,
        sums: *mut Self::Sums,
    ) {
        // SAFETY: as above.
        unsafe {
            let h = Self::hash(key::schedule::<Self, ROUNDS>(bytes, round));
            key::double_powers::<Self>(h, powers, sums);
        }
    }

    #[inline(always)]
    unsafe fn round_key(key: u128, _: usize) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { Self::hash(key) }
    }

    #[inline(always)]
    unsafe fn counters(first: u32) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { Self::hash(u128::from(first.swap_bytes()) << 96) }
    }

    #[inline(always)]
    unsafe fn base(nonce: &Nonce, key: &uint8x16_t) -> State {
        // SAFETY: as above.
        unsafe {
            let mut block = [0; 16];
            block[..12].copy_from_slice(nonce);
            State { block: Self::load(block.as_ptr()), key: *key }
        }
    }

    #[inline(always)]
    unsafe fn start(base: State, counters: uint8x16_t) -> State {
        // SAFETY: as above.
        unsafe { State { block: veorq_u8(base.block, counters), key: base.key } }
    }

    #[inline(always)]
    unsafe fn whiten(v: uint8x16_t, key: &uint8x16_t) -> State {
        State { block: v, key: *key }
    }

    #[inline(always)]
    unsafe fn round(s: State, key: &uint8x16_t) -> State {
        // SAFETY: as above.
        unsafe { State { block: full_round(s.block, s.key), key: *key } }
    }

    #[inline(always)]
    unsafe fn finish(s: State, key: &uint8x16_t, data: uint8x16_t) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { Self::add3(last_round(s.block, s.key), *key, data) }
    }

    #[inline(always)]
    unsafe fn fence(s: &mut State, sum: &mut Product) {
        // SAFETY: no instruction.
        unsafe { fence(s, sum) }
    }

    #[inline(always)]
    unsafe fn add(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { veorq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn elements(v: uint8x16_t) -> uint8x16_t {
        // SAFETY: as above.
        unsafe {
            let halves = vrev64q_u8(v);
            vextq_u8::<8>(halves, halves)
        }
    }

    #[inline(always)]
    unsafe fn no_product() -> Product {
        // SAFETY: as above.
        let zero = unsafe { vdupq_n_u8(0) };
        Product { low: zero, middle: zero, high: zero }
    }

    #[inline(always)]
    unsafe fn multiply(sum: &mut Product, x: uint8x16_t, h: *const Block) {
        // SAFETY: as above.
        unsafe {
            let h = Self::load(h.cast());
            let (x_sum, h_sum) = (veorq_u8(x, vextq_u8::<8>(x, x)), veorq_u8(h, vextq_u8::<8>(h, h)));
            *sum = Product {
                low: veorq_u8(sum.low, low_product(x, h)),
                middle: veorq_u8(sum.middle, low_product(x_sum, h_sum)),
                high: veorq_u8(sum.high, high_product(x, h)),
            };
        }
    }

    #[inline(always)]
    unsafe fn multiply_turn(sum: &mut Product, x: [uint8x16_t; 2], h: *const Block, sums: *const Block) {
        // SAFETY: as above.
        unsafe {
            let sums = Self::load(sums.cast());
            let (h0, h1) = (Self::load(h.cast()), Self::load(h.add(1).cast()));
            let (x0, x1) = (vreinterpretq_u64_u8(x[0]), vreinterpretq_u64_u8(x[1]));
            let x_sums = vreinterpretq_u8_u64(veorq_u64(vzip1q_u64(x0, x1), vzip2q_u64(x0, x1)));
            *sum = Product {
                low: Self::add3(sum.low, low_product(x[0], h0), low_product(x[1], h1)),
                middle: Self::add3(sum.middle, low_product(x_sums, sums), high_product(x_sums, sums)),
                high: Self::add3(sum.high, high_product(x[0], h0), high_product(x[1], h1)),
            };
        }
    }

    #[inline(always)]
    unsafe fn carry(sum: &Product) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { Self::reduce(sum) }
    }

    #[inline(always)]
    unsafe fn reduce(sum: &Product) -> uint8x16_t {
        // Adding word 0, then word 1, times the polynomial clears them (Montgomery); the rest is the result.
        // SAFETY: as above.
        unsafe {
            let zero = vdupq_n_u8(0);
            let polynomial = Self::hash(0xc200_0000_0000_0000);
            let middle = Self::add3(sum.middle, sum.low, sum.high);
            let low = veorq_u8(sum.low, vextq_u8::<8>(zero, middle));
            let high = veorq_u8(sum.high, vextq_u8::<8>(middle, zero));
            let low = veorq_u8(vextq_u8::<8>(low, low), low_product(low, polynomial));
            Self::add3(high, low_product(low, polynomial), vextq_u8::<8>(low, low))
        }
    }

    #[inline(always)]
    unsafe fn hash(coefficients: u128) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { vcombine_u8(vcreate_u8(coefficients as u64), vcreate_u8((coefficients >> 64) as u64)) }
    }

    #[inline(always)]
    unsafe fn element(bytes: &[u8]) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { Self::hash(block::short_block(bytes).swap_bytes()) }
    }

    #[inline(always)]
    unsafe fn coefficients(hash: uint8x16_t) -> u128 {
        // SAFETY: as above.
        unsafe {
            let words = vreinterpretq_u64_u8(hash);
            u128::from(vgetq_lane_u64::<1>(words)) << 64 | u128::from(vgetq_lane_u64::<0>(words))
        }
    }

    #[inline(always)]
    unsafe fn add_hashes(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { veorq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn lift(hash: uint8x16_t) -> uint8x16_t {
        hash
    }

    #[inline(always)]
    unsafe fn tag(hash: uint8x16_t, mask: uint8x16_t) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { veorq_u8(Self::elements(hash), mask) }
    }

    #[inline(always)]
    unsafe fn is_tag(block: uint8x16_t, tag: &[u8; 16]) -> bool {
        // SAFETY: as above.
        unsafe { vmaxvq_u8(veorq_u8(block, Self::load(tag.as_ptr()))) == 0 }
    }

    #[inline(always)]
    unsafe fn store_block(to: &mut [u8; 16], block: uint8x16_t) {
        // SAFETY: as above.
        unsafe { Self::store(to.as_mut_ptr(), block) }
    }

    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn carryless(x: uint8x16_t, y: uint8x16_t) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { low_product(x, y) }
    }
}

impl<const EOR3: bool> Words for Armv8<EOR3> {
    #[inline(always)]
    unsafe fn sub_word(word: u32) -> u32 {
        // ShiftRows does not change four equal columns, so AESE with a zero key is SubWord.
        // SAFETY: as above.
        unsafe {
            let columns = vreinterpretq_u8_u32(vdupq_n_u32(word));
            vgetq_lane_u32::<0>(vreinterpretq_u32_u8(last_round(columns, vdupq_n_u8(0))))
        }
    }
}

impl<const EOR3: bool> Doubling for Armv8<EOR3> {
    #[inline(always)]
    unsafe fn first_powers(h: uint8x16_t) -> [uint8x16_t; 2] {
        [h, h]
    }

    #[inline(always)]
    unsafe fn double(_: uint8x16_t, v: uint8x16_t) -> uint8x16_t {
        v
    }

    #[inline(always)]
    unsafe fn store_half_sums(to: *mut Block, [a, b]: [uint8x16_t; 2]) {
        // SAFETY: as above.
        unsafe {
            let (a, b) = (vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b));
            let sums = veorq_u64(vzip1q_u64(a, b), vzip2q_u64(a, b));
            Self::store(to.cast(), vreinterpretq_u8_u64(sums));
        }
    }

    #[inline(always)]
    unsafe fn times(v: uint8x16_t, h: uint8x16_t) -> uint8x16_t {
        // SAFETY: as above.
        unsafe {
            let mut product = Self::no_product();
            Self::multiply(&mut product, v, (&raw const h).cast());
            Self::reduce(&product)
        }
    }
}

impl<const EOR3: bool> Armv8<EOR3> {
    /// The sum of three vectors.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn add3(a: uint8x16_t, b: uint8x16_t, c: uint8x16_t) -> uint8x16_t {
        // SAFETY: the contract of `Lanes`; EOR3 belongs to `sha3`, a feature of the row that uses these
        // lanes.
        unsafe { if EOR3 { eor3(a, b, c) } else { veorq_u8(veorq_u8(a, b), c) } }
    }
}

// Intrinsics beyond NEON are called from functions that carry their feature, as the compiler requires.

/// AddRoundKey, SubBytes, ShiftRows, MixColumns.
#[inline]
#[target_feature(enable = "aes")]
fn full_round(block: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
    vaesmcq_u8(vaeseq_u8(block, key))
}

/// AddRoundKey, SubBytes, ShiftRows.
#[inline]
#[target_feature(enable = "aes")]
fn last_round(block: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
    vaeseq_u8(block, key)
}

/// The sum of three vectors.
#[inline]
#[target_feature(enable = "sha3")]
fn eor3(a: uint8x16_t, b: uint8x16_t, c: uint8x16_t) -> uint8x16_t {
    veor3q_u8(a, b, c)
}

/// The product of the low halves.
#[inline]
#[target_feature(enable = "aes")]
fn low_product(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    let (a, b) = (vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b));
    vreinterpretq_u8_p128(vmull_p64(vgetq_lane_u64::<0>(a), vgetq_lane_u64::<0>(b)))
}

/// The product of the high halves.
#[inline]
#[target_feature(enable = "aes")]
fn high_product(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    vreinterpretq_u8_p128(vmull_high_p64(vreinterpretq_p64_u8(a), vreinterpretq_p64_u8(b)))
}

/// A separate function, because `asm!` with vector operands needs the features on its own function. The
/// pending key is not constrained.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn fence(s: &mut State, sum: &mut Product) {
    // SAFETY: emits no instruction and leaves the values unchanged.
    unsafe {
        core::arch::asm!("/* {0:v} {1:v} {2:v} {3:v} */", inout(vreg) s.block, inout(vreg) sum.low,
            inout(vreg) sum.middle, inout(vreg) sum.high, options(nomem, nostack, preserves_flags));
    }
}
