//! `open/frame` and `open/hardened-frame`: opening a frame as a receiver does that has a link to the peer:
//! look for its sessions there, open in place, and record the counter in the replay window. Opening by the
//! sender's id is `open/peers`.
//!
//! The frames are authentic, come from one peer of a hundred and were sealed with another engine. Each call
//! leaves the message in its own slot and a verdict, and takes a counter that is refused from then on; a
//! reset restores the frame, clears the verdict and gives the peer a new session.

use std::hint::black_box;
use std::sync::Arc;

use super::fixture::{self, End, Frames, PEER};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::Overlap;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::{all_opened, forged, refused_as};
use crate::scheme::tunnel::{self, Mode};
use crate::timing::Timed;

/// Opens an authentic frame.
pub(super) const fn kind(mode: Mode) -> Frames {
    Frames { name: "open", mode, prepare, opens: true, overlap: Some(Overlap::Independent) }
}

fn prepare(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    let end = End::new(mode, engine, workload.seed)?;
    Ok(Box::new(Opens::new(end, PEER, workload, &counters(count))?))
}

/// The counters of a session's first `count` frames.
pub(super) fn counters(count: usize) -> Vec<u64> {
    (1..=count as u64).collect()
}

/// Authentic frames of one peer.
pub(super) struct Opens {
    pub end: Arc<End>,
    pub peer: u32,
    /// Whether a reset gives the peer a new session; the other threads of a peer leave that to the first.
    pub renews: bool,
    pub plain: Slots,
    pub sealed: Slots,
    pub frames: Slots,
    pub opened: Vec<bool>,
}

impl Opens {
    /// A frame of the peer for each of these counters.
    pub fn new(end: Arc<End>, peer: u32, workload: &Workload, counters: &[u64]) -> Result<Self, Error> {
        let (count, &Workload { bytes, seed, .. }) = (counters.len(), workload);
        let plain = fixture::messages(count, bytes, seed);
        let sealed = end.sealed_by(peer, (&plain, bytes), counters.iter().copied())?;
        let frames = end.slots(count, bytes);
        Ok(Self { end, peer, renews: true, plain, sealed, frames, opened: vec![false; count] })
    }

    /// Checks that every frame was opened to its message, and that none is opened again.
    pub fn all_opened(&self) -> Result<(), String> {
        if let Some(i) = self.opened.iter().position(|opened| !opened) {
            return Err(format!("frame {i} was refused, or never opened"));
        }
        all_opened("frame", self.frames.iter().map(|frame| self.end.message(frame)), self.plain.iter())?;
        for (i, frame) in self.sealed.iter().enumerate() {
            match self.end.node.open_in_place(&mut frame.to_vec()).map(drop) {
                Err(tunnel::Error::Replay | tunnel::Error::OutsideWindow) => {}
                Err(error) => {
                    return Err(format!("frame {i} is refused as another one than a replay: {error}"));
                }
                Ok(()) => return Err(format!("frame {i} is opened a second time")),
            }
        }
        Ok(())
    }
}

impl Timed for Opens {
    fn reset(&mut self) {
        self.frames.copy_from(&self.sealed);
        self.opened.fill(false);
        if self.renews {
            self.end.install(self.peer).expect("the engine made this key before");
        }
    }

    fn run(&mut self) {
        let mut link = self.end.node.link(black_box(self.peer));
        for (frame, opened) in self.frames.iter_mut().zip(&mut self.opened) {
            let message = link.open_in_place(black_box(frame));
            *opened = message.is_ok_and(|message| message.peer == self.peer);
        }
        black_box(&mut self.frames);
        black_box(&self.opened);
    }

    fn move_to(&mut self, offset: usize) -> bool {
        self.frames.move_to(offset);
        true
    }

    fn count(&self) -> u64 {
        self.opened.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        self.all_opened()
    }

    fn refuse_forgery(&mut self) -> Result<(), String> {
        let Some(mut frame) = self.sealed.iter().next().and_then(forged) else { return Ok(()) };
        let opened = self.end.node.open_in_place(&mut frame).map(drop);
        refused_as("frame", opened, &tunnel::Error::NotAuthentic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{self, Broken, Fault, pass};

    const MODES: [Mode; 2] = [Mode::Safe, Mode::Hardened];

    fn opens(mode: Mode, engine: &'static dyn Engine, bytes: usize, count: usize) -> Box<dyn Timed> {
        let usual = catalog::find("open/frame/64").unwrap();
        let workload = Workload { bytes, ..usual.clone() };
        prepare(mode, &workload, engine, count).unwrap()
    }

    #[test]
    fn every_engine_opens_frames() {
        for mode in MODES {
            let make = |engine, bytes, count| opens(mode, engine, bytes, count);
            let seen = testing::right_at_every_length(&[0, 1, 64, 1350], 4, make);
            assert!(seen >= 4, "{seen}");
        }
    }

    #[test]
    fn a_pass_may_be_longer_than_the_window() {
        for mode in MODES {
            let mut timed = opens(mode, find("sealmark").unwrap(), 1, 300);
            assert_eq!((pass(&mut *timed), pass(&mut *timed)), (Ok(()), Ok(())), "{mode:?}");
        }
    }

    #[test]
    fn a_wrong_engine_is_caught() {
        for mode in MODES {
            let faults = [Fault::DoesNothing, Fault::FlipsText, Fault::Refuses];
            testing::caught(&faults, |engine| opens(mode, engine, 100, 2));
        }
    }

    #[test]
    fn an_engine_that_opens_forged_frames_is_caught() {
        for mode in MODES {
            let open = |engine| opens(mode, engine, 100, 2).refuse_forgery();
            assert_eq!(open(find("sealmark").unwrap()), Ok(()));
            assert!(open(Broken::with(Fault::AcceptsAnything)).is_err_and(|why| why.contains("is opened")));
        }
    }

    #[test]
    fn what_was_not_run_has_not_passed() {
        let mut timed = opens(Mode::Safe, find("sealmark").unwrap(), 10, 3);
        timed.reset();
        assert!(timed.check().is_err_and(|why| why.contains("never opened")));
    }

    #[test]
    fn a_window_that_forgets_a_counter_is_found() {
        let end = End::new(Mode::Safe, find("sealmark").unwrap(), 0).unwrap();
        let workload = catalog::find("open/frame/64").unwrap();
        let mut timed = Opens::new(end, PEER, workload, &counters(3)).unwrap();
        assert_eq!(pass(&mut timed), Ok(()));
        timed.end.install(PEER).unwrap();
        assert_eq!(timed.check(), Err("frame 0 is opened a second time".into()));
    }
}
