//! `seal/frame` and `seal/hardened-frame`: sealing a tunnel's frame as a sender does that has a link to the
//! peer: look for its sessions there, take the next counter, keep the message for salvage, write header,
//! ciphertext and tag. Sealing by the peer's id is `seal/peers`.
//!
//! The frames go to one peer of a hundred. Each call writes a frame under a counter of its own, equal to the
//! one that another engine makes by hand; a reset writes zeros.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use super::fixture::{self, End, Frames, Other, PEER, Way};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::Overlap;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::none_refused;
use crate::scheme::tunnel::Mode;
use crate::scheme::tunnel::session::Session;
use crate::timing::Timed;

/// Seals a frame.
pub(super) const fn kind(mode: Mode) -> Frames {
    Frames { name: "seal", mode, prepare, opens: false, overlap: Some(Overlap::Independent) }
}

fn prepare(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    let end = End::new(mode, engine, workload.seed)?;
    Ok(Box::new(Seals::new(end, PEER, workload, count)?))
}

/// The counters that threads found in the frames of one session, each with the frame: thread and place.
pub(super) type Taken = Arc<Mutex<BTreeMap<u64, (usize, usize)>>>;

/// Messages, and the frames around them, sealed for one peer.
pub(super) struct Seals {
    pub end: Arc<End>,
    pub peer: u32,
    session: Arc<Session>,
    other: Other,
    pub plain: Slots,
    pub frames: Slots,
    /// Frames that the session had sealed before the pass.
    before: u64,
    /// Where several threads seal with one session: this thread, and the counters of all.
    shared: Option<(usize, Taken)>,
    /// Refused calls over all passes.
    pub refused: usize,
}

impl Seals {
    /// `count` messages for a peer of that end, with whose session nobody else seals.
    pub fn new(end: Arc<End>, peer: u32, workload: &Workload, count: usize) -> Result<Self, Error> {
        let &Workload { bytes, seed, .. } = workload;
        Ok(Self {
            session: end.node.session(peer).expect("every peer of the end has one"),
            other: end.other(peer, Way::Out)?,
            plain: fixture::messages(count, bytes, seed),
            frames: end.slots(count, bytes),
            end,
            peer,
            before: 0,
            shared: None,
            refused: 0,
        })
    }

    /// The same for one of several threads that seal with one session.
    pub fn shared(self, thread: usize, taken: &Taken) -> Self {
        Self { shared: Some((thread, Arc::clone(taken))), ..self }
    }

    /// Checks the counter of frame `i`.
    fn counted(&self, i: usize, counter: u64) -> Result<(), String> {
        let Some((thread, taken)) = &self.shared else {
            let next = self.before + 1 + i as u64;
            if counter == next {
                return Ok(());
            }
            return Err(format!("frame {i} has the counter {counter}, not the next one, {next}"));
        };
        let sealed = self.session.counters().sealed;
        if counter <= self.before || counter > sealed {
            let before = self.before;
            return Err(format!("frame {i} has the counter {counter}, not one of {before}+1 to {sealed}"));
        }
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.insert(counter, (*thread, i)) {
            Some(other) if other != (*thread, i) => {
                Err(format!("frame {i} has the counter {counter}, which frame {other:?} has too"))
            }
            _ => Ok(()),
        }
    }
}

impl Timed for Seals {
    fn reset(&mut self) {
        self.before = self.session.counters().sealed;
        self.frames.iter_mut().for_each(|frame| frame.fill(0));
        if let Some((_, taken)) = &self.shared {
            taken.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn run(&mut self) {
        let mut link = self.end.node.link(black_box(self.peer));
        for (plain, frame) in self.plain.iter().zip(self.frames.iter_mut()) {
            let done = link.seal_into(black_box(plain), black_box(frame));
            self.refused += usize::from(done.is_err());
        }
        black_box(&mut self.frames);
    }

    fn move_to(&mut self, offset: usize) -> bool {
        let kept = self.plain.copied();
        self.plain.move_to(offset + 2048);
        self.plain.copy_from(&kept);
        self.frames.move_to(offset);
        true
    }

    fn count(&self) -> u64 {
        self.plain.iter().count() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        none_refused(self.refused)?;
        let header_len = self.end.header_len();
        for (i, (plain, frame)) in self.plain.iter().zip(self.frames.iter()).enumerate() {
            // Both kinds of frame end their header with the counter.
            let (_, counter) = frame[..header_len].split_last_chunk().expect("it is longer");
            self.counted(i, u64::from_be_bytes(*counter))?;
            let mut expected = vec![0; frame.len()];
            let sealed = self.other.seal_into(u64::from_be_bytes(*counter), plain, &mut expected);
            sealed.map_err(|error| format!("the reference refused message {i}: {error}"))?;
            if *frame != *expected {
                return Err(format!("frame {i} is not the reference's"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Fault, pass};

    const MODES: [Mode; 2] = [Mode::Safe, Mode::Hardened];

    fn seals(mode: Mode, engine: &'static dyn Engine, bytes: usize, count: usize) -> Box<dyn Timed> {
        let usual = catalog::find("seal/frame/64").unwrap();
        let workload = Workload { bytes, ..usual.clone() };
        prepare(mode, &workload, engine, count).unwrap()
    }

    #[test]
    fn every_engine_seals_frames() {
        for mode in MODES {
            let make = |engine, bytes, count| seals(mode, engine, bytes, count);
            let seen = testing::right_at_every_length(&[0, 1, 64, 1350], 4, make);
            assert!(seen >= 4, "{seen}");
        }
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::FlipsTag, Fault::Refuses];
        for mode in MODES {
            testing::caught(&faults, |engine| seals(mode, engine, 100, 2));
        }
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let mut timed = seals(Mode::Safe, find("sealmark").unwrap(), 10, 3);
        assert_eq!(pass(&mut *timed), Ok(()));
        timed.reset();
        assert!(
            timed.check().is_err_and(|why| why.contains("frame 0 has the counter 0, not the next one, 4"))
        );
    }

    #[test]
    fn two_frames_of_one_counter_are_found() {
        let end = End::new(Mode::Safe, find("sealmark").unwrap(), 0).unwrap();
        let workload = catalog::find("seal/frame/64").unwrap();
        let taken = Taken::default();
        let share = |thread| Seals::new(Arc::clone(&end), PEER, workload, 3).unwrap().shared(thread, &taken);
        let (mut one, mut other) = (share(0), share(1));
        for _ in 0..2 {
            one.reset();
            other.reset();
            other.run();
            one.run();
            assert_eq!((one.check(), other.check()), (Ok(()), Ok(())));
            assert_eq!(one.check(), Ok(()), "again");
        }
        other.frames.copy_from(&one.frames);
        assert!(other.check().is_err_and(|why| why.contains("which frame (0, 0) has too")));
    }
}
