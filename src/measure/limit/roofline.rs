//! The least that an operation can take on this CPU: its roofline.
//!
//! It rests on the probed rates of the AES round and the carry-less multiply, and on nothing else. For
//! independent calls it is the throughput bound: the rounds of every block, and three multiplies for every
//! hashed block, on whole vectors for single messages and on shares of vectors for batches. For a call whose
//! nonce depends on the previous tag, it is at least the latency of the dependent chain: one block's rounds,
//! the multiply of its ciphertext, and the two multiplies that reduce the product. The lowest bound of all
//! backends of this CPU holds for every engine alike.
//!
//! It leaves out loads, stores, byte shuffles, additions, the reduction (except for its latency), the tail of
//! a message, the call, and memory, so no kernel that does all rounds reaches it. A kernel that shares the
//! first rounds between counter blocks does fewer and may exceed it.

use serde::{Deserialize, Serialize};

use crate::aead::Alg;
use crate::measure::limit::probe::Limits;

/// The work of one operation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Work {
    /// Rounds of the key size.
    pub rounds: u32,
    /// Blocks that go through AES: those of the message and J0.
    pub encrypted: u32,
    /// Blocks that are hashed: AAD, message and lengths.
    pub hashed: u32,
    /// How it overlaps with other operations.
    pub overlap: Overlap,
}

impl Work {
    /// The work of sealing or opening one message with AES-GCM.
    pub fn of_message(alg: Alg, bytes: usize, aad: usize, overlap: Overlap) -> Self {
        let rounds = match alg {
            Alg::Aes128Gcm => 10,
            Alg::Aes192Gcm => 12,
            Alg::Aes256Gcm => 14,
        };
        let blocks = |bytes: usize| bytes.div_ceil(16) as u32;
        let (message, j0, lengths) = (blocks(bytes), 1, 1);
        Self { rounds, encrypted: message + j0, hashed: blocks(aad) + message + lengths, overlap }
    }
}

/// How an operation overlaps with those before and after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overlap {
    /// Calls overlap, but no two share a vector.
    Independent,
    /// Several messages of one call share vectors.
    Batched,
    /// Each waits for the one before.
    Dependent,
}

/// The fewest cycles that one operation can take.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bound {
    /// Core cycles.
    pub cycles: f64,
    /// What sets the bound: the `throughput` of rounds and multiplies, or the `latency` of a chain of them.
    pub by: By,
    /// The backend whose vectors give the lowest bound.
    pub backend: String,
}

/// What sets a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The number of rounds and multiplies that can start per cycle.
    Throughput,
    /// The duration of rounds and multiplies that depend on each other.
    Latency,
}

/// Multiplies per vector: Karatsuba's three.
const MULTIPLIES: f64 = 3.0;
/// Rounds of the probed mixes.
const PROBED_ROUNDS: f64 = 14.0;

/// The lowest bound of any backend; `None` if no backend has probes.
pub fn bound(limits: &[Limits], work: &Work) -> Option<Bound> {
    limits.iter().map(|one| of_backend(one, work)).min_by(|a, b| a.cycles.total_cmp(&b.cycles))
}

/// The bound that one backend's vectors set.
pub fn of_backend(limits: &Limits, work: &Work) -> Bound {
    let vectors = |blocks: u32| {
        let vectors = f64::from(blocks) / limits.blocks as f64;
        if work.overlap == Overlap::Batched { vectors } else { vectors.ceil() }
    };
    let rounds = f64::from(work.rounds) * vectors(work.encrypted) * limits.rounds.cycles();
    let multiplies = MULTIPLIES * vectors(work.hashed) * limits.multiplies.cycles();
    let (more, less) = (rounds.max(multiplies), rounds.min(multiplies));
    let throughput = more + shared(limits) * less;
    let latency = f64::from(work.rounds) * limits.round_latency.cycles()
        + MULTIPLIES * limits.multiply_latency.cycles();
    let backend = limits.backend.clone();
    if work.overlap == Overlap::Dependent && latency > throughput {
        Bound { cycles: latency, by: By::Latency, backend }
    } else {
        Bound { cycles: throughput, by: By::Throughput, backend }
    }
}

/// The share of the faster kind's time that adds to the slower kind's: 0 if rounds and multiplies have
/// separate execution units, 1 if they share one. It follows from the probed mix.
fn shared(limits: &Limits) -> f64 {
    let rounds = PROBED_ROUNDS * limits.rounds.cycles();
    let multiplies = MULTIPLIES * limits.multiplies.cycles();
    let beyond = limits.mix_of_three.cycles() - rounds.max(multiplies);
    (beyond / rounds.min(multiplies)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::limit::probe::Figure;

    fn figure(cycles: f64) -> Figure {
        Figure { per_cycle: 1.0 / cycles, ns: cycles / 3.0 }
    }

    /// One round a cycle, one multiply in two; latencies 4 and 5; a mix that takes `mix` cycles.
    fn limits(backend: &str, blocks: u64, mix: f64) -> Limits {
        Limits {
            backend: backend.into(),
            blocks,
            clock_ghz: 3.0,
            rounds: figure(1.0),
            round_latency: figure(4.0),
            multiplies: figure(2.0),
            multiply_latency: figure(5.0),
            mix_of_four: figure(mix + 2.0),
            mix_of_three: figure(mix),
        }
    }

    fn work(encrypted: u32, hashed: u32, overlap: Overlap) -> Work {
        Work { rounds: 14, encrypted, hashed, overlap }
    }

    #[test]
    fn units_of_their_own_overlap_and_a_shared_one_adds() {
        let long = work(400, 400, Overlap::Independent);
        assert_eq!(of_backend(&limits("a", 4, 14.0), &long).cycles, 1400.0);
        assert_eq!(of_backend(&limits("a", 4, 20.0), &long).cycles, 2000.0);
        assert_eq!(of_backend(&limits("a", 4, 17.0), &long).cycles, 1700.0);
        assert_eq!(of_backend(&limits("a", 4, 99.0), &long).cycles, 2000.0, "no more than their sum");
        let short_key = Work { rounds: 10, ..long };
        assert_eq!(of_backend(&limits("a", 4, 20.0), &short_key).cycles, 1600.0);
    }

    #[test]
    fn a_call_has_vectors_of_its_own_and_a_batch_shares_them() {
        let one = limits("a", 4, 14.0);
        assert_eq!(of_backend(&one, &work(2, 3, Overlap::Independent)).cycles, 14.0);
        assert_eq!(of_backend(&one, &work(2, 3, Overlap::Batched)).cycles, 7.0);
        assert_eq!(of_backend(&one, &work(5, 6, Overlap::Independent)).cycles, 28.0);
    }

    #[test]
    fn a_chain_waits_for_its_rounds_and_multiplies() {
        let one = limits("a", 4, 14.0);
        let chained = of_backend(&one, &work(2, 3, Overlap::Dependent));
        assert_eq!((chained.cycles, chained.by), (14.0 * 4.0 + 3.0 * 5.0, By::Latency));
        let long = of_backend(&one, &work(400, 400, Overlap::Dependent));
        assert_eq!((long.cycles, long.by), (1400.0, By::Throughput));
    }

    #[test]
    fn the_lowest_backend_sets_the_bound() {
        let all = [limits("narrow", 1, 14.0), limits("wide", 4, 14.0)];
        let bound = bound(&all, &work(4, 4, Overlap::Independent)).unwrap();
        assert_eq!((bound.backend.as_str(), bound.cycles), ("wide", 14.0));
        assert_eq!(super::bound(&[], &work(4, 4, Overlap::Independent)), None);
    }
}
