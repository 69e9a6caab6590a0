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

/// Unrolls `$body` for each `$i` below `$n`, a constant of at most 16. Copies for larger `$i` are not
/// compiled: without the `const` in their condition, half of the build time would go into code that is then
/// discarded.
///
/// In a build for size, a loop over an array of vectors would remain a loop and keep the vectors in memory:
/// measured at 2 to 6 times the time.
macro_rules! each {
    ($i:ident < $n:expr, $body:block) => {{
        const { assert!($n <= 16, "as many as are unrolled below") }
        each!(@ $i, $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }};
    (@ $i:ident, $n:expr, $body:block, $($k:literal)+) => {
        $({
            const $i: usize = $k;
            if const { $i < $n } $body
        })+
    };
}
pub(super) use each;

/// The counter blocks that follow J0, starting at a number.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn counter<L: Lanes>(j0: u128, number: u32) -> L::Counter {
    let fixed = j0 & (u128::MAX >> 32);
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe { L::counter(fixed | u128::from(number.swap_bytes()) << 96) }
}

/// The next counter blocks with the first round key added.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn whitened<L: Lanes, const VECTORS: usize>(
    counter: &mut L::Counter,
    key: &Key<L>,
) -> [L::State; VECTORS] {
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe {
        let first = &key.round::<0>()[0];
        let mut states = [L::whiten(L::count(counter), first); VECTORS];
        each!(I < VECTORS, {
            if I != 0 {
                states[I] = L::whiten(L::count(counter), first);
            }
        });
        states
    }
}

/// Whether a pair of products is computed in this round of AES, counted from 1: the pairs are spread evenly
/// over the rounds.
const fn is_due(pair: usize, pairs: usize, round: usize, rounds: usize) -> bool {
    round > 0 && (round - 1) * pairs / rounds <= pair && pair < round * pairs / rounds
}

/// Takes `VECTORS` states from round `DONE` + 1 through AES and adds them to the data at `at`. Meanwhile it
/// hashes `HASHED` vectors at `ciphertext`, with `y` added to the first of them; their first block is
/// multiplied by the power `n`.
///
/// # Safety
/// As for [`Lanes`], with `VECTORS` vectors at `at` and `HASHED` at `ciphertext`; `n` is at least the blocks
/// of `HASHED` vectors and at most [`Key::POWERS`].
#[inline(always)]
pub(super) unsafe fn step<
    L: Lanes,
    const VECTORS: usize,
    const HASHED: usize,
    const ROUNDS: usize,
    const DONE: usize,
>(
    key: &Key<L>,
    mut states: [L::State; VECTORS],
    mut sum: L::Product,
    y: L::Hash,
    n: usize,
    ciphertext: *const u8,
    at: *mut u8,
) -> L::Product {
    let width = span::<L>(1);
    let keys = key.round::<ROUNDS>();
    // SAFETY: the caller's contract is that of `Lanes`, with enough vectors at both pointers and powers for
    // the hashed ones.
    unsafe {
        let powers = key.powers(n);
        if const { !L::INTERLEAVES } {
            sum = hash::<L, HASHED>(key, sum, y, n, ciphertext);
            encrypt::<L, VECTORS, ROUNDS, DONE>(key, states, at);
            return sum;
        }
        rounds!(R, {
            if const { R > DONE } {
                each!(I < VECTORS, { states[I] = L::round(states[I], &keys[R]) });
                each!(PAIR < HASHED / 2, {
                    // The pair that depends on `y` comes last.
                    if const { is_due(PAIR, HASHED / 2, R.saturating_sub(DONE), ROUNDS - 1 - DONE) } {
                        let i = 2 * (PAIR + 1) % HASHED;
                        let mut first = L::elements(L::load(ciphertext.add(width * i)));
                        if i == 0 {
                            first = L::add_first(first, y);
                        }
                        let second = L::elements(L::load(ciphertext.add(width * (i + 1))));
                        sum = L::multiply_two(sum, [first, second], powers.add(L::BLOCKS * i));
                    }
                });
                each!(I < VECTORS, { L::fence(&mut states[I], &mut sum) });
            }
        });
        each!(I < VECTORS, {
            let to = at.add(width * I);
            L::store(to, L::finish(states[I], &keys[ROUNDS], L::load(to)));
        });
    }
    sum
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

/// Takes `VECTORS` states from round `DONE` + 1 through AES and adds them to the data at `at`.
///
/// # Safety
/// As for [`Lanes`], with `VECTORS` vectors at `at`.
#[inline(always)]
pub(super) unsafe fn encrypt<L: Lanes, const VECTORS: usize, const ROUNDS: usize, const DONE: usize>(
    key: &Key<L>,
    mut states: [L::State; VECTORS],
    at: *mut u8,
) {
    let keys = key.round::<ROUNDS>();
    // SAFETY: the caller's contract is that of `Lanes`, with `VECTORS` vectors at `at`.
    unsafe {
        crypt_rounds::<L, VECTORS, ROUNDS, DONE>(&mut states, keys);
        each!(I < VECTORS, {
            let to = at.add(span::<L>(I));
            L::store(to, L::finish(states[I], &keys[ROUNDS], L::load(to)));
        });
    }
}

/// Hashes `HASHED` vectors, with `y` added to the first; their first block is multiplied by the power `n`.
///
/// # Safety
/// As for [`Lanes`], with `HASHED` vectors at `at`; `n` is at least the blocks of `HASHED` vectors and at
/// most [`Key::POWERS`].
#[inline(always)]
pub(super) unsafe fn hash<L: Lanes, const HASHED: usize>(
    key: &Key<L>,
    mut sum: L::Product,
    y: L::Hash,
    n: usize,
    at: *const u8,
) -> L::Product {
    // SAFETY: the caller's contract is that of `Lanes`, with `HASHED` vectors at `at` and powers for them.
    unsafe {
        each!(PAIR < HASHED / 2, {
            let mut first = L::elements(L::load(at.add(span::<L>(2 * PAIR))));
            if PAIR == 0 {
                first = L::add_first(first, y);
            }
            let second = L::elements(L::load(at.add(span::<L>(2 * PAIR + 1))));
            sum = L::multiply_two(sum, [first, second], key.powers(n - L::BLOCKS * 2 * PAIR));
        });
    }
    sum
}
