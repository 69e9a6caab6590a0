//! Processes messages that are too long for one pass, up to their last pass.

use super::block::number_in;
use super::interleave::{counter, each, encrypt, hash, span, step, whitened};
use super::kernel::absorb;
use super::key::Key;
use super::lanes::Lanes;
use super::round_cache::RoundCache;

/// Processes a message up to its last pass: all of the AAD, and the part of the message that does not fit
/// into that pass. Returns the number of bytes processed; `into` is then the sum that the last pass adds to.
///
/// The bulk comes first: turns of `BULK` vectors, each with one reduction. Then come groups of `GROUP`
/// vectors, whose products share one reduction with the last pass. A seal hashes the ciphertext of the
/// previous turn; an open hashes the ciphertext that it is about to decrypt, `BULK_OPEN` vectors at a time.
///
/// # Safety
/// As for [`Lanes`]; the key has `ROUNDS` rounds.
#[inline(always)]
pub(super) unsafe fn long<
    L: Lanes,
    const BULK: usize,
    const BULK_OPEN: usize,
    const GROUP: usize,
    const ROUNDS: usize,
    const SEAL: bool,
>(
    key: &Key<L>,
    j0: u128,
    aad: &[u8],
    in_out: &mut [u8],
    into: &mut L::Product,
) -> usize {
    const {
        assert!(L::BLOCKS * (BULK + GROUP) + 2 <= Key::<L>::POWERS, "a group follows the bulk");
        assert!(
            GROUP < L::TAIL_VECTORS && GROUP.is_multiple_of(2) && BULK.is_multiple_of(2),
            "a group fits, and vectors are hashed in pairs"
        );
    }
    let (wide, narrow) = (span::<L>(BULK), span::<L>(GROUP));
    let total = in_out.len();
    let turns = (total.div_ceil(16) + 2).saturating_sub(Key::<L>::POWERS).div_ceil(L::BLOCKS * BULK);
    let at = in_out.as_mut_ptr();
    // Bytes that have gone through AES, and blocks that the last sum does not contain yet.
    let mut done = turns * wide;
    let mut left = (total - done).div_ceil(16);
    // SAFETY: the caller's contract is that of `Lanes`. After the bulk, at most POWERS - 2 blocks remain, and
    // more than a group: POWERS is at least the blocks of BULK + GROUP vectors plus 2. So every span below is
    // inside `in_out`, and every power used, at most `left` + 2 and at least the blocks of a group, is in the
    // table.
    unsafe {
        // A single block of AAD needs no hash of its own: it precedes the blocks of the message, with the
        // next higher power.
        let (mut y, mut before) = (L::element(&aad[..aad.len().min(16)]), 1);
        if aad.len() > 16 {
            y = L::hash(0);
            absorb::<L>(key, &mut y, aad);
            before = 0;
        } else if turns > 0 {
            y = L::reduce(L::multiply_one(L::no_product(), y, key.powers(1)));
            before = 0;
        }
        let mut counter = counter::<L>(j0, number_in(j0).wrapping_add(1 + (done / 16) as u32));
        let behind = SEAL && total >= narrow;
        if turns > 0 {
            y = if L::CACHES_ROUNDS && 2 * turns >= 3 * RoundCache::<L>::turns(BULK) && number_in(j0) == 1 {
                bulk::<L, BULK, BULK, ROUNDS, SEAL, 2>(key, j0, y, at, turns)
            } else if SEAL {
                bulk::<L, BULK, BULK, ROUNDS, SEAL, 0>(key, j0, y, at, turns)
            } else {
                bulk::<L, BULK, BULK_OPEN, ROUNDS, SEAL, 0>(key, j0, y, at, turns)
            };
            if SEAL {
                let (from, to) = (at.add(done - wide), at.add(done));
                let states = whitened::<L, GROUP>(&mut counter, key);
                let sum = step::<L, GROUP, BULK, ROUNDS, 0>(
                    key,
                    states,
                    L::no_product(),
                    y,
                    L::BLOCKS * BULK,
                    from,
                    to,
                );
                y = L::reduce(sum);
            }
        } else if behind {
            let states = whitened::<L, GROUP>(&mut counter, key);
            encrypt::<L, GROUP, ROUNDS, 0>(key, states, at);
        }
        let mut sum = L::multiply_one(L::no_product(), y, key.powers(left + 1 + before));
        if behind {
            done += narrow;
        }
        while total - done >= narrow {
            let to = at.add(done);
            let from = if SEAL { to.sub(narrow) } else { to };
            let states = whitened::<L, GROUP>(&mut counter, key);
            sum = step::<L, GROUP, GROUP, ROUNDS, 0>(key, states, sum, L::hash(0), left + 1, from, to);
            done += narrow;
            left -= L::BLOCKS * GROUP;
        }
        if behind {
            sum = hash::<L, GROUP>(key, sum, L::hash(0), left + 1, at.add(done - narrow));
        }
        *into = sum;
    }
    done
}

/// The bulk: `turns` turns of `BULK` vectors at `at`, in steps of `STEP` vectors, with one reduction per
/// turn. `DONE` rounds come from the [`RoundCache`]: 2 or none. A seal leaves the last turn's ciphertext for
/// the caller to hash.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn bulk<
    L: Lanes,
    const BULK: usize,
    const STEP: usize,
    const ROUNDS: usize,
    const SEAL: bool,
    const DONE: usize,
>(
    key: &Key<L>,
    j0: u128,
    mut y: L::Hash,
    at: *mut u8,
    turns: usize,
) -> L::Hash {
    const {
        assert!(
            BULK.is_multiple_of(STEP) && STEP.is_multiple_of(2),
            "a turn consists of whole steps, and a step of whole pairs"
        )
    }
    let wide = span::<L>(BULK);
    let mut cache = RoundCache::<L>::new();
    // SAFETY: the caller's contract is that of `Lanes`, with `turns` turns at `at`. A turn's BULK vectors are
    // multiplied by the powers from BLOCKS * BULK down to 1, and `long` has asserted that the table has more.
    // The cache is used in the order of the turns, from 0.
    unsafe {
        let mut counter = counter::<L>(j0, number_in(j0).wrapping_add(1));
        for turn in 0..turns {
            let mut sum = L::no_product();
            each!(I < BULK / STEP, {
                let to = at.add(turn * wide + span::<L>(I * STEP));
                let from = if SEAL { to.wrapping_sub(wide) } else { to };
                let states = if const { DONE == 0 } {
                    whitened::<L, STEP>(&mut counter, key)
                } else {
                    cache.states::<STEP, ROUNDS>(key, j0, &mut counter, turn * (BULK / STEP) + I)
                };
                if SEAL && turn == 0 {
                    encrypt::<L, STEP, ROUNDS, DONE>(key, states, to);
                } else {
                    let (y, n) = (if I == 0 { y } else { L::hash(0) }, L::BLOCKS * (BULK - I * STEP));
                    sum = step::<L, STEP, STEP, ROUNDS, DONE>(key, states, sum, y, n, from, to);
                }
            });
            if !SEAL || turn > 0 {
                y = L::reduce(sum);
            }
        }
        if const { DONE != 0 } {
            cache.wipe();
        }
    }
    y
}
