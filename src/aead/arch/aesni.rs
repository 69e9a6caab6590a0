//! AES-NI and PCLMULQDQ on 128-bit vectors, for any x86-64 CPU with both (since 2010).

use core::arch::x86_64::*;

use crate::aead::key::{self, Key};
use crate::aead::lanes::{Block, Doubling, Lanes, Plain};
use crate::aead::{Error, Nonce, Tag, block, kernel};

#[derive(Clone, Copy)]
pub(super) struct AesNi;

super::x86_backend!(AesNi, "aesni", one_by_one, ["sse2", "ssse3", "sse4.1", "aes", "pclmulqdq"]);

// SAFETY: a SIMD vector of integers.
unsafe impl Plain for __m128i {}

/// Low, middle (Karatsuba: of the sums of the halves) and high part of a sum of products.
#[derive(Clone, Copy)]
pub(super) struct Product {
    low: __m128i,
    middle: __m128i,
    high: __m128i,
}

// SAFETY of every block here: the contract of `Lanes`: the caller carries the features and owns the memory.
impl Lanes for AesNi {
    const BLOCKS: usize = 1;
    const WIDTH: Option<&'static str> = Some("xmm");
    const TAIL_VECTORS: usize = 8;
    const TURN_VECTORS: usize = 8;
    const EARLY: [bool; 2] = [false, true];
    const CACHES_ROUNDS: bool = true;
    type Power = Block;
    type Powers = [Block; 9];
    type Sums = [Block; 4];
    type Vector = __m128i;
    type State = __m128i;
    type RoundKey = __m128i;
    type Product = Product;
    type Hash = __m128i;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_loadu_si128(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, v: __m128i) {
        // SAFETY: as above.
        unsafe { _mm_storeu_si128(to.cast(), v) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, start: usize, end: usize) -> __m128i {
        // SAFETY: as above; the slice is the requested part.
        unsafe {
            match (start, end) {
                (0, 16) => Self::load(from),
                (0, end) => Self::hash(block::short_block(core::slice::from_raw_parts(from, end))),
                _ => _mm_setzero_si128(),
            }
        }
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut u8, start: usize, end: usize, v: __m128i) {
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
    unsafe fn keep(v: __m128i, start: usize, end: usize) -> __m128i {
        // Reads a mask with `end` bytes of ones from a table at a public offset.
        const ONES_THEN_ZEROS: [u8; 32] = {
            let mut table = [0; 32];
            let mut i = 0;
            while i < 16 {
                table[i] = 0xff;
                i += 1;
            }
            table
        };
        // SAFETY: as above; `end` is at most 16, so 16 bytes can be read.
        unsafe {
            if start == 16 {
                return _mm_setzero_si128();
            }
            _mm_and_si128(v, Self::load(ONES_THEN_ZEROS[16 - end..].as_ptr()))
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
        unsafe { key::double_powers::<Self>(schedule::<ROUNDS>(bytes, round), powers, sums) }
    }

    #[inline(always)]
    unsafe fn round_key(key: u128, _: usize) -> __m128i {
        // SAFETY: as above.
        unsafe { Self::hash(key) }
    }

    #[inline(always)]
    unsafe fn counters(first: u32) -> __m128i {
        // SAFETY: as above.
        unsafe { Self::elements(_mm_cvtsi32_si128(first.cast_signed())) }
    }

    #[inline(always)]
    unsafe fn base(nonce: &Nonce, key: &__m128i) -> __m128i {
        // SAFETY: as above.
        unsafe {
            // Two loads that a caller's stores of such a shape are forwarded to.
            let low = _mm_loadl_epi64(nonce.as_ptr().cast());
            let high = nonce.as_ptr().add(8).cast::<i32>().read_unaligned();
            _mm_xor_si128(_mm_insert_epi32::<2>(low, high), *key)
        }
    }

    #[inline(always)]
    unsafe fn start(base: __m128i, counters: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_xor_si128(base, counters) }
    }

    #[inline(always)]
    unsafe fn whiten(v: __m128i, key: &__m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_xor_si128(v, *key) }
    }

    #[inline(always)]
    unsafe fn round(s: __m128i, key: &__m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_aesenc_si128(s, *key) }
    }

    #[inline(always)]
    unsafe fn add_states(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_xor_si128(a, b) }
    }

    #[inline(always)]
    unsafe fn finish(s: __m128i, key: &__m128i, data: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_aesenclast_si128(s, _mm_xor_si128(*key, data)) }
    }

    #[inline(always)]
    unsafe fn fence(s: &mut __m128i, sum: &mut Product) {
        // SAFETY: no instruction.
        unsafe { fence(s, sum) }
    }

    #[inline(always)]
    unsafe fn add(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_xor_si128(a, b) }
    }

    #[inline(always)]
    unsafe fn elements(v: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_shuffle_epi8(v, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)) }
    }

    #[inline(always)]
    unsafe fn no_product() -> Product {
        // SAFETY: as above.
        let zero = unsafe { _mm_setzero_si128() };
        Product { low: zero, middle: zero, high: zero }
    }

    #[inline(always)]
    unsafe fn multiply(sum: &mut Product, x: __m128i, h: *const Block) {
        // SAFETY: as above.
        unsafe {
            let h = Self::load(h.cast());
            let x_sum = _mm_xor_si128(x, _mm_shuffle_epi32::<0x4e>(x));
            let h_sum = _mm_xor_si128(h, _mm_shuffle_epi32::<0x4e>(h));
            *sum = Product {
                low: _mm_xor_si128(sum.low, _mm_clmulepi64_si128::<0x00>(x, h)),
                middle: _mm_xor_si128(sum.middle, _mm_clmulepi64_si128::<0x00>(x_sum, h_sum)),
                high: _mm_xor_si128(sum.high, _mm_clmulepi64_si128::<0x11>(x, h)),
            };
        }
    }

    #[inline(always)]
    unsafe fn multiply_turn(sum: &mut Product, x: [__m128i; 2], h: *const Block, sums: *const Block) {
        // SAFETY: as above.
        unsafe {
            let sums = Self::load(sums.cast());
            let (h0, h1) = (Self::load(h.cast()), Self::load(h.add(1).cast()));
            let x_sums = _mm_xor_si128(_mm_unpacklo_epi64(x[0], x[1]), _mm_unpackhi_epi64(x[0], x[1]));
            *sum = Product {
                low: add3(
                    sum.low,
                    _mm_clmulepi64_si128::<0x00>(x[0], h0),
                    _mm_clmulepi64_si128::<0x00>(x[1], h1),
                ),
                middle: add3(
                    sum.middle,
                    _mm_clmulepi64_si128::<0x00>(x_sums, sums),
                    _mm_clmulepi64_si128::<0x11>(x_sums, sums),
                ),
                high: add3(
                    sum.high,
                    _mm_clmulepi64_si128::<0x11>(x[0], h0),
                    _mm_clmulepi64_si128::<0x11>(x[1], h1),
                ),
            };
        }
    }

    #[inline(always)]
    unsafe fn carry(sum: &Product) -> __m128i {
        // SAFETY: as above.
        unsafe { Self::reduce(sum) }
    }

    #[inline(always)]
    unsafe fn reduce(sum: &Product) -> __m128i {
        // SAFETY: as above.
        unsafe {
            // Adding word 0, then word 1, times the polynomial clears them (Montgomery).
            let polynomial = _mm_set_epi64x(0, 0xc200_0000_0000_0000u64.cast_signed());
            let middle = add3(sum.low, sum.middle, sum.high);
            let folded = _mm_clmulepi64_si128::<0x00>(sum.low, polynomial);
            let middle = add3(middle, _mm_shuffle_epi32::<0x4e>(sum.low), folded);
            let folded = _mm_clmulepi64_si128::<0x00>(middle, polynomial);
            add3(sum.high, _mm_shuffle_epi32::<0x4e>(middle), folded)
        }
    }

    #[inline(always)]
    unsafe fn hash(coefficients: u128) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_set_epi64x((coefficients >> 64) as i64, coefficients as i64) }
    }

    #[inline(always)]
    unsafe fn element(bytes: &[u8]) -> __m128i {
        // SAFETY: as above.
        unsafe { Self::hash(block::short_block(bytes).swap_bytes()) }
    }

    #[inline(always)]
    unsafe fn coefficients(hash: __m128i) -> u128 {
        // SAFETY: as above.
        unsafe {
            let (low, high) = (_mm_cvtsi128_si64(hash) as u64, _mm_extract_epi64::<1>(hash) as u64);
            u128::from(high) << 64 | u128::from(low)
        }
    }

    #[inline(always)]
    unsafe fn add_hashes(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { Self::add(a, b) }
    }

    #[inline(always)]
    unsafe fn lift(hash: __m128i) -> __m128i {
        hash
    }

    #[inline(always)]
    unsafe fn tag(hash: __m128i, mask: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_xor_si128(Self::elements(hash), mask) }
    }

    #[inline(always)]
    unsafe fn is_tag(block: __m128i, tag: &[u8; 16]) -> bool {
        // SAFETY: as above.
        unsafe {
            let difference = _mm_xor_si128(block, Self::load(tag.as_ptr()));
            _mm_testz_si128(difference, difference) == 1
        }
    }

    #[inline(always)]
    unsafe fn store_block(to: &mut [u8; 16], block: __m128i) {
        // SAFETY: as above.
        unsafe { Self::store(to.as_mut_ptr(), block) }
    }

    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn carryless(x: __m128i, y: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_clmulepi64_si128::<0x00>(x, y) }
    }
}

impl Doubling for AesNi {
    #[inline(always)]
    unsafe fn first_powers(h: __m128i) -> [__m128i; 2] {
        [h, h]
    }

    #[inline(always)]
    unsafe fn double(_: __m128i, v: __m128i) -> __m128i {
        v
    }

    #[inline(always)]
    unsafe fn store_half_sums(to: *mut Block, [a, b]: [__m128i; 2]) {
        // SAFETY: as above.
        unsafe { Self::store(to.cast(), _mm_xor_si128(_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b))) }
    }

    #[inline(always)]
    unsafe fn times(v: __m128i, h: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe {
            let mut product = Self::no_product();
            Self::multiply(&mut product, v, (&raw const h).cast());
            Self::reduce(&product)
        }
    }
}

/// Computes the round keys in registers, with the encryption of the zero block beside them, and returns H
/// times x, as an element (FIPS 197, 5.2; RFC 8452, appendix A).
///
/// # Safety The CPU has the features; `bytes` is a key for `ROUNDS` rounds, and `round` has a place for every
/// round key.
#[inline]
#[target_feature(enable = "sse2,ssse3,aes")]
pub(super) unsafe fn schedule<const ROUNDS: usize>(bytes: &[u8], round: *mut __m128i) -> __m128i {
    let mut s = _mm_setzero_si128();
    // Writes a round key and takes the zero block through its round.
    let mut put = |i: usize, key: __m128i| {
        // SAFETY: `i` is at most `ROUNDS`.
        unsafe { round.add(i).write(key) };
        s = match i {
            0 => key,
            i if i == ROUNDS => _mm_aesenclast_si128(s, key),
            _ => _mm_aesenc_si128(s, key),
        };
    };
    // SAFETY: the key has at least 16 bytes.
    let mut a = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    put(0, a);
    match ROUNDS {
        10 => {
            for i in 1..=10 {
                a = sub_rotated::<3>(a, RCON[i - 1], prefix_sums(a));
                put(i, a);
            }
        }
        12 => {
            // Six words at a time: `a` holds the first four of them, and the low half of `b` the last two.
            // SAFETY: the key has 24 bytes.
            let mut b = unsafe { _mm_loadl_epi64(bytes.as_ptr().add(16).cast()) };
            for i in 0..4 {
                let (next, last) = six_words(a, b, RCON[2 * i]);
                put(3 * i + 1, _mm_unpacklo_epi64(b, next));
                put(3 * i + 2, _mm_alignr_epi8::<8>(last, next));
                (a, b) = six_words(next, last, RCON[2 * i + 1]);
                put(3 * i + 3, a);
            }
        }
        _ => {
            // SAFETY: the key has 32 bytes.
            let mut b = unsafe { _mm_loadu_si128(bytes.as_ptr().add(16).cast()) };
            put(1, b);
            for i in 1..=7 {
                a = sub_rotated::<3>(b, RCON[i - 1], prefix_sums(a));
                put(2 * i, a);
                if i < 7 {
                    b = _mm_aesenclast_si128(_mm_shuffle_epi32::<0xff>(a), prefix_sums(b));
                    put(2 * i + 1, b);
                }
            }
        }
    }
    // SAFETY: the features are a part of the backend's.
    let h = unsafe { AesNi::elements(s) };
    // Each half doubled; the low half's carry goes up, the high half's into the polynomial. No branch.
    let carry = _mm_slli_si128::<8>(_mm_srli_epi64::<63>(h));
    let out = _mm_srai_epi32::<31>(_mm_shuffle_epi32::<0xff>(h));
    let polynomial = _mm_set_epi32(0xc200_0000u32.cast_signed(), 0, 0, 1);
    add3(_mm_add_epi64(h, h), carry, _mm_and_si128(out, polynomial))
}

/// Round constants (FIPS 197, table 5).
const RCON: [i32; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36];

/// Each word added to all words before it.
#[inline]
#[target_feature(enable = "sse2")]
fn prefix_sums(x: __m128i) -> __m128i {
    let x = _mm_xor_si128(x, _mm_slli_si128::<4>(x));
    _mm_xor_si128(x, _mm_slli_si128::<8>(x))
}

/// RotWord and SubWord of word `W`, with a round constant, added to every word of `to`. ShiftRows does not
/// change four equal columns, so the last round of AES does all but the rotation; what it adds as its key is
/// known before SubWord is.
#[inline]
#[target_feature(enable = "ssse3,aes")]
fn sub_rotated<const W: i32>(x: __m128i, constant: i32, to: __m128i) -> __m128i {
    let rotated = _mm_shuffle_epi8(x, _mm_set1_epi32(0x0404_0404 * W + 0x0003_0201));
    _mm_aesenclast_si128(rotated, _mm_xor_si128(to, _mm_set1_epi32(constant)))
}

/// The next six words of a 192-bit key's schedule: four, and two in a low half.
#[inline]
#[target_feature(enable = "ssse3,aes")]
fn six_words(a: __m128i, b: __m128i, constant: i32) -> (__m128i, __m128i) {
    let a = sub_rotated::<1>(b, constant, prefix_sums(a));
    (a, _mm_xor_si128(_mm_xor_si128(b, _mm_slli_si128::<4>(b)), _mm_shuffle_epi32::<0xff>(a)))
}

/// The sum of three vectors.
#[inline]
#[target_feature(enable = "sse2")]
fn add3(a: __m128i, b: __m128i, c: __m128i) -> __m128i {
    _mm_xor_si128(a, _mm_xor_si128(b, c))
}

/// A separate function, because `asm!` with vector operands needs the features on its own function.
#[inline]
#[target_feature(enable = "sse2")]
unsafe fn fence(s: &mut __m128i, sum: &mut Product) {
    // SAFETY: emits no instruction and leaves the values unchanged.
    unsafe {
        core::arch::asm!(
            "/* {0} {1} {2} {3} */", inout(xmm_reg) *s, inout(xmm_reg) sum.low,
            inout(xmm_reg) sum.middle, inout(xmm_reg) sum.high, options(nomem, nostack, preserves_flags)
        );
    }
}
