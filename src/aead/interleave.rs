//! The inner loops of a message: vectors of counter blocks through AES, and vectors of ciphertext times
//! powers of H.
//!
//! A [`step`] does both at once, with the products interleaved between the rounds.

use super::key::Key;
use super::lanes::Lanes;

/// Bytes in `n` vectors.
pub(super) const fn span<L: Lanes>(n: usize) -> usize {
    16 * L::BLOCKS * n
}

/// Unrolls rounds 1 to 13, with `$round` a constant in `$body`; rounds that a key size lacks are not
/// compiled.
macro_rules! rounds {
    ($round:ident, $body:block) => {
        rounds!(@ $round, $body, 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    (@ $round:ident, $body:block, $($n:literal)+) => {
        $({
            const $round: usize = $n;
            if const { $round < ROUNDS } $body
        })+
    };
}

/// Unrolls `$body` for each `$i` below `$n`, a constant of at most 9. Copies for larger `$i` are not
/// compiled: without the `const` in their condition, half of the build time would go into code that is then
/// discarded.
///
/// In a build for size, a loop over an array of vectors would remain a loop and keep the vectors in memory:
/// measured at 2 to 6 times the time.
macro_rules! each {
    ($i:ident < $n:expr, $body:block) => {{
        const { assert!($n <= 9, "as many as are unrolled below") }
        each!(@ $i, $n, $body, 0 1 2 3 4 5 6 7 8);
    }};
    (@ $i:ident, $n:expr, $body:block, $($k:literal)+) => {
        $({
            const $i: usize = $k;
            if const { $i < $n } $body
        })+
    };
}
pub(super) use {each, rounds};

/// Counter blocks without their nonce, with the numbers from 1 on.
#[repr(align(64))]
struct Counters([[u32; 4]; 320]);

static COUNTERS: Counters = {
    let mut blocks = [[0; 4]; 320];
    let mut i = 0;
    while i < blocks.len() {
        blocks[i][3] = (i as u32 + 1).to_be();
        i += 1;
    }
    Counters(blocks)
};

/// The counter blocks from a number on, with the first round key added. `base` is the nonce with that key
/// added: where the table has the numbers, a state is a single addition.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn whitened<L: Lanes, const VECTORS: usize>(
    base: L::State,
    number: u32,
) -> [L::State; VECTORS] {
    let mut states = [base; VECTORS];
    let skipped = number.wrapping_sub(1) as usize;
    // SAFETY: the caller's contract is that of `Lanes`; the table has all blocks that are read.
    unsafe {
        if skipped <= const { COUNTERS.0.len() - VECTORS * L::BLOCKS } {
            let blocks = COUNTERS.0.as_ptr().add(skipped).cast::<u8>();
            each!(I < VECTORS, { states[I] = L::start(base, L::load(blocks.add(span::<L>(I)))) });
        } else {
            each!(I < VECTORS, {
                states[I] = L::start(base, L::counters(number.wrapping_add((I * L::BLOCKS) as u32)));
            });
        }
    }
    states
}

/// `N` vectors of ciphertext to be hashed.
#[derive(Clone, Copy)]
pub(super) struct Ciphertext<L: Lanes, const N: usize> {
    /// The vectors, if [`HOLDS`](Self::HOLDS).
    pub held: [L::Vector; N],
    /// Their address otherwise, and the first byte of the first one.
    pub at: *const u8,
    pub start: usize,
    /// The hash of everything before them, added to the first one.
    pub y: L::Vector,
}

impl<L: Lanes, const N: usize> Ciphertext<L, N> {
    /// Whether the vectors are in registers.
    pub const HOLDS: bool = N <= L::HELD_VECTORS;

    /// `N` whole vectors in memory.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub unsafe fn at(at: *const u8, y: L::Vector) -> Self {
        let mut held = [y; N];
        if Self::HOLDS {
            // SAFETY: the caller's contract is that of `Lanes`, with `N` vectors at `at`.
            each!(I < N, { held[I] = unsafe { L::load(at.add(span::<L>(I))) } });
        }
        Self { held, at, start: 0, y }
    }

    /// Vector `i` as elements.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn elements(&self, i: usize) -> L::Vector {
        // SAFETY: the caller's contract is that of `Lanes`; there are `N` vectors at `at`.
        unsafe {
            let v = if Self::HOLDS {
                self.held[i]
            } else if i == 0 {
                L::load_part(self.at, self.start, span::<L>(1))
            } else {
                L::load(self.at.add(span::<L>(i)))
            };
            if i == 0 { L::add(L::elements(v), self.y) } else { L::elements(v) }
        }
    }

    /// Adds the products of the pair of vectors at `i`; `ahead` vectors of the turn come after this one.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub unsafe fn multiply(&self, key: &Key<L>, sum: &mut L::Product, i: usize, ahead: usize) {
        // SAFETY: the caller's contract is that of `Lanes`.
        unsafe { key.multiply_turn(sum, [self.elements(i), self.elements(i + 1)], N + ahead - i) }
    }
}

/// Whether a pair of products is computed in this round of AES, counted from 1: the pairs are spread evenly
/// over the rounds, so that the last one is in the last round or, if they are `early`, the first one in the
/// first.
pub(super) const fn is_due(pair: usize, pairs: usize, round: usize, rounds: usize, early: bool) -> bool {
    if early {
        return pairs > 0 && round == pair * rounds / pairs + 1;
    }
    round > 0 && (round - 1) * pairs / rounds <= pair && pair < round * pairs / rounds
}

/// Takes `VECTORS` states from round `DONE` + 1 to the last but one, while it hashes `HASHED` vectors of a
/// turn, which `ahead` more will follow.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn step<
    L: Lanes,
    const VECTORS: usize,
    const HASHED: usize,
    const ROUNDS: usize,
    const DONE: usize,
    const SEAL: bool,
>(
    key: &Key<L>,
    states: &mut [L::State; VECTORS],
    sum: &mut L::Product,
    ciphertext: &Ciphertext<L, HASHED>,
    ahead: usize,
) {
    let keys = key.round::<ROUNDS>();
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe {
        if const { !L::INTERLEAVES } {
            each!(PAIR < HASHED / 2, { ciphertext.multiply(key, sum, 2 * PAIR, ahead) });
            L::all_rounds::<VECTORS, ROUNDS>(states, keys);
            return;
        }
        rounds!(R, {
            if const { R > DONE } {
                each!(I < VECTORS, { states[I] = L::round(states[I], &keys[R]) });
                each!(PAIR < HASHED / 2, {
                    // The pair that depends on `y` comes last.
                    if const {
                        is_due(
                            PAIR,
                            HASHED / 2,
                            R.saturating_sub(DONE),
                            ROUNDS - 1 - DONE,
                            L::EARLY[SEAL as usize],
                        )
                    } {
                        ciphertext.multiply(key, sum, 2 * (PAIR + 1) % HASHED, ahead);
                    }
                });
                each!(I < VECTORS, { L::fence(&mut states[I], sum) });
            }
        });
    }
}

/// Whether `i` is at least `from` and less than `to`.
pub(super) const fn is_within(i: usize, from: usize, to: usize) -> bool {
    from <= i && i < to
}

/// Applies rounds 1 to `ROUNDS` - 1 to the states from `FROM` up to `TO`.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn crypt_group<
    L: Lanes,
    const VECTORS: usize,
    const ROUNDS: usize,
    const FROM: usize,
    const TO: usize,
>(
    states: &mut [L::State; VECTORS],
    keys: &[L::RoundKey],
) {
    rounds!(R, {
        each!(I < VECTORS, {
            if const { is_within(I, FROM, TO) } {
                // SAFETY: the caller's contract is that of `Lanes`.
                states[I] = unsafe { L::round(states[I], &keys[R]) };
            }
        });
    });
}

/// Applies rounds `DONE` + 1 to `ROUNDS` - 1 to every state.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn crypt_rounds<L: Lanes, const VECTORS: usize, const ROUNDS: usize, const DONE: usize>(
    states: &mut [L::State; VECTORS],
    keys: &[L::RoundKey],
) {
    if const { !L::INTERLEAVES } {
        // SAFETY: the caller's contract is that of `Lanes`.
        return unsafe { L::all_rounds::<VECTORS, ROUNDS>(states, keys) };
    }
    rounds!(R, {
        if const { R > DONE } {
            each!(I < VECTORS, {
                // SAFETY: the caller's contract is that of `Lanes`.
                states[I] = unsafe { L::round(states[I], &keys[R]) };
            });
        }
    });
}
