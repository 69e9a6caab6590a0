//! The replay window: which counters were accepted (spec §4).
//!
//! A bit for each of the last 256 counters, at counter modulo 256. It accepts each counter once, if it is at
//! most 255 below the highest. Not here: whether a frame is authentic, which must be known before
//! [`record`](Window::record) wherever a forger could otherwise move the window.

use super::super::Error;

/// The number of counters that the window distinguishes: the highest and the 255 below it.
pub const SLOTS: u64 = 256;

/// A replay window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    max: u64,
    seen: bool,
    reference: bool,
    slots: [u64; 4],
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    /// An empty window. It accepts each counter once, 0 too.
    pub const fn new() -> Self {
        Self { max: 0, seen: false, reference: false, slots: [0; 4] }
    }

    /// An empty window with the reference's quirk: as long as the highest counter is 0, everything is
    /// accepted, 0 again and again.
    pub const fn reference() -> Self {
        Self { reference: true, ..Self::new() }
    }

    /// The highest counter accepted; 0 if there is none.
    #[inline]
    pub fn max(&self) -> u64 {
        self.max
    }

    #[inline]
    fn is_empty(&self) -> bool {
        if self.reference { self.max == 0 } else { !self.seen }
    }

    /// Whether [`record`](Self::record) would accept the counter. Changes nothing.
    ///
    /// # Errors
    /// [`Error::OutsideWindow`] if it is 256 or more below the highest; [`Error::Replay`] if it was accepted.
    #[inline]
    pub fn check(&self, counter: u64) -> Result<(), Error> {
        if self.is_empty() || counter > self.max {
            return Ok(());
        }
        if self.max - counter >= SLOTS {
            return Err(Error::OutsideWindow);
        }
        let (word, bit) = slot(counter);
        if self.slots[word] & bit != 0 { Err(Error::Replay) } else { Ok(()) }
    }

    /// Accepts the counter, once.
    ///
    /// # Errors
    /// As for [`check`](Self::check); the window is then unchanged.
    #[inline]
    pub fn record(&mut self, counter: u64) -> Result<(), Error> {
        self.check(counter)?;
        if self.is_empty() {
            (self.max, self.seen) = (counter, true);
        } else if counter > self.max {
            self.advance(counter);
        }
        let (word, bit) = slot(counter);
        self.slots[word] |= bit;
        Ok(())
    }

    /// Moves the highest counter up and frees the slots of the counters that it passes.
    #[inline]
    fn advance(&mut self, to: u64) {
        if to - self.max >= SLOTS {
            self.slots = [0; 4];
        } else {
            for passed in self.max + 1..=to {
                let (word, bit) = slot(passed);
                self.slots[word] &= !bit;
            }
        }
        self.max = to;
    }

    /// Forgets that the counter was accepted, as the reference does when a frame recorded in advance does not
    /// open. Neither the highest counter nor the slots freed by it come back: that is the harm of `compat`.
    #[inline]
    pub fn clear_bit(&mut self, counter: u64) {
        let (word, bit) = slot(counter);
        self.slots[word] &= !bit;
    }
}

/// The word and the bit of a counter.
#[inline]
fn slot(counter: u64) -> (usize, u64) {
    let slot = counter % SLOTS;
    ((slot / 64) as usize, 1 << (slot % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window as a list of all counters ever accepted.
    #[derive(Default)]
    struct Naive(Vec<u64>);

    impl Naive {
        fn record(&mut self, counter: u64) -> Result<(), Error> {
            if self.0.iter().max().is_some_and(|max| max.saturating_sub(counter) >= 256) {
                return Err(Error::OutsideWindow);
            }
            if self.0.contains(&counter) {
                return Err(Error::Replay);
            }
            self.0.push(counter);
            Ok(())
        }
    }

    /// Counters that hover, jump and fall back, from a small generator.
    fn counters(seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        let mut base = [0, 1 << 40, u64::MAX - 2_000][seed as usize % 3];
        std::iter::from_fn(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let draw = state >> 33;
            base = match draw % 16 {
                0 => base.saturating_add(200 + draw / 16 % 120),
                1..=6 => base.saturating_add(draw / 16 % 3),
                _ => base,
            };
            Some(base.saturating_sub(draw / 64 % 280))
        })
    }

    #[test]
    fn it_decides_like_a_list_of_all_counters() {
        for seed in 0..60 {
            let (mut window, mut naive) = (Window::new(), Naive::default());
            for (i, counter) in counters(seed).take(1_500).enumerate() {
                let checked = window.check(counter);
                let before = window.clone();
                let recorded = window.record(counter);
                assert_eq!(recorded, naive.record(counter), "seed {seed}, step {i}, counter {counter}");
                assert_eq!(checked, recorded, "the check foretells the verdict");
                if recorded.is_err() {
                    assert_eq!(window, before, "a refusal changes nothing");
                }
            }
        }
    }

    #[test]
    fn without_counter_zero_the_references_window_decides_the_same() {
        for seed in 0..20 {
            let (mut window, mut reference) = (Window::new(), Window::reference());
            for counter in counters(seed).take(1_000).filter(|counter| *counter != 0) {
                assert_eq!(window.record(counter), reference.record(counter), "seed {seed}");
                assert_eq!(window.max(), reference.max());
            }
        }
    }

    #[test]
    fn the_window_is_256_counters_wide_at_both_ends_of_the_range() {
        for max in [300, u64::MAX] {
            let mut window = Window::new();
            window.record(max).unwrap();
            assert_eq!(window.record(max - 255), Ok(()));
            assert_eq!(window.record(max - 256), Err(Error::OutsideWindow));
            assert_eq!(window.record(max), Err(Error::Replay));
        }
    }

    #[test]
    fn the_reference_accepts_counter_zero_again_until_another_arrives() {
        let mut reference = Window::reference();
        for _ in 0..3 {
            assert_eq!(reference.record(0), Ok(()));
        }
        assert_eq!((reference.record(1), reference.record(0)), (Ok(()), Err(Error::Replay)));
        let mut window = Window::new();
        assert_eq!((window.record(0), window.record(0)), (Ok(()), Err(Error::Replay)));
    }

    #[test]
    fn clearing_a_bit_brings_back_neither_the_highest_counter_nor_the_slots_it_freed() {
        let mut window = Window::reference();
        for counter in [10, 11, 200] {
            window.record(counter).unwrap();
        }
        window.clear_bit(200);
        assert_eq!((window.max(), window.record(200)), (200, Ok(())));
        window.record(1 << 63).unwrap();
        window.clear_bit(1 << 63);
        assert_eq!(window.record(201), Err(Error::OutsideWindow), "one forged frame locks the peer out");
    }
}
