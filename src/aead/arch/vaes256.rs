//! VAES and VPCLMULQDQ on 256-bit vectors, for CPUs with both but without AVX-512 (Alder Lake, Zen 3 and
//! later).

use core::arch::x86_64::*;

use super::aesni::{self as narrow, AesNi as Narrow};
use crate::aead::edge::ManyLanes;
use crate::aead::key::{self, Key};
use crate::aead::lanes::{Block, Doubling, Lanes, MOST_LANES};
use crate::aead::{Error, Message, Nonce, Tag, batch, kernel};

#[derive(Clone, Copy)]
pub(super) struct Vaes256;

super::x86_backend!(Vaes256, "vaes256", by_lanes, ["avx2", "vaes", "vpclmulqdq", "aes", "pclmulqdq"]);

/// Low, middle and high part of a sum of products, in each lane.
#[derive(Clone, Copy)]
pub(super) struct Product {
    low: __m256i,
    middle: __m256i,
    high: __m256i,
}

// SAFETY of every block here: the contract of `Lanes`: the caller carries the features and owns the memory.
impl Lanes for Vaes256 {
    const BLOCKS: usize = 2;
    const WIDTH: Option<&'static str> = Some("ymm");
    const TAIL_VECTORS: usize = 9;
    const TURN_VECTORS: usize = 8;
    const STEP_VECTORS: usize = 4;
    const APART_VECTORS: usize = 3;
    const EARLY: [bool; 2] = [true, true];
    const CACHES_ROUNDS: bool = true;
    type Power = Block;
    type Powers = [Block; 20 + 1];
    type Sums = [Block; 4];
    type Vector = __m256i;
    type State = __m256i;
    type RoundKey = __m128i;
    type Product = Product;
    type Hash = __m128i;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, v: __m256i) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(to.cast(), v) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, start: usize, end: usize) -> __m256i {
        // SAFETY: as above.
        unsafe {
            if (start, end) == (0, 32) {
                return Self::load(from);
            }
            let low = Narrow::load_part(from, start, end.min(16));
            let high = Narrow::load_part(from.wrapping_add(16), 0, end.saturating_sub(16));
            _mm256_set_m128i(high, low)
        }
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut u8, start: usize, end: usize, v: __m256i) {
        // SAFETY: as above.
        unsafe {
            if (start, end) == (0, 32) {
                return Self::store(to, v);
            }
            Narrow::store_part(to, start, end.min(16), _mm256_castsi256_si128(v));
            Narrow::store_part(
                to.wrapping_add(16),
                0,
                end.saturating_sub(16),
                _mm256_extracti128_si256::<1>(v),
            );
        }
    }

    #[inline(always)]
    unsafe fn keep(v: __m256i, start: usize, end: usize) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let low = Narrow::keep(_mm256_castsi256_si128(v), start, end.min(16));
            let high = Narrow::keep(_mm256_extracti128_si256::<1>(v), 0, end.saturating_sub(16));
            _mm256_set_m128i(high, low)
        }
    }

    #[inline(always)]
    unsafe fn expand<const ROUNDS: usize>(
        bytes: &[u8],
        round: *mut __m128i,
        powers: *mut Self::Powers,
        sums: *mut Self::Sums,
    ) {
        // SAFETY: as above.
        unsafe { key::double_powers::<Self>(narrow::schedule::<ROUNDS>(bytes, round), powers, sums) }
    }

    #[inline(always)]
    unsafe fn round_key(key: u128, _: usize) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::hash(key) }
    }

    #[inline(always)]
    unsafe fn counters(first: u32) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let first = _mm256_broadcastsi128_si256(_mm_cvtsi32_si128(first.cast_signed()));
            Self::elements(_mm256_add_epi32(first, _mm256_set_epi32(0, 0, 0, 1, 0, 0, 0, 0)))
        }
    }

    #[inline(always)]
    unsafe fn base(nonce: &Nonce, key: &__m128i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_broadcastsi128_si256(Narrow::base(nonce, key)) }
    }

    #[inline(always)]
    unsafe fn start(base: __m256i, counters: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_xor_si256(base, counters) }
    }

    #[inline(always)]
    unsafe fn whiten(v: __m256i, key: &__m128i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_xor_si256(v, _mm256_broadcastsi128_si256(*key)) }
    }

    #[inline(always)]
    unsafe fn round(s: __m256i, key: &__m128i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_aesenc_epi128(s, _mm256_broadcastsi128_si256(*key)) }
    }

    #[inline(always)]
    unsafe fn add_states(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn finish(s: __m256i, key: &__m128i, data: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_aesenclast_epi128(s, _mm256_xor_si256(_mm256_broadcastsi128_si256(*key), data)) }
    }

    #[inline(always)]
    unsafe fn fence(s: &mut __m256i, sum: &mut Product) {
        // SAFETY: as above.
        unsafe { fence(s, sum) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn elements(v: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(reverse))
        }
    }

    #[inline(always)]
    unsafe fn no_product() -> Product {
        // SAFETY: as above.
        let zero = unsafe { _mm256_setzero_si256() };
        Product { low: zero, middle: zero, high: zero }
    }

    #[inline(always)]
    unsafe fn multiply(sum: &mut Product, x: __m256i, h: *const Block) {
        // SAFETY: as above.
        unsafe { *sum = multiply(*sum, x, Self::load(h.cast())) }
    }

    #[inline(always)]
    unsafe fn multiply_ends(sum: &mut Product, x: __m256i, h: [*const Block; 2]) {
        // SAFETY: as above.
        unsafe {
            let h = _mm256_set_m128i(Narrow::load(h[1].cast()), Narrow::load(h[0].cast()));
            *sum = multiply(*sum, x, h);
        }
    }

    #[inline(always)]
    unsafe fn multiply_turn(sum: &mut Product, x: [__m256i; 2], h: *const Block, sums: *const Block) {
        // One after the other: with 16 registers, sharing work between them costs more than it saves.
        // SAFETY: as above.
        unsafe {
            let sums = splat(sums);
            *sum = multiply_turn::<0x00>(*sum, x[0], splat(h), sums);
            *sum = multiply_turn::<0x10>(*sum, x[1], splat(h.add(2)), sums);
        }
    }

    #[inline(always)]
    unsafe fn carry(sum: &Product) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let middle = add3(sum.low, sum.middle, sum.high);
            fold(Product { middle, ..*sum })
        }
    }

    #[inline(always)]
    unsafe fn reduce(sum: &Product) -> __m128i {
        // SAFETY: as above.
        unsafe { add_lanes(fold(*sum)) }
    }

    #[inline(always)]
    unsafe fn hash(coefficients: u128) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::hash(coefficients) }
    }

    #[inline(always)]
    unsafe fn element(bytes: &[u8]) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::element(bytes) }
    }

    #[inline(always)]
    unsafe fn coefficients(hash: __m128i) -> u128 {
        // SAFETY: as above.
        unsafe { Narrow::coefficients(hash) }
    }

    #[inline(always)]
    unsafe fn add_hashes(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::add(a, b) }
    }

    #[inline(always)]
    unsafe fn lift(hash: __m128i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_zextsi128_si256(hash) }
    }

    #[inline(always)]
    unsafe fn add_at(v: __m256i, _: usize, hash: __m128i) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let zero = _mm256_setzero_si256();
            _mm256_xor_si256(v, _mm256_inserti128_si256::<1>(zero, hash))
        }
    }

    #[inline(always)]
    unsafe fn tag(hash: __m128i, mask: __m256i) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::tag(hash, _mm256_castsi256_si128(mask)) }
    }

    #[inline(always)]
    unsafe fn is_tag(block: __m128i, tag: &[u8; 16]) -> bool {
        // SAFETY: as above.
        unsafe { Narrow::is_tag(block, tag) }
    }

    #[inline(always)]
    unsafe fn store_block(to: &mut [u8; 16], block: __m128i) {
        // SAFETY: as above.
        unsafe { Narrow::store(to.as_mut_ptr(), block) }
    }

    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn carryless(x: __m256i, y: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_clmulepi64_epi128::<0x00>(x, y) }
    }
}

impl Doubling for Vaes256 {
    #[inline(always)]
    unsafe fn first_powers(h: __m128i) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe {
            let one = _mm256_broadcastsi128_si256(h);
            let two = square(one);
            [_mm256_blend_epi32::<0xf0>(two, one), two]
        }
    }

    #[inline(always)]
    unsafe fn double(power: __m256i, _: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { square(power) }
    }

    #[inline(always)]
    unsafe fn store_half_sums(to: *mut Block, [a, b]: [__m256i; 2]) {
        // SAFETY: as above.
        unsafe { Narrow::store_half_sums(to, [_mm256_castsi256_si128(a), _mm256_castsi256_si128(b)]) }
    }

    #[inline(always)]
    unsafe fn times(v: __m256i, h: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { fold(multiply(Self::no_product(), v, h)) }
    }
}

/// The square of each lane: its two middle products are equal and add up to nothing.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn square(v: __m256i) -> __m256i {
    let (low, high) = (_mm256_clmulepi64_epi128::<0x00>(v, v), _mm256_clmulepi64_epi128::<0x11>(v, v));
    fold(Product { low, middle: _mm256_setzero_si256(), high })
}

/// Reduces each lane: adding word 0, then word 1, times the polynomial clears them (Montgomery).
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn fold(sum: Product) -> __m256i {
    let polynomial = _mm256_broadcastsi128_si256(_mm_set_epi64x(0, 0xc200_0000_0000_0000u64.cast_signed()));
    let folded = _mm256_clmulepi64_epi128::<0x00>(sum.low, polynomial);
    let middle = add3(sum.middle, _mm256_shuffle_epi32::<0x4e>(sum.low), folded);
    let folded = _mm256_clmulepi64_epi128::<0x00>(middle, polynomial);
    add3(sum.high, _mm256_shuffle_epi32::<0x4e>(middle), folded)
}

/// The sum of three vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn add3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

/// A block in every lane.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn splat(block: *const Block) -> __m256i {
    // SAFETY: the caller's contract: there is a block.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(block.cast())) }
}

/// The sum of the two lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn add_lanes(v: __m256i) -> __m128i {
    _mm_xor_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v))
}

/// A separate function, because `asm!` with vector operands needs the features on its own function.
#[inline]
#[target_feature(enable = "avx")]
unsafe fn fence(s: &mut __m256i, sum: &mut Product) {
    // SAFETY: emits no instruction and leaves the values unchanged.
    unsafe {
        core::arch::asm!(
            "/* {0} {1} {2} {3} */", inout(ymm_reg) *s, inout(ymm_reg) sum.low,
            inout(ymm_reg) sum.middle, inout(ymm_reg) sum.high, options(nomem, nostack, preserves_flags)
        );
    }
}

impl ManyLanes for Vaes256 {
    const LANE_BYTES: usize = 128;
    const MIXES: bool = true;

    #[inline(always)]
    unsafe fn bases(nonces: &[*const u8; MOST_LANES], key: &__m128i) -> __m256i {
        // SAFETY: as above; these are nonces.
        unsafe { join([Narrow::base(&*nonces[0].cast(), key), Narrow::base(&*nonces[1].cast(), key)]) }
    }

    #[inline(always)]
    unsafe fn load_each(from: &[*const u8; MOST_LANES], lens: &[usize; MOST_LANES]) -> __m256i {
        // SAFETY: as above.
        unsafe { join([Narrow::load_part(from[0], 0, lens[0]), Narrow::load_part(from[1], 0, lens[1])]) }
    }

    #[inline(always)]
    unsafe fn load_blocks(from: &[*const u8; MOST_LANES]) -> __m256i {
        // SAFETY: as above.
        unsafe { join([Narrow::load(from[0]), Narrow::load(from[1])]) }
    }

    #[inline(always)]
    unsafe fn store_each(to: &[*mut u8; MOST_LANES], lens: &[usize; MOST_LANES], v: __m256i) {
        // SAFETY: as above.
        unsafe {
            for (k, lane) in split(v).into_iter().enumerate() {
                Narrow::store_part(to[k], 0, lens[k], lane);
            }
        }
    }

    #[inline(always)]
    unsafe fn store_blocks(to: &[*mut u8; MOST_LANES], v: __m256i) {
        // SAFETY: as above.
        unsafe {
            for (k, lane) in split(v).into_iter().enumerate() {
                Narrow::store(to[k], lane);
            }
        }
    }

    #[inline(always)]
    unsafe fn splat(value: u128) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_broadcastsi128_si256(Narrow::hash(value)) }
    }

    #[inline(always)]
    unsafe fn gather(values: &[u128; MOST_LANES]) -> __m256i {
        // SAFETY: as above.
        unsafe { join([Narrow::hash(values[0]), Narrow::hash(values[1])]) }
    }

    #[inline(always)]
    unsafe fn keep_each(v: __m256i, lens: &[usize; MOST_LANES]) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let [low, high] = split(v);
            join([Narrow::keep(low, 0, lens[0]), Narrow::keep(high, 0, lens[1])])
        }
    }

    #[inline(always)]
    unsafe fn multiply_same(sum: &mut Product, x: __m256i, h: *const Block) {
        // SAFETY: as above.
        unsafe { *sum = multiply(*sum, x, splat(h)) }
    }

    #[inline(always)]
    unsafe fn multiply_each(sum: &mut Product, x: __m256i, h: &[*const Block; MOST_LANES]) {
        // SAFETY: as above.
        unsafe { *sum = multiply(*sum, x, Self::load_blocks(&h.map(<*const Block>::cast))) }
    }

    #[inline(always)]
    unsafe fn reduce_each(sum: &Product) -> __m256i {
        // SAFETY: as above.
        unsafe { fold(*sum) }
    }
}

/// Adds the lane-wise products of `x` and `h`.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn multiply(sum: Product, x: __m256i, h: __m256i) -> Product {
    Product {
        low: _mm256_xor_si256(sum.low, _mm256_clmulepi64_epi128::<0x00>(x, h)),
        middle: add3(
            sum.middle,
            _mm256_clmulepi64_epi128::<0x01>(x, h),
            _mm256_clmulepi64_epi128::<0x10>(x, h),
        ),
        high: _mm256_xor_si256(sum.high, _mm256_clmulepi64_epi128::<0x11>(x, h)),
    }
}

/// [`multiply`] by Karatsuba's method; the half of `sums` that `HALF` names is the sum of the halves of `h`.
/// The low and the high sum are still to be added to the middle one.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn multiply_turn<const HALF: i32>(sum: Product, x: __m256i, h: __m256i, sums: __m256i) -> Product {
    let x_sum = _mm256_xor_si256(x, _mm256_shuffle_epi32::<0x4e>(x));
    Product {
        low: _mm256_xor_si256(sum.low, _mm256_clmulepi64_epi128::<0x00>(x, h)),
        middle: _mm256_xor_si256(sum.middle, _mm256_clmulepi64_epi128::<HALF>(x_sum, sums)),
        high: _mm256_xor_si256(sum.high, _mm256_clmulepi64_epi128::<0x11>(x, h)),
    }
}

/// Joins two lanes into a vector.
#[inline]
#[target_feature(enable = "avx2")]
fn join(lanes: [__m128i; 2]) -> __m256i {
    _mm256_set_m128i(lanes[1], lanes[0])
}

/// Splits a vector into its lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn split(v: __m256i) -> [__m128i; 2] {
    [_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v)]
}
