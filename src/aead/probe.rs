//! Probes: the most that a CPU can do with a backend's vectors, measured without a message.
//!
//! Like the kernel, the probes are written once over [`Lanes`]. They run AES rounds and carry-less
//! multiplies, each in as many independent chains as the registers allow and each in one dependent chain, and
//! the mix of both that AES-256-GCM needs for a vector of blocks. The loops neither load nor store, and leave
//! out GHASH's additions, shuffles and reductions, so a kernel can approach the mix but not exceed it. The
//! loops return their results, so that a test can compute them independently. Not here: timing.

use core::hint::black_box;

use super::lanes::{Block, Lanes};

/// A loop of one kind of operation. Every operation works on a whole vector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Probe {
    /// AES rounds in independent chains; an operation is one round.
    Rounds,
    /// AES rounds in one chain; an operation is one round.
    RoundLatency,
    /// Carry-less multiplies of two words in independent chains; an operation is one multiply in each lane.
    Multiplies,
    /// Carry-less multiplies in one chain; an operation is one multiply in each lane.
    MultiplyLatency,
    /// The work of AES-256-GCM for a vector with schoolbook multiplication; an operation is 14 rounds and 4
    /// multiplies.
    MixOfFour,
    /// The work of AES-256-GCM for a vector with Karatsuba's method; an operation is 14 rounds and 3
    /// multiplies.
    MixOfThree,
}

impl Probe {
    /// Every probe.
    pub const ALL: [Self; 6] = [
        Self::Rounds,
        Self::RoundLatency,
        Self::Multiplies,
        Self::MultiplyLatency,
        Self::MixOfFour,
        Self::MixOfThree,
    ];
}

/// The result of a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probed {
    /// Operations performed, in whole iterations of the loop.
    pub operations: u64,
    /// Chains over which the operations were spread evenly. The multiplies of a mix use a third as many
    /// chains.
    pub chains: u64,
    /// The sum of every block of every chain at the end, as a little-endian integer. Each chain of rounds
    /// starts with its first key added and ends with the last round of AES.
    pub left: u128,
}

/// AES rounds for a 256-bit key, including the last one.
const ROUNDS: usize = 14;
/// Operations of each chain per iteration of the loop, enough to make the loop's own cost negligible.
const DEPTH: usize = 4;
/// The same for probes with one chain.
const LONE_DEPTH: usize = 16;

/// The index of the vector to multiply by among the probes' initial blocks: after those that 24 chains need.
const FACTOR: usize = 24 * 4;
/// The index of the round key among them.
const KEY: usize = FACTOR + 4;

/// Initial block `n` as a little-endian integer: odd, and different for each `n`.
const fn block(n: usize) -> u128 {
    0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835u128.wrapping_mul(2 * n as u128 + 1)
}

/// The probes' initial blocks.
const BLOCKS: [Block; KEY + 1] = {
    let mut blocks = [Block([0; 16]); KEY + 1];
    let mut n = 0;
    while n <= KEY {
        blocks[n].0 = block(n).to_le_bytes();
        n += 1;
    }
    blocks
};

/// Runs `turns` iterations of a probe's loop.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn run<L: Lanes>(probe: Probe, turns: u64) -> Probed {
    // Key and factor stay in registers with the chains: 14 of 16 registers are used, or at most 26 of 32.
    // SAFETY: this function's contract is that of `Lanes`.
    unsafe {
        if const { L::REGISTERS >= 32 } {
            run_in::<L, 16, 18, 6>(probe, turns)
        } else {
            run_in::<L, 12, 9, 3>(probe, turns)
        }
    }
}

/// The probes with `CHAINS` chains of one kind, or with `STATES` chains of rounds and `PRODUCTS` of
/// multiplies.
#[inline(always)]
unsafe fn run_in<L: Lanes, const CHAINS: usize, const STATES: usize, const PRODUCTS: usize>(
    probe: Probe,
    turns: u64,
) -> Probed {
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe {
        match probe {
            Probe::Rounds => rounds::<L, CHAINS, DEPTH>(turns),
            Probe::RoundLatency => rounds::<L, 1, LONE_DEPTH>(turns),
            Probe::Multiplies => multiplies::<L, CHAINS, DEPTH>(turns),
            Probe::MultiplyLatency => multiplies::<L, 1, LONE_DEPTH>(turns),
            Probe::MixOfFour => mix::<L, STATES, PRODUCTS, 4>(turns),
            Probe::MixOfThree => mix::<L, STATES, PRODUCTS, 3>(turns),
        }
    }
}

#[inline(always)]
unsafe fn rounds<L: Lanes, const CHAINS: usize, const DEPTH: usize>(turns: u64) -> Probed {
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe {
        let given = Given::<L>::new();
        let mut states = given.states::<CHAINS>();
        for _ in 0..turns {
            for _ in 0..DEPTH {
                for state in &mut states {
                    *state = L::round(*state, &given.key);
                }
            }
        }
        Probed {
            operations: turns * (CHAINS * DEPTH) as u64,
            chains: CHAINS as u64,
            left: given.left_of_states(states),
        }
    }
}

#[inline(always)]
unsafe fn multiplies<L: Lanes, const CHAINS: usize, const DEPTH: usize>(turns: u64) -> Probed {
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe {
        let given = Given::<L>::new();
        let mut products = given.vectors::<CHAINS>(0);
        for _ in 0..turns {
            for _ in 0..DEPTH {
                for product in &mut products {
                    *product = L::carryless(*product, given.factor);
                }
            }
        }
        Probed {
            operations: turns * (CHAINS * DEPTH) as u64,
            chains: CHAINS as u64,
            left: left_of_vectors::<L, CHAINS>(products),
        }
    }
}

/// Unrolls `$body` for each round, with `$round` a constant in it.
macro_rules! each_round {
    ($round:ident, $body:block) => {
        each_round!(@ $round, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    (@ $round:ident, $body:block, $($n:literal)+) => {
        $({
            const $round: usize = $n;
            $body
        })+
    };
}

#[inline(always)]
unsafe fn mix<L: Lanes, const STATES: usize, const PRODUCTS: usize, const MULTIPLIES: usize>(
    turns: u64,
) -> Probed {
    const {
        assert!(
            (MULTIPLIES * STATES).is_multiple_of(PRODUCTS),
            "every chain has the same number of operations"
        )
    };
    // SAFETY: the caller's contract is that of `Lanes`.
    unsafe {
        let given = Given::<L>::new();
        let mut states = given.states::<STATES>();
        let mut products = given.vectors::<PRODUCTS>(STATES);
        for _ in 0..turns {
            each_round!(R, {
                for state in &mut states {
                    *state = L::round(*state, &given.key);
                }
                // This round's share of the multiplies.
                let mut n = R * MULTIPLIES * STATES / ROUNDS;
                while n < (R + 1) * MULTIPLIES * STATES / ROUNDS {
                    products[n % PRODUCTS] = L::carryless(products[n % PRODUCTS], given.factor);
                    n += 1;
                }
            });
        }
        Probed {
            operations: turns * STATES as u64,
            chains: STATES as u64,
            left: given.left_of_states(states) ^ left_of_vectors::<L, PRODUCTS>(products),
        }
    }
}

/// The initial values of a probe, hidden from the compiler, which would otherwise treat them as constants.
struct Given<L: Lanes> {
    blocks: [Block; KEY + 1],
    factor: L::Vector,
    key: L::RoundKey,
}

impl<L: Lanes> Given<L> {
    #[inline(always)]
    unsafe fn new() -> Self {
        let blocks = black_box(BLOCKS);
        // SAFETY: the caller's contract is that of `Lanes`; at FACTOR are four blocks, the longest vector.
        unsafe {
            Self {
                factor: L::load(blocks[FACTOR].0.as_ptr()),
                key: L::round_key(u128::from_le_bytes(blocks[KEY].0), 1),
                blocks,
            }
        }
    }

    /// The first `N` vectors after the first `before`.
    #[inline(always)]
    unsafe fn vectors<const N: usize>(&self, before: usize) -> [L::Vector; N] {
        let blocks = &self.blocks[before * L::BLOCKS..][..N * L::BLOCKS];
        let mut vectors = [self.factor; N];
        for (i, vector) in vectors.iter_mut().enumerate() {
            // SAFETY: the caller's contract is that of `Lanes`; the vector is inside the slice.
            *vector = unsafe { L::load(blocks[i * L::BLOCKS..][..L::BLOCKS].as_ptr().cast()) };
        }
        vectors
    }

    /// The first `N` vectors with the first key added.
    #[inline(always)]
    unsafe fn states<const N: usize>(&self) -> [L::State; N] {
        // SAFETY: the caller's contract is that of `Lanes`.
        unsafe {
            let vectors = self.vectors::<N>(0);
            let mut states = [L::whiten(vectors[0], &self.key); N];
            for i in 1..N {
                states[i] = L::whiten(vectors[i], &self.key);
            }
            states
        }
    }

    #[inline(always)]
    unsafe fn left_of_states<const N: usize>(&self, states: [L::State; N]) -> u128 {
        let zeros = [Block::default(); 4];
        // SAFETY: the caller's contract is that of `Lanes`; no vector has more than four blocks.
        unsafe {
            let zero = L::load(zeros.as_ptr().cast());
            let mut vectors = [zero; N];
            for i in 0..N {
                vectors[i] = L::finish(states[i], &self.key, zero);
            }
            left_of_vectors::<L, N>(vectors)
        }
    }
}

#[inline(always)]
unsafe fn left_of_vectors<L: Lanes, const N: usize>(vectors: [L::Vector; N]) -> u128 {
    let mut left = 0;
    for vector in vectors {
        let mut blocks = [Block::default(); 4];
        // SAFETY: the caller's contract is that of `Lanes`; no vector has more than four blocks.
        unsafe { L::store(blocks.as_mut_ptr().cast(), vector) };
        for block in blocks {
            left ^= u128::from_le_bytes(block.0);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::{BACKENDS, Backend, Error};

    fn multiply_bytes(mut a: u8, mut b: u8) -> u8 {
        let mut product = 0;
        while b != 0 {
            product ^= a * (b & 1);
            a = (a << 1) ^ ((a >> 7) * 0x1b);
            b >>= 1;
        }
        product
    }

    /// FIPS 197, 5.1.1: the inverse, which is the 254th power, and the affine map.
    fn sub_byte(byte: u8) -> u8 {
        let inverse = (0..254).fold(1, |power, _| multiply_bytes(power, byte));
        (0..5).fold(0x63, |sum, bits| sum ^ inverse.rotate_left(bits))
    }

    /// SubBytes and ShiftRows, then MixColumns unless it is the last round, then AddRoundKey (FIPS 197, 5.1).
    fn naive_round(sbox: &[u8; 256], state: u128, key: u128, last: bool) -> u128 {
        let state = state.to_le_bytes();
        let mut moved = [0; 16];
        for (i, to) in moved.iter_mut().enumerate() {
            *to = sbox[usize::from(state[(i + 4 * (i % 4)) % 16])];
        }
        let mut mixed = moved;
        for (i, to) in mixed.iter_mut().enumerate() {
            let row = |r: usize| moved[i / 4 * 4 + (i + r) % 4];
            if !last {
                *to = multiply_bytes(2, row(0)) ^ multiply_bytes(3, row(1)) ^ row(2) ^ row(3);
            }
        }
        u128::from_le_bytes(mixed) ^ key
    }

    fn sbox() -> [u8; 256] {
        core::array::from_fn(|byte| sub_byte(byte as u8))
    }

    /// A block after the whitening, `rounds` rounds and the last round.
    fn naive_rounds(sbox: &[u8; 256], start: u128, rounds: u64) -> u128 {
        let state =
            (0..rounds).fold(start ^ block(KEY), |state, _| naive_round(sbox, state, block(KEY), false));
        naive_round(sbox, state, block(KEY), true)
    }

    /// A block after `times` multiplies of its low word.
    fn naive_products(start: u128, factor: u128, times: u64) -> u128 {
        (0..times).fold(start, |x, _| {
            let bits = (0..64).filter(|bit| factor >> bit & 1 == 1);
            bits.fold(0, |sum, bit| sum ^ (u128::from(x as u64) << bit))
        })
    }

    /// The expected result of a probe, from FIPS 197 and schoolbook multiplication.
    fn naive(backend: &Backend, probe: Probe, done: Probed, sbox: &[u8; 256]) -> u128 {
        let each = done.operations / done.chains;
        assert_eq!(each * done.chains, done.operations, "{} {probe:?}", backend.name);
        let blocks = done.chains as usize * backend.blocks;
        let rounds = |each: u64| (0..blocks).fold(0, |sum, n| sum ^ naive_rounds(sbox, block(n), each));
        let products = |blocks: core::ops::Range<usize>, each: u64| {
            blocks.fold(0, |sum, n| sum ^ naive_products(block(n), block(FACTOR + n % backend.blocks), each))
        };
        match probe {
            Probe::Rounds | Probe::RoundLatency => rounds(each),
            Probe::Multiplies | Probe::MultiplyLatency => products(0..blocks, each),
            Probe::MixOfFour => rounds(14 * each) ^ products(blocks..blocks + blocks / 3, 4 * 3 * each),
            Probe::MixOfThree => rounds(14 * each) ^ products(blocks..blocks + blocks / 3, 3 * 3 * each),
        }
    }

    #[test]
    fn the_naive_round_matches_fips_197() {
        // Round 1 of the example in appendix B.
        let [start, key, after] = [
            0x193d_e3be_a0f4_e22b_9ac6_8d2a_e9f8_4808u128,
            0xa0fa_fe17_8854_2cb1_23a3_3939_2a6c_7605,
            0xa49c_7ff2_689f_352b_6b5b_ea43_026a_5049,
        ]
        .map(u128::swap_bytes);
        assert_eq!(naive_round(&sbox(), start, key, false), after);
    }

    #[test]
    fn every_probe_performs_the_operations_it_counts() {
        let sbox = sbox();
        let mut probed = 0;
        for backend in BACKENDS.iter().filter(|backend| backend.available() && backend.has_probes()) {
            for probe in Probe::ALL {
                for turns in [0, 1, 2, 5] {
                    let done = backend.probe(probe, turns).unwrap();
                    let name = format!("{}: {probe:?}, {turns} turns", backend.name);
                    assert_eq!(done.left, naive(backend, probe, done, &sbox), "{name}");
                    let one = backend.probe(probe, 1).unwrap();
                    assert!(one.operations >= 1, "{name}");
                    assert_eq!(
                        (done.operations, done.chains),
                        (turns * one.operations, one.chains),
                        "{name}"
                    );
                    let lone = matches!(probe, Probe::RoundLatency | Probe::MultiplyLatency);
                    assert_eq!(done.chains == 1, lone, "{name}");
                    probed += 1;
                }
            }
        }
        let backends = BACKENDS.iter().filter(|backend| backend.available() && backend.has_probes()).count();
        assert_eq!(probed, backends * Probe::ALL.len() * 4);
    }

    #[test]
    fn a_backend_that_this_cpu_lacks_is_not_probed() {
        for backend in BACKENDS {
            let expected = match (backend.available(), backend.has_probes()) {
                (false, _) => Some(Error::CpuLacksFeature),
                (true, false) => Some(Error::Unsupported),
                (true, true) => None,
            };
            assert_eq!(backend.probe(Probe::Rounds, 1).err(), expected, "{}", backend.name);
        }
    }
}
