//! What a kernel needs of a CPU: a few operations on vectors of one, two or four blocks.
//!
//! [`kernel`](super::kernel) is written once over [`Lanes`]; [`Edge`](super::edge::Edge) is where a backend's
//! target features begin. GHASH is computed in the bit order of POLYVAL (RFC 8452, appendix A): blocks are
//! byte-reversed, H is multiplied by x once, and products then reduce without bit reversals.

use super::Tag;

/// One block as it lies in memory.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
pub(super) struct Block(pub [u8; 16]);

/// A type for which all-zero bytes are a value and which owns nothing: it can be wiped by overwriting.
///
/// # Safety
/// The implementor is an integer, a SIMD vector of integers, or an array or a struct of those.
pub(super) unsafe trait Plain: Copy + Send + Sync {}

// SAFETY: bytes.
unsafe impl Plain for Block {}
// SAFETY: an array of those.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The vector operations of one kind of CPU.
///
/// # Safety
/// One contract for all methods: they are only called, inlined, from a function that carries the backend's
/// target features ([`Edge`](super::edge::Edge)), and so only on a CPU that has them. Those that take a
/// pointer read or write [`BLOCKS`](Self::BLOCKS) blocks there, at any alignment, and the caller owns that
/// memory.
pub(super) trait Lanes: Copy + Send + Sync + Sized + 'static {
    /// Blocks in a vector.
    const BLOCKS: usize;
    /// The registers that its instructions for AES and carry-less multiplies work on, as a trace names them;
    /// none where it has no such instructions.
    const WIDTH: Option<&'static str>;
    /// Vectors that the last pass of a message takes at once, at most 8.
    const TAIL_VECTORS: usize;
    /// Vectors that the CPU's registers hold at once: for probes.
    const REGISTERS: usize = 16;
    /// Vectors in a turn of the bulk loop, which ends in a reduction: as many in flight at once as a seal
    /// has.
    const BULK_VECTORS: usize;
    /// Vectors that an open has in flight at once: fewer where registers are few.
    const BULK_OPEN_VECTORS: usize = Self::BULK_VECTORS;
    /// Vectors in flight between the bulk loop and the last pass.
    const GROUP_VECTORS: usize;
    /// Whether the first two rounds of a long message are remembered
    /// ([`RoundCache`](super::round_cache::RoundCache)).
    const CACHES_ROUNDS: bool;
    /// Whether states go through AES round by round, with multiplies between the rounds; else the kernel
    /// calls [`all_rounds`](Self::all_rounds), and multiplies before or after it.
    const INTERLEAVES: bool = true;
    /// What is kept of a power of H.
    type Power: Plain;
    /// Powers of H, highest first, then zeros for [`BLOCKS`](Self::BLOCKS) - 1 blocks: as many as a message
    /// is multiplied by between two reductions.
    type Powers: Plain;
    /// What is kept beside them: nothing, or of each the sums of its halves.
    type Sums: Plain;
    /// Blocks as they lie in memory, or field elements, one in each lane.
    type Vector: Copy;
    /// Blocks inside AES.
    type State: Copy;
    /// One round key, ready for every lane.
    type RoundKey: Plain;
    /// The next counter blocks.
    type Counter: Copy;
    /// A sum of unreduced products.
    type Product: Copy;
    /// One field element.
    type Hash: Copy;

    /// Reads a vector.
    unsafe fn load(from: *const u8) -> Self::Vector;
    /// Writes a vector.
    unsafe fn store(to: *mut u8, v: Self::Vector);
    /// Reads bytes `start..end` of the vector at `from`, and no other; the rest is zero. `start` is 0 or 16.
    unsafe fn load_part(from: *const u8, start: usize, end: usize) -> Self::Vector;
    /// Writes bytes `start..end` of the vector at `to`, and no other. `start` is 0 or 16.
    unsafe fn store_part(to: *mut u8, start: usize, end: usize, v: Self::Vector);
    /// Bytes `start..end`; the rest becomes zero. `start` is 0 or 16.
    unsafe fn keep(v: Self::Vector, start: usize, end: usize) -> Self::Vector;

    /// The AES S-box on each byte of a word, for the key schedule.
    unsafe fn sub_word(word: u32) -> u32;
    /// Prepares the key of round `round`, given as a little-endian integer; 0 is the whitening.
    unsafe fn round_key(key: u128, round: usize) -> Self::RoundKey;
    /// Counter blocks that begin with `first`, a block as a little-endian integer.
    unsafe fn counter(first: u128) -> Self::Counter;
    /// Hands out the next vector of counter blocks; the number wraps at 2^32 (SP 800-38D, 6.2).
    unsafe fn count(counter: &mut Self::Counter) -> Self::Vector;
    /// Enters AES: adds the first round key.
    unsafe fn whiten(v: Self::Vector, key: &Self::RoundKey) -> Self::State;
    /// One full round.
    unsafe fn round(s: Self::State, key: &Self::RoundKey) -> Self::State;
    /// Takes whitened states to where [`finish`](Self::finish) completes them. Only called where
    /// [`INTERLEAVES`](Self::INTERLEAVES) is false.
    unsafe fn all_rounds<const V: usize, const ROUNDS: usize>(
        _: &mut [Self::State; V],
        _: &[Self::RoundKey],
    ) {
        unreachable!("states go round by round")
    }
    /// The sum of two states at the same place in AES. Only called where
    /// [`CACHES_ROUNDS`](Self::CACHES_ROUNDS) is true.
    unsafe fn add_states(_: Self::State, _: Self::State) -> Self::State {
        unreachable!("no states are remembered")
    }
    /// The last round, out of AES, added to `data`.
    unsafe fn finish(s: Self::State, key: &Self::RoundKey, data: Self::Vector) -> Self::Vector;
    /// Carries no instruction: keeps the compiler from moving what makes these values across it.
    unsafe fn fence(s: &mut Self::State, sum: &mut Self::Product);

    /// Replaces the first block by one that is given as a little-endian integer.
    unsafe fn replace_first(v: Self::Vector, block: u128) -> Self::Vector;
    /// Turns blocks into field elements: reverses the bytes of each lane.
    unsafe fn elements(v: Self::Vector) -> Self::Vector;
    /// Writes the powers of H, given its coefficients, and what is kept beside them. What is there is zeros.
    unsafe fn keep_powers(powers: &mut Self::Powers, sums: &mut Self::Sums, h: u128);
    /// No products yet.
    unsafe fn no_product() -> Self::Product;
    /// Adds the lane-wise products of elements and the powers at `h`, which points into a key's table.
    unsafe fn multiply(sum: Self::Product, x: Self::Vector, h: *const Self::Power) -> Self::Product;
    /// [`multiply`](Self::multiply) for two vectors in a row.
    unsafe fn multiply_two(sum: Self::Product, x: [Self::Vector; 2], h: *const Self::Power) -> Self::Product;
    /// Adds the product of one element and the power at `h`.
    unsafe fn multiply_one(sum: Self::Product, x: Self::Hash, h: *const Self::Power) -> Self::Product;
    /// Adds up the lanes and reduces.
    unsafe fn reduce(sum: Self::Product) -> Self::Hash;
    /// The element with these coefficients, the lowest power of x in the lowest bit.
    unsafe fn hash(coefficients: u128) -> Self::Hash;
    /// Up to 16 bytes, the rest zero, as an element.
    unsafe fn element(bytes: &[u8]) -> Self::Hash;
    /// The coefficients of an element.
    unsafe fn coefficients(hash: Self::Hash) -> u128;
    /// Adds an element to the first lane.
    unsafe fn add_first(v: Self::Vector, hash: Self::Hash) -> Self::Vector;
    /// Writes the tag: an element as a block, added to the first block of `mask`.
    unsafe fn tag(tag: &mut Tag, hash: Self::Hash, mask: Self::Vector);

    /// One multiply in each lane: the carry-less product of the low words. For probes, which chain it, and
    /// which there are where [`INTERLEAVES`](Self::INTERLEAVES) is true.
    unsafe fn carryless(_: Self::Vector, _: Self::Vector) -> Self::Vector {
        unreachable!("there are no probes")
    }
}

/// What it takes to make powers by doubling: they are kept as blocks, a vector at a time.
///
/// # Safety
/// As [`Lanes`].
pub(super) trait Doubling: Lanes<Power = Block, Sums = <Self as Lanes>::Powers> {
    /// Adds vectors.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Each lane times the power at `h`, reduced: the powers that many places higher.
    unsafe fn raise(v: Self::Vector, h: *const Block) -> Self::Vector;
    /// What Karatsuba's middle product takes of each lane: in its low half the sum of the halves of `v`, in
    /// its high half that of `next`, the powers [`BLOCKS`](Self::BLOCKS) places lower.
    unsafe fn sums(v: Self::Vector, next: Self::Vector) -> Self::Vector;
}

/// The most blocks that a vector of any backend holds.
pub(super) const MOST_LANES: usize = 4;
