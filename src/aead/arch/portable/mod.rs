//! Plain integer arithmetic, for any CPU. Constant-time by construction, if the CPU multiplies integers in
//! constant time: no branch and no index depends on a key, a message or a hash.
//!
//! AES takes eight bitsliced blocks through all rounds at once, because converting blocks to slices and back
//! costs as much as a round. There are no intrinsics: the loops are written so that the compiler can
//! vectorise them.

use crate::aead::key::{self, Key, Words};
use crate::aead::lanes::{Block, Lanes};
use crate::aead::{Backend, Error, Nonce, Tag, block, kernel};

mod aes;
mod product;
mod sbox;

use aes::RoundKey;
use product::{Power, Product};

pub(super) const BACKEND: Backend = super::row::<Portable>("portable", &[]);

#[derive(Clone, Copy)]
pub(super) struct Portable;

super::edge!(Portable, one_by_one, true);

/// Little-endian blocks.
type Vector = [u128; 4];

/// Blocks inside AES.
#[derive(Clone, Copy)]
pub(super) enum State {
    /// Before a round.
    Within(Vector),
    /// After the last round.
    Through(Vector),
}

// All methods are safe code, except for accesses through pointers.
impl Lanes for Portable {
    const BLOCKS: usize = 4;
    const WIDTH: Option<&'static str> = None;
    const TAIL_VECTORS: usize = 4;
    const TURN_VECTORS: usize = 4;
    const CACHES_ROUNDS: bool = false;
    const INTERLEAVES: bool = false;
    type Power = Power;
    type Powers = [Power; 20 + 3];
    type Sums = [Block; 0];
    type Vector = Vector;
    type State = State;
    type RoundKey = RoundKey;
    type Product = Product;
    type Hash = u128;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Vector {
        // SAFETY: the contract of `Lanes`: four blocks can be read there.
        let bytes = unsafe { from.cast::<[[u8; 16]; 4]>().read_unaligned() };
        bytes.map(u128::from_le_bytes)
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, v: Vector) {
        // SAFETY: the contract of `Lanes`: four blocks can be written there.
        unsafe { to.cast::<[[u8; 16]; 4]>().write_unaligned(v.map(u128::to_le_bytes)) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, start: usize, end: usize) -> Vector {
        // SAFETY: the contract of `Lanes`: these bytes can be read.
        let part = unsafe { core::slice::from_raw_parts(from.wrapping_add(start), end - start) };
        let mut v = [0; 4];
        for (block, bytes) in v[start / 16..].iter_mut().zip(part.chunks(16)) {
            *block = block::short_block(bytes);
        }
        v
    }

    #[inline(always)]
    unsafe fn store_part(to: *mut u8, start: usize, end: usize, v: Vector) {
        // SAFETY: the contract of `Lanes`: these bytes can be written.
        let part = unsafe { core::slice::from_raw_parts_mut(to.wrapping_add(start), end - start) };
        for (block, bytes) in v[start / 16..].iter().zip(part.chunks_mut(16)) {
            block::store_short(bytes, *block);
        }
    }

    #[inline(always)]
    unsafe fn keep(mut v: Vector, start: usize, end: usize) -> Vector {
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
    unsafe fn expand<const ROUNDS: usize>(
        bytes: &[u8],
        round: *mut RoundKey,
        powers: *mut Self::Powers,
        _: *mut [Block; 0],
    ) {
        // SAFETY: the contract of `Lanes`: these places can be written.
        unsafe {
            let h = key::schedule::<Self, ROUNDS>(bytes, round);
            let of_h = Power::new(h);
            let mut power = h;
            powers.write_bytes(0, 1);
            for n in (0..Key::<Self>::POWERS).rev() {
                powers.cast::<Power>().add(n).write(Power::new(power));
                let mut next = Product::NONE;
                next.add(power, &of_h);
                power = next.reduce();
            }
        }
    }

    #[inline(always)]
    unsafe fn round_key(key: u128, round: usize) -> RoundKey {
        RoundKey::new(key, round)
    }

    #[inline(always)]
    unsafe fn counters(first: u32) -> Vector {
        let block = |i: u32| u128::from(first.wrapping_add(i).swap_bytes()) << 96;
        [block(0), block(1), block(2), block(3)]
    }

    #[inline(always)]
    unsafe fn base(nonce: &Nonce, key: &RoundKey) -> State {
        State::Within([block::short_block(nonce) ^ key.block(); 4])
    }

    #[inline(always)]
    unsafe fn start(base: State, counters: Vector) -> State {
        match base {
            State::Within(v) => State::Within(add(v, counters)),
            State::Through(_) => unreachable!("counter blocks come before the rounds"),
        }
    }

    #[inline(always)]
    unsafe fn whiten(v: Vector, key: &RoundKey) -> State {
        State::Within(add(v, [key.block(); 4]))
    }

    /// Not used on messages: `all_rounds` is faster for them.
    #[inline(always)]
    unsafe fn round(s: State, key: &RoundKey) -> State {
        match s {
            State::Within(v) => State::Within(aes::one_round::<false>(v, key)),
            State::Through(_) => unreachable!("no round follows the last"),
        }
    }

    #[inline(always)]
    unsafe fn all_rounds<const V: usize, const ROUNDS: usize>(states: &mut [State; V], keys: &[RoundKey]) {
        for two in states.chunks_mut(2) {
            let mut eight = [0; aes::BLOCKS];
            for (to, state) in eight.chunks_exact_mut(4).zip(&*two) {
                let State::Within(v) = state else { unreachable!("states go through once") };
                to.copy_from_slice(v);
            }
            aes::encrypt::<ROUNDS>(&mut eight, keys);
            for (state, v) in two.iter_mut().zip(eight.chunks_exact(4)) {
                *state = State::Through([v[0], v[1], v[2], v[3]]);
            }
        }
    }

    #[inline(always)]
    unsafe fn finish(s: State, key: &RoundKey, data: Vector) -> Vector {
        match s {
            State::Within(v) => add(aes::one_round::<true>(v, key), data),
            State::Through(v) => add(v, data),
        }
    }

    #[inline(always)]
    unsafe fn fence(_: &mut State, _: &mut Product) {}

    #[inline(always)]
    unsafe fn add(a: Vector, b: Vector) -> Vector {
        add(a, b)
    }

    #[inline(always)]
    unsafe fn elements(v: Vector) -> Vector {
        v.map(u128::swap_bytes)
    }

    #[inline(always)]
    unsafe fn no_product() -> Product {
        Product::NONE
    }

    #[inline(always)]
    unsafe fn multiply(sum: &mut Product, x: Vector, h: *const Power) {
        for (i, x) in x.into_iter().enumerate() {
            // SAFETY: the contract of `Lanes`: a vector's worth of powers can be read.
            sum.add(x, unsafe { &*h.add(i) });
        }
    }

    #[inline(always)]
    unsafe fn multiply_one(sum: &mut Product, x: u128, h: *const Power) {
        // SAFETY: the contract of `Lanes`: a power can be read.
        sum.add(x, unsafe { &*h });
    }

    #[inline(always)]
    unsafe fn multiply_turn(sum: &mut Product, x: [Vector; 2], h: *const Power, _: *const Block) {
        // SAFETY: the contract of `Lanes`.
        unsafe { Self::multiply_two(sum, x, h) }
    }

    #[inline(always)]
    unsafe fn carry(sum: &Product) -> Vector {
        [sum.reduce(), 0, 0, 0]
    }

    #[inline(always)]
    unsafe fn reduce(sum: &Product) -> u128 {
        sum.reduce()
    }

    #[inline(always)]
    unsafe fn hash(coefficients: u128) -> u128 {
        coefficients
    }

    #[inline(always)]
    unsafe fn element(bytes: &[u8]) -> u128 {
        block::short_block(bytes).swap_bytes()
    }

    #[inline(always)]
    unsafe fn coefficients(hash: u128) -> u128 {
        hash
    }

    #[inline(always)]
    unsafe fn add_hashes(a: u128, b: u128) -> u128 {
        a ^ b
    }

    #[inline(always)]
    unsafe fn lift(hash: u128) -> Vector {
        [hash, 0, 0, 0]
    }

    #[inline(always)]
    unsafe fn add_at(mut v: Vector, lane: usize, hash: u128) -> Vector {
        v[lane] ^= hash;
        v
    }

    #[inline(always)]
    unsafe fn tag(hash: u128, mask: Vector) -> u128 {
        hash.swap_bytes() ^ mask[0]
    }

    #[inline(always)]
    unsafe fn store_block(to: &mut [u8; 16], block: u128) {
        *to = block.to_le_bytes();
    }
}

impl Words for Portable {
    #[inline(always)]
    unsafe fn sub_word(word: u32) -> u32 {
        aes::sub_word(word)
    }
}

/// Adds block by block.
#[inline(always)]
fn add(a: Vector, b: Vector) -> Vector {
    core::array::from_fn(|i| a[i] ^ b[i])
}
