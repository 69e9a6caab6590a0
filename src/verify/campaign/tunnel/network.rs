//! The network of a simulation: it loses, repeats, delays, reorders and corrupts datagrams.
//!
//! Each direction of each pair of peers draws its fates from a generator of its own, seeded by the pair. So
//! the fates depend on the seed and on nothing else, in particular not on the order in which a node walks its
//! tables. Time is virtual: a datagram arrives when the world asks for the next one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the network does to datagrams; chances are in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Conditions {
    /// A datagram is lost.
    pub loss: u32,
    /// A datagram arrives twice, at different times.
    pub repeat: u32,
    /// One bit of a datagram is flipped on its way.
    pub corrupt: u32,
    /// The longest delay, in milliseconds. Delays below it are equally likely, so datagrams overtake.
    pub delay_ms: u64,
}

impl Conditions {
    /// A network that works: nothing overtakes. Otherwise a message might overtake the last frame of the
    /// exchange that it needs.
    pub const CALM: Self = Self { loss: 0, repeat: 0, corrupt: 0, delay_ms: 1 };
    /// The longest delay that is ever drawn.
    pub const MAX_DELAY_MS: u64 = 3_000;

    /// Conditions drawn at random; some parts are often absent, so that each kind of fault also acts alone.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut chance = |most: u32| if rng.random() { rng.random_range(0..=most) } else { 0 };
        let (loss, repeat, corrupt) = (chance(500), chance(300), chance(200));
        // Now and then nothing gets through.
        let loss = if rng.random_range(0..8) == 0 { 1_000 } else { loss };
        let delays = [5, 50, 400, Self::MAX_DELAY_MS];
        Self { loss, repeat, corrupt, delay_ms: delays[rng.random_range(0..delays.len())] }
    }
}

/// A datagram on its way. The order is that of arrival; the pair and its number decide ties.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Flight {
    /// When it arrives.
    pub at: u64,
    /// Who sent it.
    pub from: u32,
    /// Whom it reaches.
    pub to: u32,
    /// Its number among those of its direction.
    pub number: u64,
    /// Whether a bit was flipped.
    pub altered: bool,
    /// Its bytes as they arrive.
    pub bytes: Vec<u8>,
}

/// One direction of a pair.
struct Link {
    rng: ChaCha8Rng,
    sent: u64,
}

/// The network, with everything on its way.
pub(super) struct Network {
    seed: u64,
    links: BTreeMap<(u32, u32), Link>,
    flying: BinaryHeap<Reverse<Flight>>,
    /// What it does to datagrams from now on.
    pub conditions: Conditions,
}

impl Network {
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self { seed, links: BTreeMap::new(), flying: BinaryHeap::new(), conditions }
    }

    /// Takes a datagram at `now`; returns its number in its direction, and the number of copies that will
    /// arrive: 0, 1 or 2.
    pub fn send(&mut self, now: u64, from: u32, to: u32, bytes: &[u8]) -> (u64, u32) {
        let seed = self.seed ^ u64::from(from) << 32 ^ u64::from(to);
        let link = self.links.entry((from, to));
        let link = link.or_insert_with(|| Link { rng: ChaCha8Rng::seed_from_u64(seed), sent: 0 });
        let number = link.sent;
        link.sent += 1;
        let happens = |rng: &mut ChaCha8Rng, chance: u32| rng.random_range(0..1_000) < chance;
        if happens(&mut link.rng, self.conditions.loss) {
            return (number, 0);
        }
        let copies = 1 + u32::from(happens(&mut link.rng, self.conditions.repeat));
        for _ in 0..copies {
            let at = now + 1 + link.rng.random_range(0..self.conditions.delay_ms);
            let mut bytes = bytes.to_vec();
            let altered = !bytes.is_empty() && happens(&mut link.rng, self.conditions.corrupt);
            if altered {
                let bit = link.rng.random_range(0..bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            self.flying.push(Reverse(Flight { at, from, to, number, altered, bytes }));
        }
        (number, copies)
    }

    /// When the next datagram arrives.
    pub fn next_at(&self) -> Option<u64> {
        self.flying.peek().map(|Reverse(flight)| flight.at)
    }

    /// Takes the next datagram.
    pub fn land(&mut self) -> Option<Flight> {
        self.flying.pop().map(|Reverse(flight)| flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flights of a thousand datagrams in the order in which they arrive.
    fn landed(seed: u64, conditions: Conditions) -> Vec<Flight> {
        let mut network = Network::new(seed, conditions);
        for i in 0..1_000_u64 {
            network.send(i * 10, 1, 2, &i.to_be_bytes());
        }
        std::iter::from_fn(|| network.land()).collect()
    }

    #[test]
    fn a_calm_network_delivers_everything_unaltered_and_in_order() {
        let flights = landed(1, Conditions::CALM);
        let numbers: Vec<u64> = flights.iter().map(|flight| flight.number).collect();
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
        assert!(flights.iter().all(|flight| flight.bytes == flight.number.to_be_bytes() && !flight.altered));
    }

    #[test]
    fn a_rough_network_does_everything_that_it_is_named_for() {
        let rough = Conditions { loss: 300, repeat: 200, corrupt: 100, delay_ms: 400 };
        let flights = landed(1, rough);
        let mut numbers: Vec<u64> = flights.iter().map(|flight| flight.number).collect();
        assert!(!numbers.is_sorted(), "some overtake");
        assert!(flights.iter().all(|flight| flight.at <= flight.number * 10 + rough.delay_ms));
        let wrong = |flight: &&Flight| flight.bytes != flight.number.to_be_bytes();
        let altered = flights.iter().filter(|flight| flight.altered).count();
        assert_eq!(flights.iter().filter(wrong).count(), altered);
        numbers.sort_unstable();
        let all = numbers.len();
        numbers.dedup();
        assert!((600..800).contains(&numbers.len()), "{} arrive", numbers.len());
        assert!(all - numbers.len() > 50 && altered > 30, "{} twice, {altered} altered", all - numbers.len());
    }

    #[test]
    fn the_fates_depend_on_seed_and_pair_only() {
        let rough = Conditions { loss: 300, repeat: 200, corrupt: 100, delay_ms: 400 };
        assert_eq!(landed(1, rough), landed(1, rough));
        assert_ne!(landed(1, rough), landed(2, rough));
        let mut network = Network::new(1, rough);
        for i in 0..1_000_u64 {
            network.send(i * 10, 2, 1, &[]);
            network.send(i * 10, 1, 2, &i.to_be_bytes());
        }
        let mixed: Vec<Flight> =
            std::iter::from_fn(|| network.land()).filter(|flight| flight.from == 1).collect();
        assert_eq!(mixed, landed(1, rough));
    }
}
