//! VAES and VPCLMULQDQ on 512-bit vectors, for CPUs with both and AVX-512 (Ice Lake, Zen 4 and later).

use core::arch::x86_64::*;

use super::aesni::{self as narrow, AesNi as Narrow};
use super::vaes256::Vaes256 as Narrower;
use crate::aead::edge::ManyLanes;
use crate::aead::key::{self, Key};
use crate::aead::lanes::{Block, Doubling, Lanes, MOST_LANES};
use crate::aead::{Message, Tag, batch, kernel};

#[derive(Clone, Copy)]
pub(super) struct Vaes512;

super::x86_backend!(
    Vaes512,
    "vaes512",
    by_lanes,
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
    const WIDTH: Option<&'static str> = Some("zmm");
    const TAIL_VECTORS: usize = 5;
    const BULK_VECTORS: usize = 8;
    const GROUP_VECTORS: usize = 4;
    const CACHES_ROUNDS: bool = true;
    type Power = Block;
    type Powers = [Block; 100 + 3];
    type Sums = Self::Powers;
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
    unsafe fn counter(first: u128) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let first = _mm512_castsi128_si512(Narrow::counter(first));
            let first = _mm512_shuffle_i32x4::<0>(first, first);
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
    unsafe fn add_states(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_xor_si512(a, b) }
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
        // SAFETY: as above; `h` points into a table of powers, which the table of sums follows.
        unsafe {
            multiply(sum, x, Self::load(h.cast()), Self::load(h.add(size_of::<Self::Powers>() / 16).cast()))
        }
    }

    #[inline(always)]
    unsafe fn multiply_two(sum: Product, x: [__m512i; 2], h: *const Block) -> Product {
        // SAFETY: as above; `h` points into a table of powers, which the table of sums follows.
        unsafe {
            let sums = Self::load(h.add(size_of::<Self::Powers>() / 16).cast());
            multiply_two(sum, x, [Self::load(h.cast()), Self::load(h.add(4).cast())], sums)
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
            let [low, high] = halves(sum);
            narrow::fold(add_lanes(low), add_lanes(high))
        }
    }

    #[inline(always)]
    unsafe fn hash(coefficients: u128) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::hash(coefficients) }
    }

    #[inline(always)]
    unsafe fn element(bytes: &[u8]) -> __m128i {
        // SAFETY: as above.
        unsafe {
            let block = _mm_maskz_loadu_epi8(ones(bytes.len()), bytes.as_ptr().cast());
            Narrow::elements(block)
        }
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

    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn carryless(x: __m512i, y: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_clmulepi64_epi128::<0x00>(x, y) }
    }
}

impl Doubling for Vaes512 {
    #[inline(always)]
    unsafe fn first_powers(h: __m128i) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let low = Narrower::first_powers(h);
            let square = Narrower::splat_first(low);
            let high = Narrower::times(low, square);
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(high), low)
        }
    }

    #[inline(always)]
    unsafe fn splat_first(v: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_shuffle_i32x4::<0>(v, v) }
    }

    #[inline(always)]
    unsafe fn times(v: __m512i, h: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { Self::reduce_each(multiply(Self::no_product(), v, h, Self::sums(h, h))) }
    }

    #[inline(always)]
    unsafe fn sums(v: __m512i, next: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_xor_si512(_mm512_unpacklo_epi64(v, next), _mm512_unpackhi_epi64(v, next)) }
    }
}

/// A mask with ones for the bytes `start..end`.
#[inline]
#[target_feature(enable = "bmi2")]
fn mask(start: usize, end: usize) -> u64 {
    _bzhi_u64(u64::MAX << start, end as u32)
}

/// The low and the high half of each lane's product; the middle part is added to both.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn halves(sum: Product) -> [__m512i; 2] {
    let middle = _mm512_ternarylogic_epi64::<0x96>(sum.middle, sum.low, sum.high);
    [
        _mm512_xor_si512(sum.low, _mm512_bslli_epi128::<8>(middle)),
        _mm512_xor_si512(sum.high, _mm512_bsrli_epi128::<8>(middle)),
    ]
}

/// The sum of the four lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_lanes(v: __m512i) -> __m128i {
    let two = _mm256_xor_si256(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
    _mm_xor_si128(_mm256_castsi256_si128(two), _mm256_extracti128_si256::<1>(two))
}

/// A separate function, because `asm!` with vector operands needs the features on its own function.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn fence(s: &mut __m512i, sum: &mut Product) {
    // SAFETY: emits no instruction and leaves the values unchanged.
    unsafe {
        core::arch::asm!(
            "/* {0} {1} {2} {3} */", inout(zmm_reg) *s, inout(zmm_reg) sum.low,
            inout(zmm_reg) sum.middle, inout(zmm_reg) sum.high, options(nomem, nostack, preserves_flags)
        );
    }
}

impl ManyLanes for Vaes512 {
    #[inline(always)]
    unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_xor_si512(a, b) }
    }

    #[inline(always)]
    unsafe fn counters(blocks: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { Self::elements(blocks) }
    }

    #[inline(always)]
    unsafe fn count_each(counter: &mut __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let blocks = Self::elements(*counter);
            *counter =
                _mm512_add_epi32(*counter, _mm512_set_epi32(0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1));
            blocks
        }
    }

    #[inline(always)]
    unsafe fn advance(counter: &mut __m512i, by: &[u32; MOST_LANES]) {
        // SAFETY: as above.
        unsafe {
            let b = by.map(u32::cast_signed);
            *counter = _mm512_add_epi32(
                *counter,
                _mm512_set_epi32(0, 0, 0, b[3], 0, 0, 0, b[2], 0, 0, 0, b[1], 0, 0, 0, b[0]),
            );
        }
    }

    #[inline(always)]
    unsafe fn load_each(from: &[*const u8; MOST_LANES], lens: &[usize; MOST_LANES]) -> __m512i {
        // SAFETY: as above.
        unsafe {
            join([
                _mm_maskz_loadu_epi8(ones(lens[0]), from[0].cast()),
                _mm_maskz_loadu_epi8(ones(lens[1]), from[1].cast()),
                _mm_maskz_loadu_epi8(ones(lens[2]), from[2].cast()),
                _mm_maskz_loadu_epi8(ones(lens[3]), from[3].cast()),
            ])
        }
    }

    #[inline(always)]
    unsafe fn load_blocks(from: &[*const u8; MOST_LANES]) -> __m512i {
        // SAFETY: as above.
        unsafe {
            join([Narrow::load(from[0]), Narrow::load(from[1]), Narrow::load(from[2]), Narrow::load(from[3])])
        }
    }

    #[inline(always)]
    unsafe fn store_each(to: &[*mut u8; MOST_LANES], lens: &[usize; MOST_LANES], v: __m512i) {
        // SAFETY: as above.
        unsafe {
            for (k, lane) in split(v).into_iter().enumerate() {
                _mm_mask_storeu_epi8(to[k].cast(), ones(lens[k]), lane);
            }
        }
    }

    #[inline(always)]
    unsafe fn store_blocks(to: &[*mut u8; MOST_LANES], v: __m512i) {
        // SAFETY: as above.
        unsafe {
            for (k, lane) in split(v).into_iter().enumerate() {
                Narrow::store(to[k], lane);
            }
        }
    }

    #[inline(always)]
    unsafe fn splat(value: u128) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_broadcast_i32x4(Narrow::hash(value)) }
    }

    #[inline(always)]
    unsafe fn gather(values: &[u128; MOST_LANES]) -> __m512i {
        // SAFETY: as above.
        unsafe {
            join([
                Narrow::hash(values[0]),
                Narrow::hash(values[1]),
                Narrow::hash(values[2]),
                Narrow::hash(values[3]),
            ])
        }
    }

    #[inline(always)]
    unsafe fn keep_each(v: __m512i, lens: &[usize; MOST_LANES]) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let mut kept = 0;
            for (k, len) in lens.iter().enumerate() {
                kept |= u64::from(ones(*len)) << (16 * k);
            }
            _mm512_maskz_mov_epi8(kept, v)
        }
    }

    #[inline(always)]
    unsafe fn multiply_same(sum: Product, x: __m512i, h: *const Block) -> Product {
        // SAFETY: as above.
        unsafe {
            let sums = _mm512_broadcast_i32x4(Narrow::load(h.add(size_of::<Self::Powers>() / 16).cast()));
            multiply(sum, x, _mm512_broadcast_i32x4(Narrow::load(h.cast())), sums)
        }
    }

    #[inline(always)]
    unsafe fn multiply_each(sum: Product, x: __m512i, h: &[*const Block; MOST_LANES]) -> Product {
        // SAFETY: as above.
        unsafe {
            let sums = h.map(|h| h.add(size_of::<Self::Powers>() / 16).cast());
            multiply(sum, x, Self::load_blocks(&h.map(<*const Block>::cast)), Self::load_blocks(&sums))
        }
    }

    #[inline(always)]
    unsafe fn reduce_each(sum: Product) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let polynomial =
                _mm512_broadcast_i32x4(_mm_set_epi64x(0, 0xc200_0000_0000_0000u64.cast_signed()));
            let [low, high] = halves(sum);
            let low = _mm512_xor_si512(
                _mm512_shuffle_epi32::<0x4e>(low),
                _mm512_clmulepi64_epi128::<0x00>(low, polynomial),
            );
            _mm512_xor_si512(
                _mm512_xor_si512(high, _mm512_clmulepi64_epi128::<0x00>(low, polynomial)),
                _mm512_shuffle_epi32::<0x4e>(low),
            )
        }
    }
}

/// Adds the lane-wise products of `x` and `h`; `sums` holds the sums of the halves of `h`.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn multiply(sum: Product, x: __m512i, h: __m512i, sums: __m512i) -> Product {
    let x_sum = _mm512_xor_si512(x, _mm512_shuffle_epi32::<0x4e>(x));
    Product {
        low: _mm512_xor_si512(sum.low, _mm512_clmulepi64_epi128::<0x00>(x, h)),
        middle: _mm512_xor_si512(sum.middle, _mm512_clmulepi64_epi128::<0x00>(x_sum, sums)),
        high: _mm512_xor_si512(sum.high, _mm512_clmulepi64_epi128::<0x11>(x, h)),
    }
}

/// [`multiply`] for two vectors, whose middle factors share one vector, as those of the powers do.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn multiply_two(sum: Product, x: [__m512i; 2], h: [__m512i; 2], sums: __m512i) -> Product {
    let x_sums = _mm512_xor_si512(_mm512_unpacklo_epi64(x[0], x[1]), _mm512_unpackhi_epi64(x[0], x[1]));
    let add = |sum, a, b| _mm512_ternarylogic_epi64::<0x96>(sum, a, b);
    Product {
        low: add(
            sum.low,
            _mm512_clmulepi64_epi128::<0x00>(x[0], h[0]),
            _mm512_clmulepi64_epi128::<0x00>(x[1], h[1]),
        ),
        middle: add(
            sum.middle,
            _mm512_clmulepi64_epi128::<0x00>(x_sums, sums),
            _mm512_clmulepi64_epi128::<0x11>(x_sums, sums),
        ),
        high: add(
            sum.high,
            _mm512_clmulepi64_epi128::<0x11>(x[0], h[0]),
            _mm512_clmulepi64_epi128::<0x11>(x[1], h[1]),
        ),
    }
}

/// Joins four lanes into a vector.
#[inline]
#[target_feature(enable = "avx512f")]
fn join(lanes: [__m128i; 4]) -> __m512i {
    let low = _mm256_set_m128i(lanes[1], lanes[0]);
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), _mm256_set_m128i(lanes[3], lanes[2]))
}

/// Splits a vector into its lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn split(v: __m512i) -> [__m128i; 4] {
    let (low, high) = (_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
    [
        _mm256_castsi256_si128(low),
        _mm256_extracti128_si256::<1>(low),
        _mm256_castsi256_si128(high),
        _mm256_extracti128_si256::<1>(high),
    ]
}

/// A mask with ones for the first `len` bytes of a lane.
#[inline]
fn ones(len: usize) -> u16 {
    ((1u32 << len) - 1) as u16
}
