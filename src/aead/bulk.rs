//! Processes messages that are too long for one pass: turns, and their last pass.

use super::interleave::{Ciphertext, crypt_rounds, each, span, step, whitened};
use super::lanes::Lanes;
use super::pass::{Pass, has_powers};
use super::round_cache::RoundCache;

/// Encrypts or decrypts a message that does not fit one pass; returns its hash and a vector that begins with
/// the mask of the tag. `pass` describes all of the message.
///
/// Turns of `TURN` vectors come first, each with one reduction. The last pass takes the rest. A seal hashes
/// the ciphertext of the previous turn; an open hashes the ciphertext that it is about to decrypt, `STEP`
/// vectors at a time.
///
/// # Safety
/// As for [`Lanes`]; the key has `ROUNDS` rounds; the message has more than [`Lanes::TAIL_VECTORS`] vectors.
#[inline(always)]
pub(super) unsafe fn long<
    L: Lanes,
    const TURN: usize,
    const STEP: usize,
    const ROUNDS: usize,
    const SEAL: bool,
>(
    pass: &mut Pass<'_, L>,
) -> (L::Hash, L::Vector) {
    const {
        assert!(TURN.is_multiple_of(STEP) && STEP.is_multiple_of(2), "whole steps of whole pairs");
        assert!(has_powers::<L>(TURN + L::LEAST_TAIL - 1), "a power for each block that the turns leave");
        assert!(!caches::<L>(TURN) || 256 % (L::BLOCKS * TURN) == 0, "a period consists of whole turns");
    }
    let vectors = pass.left.div_ceil(span::<L>(1));
    let turns = (vectors - L::LEAST_TAIL) / TURN;
    // SAFETY: the caller's contract is that of `Lanes`: at least one turn and then LEAST_TAIL to TAIL_VECTORS
    // vectors are in the message.
    unsafe {
        let (held, mask) = if const { caches::<L>(TURN) }
            && 2 * turns >= 3 * RoundCache::<L>::turns(TURN)
            && pass.number == 1
        {
            turns_of::<L, TURN, TURN, ROUNDS, SEAL, 2>(pass, turns)
        } else if SEAL {
            turns_of::<L, TURN, TURN, ROUNDS, SEAL, 0>(pass, turns)
        } else {
            turns_of::<L, TURN, STEP, ROUNDS, SEAL, 0>(pass, turns)
        };
        let start = if turns == 1 { 16 } else { 0 };
        let ciphertext = Ciphertext { held, at: pass.at.wrapping_sub(span::<L>(TURN)), start, y: pass.y };
        macro_rules! as_many {
            ($($n:literal)+) => {
                match vectors - turns * TURN {
                    $($n if const { $n >= L::LEAST_TAIL && $n < TURN + L::LEAST_TAIL } => {
                        pass.last::<$n, TURN, ROUNDS, SEAL, false>(&ciphertext).0
                    })+
                    // The turns leave LEAST_TAIL vectors, and fewer than a turn more.
                    _ => core::hint::unreachable_unchecked(),
                }
            };
        }
        (as_many!(1 2 3 4 5 6 7 8 9), mask)
    }
}

/// Whether turns of this many vectors may use a [`RoundCache`].
const fn caches<L: Lanes>(turn: usize) -> bool {
    L::CACHES_ROUNDS && turn == L::LONG_TURN_VECTORS
}

/// Performs `turns` turns of `TURN` vectors, in steps of `STEP` vectors, and moves `pass` to what follows.
/// `DONE` rounds come from the [`RoundCache`]: 2 or none. A seal returns the last turn's ciphertext for the
/// caller to hash. The second value is the first vector after AES, in which J0 is the mask of the tag.
///
/// # Safety
/// As for [`Lanes`]; there are `turns` turns at `pass.at`, and at least one.
#[inline(always)]
unsafe fn turns_of<
    L: Lanes,
    const TURN: usize,
    const STEP: usize,
    const ROUNDS: usize,
    const SEAL: bool,
    const DONE: usize,
>(
    pass: &mut Pass<'_, L>,
    turns: usize,
) -> ([L::Vector; TURN], L::Vector) {
    let (key, base, wide) = (pass.key, pass.base, span::<L>(TURN));
    let keys = key.round::<ROUNDS>();
    let mut cache = RoundCache::<L>::new();
    // SAFETY: the caller's contract is that of `Lanes`. The cache is used in the order of the turns, from 0.
    unsafe {
        let mut held = [pass.y; TURN];
        let mut mask = pass.y;
        for turn in 0..turns {
            let (start, before) = (if turn == 0 { 16 } else { 0 }, if turn == 1 { 16 } else { 0 });
            let mut sum = L::no_product();
            each!(S < TURN / STEP, {
                let to = pass.at.wrapping_add(span::<L>(S * STEP));
                let start = if S == 0 { start } else { 0 };
                let mut states = if const { DONE == 0 } {
                    whitened::<L, STEP>(base, pass.number.wrapping_add((S * STEP * L::BLOCKS) as u32))
                } else {
                    cache.states::<STEP, ROUNDS>(key, base, turn * (TURN / STEP) + S)
                };
                let mut hashed = [pass.y; STEP];
                if Ciphertext::<L, STEP>::HOLDS {
                    each!(I < STEP, { hashed[I] = if SEAL { held[I] } else { load::<L>(to, I, start) } });
                }
                let (at, start_of_hashed) = if SEAL { (to.wrapping_sub(wide), before) } else { (to, start) };
                let y = if S == 0 { pass.y } else { L::lift(L::hash(0)) };
                let ciphertext = Ciphertext { held: hashed, at, start: start_of_hashed, y };
                if SEAL && turn == 0 {
                    crypt_rounds::<L, STEP, ROUNDS, DONE>(&mut states, keys);
                } else {
                    step::<L, STEP, STEP, ROUNDS, DONE, SEAL>(
                        key,
                        &mut states,
                        &mut sum,
                        &ciphertext,
                        TURN - STEP - S * STEP,
                    );
                }
                each!(I < STEP, {
                    let data = if Ciphertext::<L, STEP>::HOLDS && !SEAL {
                        hashed[I]
                    } else {
                        load::<L>(to, I, start)
                    };
                    let out = L::finish(states[I], &keys[ROUNDS], data);
                    if I == 0 {
                        L::store_part(to, start, span::<L>(1), out);
                        if S == 0 && turn == 0 {
                            mask = out;
                        }
                    } else {
                        L::store(to.add(span::<L>(I)), out);
                    }
                    if Ciphertext::<L, STEP>::HOLDS && SEAL {
                        held[I] = if I == 0 && turn == 0 { L::keep(out, 16, span::<L>(1)) } else { out };
                    }
                });
            });
            if !SEAL || turn > 0 {
                pass.y = L::carry(&sum);
            }
            pass.at = pass.at.wrapping_add(wide);
            pass.number = pass.number.wrapping_add((TURN * L::BLOCKS) as u32);
            pass.left -= wide;
        }
        if const { DONE != 0 } {
            cache.wipe();
        }
        (held, mask)
    }
}

/// Vector `i` at `at`, the first one from byte `start` on.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn load<L: Lanes>(at: *const u8, i: usize, start: usize) -> L::Vector {
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe { if i == 0 { L::load_part(at, start, span::<L>(1)) } else { L::load(at.add(span::<L>(i))) } }
}
