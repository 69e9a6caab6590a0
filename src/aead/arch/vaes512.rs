//! VAES and VPCLMULQDQ on 512-bit vectors, for CPUs with both and AVX-512 (Ice Lake, Zen 4 and later).

use core::arch::x86_64::*;

use super::aesni::{self as narrow, AesNi as Narrow};
use super::vaes256::Vaes256 as Narrower;
use crate::aead::block::lengths;
use crate::aead::edge::ManyLanes;
use crate::aead::key::{self, Key};
use crate::aead::lanes::{Block, Doubling, Lanes, MOST_LANES};
use crate::aead::{Error, Message, Nonce, Tag, batch, kernel};

#[derive(Clone, Copy)]
pub(super) struct Vaes512;

super::x86_backend!(
    Vaes512,
    "vaes512",
    by_lanes,
    ["avx512f", "avx512bw", "avx512vl", "vaes", "vpclmulqdq", "aes", "pclmulqdq", "bmi2"]
);

/// Low, middle and high part of a sum of products, in each lane.
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
    const TAIL_VECTORS: usize = 9;
    const LEAST_TAIL: usize = 2;
    const TURN_VECTORS: usize = 6;
    const LONG_TURN_VECTORS: usize = 8;
    const LONG: usize = 4096 + 16;
    const HELD_VECTORS: usize = 6;
    const APART_VECTORS: usize = 7;
    const EARLY: [bool; 2] = [true, false];
    const CACHES_ROUNDS: bool = true;
    type Power = Block;
    type Powers = [Block; 32 + 3];
    type Sums = [Block; 4];
    type Vector = __m512i;
    type State = __m512i;
    type RoundKey = __m128i;
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
    unsafe fn counters(first: u32) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let first = _mm512_broadcast_i32x4(_mm_cvtsi32_si128(first.cast_signed()));
            let counters = _mm512_set_epi32(0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0);
            Self::elements(_mm512_add_epi32(first, counters))
        }
    }

    #[inline(always)]
    unsafe fn base(nonce: &Nonce, key: &__m128i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_broadcast_i32x4(Narrow::base(nonce, key)) }
    }

    #[inline(always)]
    unsafe fn start(base: __m512i, counters: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_xor_si512(base, counters) }
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
    unsafe fn again(at: *mut u8) -> *mut u8 {
        let mut nothing = 0usize;
        // SAFETY: emits no instruction and leaves the value unchanged.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) nothing, options(nomem, nostack, preserves_flags));
        }
        at.wrapping_add(nothing)
    }

    #[inline(always)]
    unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_xor_si512(a, b) }
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
    unsafe fn multiply(sum: &mut Product, x: __m512i, h: *const Block) {
        // SAFETY: as above.
        unsafe { *sum = multiply(*sum, x, Self::load(h.cast())) }
    }

    #[inline(always)]
    unsafe fn multiply_ends(sum: &mut Product, x: __m512i, h: [*const Block; 2]) {
        // SAFETY: as above.
        unsafe {
            let h = _mm256_set_m128i(Narrow::load(h[1].cast()), Narrow::load(h[0].cast()));
            *sum = multiply(*sum, x, _mm512_zextsi256_si512(h));
        }
    }

    #[inline(always)]
    unsafe fn multiply_two(sum: &mut Product, x: [__m512i; 2], h: *const Block) {
        // SAFETY: as above.
        unsafe { *sum = multiply_two(*sum, x, [Self::load(h.cast()), Self::load(h.add(4).cast())]) }
    }

    #[inline(always)]
    unsafe fn multiply_two_lean(sum: &mut Product, x: [__m512i; 2], h: *const Block) {
        // SAFETY: as above.
        unsafe {
            let h = [Self::load(h.cast()), Self::load(h.add(4).cast())];
            *sum = multiply_turn(*sum, x, h, half_sums(h));
        }
    }

    #[inline(always)]
    unsafe fn settle(sum: &mut Product) {
        // SAFETY: as above.
        sum.middle = unsafe { add3(sum.low, sum.middle, sum.high) };
    }

    #[inline(always)]
    unsafe fn multiply_turn(sum: &mut Product, x: [__m512i; 2], h: *const Block, sums: *const Block) {
        // SAFETY: as above.
        unsafe {
            let h = [splat(h), splat(h.add(4))];
            *sum = multiply_turn(*sum, x, h, splat(sums));
        }
    }

    #[inline(always)]
    unsafe fn carry(sum: &Product) -> __m512i {
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
    unsafe fn add_hashes(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::add(a, b) }
    }

    #[inline(always)]
    unsafe fn lift(hash: __m128i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_zextsi128_si512(hash) }
    }

    #[inline(always)]
    unsafe fn add_at(v: __m512i, lane: usize, hash: __m128i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_mask_xor_epi64(v, 3 << (2 * lane), v, _mm512_broadcast_i32x4(hash)) }
    }

    #[inline(always)]
    unsafe fn tag(hash: __m128i, mask: __m512i) -> __m128i {
        // SAFETY: as above.
        unsafe { Narrow::tag(hash, _mm512_castsi512_si128(mask)) }
    }

    #[inline(always)]
    unsafe fn shorter<const ROUNDS: usize, const SEAL: bool>(
        keys: &[__m128i],
        powers: [*const Self::Power; 2],
        nonce: &Nonce,
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Option<__m128i> {
        // SAFETY: as above; the message has at most one block.
        unsafe {
            if in_out.len() > 16 {
                return None;
            }
            Some(one_block::<ROUNDS, SEAL>(keys, powers, nonce, aad, in_out))
        }
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

    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn carryless(x: __m512i, y: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_clmulepi64_epi128::<0x00>(x, y) }
    }
}

impl Doubling for Vaes512 {
    #[inline(always)]
    unsafe fn first_powers(h: __m128i) -> [__m512i; 2] {
        // SAFETY: as above.
        unsafe {
            let one = _mm512_broadcast_i32x4(h);
            let two = square(one);
            let four = square(two);
            let (three_four, one_two) = (
                _mm512_mask_mov_epi64(Self::times(two, one), 0x03, four),
                _mm512_mask_mov_epi64(one, 0x30, two),
            );
            [_mm512_mask_mov_epi64(three_four, 0xf0, one_two), four]
        }
    }

    #[inline(always)]
    unsafe fn double(power: __m512i, _: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { square(power) }
    }

    #[inline(always)]
    unsafe fn store_half_sums(to: *mut Block, [a, b]: [__m512i; 2]) {
        // SAFETY: as above.
        unsafe { Narrow::store_half_sums(to, [_mm512_castsi512_si128(a), _mm512_castsi512_si128(b)]) }
    }

    #[inline(always)]
    unsafe fn times(v: __m512i, h: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let v_sum = Self::add(v, _mm512_shuffle_epi32::<0x4e>(v));
            let h_sum = Self::add(h, _mm512_shuffle_epi32::<0x4e>(h));
            Self::carry(&Product {
                low: _mm512_clmulepi64_epi128::<0x00>(v, h),
                middle: _mm512_clmulepi64_epi128::<0x00>(v_sum, h_sum),
                high: _mm512_clmulepi64_epi128::<0x11>(v, h),
            })
        }
    }
}

/// The square of each lane: its two middle products are equal and add up to nothing.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn square(v: __m512i) -> __m512i {
    let (low, high) = (_mm512_clmulepi64_epi128::<0x00>(v, v), _mm512_clmulepi64_epi128::<0x11>(v, v));
    fold(Product { low, middle: _mm512_setzero_si512(), high })
}

/// Encrypts or decrypts a message of at most one block, and returns its tag. With J0 it fills a vector of two
/// lanes: its sums are sooner added up than those of four.
///
/// # Safety
/// The CPU has the features; message and AAD have at most 16 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vaes,vpclmulqdq,aes,pclmulqdq,bmi2")]
unsafe fn one_block<const ROUNDS: usize, const SEAL: bool>(
    keys: &[__m128i],
    [power, powers]: [*const <Vaes512 as Lanes>::Power; 2],
    nonce: &Nonce,
    aad: &[u8],
    in_out: &mut [u8],
) -> __m128i {
    let (at, bytes) = (in_out.as_mut_ptr().wrapping_sub(16).cast(), u32::from(ones(in_out.len())) << 16);
    // SAFETY: the features are those of these lanes too; the mask keeps every access inside the message; the
    // powers are those of its blocks.
    unsafe {
        let numbers = _mm256_set_epi32(2 << 24, 0, 0, 0, 1 << 24, 0, 0, 0);
        let mut state = Narrower::start(Narrower::base(nonce, &keys[0]), numbers);
        for key in &keys[1..ROUNDS] {
            state = Narrower::round(state, key);
        }
        let data = _mm256_maskz_loadu_epi8(bytes, at);
        let out = Narrower::finish(state, &keys[ROUNDS], data);
        _mm256_mask_storeu_epi8(at, bytes, out);
        let ciphertext = if SEAL { _mm256_maskz_mov_epi8(bytes, out) } else { data };
        let before = Narrower::lift(Vaes512::element(aad));
        let x = Narrower::add(Narrower::elements(ciphertext), before);
        let lengths = Narrow::hash(lengths(aad.len(), in_out.len()));
        let mut sum = Narrower::no_product();
        Narrower::multiply_one(&mut sum, lengths, power);
        Narrower::multiply(&mut sum, x, powers);
        Narrower::tag(Narrower::reduce(&sum), out)
    }
}

/// A mask with ones for the bytes `start..end`.
#[inline]
#[target_feature(enable = "bmi2")]
fn mask(start: usize, end: usize) -> u64 {
    _bzhi_u64(u64::MAX << start, end as u32)
}

/// Reduces each lane: adding word 0, then word 1, times the polynomial clears them (Montgomery).
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn fold(sum: Product) -> __m512i {
    let polynomial = _mm512_broadcast_i32x4(_mm_set_epi64x(0, 0xc200_0000_0000_0000u64.cast_signed()));
    let folded = _mm512_clmulepi64_epi128::<0x00>(sum.low, polynomial);
    let middle = add3(sum.middle, folded, _mm512_shuffle_epi32::<0x4e>(sum.low));
    let folded = _mm512_clmulepi64_epi128::<0x00>(middle, polynomial);
    add3(sum.high, folded, _mm512_shuffle_epi32::<0x4e>(middle))
}

/// The sum of three vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn add3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// A block in every lane.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn splat(block: *const Block) -> __m512i {
    // SAFETY: the caller's contract: there is a block.
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(block.cast())) }
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
    const LANE_BYTES: usize = 64;
    const ROW_VECTORS: usize = 4;
    const MIXES: bool = true;

    #[inline(always)]
    unsafe fn bases(nonces: &[*const u8; MOST_LANES], key: &__m128i) -> __m512i {
        // SAFETY: as above; these are nonces.
        unsafe {
            join([
                Narrow::base(&*nonces[0].cast(), key),
                Narrow::base(&*nonces[1].cast(), key),
                Narrow::base(&*nonces[2].cast(), key),
                Narrow::base(&*nonces[3].cast(), key),
            ])
        }
    }

    #[inline(always)]
    unsafe fn splat_lane(s: __m512i, k: usize) -> __m512i {
        // SAFETY: as above.
        unsafe {
            match k {
                0 => _mm512_shuffle_i32x4::<0x00>(s, s),
                1 => _mm512_shuffle_i32x4::<0x55>(s, s),
                2 => _mm512_shuffle_i32x4::<0xaa>(s, s),
                _ => _mm512_shuffle_i32x4::<0xff>(s, s),
            }
        }
    }

    #[inline(always)]
    unsafe fn transpose(sums: &[Product; MOST_LANES]) -> Product {
        // SAFETY: as above.
        unsafe {
            let [a, b, c, d] = *sums;
            Product {
                low: transpose([a.low, b.low, c.low, d.low]),
                middle: transpose([a.middle, b.middle, c.middle, d.middle]),
                high: transpose([a.high, b.high, c.high, d.high]),
            }
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
    unsafe fn multiply_same(sum: &mut Product, x: __m512i, h: *const Block) {
        // SAFETY: as above.
        unsafe { *sum = multiply(*sum, x, splat(h)) }
    }

    #[inline(always)]
    unsafe fn multiply_each(sum: &mut Product, x: __m512i, h: &[*const Block; MOST_LANES]) {
        // SAFETY: as above.
        unsafe { *sum = multiply(*sum, x, Self::load_blocks(&h.map(<*const Block>::cast))) }
    }

    #[inline(always)]
    unsafe fn reduce_each(sum: &Product) -> __m512i {
        // SAFETY: as above.
        unsafe { fold(*sum) }
    }
}

/// Adds the lane-wise products of `x` and `h`: four, because additions of three vectors make the fourth
/// cheaper than the sums that would spare it.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn multiply(sum: Product, x: __m512i, h: __m512i) -> Product {
    Product {
        low: _mm512_xor_si512(sum.low, _mm512_clmulepi64_epi128::<0x00>(x, h)),
        middle: add3(
            sum.middle,
            _mm512_clmulepi64_epi128::<0x01>(x, h),
            _mm512_clmulepi64_epi128::<0x10>(x, h),
        ),
        high: _mm512_xor_si512(sum.high, _mm512_clmulepi64_epi128::<0x11>(x, h)),
    }
}

/// [`multiply`] for two vectors.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn multiply_two(sum: Product, x: [__m512i; 2], h: [__m512i; 2]) -> Product {
    let crossed =
        |sum, x, h| add3(sum, _mm512_clmulepi64_epi128::<0x01>(x, h), _mm512_clmulepi64_epi128::<0x10>(x, h));
    Product {
        low: add3(
            sum.low,
            _mm512_clmulepi64_epi128::<0x00>(x[0], h[0]),
            _mm512_clmulepi64_epi128::<0x00>(x[1], h[1]),
        ),
        middle: crossed(crossed(sum.middle, x[0], h[0]), x[1], h[1]),
        high: add3(
            sum.high,
            _mm512_clmulepi64_epi128::<0x11>(x[0], h[0]),
            _mm512_clmulepi64_epi128::<0x11>(x[1], h[1]),
        ),
    }
}

/// The sums of the halves of two vectors, lane by lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn half_sums(v: [__m512i; 2]) -> __m512i {
    _mm512_xor_si512(_mm512_unpacklo_epi64(v[0], v[1]), _mm512_unpackhi_epi64(v[0], v[1]))
}

/// [`multiply_two`] by Karatsuba's method: the middle factors of both vectors share one, as those of the
/// powers do in `sums`. The low and the high sum are still to be added to the middle one.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn multiply_turn(sum: Product, x: [__m512i; 2], h: [__m512i; 2], sums: __m512i) -> Product {
    let x_sums = half_sums(x);
    Product {
        low: add3(
            sum.low,
            _mm512_clmulepi64_epi128::<0x00>(x[0], h[0]),
            _mm512_clmulepi64_epi128::<0x00>(x[1], h[1]),
        ),
        middle: add3(
            sum.middle,
            _mm512_clmulepi64_epi128::<0x00>(x_sums, sums),
            _mm512_clmulepi64_epi128::<0x11>(x_sums, sums),
        ),
        high: add3(
            sum.high,
            _mm512_clmulepi64_epi128::<0x11>(x[0], h[0]),
            _mm512_clmulepi64_epi128::<0x11>(x[1], h[1]),
        ),
    }
}

/// In each lane, the sum of the lanes of one vector.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(v: [__m512i; 4]) -> __m512i {
    let add = |a, b| _mm512_xor_si512(_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0xee>(a, b));
    let (a, b) = (add(v[0], v[1]), add(v[2], v[3]));
    _mm512_xor_si512(_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0xdd>(a, b))
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
