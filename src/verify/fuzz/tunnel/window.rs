//! The replay state of each mode against a naive model: sets of counters, and a list of epochs.

use std::collections::BTreeSet;

use crate::scheme::tunnel::session::{Recorded, Replay};
use crate::scheme::tunnel::{Error, Mode};
use crate::verify::fuzz::planted;

/// The most steps of one input.
const STEPS: usize = 512;

/// A byte of a step: which counter comes next, seen from the highest one that its prefix had. The three upper
/// bits choose the prefix, and two bytes follow as the argument, or eight for [`WHOLE`].
const ABOVE: u8 = 0;
const BELOW: u8 = 1;
const FAR_ABOVE: u8 = 2;
const SMALL: u8 = 3;
const LARGE: u8 = 4;
const WHOLE: u8 = 5;
/// No counter: the reference forgets one that it had recorded in advance.
const FORGET: u8 = 6;

/// Treats the first byte as a mode and the others as steps: each verdict, the highest counter and the known
/// prefixes must be those of the model.
///
/// # Panics
/// If one is not.
pub fn window(data: &[u8]) {
    let Some((mode, mut rest)) = data.split_first() else { return };
    let mode = Mode::ALL[usize::from(*mode) % Mode::ALL.len()];
    let (mut replay, mut model) = (Replay::new(mode), Model::new(mode));
    let mut refusals = BTreeSet::new();
    for _ in 0..STEPS {
        let Some((step, after)) = rest.split_first() else { break };
        let prefix = [b'a' + (step >> 5); 4];
        let (counter, after) = match step & 7 {
            WHOLE => match after.split_first_chunk::<8>() {
                Some((counter, after)) => (u64::from_be_bytes(*counter), after),
                None => break,
            },
            kind => match after.split_first_chunk::<2>() {
                Some((argument, after)) => {
                    (counter(kind, model.max(prefix), u16::from_be_bytes(*argument).into()), after)
                }
                None => break,
            },
        };
        rest = after;
        if step & 7 == FORGET {
            replay.clear_bit(counter);
            model.forget(counter);
        } else {
            let (verdict, expected) = (replay.record(prefix, counter), model.record(prefix, counter));
            assert_eq!(verdict, expected, "{mode:?}, counter {counter} of {prefix:?}");
            refusals.extend(verdict.err().map(|error| error.spec_name()));
        }
        assert_eq!(replay.window_max(), model.newest_max(), "{mode:?}, after {counter} of {prefix:?}");
        assert_eq!(replay.knows(prefix), model.knows(prefix), "{mode:?}, after {counter} of {prefix:?}");
    }
    // A replay and a late frame; with epochs also one of an older epoch.
    if refusals.len() == if mode == Mode::Safe { 3 } else { 2 } {
        planted();
    }
}

fn counter(kind: u8, max: u64, argument: u64) -> u64 {
    match kind {
        ABOVE => max.saturating_add(argument % 260),
        BELOW => max.saturating_sub(argument % 260),
        FAR_ABOVE => max.saturating_add(argument << (argument % 48)),
        SMALL => argument % 520,
        LARGE => u64::MAX - argument % 520,
        _ => max.saturating_sub(argument % 4),
    }
}

/// What a receiver knows of one sender, or of one epoch of it: every counter that it accepted.
#[derive(Clone, Default)]
struct Accepted {
    counters: BTreeSet<u64>,
    max: Option<u64>,
    reference: bool,
}

impl Accepted {
    fn record(&mut self, counter: u64) -> Result<(), Error> {
        // The reference keeps no more than the number.
        let max = self.max.filter(|max| *max > 0 || !self.reference);
        if max.is_some_and(|max| max >= 256 && counter <= max - 256) {
            return Err(Error::OutsideWindow);
        }
        if max.is_some() && self.counters.contains(&counter) {
            return Err(Error::Replay);
        }
        if max.is_none() && self.counters.contains(&0) {
            // The reference frees no slot on this path: the mark of 0 then stands for the counter in its
            // slot.
            self.counters.insert(counter - counter % 256);
        }
        self.counters.insert(counter);
        self.max = self.max.max(Some(counter));
        Ok(())
    }

    /// Forgets the counter in the window that shares a slot with this one.
    fn forget(&mut self, counter: u64) {
        let floor = self.max.unwrap_or(0).saturating_sub(255);
        self.counters.retain(|other| *other < floor || other % 256 != counter % 256);
    }
}

struct Epoch {
    prefix: [u8; 4],
    accepted: Accepted,
    /// When it was used, or ceased to be the newest.
    used: u64,
}

/// The whole state: one set for every prefix, or a set for each epoch.
struct Model {
    mode: Mode,
    single: Accepted,
    epochs: Vec<Epoch>,
    newest: Option<[u8; 4]>,
    time: u64,
}

impl Model {
    fn new(mode: Mode) -> Self {
        let single = Accepted { reference: mode == Mode::Compat, ..Accepted::default() };
        Self { mode, single, epochs: Vec::new(), newest: None, time: 0 }
    }

    fn epoch(&mut self, prefix: [u8; 4]) -> Option<&mut Epoch> {
        self.epochs.iter_mut().find(|epoch| epoch.prefix == prefix)
    }

    fn record(&mut self, prefix: [u8; 4], counter: u64) -> Result<Recorded, Error> {
        if self.mode != Mode::Safe {
            return self.single.record(counter).map(|()| Recorded::default());
        }
        self.time += 1;
        let (time, is_newest) = (self.time, self.newest == Some(prefix));
        if let Some(epoch) = self.epoch(prefix) {
            let recorded = epoch.accepted.record(counter);
            if recorded.is_ok() {
                epoch.used = time;
            }
            return recorded
                .map(|()| Recorded::default())
                .map_err(|error| if is_newest { error } else { Error::StaleEpoch });
        }
        // The first epoch of all is no news.
        let new_epoch = self.newest.is_some();
        if let Some(newest) = self.newest.replace(prefix).and_then(|newest| self.epoch(newest)) {
            newest.used = time;
        }
        if self.epochs.len() == 5 {
            let oldest = self.epochs.iter().map(|epoch| epoch.used).min();
            self.epochs.retain(|epoch| Some(epoch.used) != oldest);
        }
        let mut accepted = Accepted::default();
        accepted.record(counter)?;
        self.epochs.push(Epoch { prefix, accepted, used: time + 1 });
        self.time += 1;
        Ok(Recorded { new_epoch })
    }

    fn forget(&mut self, counter: u64) {
        if self.mode != Mode::Safe {
            self.single.forget(counter);
        }
    }

    fn knows(&self, prefix: [u8; 4]) -> bool {
        self.epochs.iter().any(|epoch| epoch.prefix == prefix)
    }

    /// The highest counter of this prefix.
    fn max(&mut self, prefix: [u8; 4]) -> u64 {
        match self.mode {
            Mode::Safe => self.epoch(prefix).map_or(0, |epoch| epoch.accepted.max.unwrap_or(0)),
            _ => self.single.max.unwrap_or(0),
        }
    }

    fn newest_max(&mut self) -> u64 {
        let newest = self.newest.unwrap_or_default();
        self.max(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step that offers this counter under the prefix of that number.
    fn offer(prefix: u8, counter: u64) -> Vec<u8> {
        [&[prefix << 5 | WHOLE][..], &counter.to_be_bytes()].concat()
    }

    #[test]
    fn random_steps_in_every_mode_agree_with_the_model() {
        let mut state = 7_u64;
        for round in 0..600_u32 {
            let steps = (0..300).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            });
            let mut data: Vec<u8> = steps.collect();
            data[0] = (round % 3) as u8;
            window(&data);
        }
    }

    #[test]
    fn edges_of_the_window_agree_with_the_model_in_every_mode() {
        for mode in 0..3 {
            let mut data = vec![mode];
            for max in [0, 1, 255, 256, 257, 512, 1_000, u64::MAX - 1, u64::MAX] {
                for below in [0, 1, 254, 255, 256, 257] {
                    data.extend(offer(0, max));
                    data.extend(offer(0, max.saturating_sub(below)));
                    data.extend([FORGET, 0, below as u8]);
                }
            }
            window(&data);
        }
    }

    #[test]
    #[should_panic(expected = "counter 5 of")]
    fn a_model_that_forgets_finds_a_window_that_does_not() {
        let (mut replay, mut model) = (Replay::new(Mode::Hardened), Model::new(Mode::Hardened));
        let prefix = [0; 4];
        for counter in [5, 5] {
            assert_eq!(replay.record(prefix, counter), model.record(prefix, counter), "counter {counter} of");
            model.forget(counter);
        }
    }
}
