//! The last pass over a message: what turns have left of it, or all of a short one.

use super::Nonce;
use super::block::{blocks_of, lengths};
use super::interleave::{
    Ciphertext, crypt_group, crypt_rounds, each, is_due, is_within, rounds, span, step, whitened,
};
use super::key::Key;
use super::lanes::Lanes;

/// What is left of a message: J0 or blocks that turns have not processed, and the lengths.
pub(super) struct Pass<'a, L: Lanes> {
    pub key: &'a Key<L>,
    /// The nonce with the first round key added.
    pub base: L::State,
    /// The number of the next counter block.
    pub number: u32,
    /// The address and number of the bytes that are left. The first 16 of the whole are for J0: they precede
    /// the message and are never accessed.
    pub at: *mut u8,
    pub left: usize,
    /// The hash so far, which the next blocks are added to.
    pub y: L::Vector,
    /// The block of lengths.
    lengths: L::Hash,
}

/// Vectors of a seal that go through AES first, if there are more: the CPU can hash them during the rounds of
/// the others.
const GROUP: usize = 3;

/// Whether a seal of `vectors` vectors is encrypted in two groups: not with narrower vectors, of which the
/// CPU works on more at a time than a group has.
const fn in_groups<L: Lanes>(vectors: usize) -> bool {
    L::INTERLEAVES && L::BLOCKS == 4 && vectors > GROUP
}

/// Whether the products of an open's last `vectors` vectors are woven into the rounds of AES, and do not come
/// after them: if the vectors follow `hashed` others of a turn, have J0 `apart` or are many, and there are
/// registers for it.
const fn is_woven<L: Lanes>(vectors: usize, hashed: usize, apart: bool) -> bool {
    L::REGISTERS >= 32 && (hashed > 0 || apart || vectors > 3)
}

/// The rounds of AES that these products are spread over.
const WOVEN_ROUNDS: usize = 8;

/// How many of the last `vectors` vectors are a turn before the others.
const fn turned<L: Lanes>(vectors: usize) -> usize {
    if L::BLOCKS * vectors < Key::<L>::POWERS { 0 } else { 2 }
}

/// Whether a key has a power for each block of the last `vectors` vectors and the lengths.
pub(super) const fn has_powers<L: Lanes>(vectors: usize) -> bool {
    L::BLOCKS * (vectors - turned::<L>(vectors)) < Key::<L>::POWERS
}

impl<'a, L: Lanes> Pass<'a, L> {
    /// All of a message. `before` is the last block of its AAD, with the hash of the blocks before that
    /// added.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub unsafe fn new<const ROUNDS: usize>(
        key: &'a Key<L>,
        nonce: &Nonce,
        number: u32,
        before: L::Hash,
        aad: usize,
        in_out: &mut [u8],
    ) -> Self {
        // SAFETY: the caller's contract is that of `Lanes`.
        unsafe {
            Self {
                key,
                base: L::base(nonce, &key.round::<ROUNDS>()[0]),
                number,
                at: in_out.as_mut_ptr().wrapping_sub(16),
                left: 16 + in_out.len(),
                y: L::lift(before),
                lengths: L::hash(lengths(aad, in_out.len())),
            }
        }
    }

    /// Processes a message of at most `MOST` vectors; returns its hash and a vector that begins with the mask
    /// of the tag.
    ///
    /// # Safety
    /// As for [`Lanes`]; the message has no more vectors.
    #[inline(always)]
    pub unsafe fn only<const MOST: usize, const ROUNDS: usize, const SEAL: bool>(
        &self,
    ) -> (L::Hash, L::Vector) {
        const { assert!(has_powers::<L>(MOST), "a power for each block and the lengths") }
        // SAFETY: the caller's contract.
        unsafe { self.as_many::<MOST, ROUNDS, SEAL, false>(self.left.div_ceil(span::<L>(1))) }
    }

    /// [`only`](Self::only) for a message whose blocks but J0 fill their vectors: J0 has a vector of its own.
    ///
    /// # Safety
    /// As for [`Lanes`]; the message has at least one vector and at most [`Lanes::APART_VECTORS`].
    #[inline(always)]
    pub unsafe fn filled<const MOST: usize, const ROUNDS: usize, const SEAL: bool>(
        &self,
    ) -> (L::Hash, L::Vector) {
        // SAFETY: the caller's contract.
        unsafe { self.as_many::<MOST, ROUNDS, SEAL, true>(self.left / span::<L>(1)) }
    }

    /// [`last`](Self::last) for this number of vectors, which are all of the message.
    ///
    /// # Safety
    /// As for [`last`](Self::last); there is at least one vector and at most `MOST`.
    #[inline(always)]
    unsafe fn as_many<const MOST: usize, const ROUNDS: usize, const SEAL: bool, const APART: bool>(
        &self,
        vectors: usize,
    ) -> (L::Hash, L::Vector) {
        let nothing = Ciphertext { held: [], at: self.at, start: 16, y: self.y };
        macro_rules! as_many {
            ($($n:literal)+) => {
                match vectors {
                    $($n if const { $n <= MOST } => self.last::<$n, 0, ROUNDS, SEAL, APART>(&nothing),)+
                    _ => core::hint::unreachable_unchecked(),
                }
            };
        }
        // SAFETY: the caller's contract; the match is on the number of vectors.
        unsafe { as_many!(1 2 3 4 5 6 7 8 9) }
    }

    /// Takes the last `V` vectors and the lengths through AES and GHASH. They follow `HASHED` vectors of
    /// ciphertext that a seal has yet to hash; or none, and then they are all of the message and begin with
    /// J0, unless it is `APART`. Returns the hash, and the vector that begins with J0 after AES.
    ///
    /// Every vector is stored as soon as it is known, and not after the tag: the next message often begins
    /// where this one ends, and its first load would wait for the store.
    ///
    /// # Safety
    /// As for [`Lanes`]; `V` vectors are left, the last of which may be partial.
    #[inline(always)]
    pub unsafe fn last<
        const V: usize,
        const HASHED: usize,
        const ROUNDS: usize,
        const SEAL: bool,
        const APART: bool,
    >(
        &self,
        ciphertext: &Ciphertext<L, HASHED>,
    ) -> (L::Hash, L::Vector) {
        let (key, width) = (self.key, span::<L>(1));
        let keys = key.round::<ROUNDS>();
        let apart = usize::from(APART);
        let at = self.at.wrapping_add(16 * apart);
        let end = self.left - 16 * apart - (V - 1) * width;
        let start = if HASHED == 0 && !APART { 16 } else { 0 };
        let part = |i: usize| (if i == 0 { start } else { 0 }, if i == V - 1 { end } else { width });
        // SAFETY: the caller's contract is that of `Lanes`: all vectors at `at` except the last are whole,
        // the first one from its second block on if it has J0.
        unsafe {
            let mut states = whitened::<L, V>(self.base, self.number.wrapping_add(apart as u32));
            let mut j0 = [self.base; 1];
            if APART {
                j0 = whitened::<L, 1>(self.base, self.number);
            }
            let (mut y, mut x) = (self.y, [self.y; V]);
            let (mut sum, mut from) = (L::no_product(), at);
            if const { !SEAL && is_woven::<L>(V, HASHED, APART) } {
                each!(I < V, {
                    let (start, end) = part(I);
                    x[I] = L::elements(L::load_part(from.wrapping_add(I * width), start, end));
                });
                self.hash::<V, ROUNDS, SEAL, true, APART>(x, y, &mut states, &mut sum);
                // Read again, so that it need not stay in registers meanwhile.
                from = L::again(from);
            } else if const { SEAL && HASHED == 0 && in_groups::<L>(V) } {
                crypt_group::<L, V, ROUNDS, 0, GROUP>(&mut states, keys);
            } else if SEAL && HASHED > 0 {
                step::<L, V, HASHED, ROUNDS, 0, SEAL>(key, &mut states, &mut sum, ciphertext, 0);
                y = L::carry(&sum);
                sum = L::no_product();
            } else {
                crypt_rounds::<L, V, ROUNDS, 0>(&mut states, keys);
            }
            if APART && !(SEAL && in_groups::<L>(V)) {
                crypt_rounds::<L, 1, ROUNDS, 0>(&mut j0, keys);
            }
            let mut mask = y;
            each!(I < V, {
                let (start, end) = part(I);
                if const { I == GROUP && SEAL && HASHED == 0 && in_groups::<L>(V) } {
                    crypt_group::<L, V, ROUNDS, GROUP, V>(&mut states, keys);
                    if APART {
                        crypt_rounds::<L, 1, ROUNDS, 0>(&mut j0, keys);
                    }
                }
                let data = L::load_part(from.wrapping_add(I * width), start, end);
                let out = L::finish(states[I], &keys[ROUNDS], data);
                L::store_part(at.wrapping_add(I * width), start, end, out);
                if I == 0 && !APART {
                    mask = out;
                }
                let mut ciphertext = if SEAL { out } else { data };
                if SEAL && (I == V - 1 || start > 0) {
                    ciphertext = L::keep(out, start, end);
                }
                if const { SEAL || !is_woven::<L>(V, HASHED, APART) } {
                    x[I] = L::elements(ciphertext);
                }
            });
            if APART {
                mask = L::finish(j0[0], &keys[ROUNDS], L::lift(L::hash(0)));
            }
            if const { SEAL || !is_woven::<L>(V, HASHED, APART) } {
                self.hash::<V, ROUNDS, SEAL, false, APART>(x, y, &mut states, &mut sum);
            }
            (L::reduce(&sum), mask)
        }
    }

    /// Multiplies the elements of the last `V` vectors and the lengths, with `y` added to the first, or in
    /// place of J0 if that is `APART`. If the key has no powers for so many, the first two vectors are a
    /// turn. If `WOVEN`, it takes the states through AES meanwhile, up to the last round but one.
    ///
    /// # Safety
    /// As for [`last`](Self::last).
    #[inline(always)]
    unsafe fn hash<
        const V: usize,
        const ROUNDS: usize,
        const SEAL: bool,
        const WOVEN: bool,
        const APART: bool,
    >(
        &self,
        mut x: [L::Vector; V],
        y: L::Vector,
        states: &mut [L::State; V],
        sum: &mut L::Product,
    ) {
        let key = self.key;
        let blocks = if APART { V * L::BLOCKS } else { blocks_of(self.left) };
        let keys = key.round::<ROUNDS>();
        const { assert!(turned::<L>(V) == 0 || V >= turned::<L>(V) + L::LEAST_TAIL, "what follows a turn") }
        // A seal waits for its ciphertext: a few products take less time than the sums that spare some.
        let lean = const { !SEAL || V > GROUP };
        // SAFETY: the caller's contract is that of `Lanes`. The powers used are at least 2, because the last
        // vector starts at or before the last block, or 1 for the lengths; and at most `blocks` + 1, less the
        // blocks of a turn; or `blocks` + 2 if J0 is apart, which `is_filled` asserts to be in the table.
        // `has_powers` was asserted of the largest `V`. The lanes of the carry meet their
        // powers, because at least LEAST_TAIL vectors follow a turn.
        unsafe {
            if APART {
                let powers = [key.powers(blocks + 2), key.powers(1)];
                L::multiply_ends(sum, L::add_at(y, 1, self.lengths), powers);
                if lean {
                    // The middle is as it will be when the sum is settled.
                    L::settle(sum);
                }
            } else {
                x[0] = L::add(x[0], y);
            }
            if const { turned::<L>(V) > 0 } {
                let mut turn = L::no_product();
                key.multiply_turn(&mut turn, [x[0], x[1]], 2);
                x[2] = L::add(x[2], L::carry(&turn));
            }
            let powers = key.powers(blocks + 1 - turned::<L>(V) * L::BLOCKS);
            let powers = |i: usize| powers.wrapping_add(i * L::BLOCKS - turned::<L>(V) * L::BLOCKS);
            // The lengths go into the lane behind the last block, or get a vector of their own. If J0 is
            // apart, they are in the sum already.
            let lane = blocks % L::BLOCKS;
            if lane != 0 {
                x[V - 1] = L::add_at(x[V - 1], lane, self.lengths);
            }
            rounds!(R, {
                if WOVEN {
                    each!(I < V, { states[I] = L::round(states[I], &keys[R]) });
                }
                each!(PAIR < V / 2, {
                    if const {
                        is_within(2 * PAIR, turned::<L>(V), V)
                            && is_due(PAIR, V / 2, R, if WOVEN { WOVEN_ROUNDS } else { 1 }, false)
                    } {
                        let pair = [x[2 * PAIR], x[2 * PAIR + 1]];
                        if lean {
                            L::multiply_two_lean(sum, pair, powers(2 * PAIR));
                        } else {
                            L::multiply_two(sum, pair, powers(2 * PAIR));
                        }
                    }
                });
                if const { R == if WOVEN { WOVEN_ROUNDS } else { 1 } } {
                    if lean {
                        L::settle(sum);
                    }
                    if lane == 0 && !APART {
                        L::multiply_one(sum, self.lengths, key.powers(1));
                    }
                    if V % 2 == 1 {
                        L::multiply(sum, x[V - 1], powers(V - 1));
                    }
                }
                if WOVEN {
                    each!(I < V, { L::fence(&mut states[I], sum) });
                }
            });
        }
    }
}
