//! The operations that a kernel needs from a CPU, on vectors of one, two or four blocks.
//!
//! [`kernel`](super::kernel) is written once over [`Lanes`]; the functions of [`Edge`](super::edge::Edge)
//! carry a backend's target features. GHASH is computed in the bit order of POLYVAL (RFC 8452, appendix A):
//! blocks are byte-reversed, H is multiplied by x once, and products can then be reduced without bit
//! reversals.

use subtle::ConstantTimeEq;

use super::{Nonce, TAG_LEN};

/// One block in memory order.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
pub(super) struct Block(pub [u8; 16]);

/// A type for which all-zero bytes are a valid value and which owns nothing, so that overwriting wipes it.
///
/// # Safety
/// The implementor is an integer, a SIMD vector of integers, or an array or a struct of those.
pub(super) unsafe trait Plain: Copy + Send + Sync {}

// SAFETY: bytes.
unsafe impl Plain for Block {}
// SAFETY: an array of such values.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The vector operations of one kind of CPU.
///
/// # Safety
/// One contract covers all methods: they are called only, inlined, from a function that carries the backend's
/// target features ([`Edge`](super::edge::Edge)), and so only on a CPU that has them. Methods that take a
/// pointer read or write [`BLOCKS`](Self::BLOCKS) blocks there, at any alignment, and the caller owns that
/// memory.
pub(super) trait Lanes: Copy + Send + Sync + Sized + 'static {
    /// Blocks in a vector.
    const BLOCKS: usize;
    /// The registers that its AES and carry-less multiply instructions use, as a trace names them; `None` if
    /// it uses no such instructions.
    const WIDTH: Option<&'static str>;
    /// The most vectors in the last pass of a message, at most 9.
    const TAIL_VECTORS: usize;
    /// The number of vector registers of the CPU: for probes, and for what a last pass has in flight.
    const REGISTERS: usize = 16;
    /// The most vectors in a message that the entry processes itself.
    const ENTRY_VECTORS: usize = 1;
    /// The least vectors that turns leave for the last pass. After a turn, each lane has a sum of its own, if
    /// [`multiply_turn`](Self::multiply_turn) takes the same power for every lane; so each of the
    /// [`BLOCKS`](Self::BLOCKS) blocks that follow must be there, where the lengths are one of them.
    const LEAST_TAIL: usize = 1;
    /// Vectors in a turn, which ends with a reduction; a seal has all of them in flight at once.
    const TURN_VECTORS: usize;
    /// Vectors that an open has in flight at once: fewer on CPUs with few registers.
    const STEP_VECTORS: usize = Self::TURN_VECTORS;
    /// Vectors in a turn of a long message, of more than [`LONG`](Self::LONG) bytes.
    const LONG_TURN_VECTORS: usize = Self::TURN_VECTORS;
    /// The most bytes in a message that is not long.
    const LONG: usize = 0;
    /// The most vectors of ciphertext that stay in registers until they are hashed. More are read again.
    const HELD_VECTORS: usize = 0;
    /// J0 has a vector of its own if the other blocks of a message fill their vectors, and there are no more
    /// of these than this number: the AAD that precedes the blocks and the lengths that follow are then
    /// multiplied while the blocks are in AES. At most 8.
    const APART_VECTORS: usize = 0;
    /// Whether the products of a turn begin with its first round, in an open and in a seal: which is quicker
    /// depends on how the compiler allocates registers.
    const EARLY: [bool; 2] = [false; 2];
    /// Whether the first two rounds of a long message are cached
    /// ([`RoundCache`](super::round_cache::RoundCache)).
    const CACHES_ROUNDS: bool;
    /// Whether states go through AES round by round, with multiplies between the rounds; otherwise the kernel
    /// calls [`all_rounds`](Self::all_rounds) and multiplies before or after it.
    const INTERLEAVES: bool = true;
    /// The stored form of a power of H.
    type Power: Plain;
    /// Powers of H, highest first, then [`BLOCKS`](Self::BLOCKS) - 1 blocks of zeros. Their number limits the
    /// blocks between two reductions.
    type Powers: Plain;
    /// Stored with the powers: nothing, or sums of halves for [`multiply_turn`](Self::multiply_turn).
    type Sums: Plain;
    /// Blocks in memory order, or field elements, one in each lane.
    type Vector: Copy;
    /// Blocks inside AES.
    type State: Copy;
    /// One round key, usable for every lane.
    type RoundKey: Plain;
    /// A sum of unreduced products.
    type Product: Copy;
    /// One field element.
    type Hash: Copy;

    /// Reads a vector.
    unsafe fn load(from: *const u8) -> Self::Vector;
    /// Writes a vector.
    unsafe fn store(to: *mut u8, v: Self::Vector);
    /// Reads bytes `start..end` of the vector at `from`, and no others; the rest is zero. `start` is 0 or 16.
    unsafe fn load_part(from: *const u8, start: usize, end: usize) -> Self::Vector;
    /// Writes bytes `start..end` of the vector at `to`, and no others. `start` is 0 or 16.
    unsafe fn store_part(to: *mut u8, start: usize, end: usize, v: Self::Vector);
    /// Keeps bytes `start..end`; the rest becomes zero. `start` is 0 or 16.
    unsafe fn keep(v: Self::Vector, start: usize, end: usize) -> Self::Vector;

    /// Expands a key of `ROUNDS` rounds: writes `ROUNDS` + 1 round keys, the powers of H and their sums.
    unsafe fn expand<const ROUNDS: usize>(
        bytes: &[u8],
        round: *mut Self::RoundKey,
        powers: *mut Self::Powers,
        sums: *mut Self::Sums,
    );
    /// Prepares the key of round `round`, given as a little-endian integer; round 0 is the whitening.
    unsafe fn round_key(key: u128, round: usize) -> Self::RoundKey;
    /// The counter blocks with the number `first` and the following ones, without their nonce; the number
    /// wraps at 2^32 (SP 800-38D, 6.2).
    unsafe fn counters(first: u32) -> Self::Vector;
    /// Counter blocks without their number, with the first round key added.
    unsafe fn base(nonce: &Nonce, key: &Self::RoundKey) -> Self::State;
    /// Adds counter blocks without their nonce to such a state.
    unsafe fn start(base: Self::State, counters: Self::Vector) -> Self::State;
    /// Starts AES: adds the first round key.
    unsafe fn whiten(v: Self::Vector, key: &Self::RoundKey) -> Self::State;
    /// One full round.
    unsafe fn round(s: Self::State, key: &Self::RoundKey) -> Self::State;
    /// Takes whitened states through all rounds before [`finish`](Self::finish). Called only if
    /// [`INTERLEAVES`](Self::INTERLEAVES) is false.
    unsafe fn all_rounds<const V: usize, const ROUNDS: usize>(
        _: &mut [Self::State; V],
        _: &[Self::RoundKey],
    ) {
        unreachable!("states go round by round")
    }
    /// The sum of two states at the same round of AES. Called only if [`CACHES_ROUNDS`](Self::CACHES_ROUNDS)
    /// is true.
    unsafe fn add_states(_: Self::State, _: Self::State) -> Self::State {
        unreachable!("no states are cached")
    }
    /// The last round of AES; the result is added to `data`.
    unsafe fn finish(s: Self::State, key: &Self::RoundKey, data: Self::Vector) -> Self::Vector;
    /// Emits no instruction: keeps the compiler from moving the computation of these values across it.
    unsafe fn fence(s: &mut Self::State, sum: &mut Self::Product);

    /// The same address. A backend may keep the compiler from knowing that, so that it reads again what lies
    /// there.
    #[inline(always)]
    unsafe fn again(at: *mut u8) -> *mut u8 {
        at
    }

    /// Adds vectors.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Turns blocks into field elements: reverses the bytes of each lane.
    unsafe fn elements(v: Self::Vector) -> Self::Vector;
    /// An empty sum of products.
    unsafe fn no_product() -> Self::Product;
    /// Adds the lane-wise products of elements and the powers at `h`, which points into a key's table.
    unsafe fn multiply(sum: &mut Self::Product, x: Self::Vector, h: *const Self::Power);
    /// Adds the product of one element and the first power at `h`.
    #[inline(always)]
    unsafe fn multiply_one(sum: &mut Self::Product, x: Self::Hash, h: *const Self::Power) {
        // SAFETY: the same contract.
        unsafe { Self::multiply(sum, Self::lift(x), h) }
    }
    /// [`multiply`](Self::multiply) for two consecutive vectors.
    #[inline(always)]
    unsafe fn multiply_two(sum: &mut Self::Product, x: [Self::Vector; 2], h: *const Self::Power) {
        // SAFETY: the same contract; the second vector's powers follow the first's.
        unsafe {
            Self::multiply(sum, x[0], h);
            Self::multiply(sum, x[1], h.add(Self::BLOCKS));
        }
    }
    /// Adds the products of the first two lanes and a power each; the other lanes are zero. Called only if
    /// there are [`APART_VECTORS`](Self::APART_VECTORS).
    unsafe fn multiply_ends(_: &mut Self::Product, _: Self::Vector, _: [*const Self::Power; 2]) {
        unreachable!("J0 is in the first vector")
    }
    /// The same with fewer products, but more other instructions, if the CPU has registers for that. What
    /// was in the sum before the first of these calls is [settled](Self::settle) before it, and the sum is
    /// settled after the last one, before anything else is added.
    #[inline(always)]
    unsafe fn multiply_two_lean(sum: &mut Self::Product, x: [Self::Vector; 2], h: *const Self::Power) {
        // SAFETY: the same contract.
        unsafe { Self::multiply_two(sum, x, h) }
    }
    /// Adds the low and the high part of a sum to its middle, as
    /// [`multiply_two_lean`](Self::multiply_two_lean) needs it. Twice, it changes nothing.
    #[inline(always)]
    unsafe fn settle(_: &mut Self::Product) {}
    /// Adds the products of two vectors of a turn. Either all lanes of a vector are multiplied by the first
    /// of its powers at `h`, where `sums` are the sums of the halves of both; or each is multiplied by its
    /// own.
    unsafe fn multiply_turn(
        sum: &mut Self::Product,
        x: [Self::Vector; 2],
        h: *const Self::Power,
        sums: *const Block,
    );
    /// Reduces a turn's sum: to be added to the next vector.
    unsafe fn carry(sum: &Self::Product) -> Self::Vector;
    /// Reduces a sum of other products and adds up the lanes.
    unsafe fn reduce(sum: &Self::Product) -> Self::Hash;
    /// The element with these coefficients, the lowest power of x in the lowest bit.
    unsafe fn hash(coefficients: u128) -> Self::Hash;
    /// Up to 16 bytes, padded with zeros, as an element.
    unsafe fn element(bytes: &[u8]) -> Self::Hash;
    /// The coefficients of an element.
    unsafe fn coefficients(hash: Self::Hash) -> u128;
    /// The sum of two elements.
    unsafe fn add_hashes(a: Self::Hash, b: Self::Hash) -> Self::Hash;
    /// An element in the first lane, and zeros.
    unsafe fn lift(hash: Self::Hash) -> Self::Vector;
    /// Adds an element to the lane `lane`, not the first. Called only if there are several.
    unsafe fn add_at(_: Self::Vector, _: usize, _: Self::Hash) -> Self::Vector {
        unreachable!("there is one lane")
    }
    /// The tag: an element as a block, added to the first block of `mask`. The result is a block.
    unsafe fn tag(hash: Self::Hash, mask: Self::Vector) -> Self::Hash;
    /// Seals or opens a message of the entry for which shorter vectors are better, and returns its tag;
    /// `None` for all others. The AAD has at most 16 bytes. `powers` are those for the lengths, and for J0
    /// and the blocks before them.
    #[inline(always)]
    unsafe fn shorter<const ROUNDS: usize, const SEAL: bool>(
        _keys: &[Self::RoundKey],
        _powers: [*const Self::Power; 2],
        _: &Nonce,
        _aad: &[u8],
        _in_out: &mut [u8],
    ) -> Option<Self::Hash> {
        None
    }
    /// Whether a block is this tag. Compares all of it, in constant time.
    #[inline(always)]
    unsafe fn is_tag(block: Self::Hash, tag: &[u8; TAG_LEN]) -> bool {
        // SAFETY: the same contract.
        unsafe { Self::coefficients(block).ct_eq(&u128::from_le_bytes(*tag)).into() }
    }
    /// Writes a block.
    unsafe fn store_block(to: &mut [u8; 16], block: Self::Hash);

    /// One multiply in each lane: the carry-less product of the low words. For probes, which chain it and
    /// exist only if [`INTERLEAVES`](Self::INTERLEAVES) is true.
    unsafe fn carryless(_: Self::Vector, _: Self::Vector) -> Self::Vector {
        unreachable!("this backend has no probes")
    }
}

/// The operations that compute powers by doubling: powers are stored as blocks and computed a vector at a
/// time.
///
/// # Safety
/// As for [`Lanes`].
pub(super) trait Doubling: Lanes<Power = Block> {
    /// A vector of powers that ends with H^1, and a vector with its first power in every lane.
    unsafe fn first_powers(h: Self::Hash) -> [Self::Vector; 2];
    /// H^(2n) in every lane, made of `power`, which is H^n in every lane, or of `v`, which begins with
    /// H^(2n): whichever is known sooner.
    unsafe fn double(power: Self::Vector, v: Self::Vector) -> Self::Vector;
    /// Writes the sums of the halves of two blocks, the first lanes of two vectors.
    unsafe fn store_half_sums(to: *mut Block, two: [Self::Vector; 2]);
    /// The product of each pair of lanes, reduced.
    unsafe fn times(v: Self::Vector, h: Self::Vector) -> Self::Vector;
}

/// The maximum number of blocks in a vector of any backend.
pub(super) const MOST_LANES: usize = 4;
