//! VAES and VPCLMULQDQ on 512-bit vectors: CPUs with AVX-512 and both (Ice Lake, Zen 4 and later).

use core::arch::x86_64::*;

use super::aesni::{self as narrow, AesNi as Narrow};
use crate::aead::key::Key;
use crate::aead::lanes::{Block, Lanes};
use crate::aead::{Alg, Tag, kernel};

#[derive(Clone, Copy)]
pub(super) struct Vaes512;

super::x86_backend!(
    Vaes512,
    "vaes512",
    12,
    ["avx512f", "avx512bw", "avx512vl", "vaes", "vpclmulqdq", "aes", "pclmulqdq", "bmi2"]
);

/// Low, middle (Karatsuba: of the sums of the halves) and high part of a sum of products, in each lane.
#[derive(Clone, Copy)]
pub(super) struct Product {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

// SAFETY of every block here: the contract of `Lanes`: the caller carries the features and owns the memory.
impl Lanes for Vaes512 {
    const BLOCKS: usize = 4;
    const LAST: usize = 8;
    type Powers = [Block; 48 + 3];
    type Vector = __m512i;
    type State = __m512i;
    type RoundKey = __m128i;
    /// The counter blocks, byte-reversed: the number is in the lowest 32 bits of each lane.
    type Counter = __m512i;
    type Product = Product;
    type Hash = __m128i;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, v: __m512i) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(to.cast(), v) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, start: usize, end: usize) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_maskz_loadu_epi8(mask(start, end), from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut u8, start: usize, end: usize, v: __m512i) {
        // SAFETY: as above.
        unsafe { _mm512_mask_storeu_epi8(to.cast(), mask(start, end), v) }
    }

    #[inline(always)]
    unsafe fn keep(v: __m512i, start: usize, end: usize) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_maskz_mov_epi8(mask(start, end), v) }
    }

    #[inline(always)]
    unsafe fn sub_word(word: u32) -> u32 {
        // SAFETY: as above.
        unsafe { Narrow::sub_word(word) }
    }

    #[inline(always)]
    unsafe fn round_key(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::round_key(bytes) }
    }

    #[inline(always)]
    unsafe fn counter(first: u128) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let first = _mm512_broadcast_i32x4(Narrow::counter(first));
            _mm512_add_epi32(first, _mm512_set_epi32(0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0))
        }
    }

    #[inline(always)]
    unsafe fn count(counter: &mut __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let blocks = Self::elements(*counter);
            *counter =
                _mm512_add_epi32(*counter, _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4));
            blocks
        }
    }

    #[inline(always)]
    unsafe fn whiten(v: __m512i, key: &__m128i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_xor_si512(v, _mm512_broadcast_i32x4(*key)) }
    }

    #[inline(always)]
    unsafe fn round(s: __m512i, key: &__m128i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_aesenc_epi128(s, _mm512_broadcast_i32x4(*key)) }
    }

    #[inline(always)]
    unsafe fn finish(s: __m512i, key: &__m128i, data: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_aesenclast_epi128(s, _mm512_xor_si512(_mm512_broadcast_i32x4(*key), data)) }
    }

    #[inline(always)]
    unsafe fn fence(s: &mut __m512i, sum: &mut Product) {
        // SAFETY: as above.
        unsafe { fence(s, sum) }
    }

    #[inline(always)]
    unsafe fn replace_first(v: __m512i, block: u128) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_inserti32x4::<0>(v, Narrow::hash(block)) }
    }

    #[inline(always)]
    unsafe fn elements(v: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(reverse))
        }
    }

    #[inline(always)]
    unsafe fn no_product() -> Product {
        // SAFETY: as above.
        let zero = unsafe { _mm512_setzero_si512() };
        Product { low: zero, middle: zero, high: zero }
    }

    #[inline(always)]
    unsafe fn multiply(sum: Product, x: __m512i, h: *const Block) -> Product {
        // SAFETY: as above.
        unsafe {
            let sums = Self::load(h.add(size_of::<Self::Powers>() / 16).cast());
            let h = Self::load(h.cast());
            let x_sum = _mm512_xor_si512(x, _mm512_shuffle_epi32::<0x4e>(x));
            Product {
                low: _mm512_xor_si512(sum.low, _mm512_clmulepi64_epi128::<0x00>(x, h)),
                middle: _mm512_xor_si512(sum.middle, _mm512_clmulepi64_epi128::<0x00>(x_sum, sums)),
                high: _mm512_xor_si512(sum.high, _mm512_clmulepi64_epi128::<0x11>(x, h)),
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply_one(sum: Product, x: __m128i, h: *const Block) -> Product {
        // SAFETY: as above.
        unsafe {
            let one = Narrow::multiply_one(Narrow::no_product(), x, h).parts();
            Product {
                low: _mm512_xor_si512(sum.low, _mm512_zextsi128_si512(one[0])),
                middle: _mm512_xor_si512(sum.middle, _mm512_zextsi128_si512(one[1])),
                high: _mm512_xor_si512(sum.high, _mm512_zextsi128_si512(one[2])),
            }
        }
    }

    #[inline(always)]
    unsafe fn reduce(sum: Product) -> __m128i {
        // SAFETY: as above.
        unsafe {
            Narrow::reduce(narrow::Product::of([
                add_lanes(sum.low),
                add_lanes(sum.middle),
                add_lanes(sum.high),
            ]))
        }
    }

    #[inline(always)]
    unsafe fn hash(coefficients: u128) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::hash(coefficients) }
    }

    #[inline(always)]
    unsafe fn coefficients(hash: __m128i) -> u128 {
        // SAFETY: as above.
        unsafe { Narrow::coefficients(hash) }
    }

    #[inline(always)]
    unsafe fn add_first(v: __m512i, hash: __m128i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_xor_si512(v, _mm512_zextsi128_si512(hash)) }
    }

    #[inline(always)]
    unsafe fn tag(tag: &mut Tag, hash: __m128i, mask: __m512i) {
        // SAFETY: as above.
        unsafe { Narrow::tag(tag, hash, _mm512_castsi512_si128(mask)) }
    }
}

/// Ones for the bytes `start..end`.
#[inline]
#[target_feature(enable = "bmi2")]
fn mask(start: usize, end: usize) -> u64 {
    _bzhi_u64(u64::MAX << start, end as u32)
}

/// The sum of the four lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_lanes(v: __m512i) -> __m128i {
    let two = _mm256_xor_si256(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
    _mm_xor_si128(_mm256_castsi256_si128(two), _mm256_extracti128_si256::<1>(two))
}

/// An `asm!` with vector operands needs a function that carries the features itself.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn fence(s: &mut __m512i, sum: &mut Product) {
    // SAFETY: no instruction; the values come out as they went in.
    unsafe {
        core::arch::asm!("/* {0} {1} {2} {3} */", inout(zmm_reg) *s, inout(zmm_reg) sum.low, inout(zmm_reg) sum.middle,
            inout(zmm_reg) sum.high, options(nomem, nostack, preserves_flags));
    }
}
