//! Two rounds of AES remembered, for long messages.

use core::mem::MaybeUninit;

use zeroize::optimization_barrier;

use super::interleave::{counter, each, whitened};
use super::key::Key;
use super::lanes::Lanes;

/// What two rounds of AES make of a message's counter blocks.
///
/// The last byte of the number meets the others but through the linear layer of round 2: the state after it
/// is the sum of a part that depends on that byte and a part that depends on the rest of the number. The
/// first 256 blocks are remembered here; of each further 256, one vector tells what to add to all. The place
/// of an entry is public; its content is a secret, and is wiped.
pub(super) struct RoundCache<L: Lanes> {
    entries: [MaybeUninit<L::State>; 256],
    /// What to add in this period, and to those of its blocks whose number has carried.
    delta: MaybeUninit<[L::State; 2]>,
}

impl<L: Lanes> RoundCache<L> {
    /// Turns of `n` vectors in a period of 256 blocks.
    pub const fn turns(n: usize) -> usize {
        256 / (L::BLOCKS * n)
    }

    #[inline(always)]
    pub fn new() -> Self {
        Self { entries: [const { MaybeUninit::uninit() }; 256], delta: MaybeUninit::uninit() }
    }

    /// The states of this turn's counter blocks after two rounds. Counting began with the number 2.
    ///
    /// # Safety
    /// As [`Lanes`]; the turns of one cache are asked for in order, from 0 on, all with the same `VECTORS`:
    /// what a later period reads, the first one wrote.
    #[inline(always)]
    pub unsafe fn states<const VECTORS: usize, const ROUNDS: usize>(
        &mut self,
        key: &Key<L>,
        j0: u128,
        counter: &mut L::Counter,
        turn: usize,
    ) -> [L::State; VECTORS] {
        const { assert!(256 % (L::BLOCKS * VECTORS) == 0, "a period is whole turns") }
        let keys = key.round::<ROUNDS>();
        let (period, turn) = (turn / Self::turns(VECTORS), turn % Self::turns(VECTORS));
        // SAFETY: the caller's contract is that of `Lanes`. A period has 256 / BLOCKS vectors, all of which
        // were written in the first; `delta` is written when another begins.
        unsafe {
            if period == 0 {
                let mut states = whitened::<L, VECTORS>(counter, key);
                each!(I < VECTORS, {
                    states[I] = L::round(L::round(states[I], &keys[1]), &keys[2]);
                    self.entries.get_unchecked_mut(turn * VECTORS + I).write(states[I]);
                });
                return states;
            }
            if turn == 0 {
                let vectors = 256 / L::BLOCKS;
                let mut delta =
                    [self.entries[0].assume_init_read(), self.entries[vectors - 1].assume_init_read()];
                let numbers = [2 + 256 * period, 2 + 256 * (period + 1) - L::BLOCKS];
                for (delta, number) in delta.iter_mut().zip(numbers) {
                    let blocks = L::count(&mut self::counter::<L>(j0, number as u32));
                    let state = L::round(L::round(L::whiten(blocks, &keys[0]), &keys[1]), &keys[2]);
                    *delta = L::add_states(*delta, state);
                }
                self.delta.write(delta);
            }
            let [delta, carried] = self.delta.assume_init();
            let end = if turn == Self::turns(VECTORS) - 1 { carried } else { delta };
            let mut states = [delta; VECTORS];
            each!(I < VECTORS, {
                let add = if (VECTORS - I) * L::BLOCKS <= L::BLOCKS + 1 { end } else { delta };
                states[I] =
                    L::add_states(self.entries.get_unchecked(turn * VECTORS + I).assume_init_read(), add);
            });
            states
        }
    }

    /// Overwrites what was remembered.
    #[inline(always)]
    pub fn wipe(&mut self) {
        // SAFETY: the entries in use are owned here, and any bytes do for what may be uninitialised.
        unsafe { self.entries.as_mut_ptr().write_bytes(0, 256 / L::BLOCKS) };
        self.delta = MaybeUninit::zeroed();
        optimization_barrier(self);
    }
}
