//! A cache of the first two rounds of AES, for long messages.

use core::mem::MaybeUninit;

use zeroize::optimization_barrier;

use super::interleave::{each, whitened};
use super::key::Key;
use super::lanes::Lanes;

/// The states of a message's counter blocks after two rounds of AES.
///
/// The last byte of the number combines with the other bytes only in the linear layer of round 2, so the
/// state after that round is the sum of one part that depends on that byte and one that depends on the rest
/// of the number. The states of the first 256 blocks are cached here; for each further period of 256 blocks,
/// one vector is added to all of them. The index of an entry is public; its content is secret and is wiped.
pub(super) struct RoundCache<L: Lanes> {
    entries: [MaybeUninit<L::State>; 256],
    /// The vector to add in this period, and the one for its last vector, whose last number has carried.
    delta: MaybeUninit<[L::State; 2]>,
}

impl<L: Lanes> RoundCache<L> {
    /// The number of turns of `n` vectors in a period of 256 blocks.
    pub const fn turns(n: usize) -> usize {
        256 / (L::BLOCKS * n)
    }

    #[inline(always)]
    pub fn new() -> Self {
        Self { entries: [const { MaybeUninit::uninit() }; 256], delta: MaybeUninit::uninit() }
    }

    /// The states of this turn's counter blocks after two rounds. The number of J0, the first block, is 1.
    ///
    /// # Safety
    /// As for [`Lanes`]; the turns of one cache are requested in order, from 0, all with the same `VECTORS`,
    /// so that the first period writes every entry that a later one reads.
    #[inline(always)]
    pub unsafe fn states<const VECTORS: usize, const ROUNDS: usize>(
        &mut self,
        key: &Key<L>,
        base: L::State,
        turn: usize,
    ) -> [L::State; VECTORS] {
        let keys = key.round::<ROUNDS>();
        let (period, turn) = (turn / Self::turns(VECTORS), turn % Self::turns(VECTORS));
        // SAFETY: the caller's contract is that of `Lanes`. A period has 256 / BLOCKS vectors, all of which
        // the first period wrote; `delta` is written at the start of each later one.
        unsafe {
            if period == 0 {
                let mut states = whitened::<L, VECTORS>(base, (1 + L::BLOCKS * VECTORS * turn) as u32);
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
                let numbers = [1 + 256 * period, 1 + 256 * (period + 1) - L::BLOCKS];
                for (delta, number) in delta.iter_mut().zip(numbers) {
                    let state = L::start(base, L::counters(number as u32));
                    *delta = L::add_states(*delta, L::round(L::round(state, &keys[1]), &keys[2]));
                }
                self.delta.write(delta);
            }
            let [delta, carried] = self.delta.assume_init();
            let last = if turn == Self::turns(VECTORS) - 1 { carried } else { delta };
            let mut states = [delta; VECTORS];
            each!(I < VECTORS, {
                let add = if I == VECTORS - 1 { last } else { delta };
                states[I] =
                    L::add_states(self.entries.get_unchecked(turn * VECTORS + I).assume_init_read(), add);
            });
            states
        }
    }

    /// Overwrites the cached states.
    #[inline(always)]
    pub fn wipe(&mut self) {
        // SAFETY: the entries in use are owned here, and any bytes are valid for a `MaybeUninit`.
        unsafe { self.entries.as_mut_ptr().write_bytes(0, 256 / L::BLOCKS) };
        self.delta = MaybeUninit::zeroed();
        optimization_barrier(self);
    }
}
