//! `reject/frame` and `reject/hardened-frame`: refusing a forged frame whose counter is fresh, so that the
//! cipher has to refuse it.
//!
//! The last bit of each frame is flipped. Each call leaves a verdict, an empty message in its own slot and
//! one failure more in the session, and leaves the window as it is; a reset restores the frame and clears the
//! verdict.

use std::hint::black_box;
use std::sync::Arc;

use super::fixture::{self, End, Frames, PEER};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::Slots;
use crate::measure::workload::fixture::compare::none_not_opened;
use crate::scheme::tunnel::session::Session;
use crate::scheme::tunnel::{self, Mode};
use crate::timing::Timed;

/// Refuses a forged frame.
pub(super) const fn kind(mode: Mode) -> Frames {
    Frames { name: "reject", mode, prepare, opens: true, overlap: None }
}

fn prepare(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(rejects(mode, workload, engine, count)?))
}

/// The verdict on a frame; none while no call has examined it.
type Verdict = Option<Result<(), tunnel::Error>>;

/// Frames of one peer that are refused.
pub(super) struct Refusals {
    pub end: Arc<End>,
    pub session: Arc<Session>,
    /// The frames as they arrive.
    pub arrive: Slots,
    frames: Slots,
    verdicts: Vec<Verdict>,
    expected: tunnel::Error,
    /// The highest counter of the window and the refusals of this kind, before the pass.
    before: (u64, u64),
    refusals: fn(&Session) -> u64,
}

impl Refusals {
    /// Frames of [`PEER`], each refused as `expected`; `refusals` counts these refusals.
    pub fn new(end: Arc<End>, arrive: Slots, expected: tunnel::Error, refusals: fn(&Session) -> u64) -> Self {
        let session = end.node.session(PEER).expect("every peer of the end has one");
        let (frames, count) = (arrive.copied(), arrive.iter().count());
        let before = (session.window_max(), refusals(&session));
        Self { end, session, arrive, frames, verdicts: vec![None; count], expected, before, refusals }
    }

    /// The verdicts on copies of frames.
    pub fn open<'a>(&self, frames: impl Iterator<Item = &'a [u8]>) -> Vec<Result<(), tunnel::Error>> {
        frames.map(|frame| self.end.node.open_in_place(&mut frame.to_vec()).map(drop)).collect()
    }
}

impl Timed for Refusals {
    fn reset(&mut self) {
        self.frames.copy_from(&self.arrive);
        self.verdicts.fill(None);
        self.before = (self.session.window_max(), (self.refusals)(&self.session));
    }

    fn run(&mut self) {
        let mut link = self.end.node.link(black_box(PEER));
        for (frame, verdict) in self.frames.iter_mut().zip(&mut self.verdicts) {
            *verdict = Some(link.open_in_place(black_box(frame)).map(drop));
        }
        black_box(&mut self.frames);
        black_box(&self.verdicts);
    }

    fn move_to(&mut self, offset: usize) -> bool {
        self.frames.move_to(offset);
        true
    }

    fn count(&self) -> u64 {
        self.verdicts.len() as u64
    }

    fn check(&mut self) -> Result<(), String> {
        let refused = Some(Err(self.expected));
        if let Some(i) = self.verdicts.iter().position(|verdict| *verdict != refused) {
            let verdict = self.verdicts[i];
            return Err(format!("frame {i} was not refused as `{}`: {verdict:?}", self.expected));
        }
        let left = |frame| self.end.message(frame).iter().any(|byte| *byte != 0);
        if let Some(i) = self.frames.iter().position(left) {
            return Err(format!("refusing frame {i} left bytes in its buffer"));
        }
        let (max, refusals) = (self.session.window_max(), (self.refusals)(&self.session));
        let expected = (self.before.0, self.before.1 + self.count());
        if (max, refusals) != expected {
            return Err(format!("the session has {:?}, not {expected:?}", (max, refusals)));
        }
        Ok(())
    }

    /// Every timed frame is forged, so this check makes sure that the authentic ones are accepted.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        let authentic: Vec<Vec<u8>> = self.arrive.iter().map(flipped).collect();
        let verdicts = self.open(authentic.iter().map(Vec::as_slice));
        // The counters must be fresh in the next pass.
        self.session = self.end.install(PEER).map_err(|error| error.to_string())?;
        none_not_opened(&verdicts)
    }
}

/// A copy of the frame with its last bit flipped.
pub(super) fn flipped(frame: &[u8]) -> Vec<u8> {
    let mut copy = frame.to_vec();
    *copy.last_mut().expect("a frame has a tag") ^= 1;
    copy
}

/// `count` forged frames with counters of their own.
fn rejects(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Refusals, Error> {
    let end = End::new(mode, engine, workload.seed)?;
    let plain = fixture::messages(count, workload.bytes, workload.seed);
    let mut arrive = end.sealed_by(PEER, (&plain, workload.bytes), 1..)?;
    arrive.iter_mut().for_each(|frame| *frame.last_mut().expect("a frame has a tag") ^= 1);
    Ok(Refusals::new(end, arrive, tunnel::Error::NotAuthentic, |session| session.counters().decrypt_fail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{engines, find};
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{Broken, Fault, pass};

    const MODES: [Mode; 2] = [Mode::Safe, Mode::Hardened];

    fn frames(mode: Mode, engine: &'static dyn Engine, bytes: usize) -> Refusals {
        let usual = catalog::find("reject/frame/64").unwrap();
        rejects(mode, &Workload { bytes, ..usual.clone() }, engine, 3).unwrap()
    }

    #[test]
    fn every_engine_refuses_forged_frames() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for (mode, bytes) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 64), (mode, 1350)]) {
                let mut timed = frames(mode, engine, bytes);
                assert!(timed.check().is_err_and(|why| why.contains("was not refused")), "not run yet");
                for _ in 0..3 {
                    assert_eq!(pass(&mut timed), Ok(()), "{} {bytes}", engine.name());
                    assert_eq!(timed.refuse_forgery(), Ok(()), "{} {bytes}", engine.name());
                }
                seen += 1;
            }
        }
        assert!(seen >= 6, "{seen}");
    }

    #[test]
    fn an_engine_that_opens_a_forged_frame_or_refuses_an_authentic_one_is_caught() {
        for mode in MODES {
            for fault in [Fault::AcceptsAnything, Fault::DoesNothing] {
                let found = pass(&mut frames(mode, Broken::with(fault), 100));
                assert!(found.is_err_and(|why| why.contains("Some(Ok(()))")), "{fault:?}");
            }
            let mut refuses = frames(mode, Broken::with(Fault::Refuses), 100);
            assert!(refuses.refuse_forgery().is_err_and(|why| why.contains("message 0 was refused")));
        }
    }

    #[test]
    fn a_session_that_was_not_asked_shows_in_its_counters() {
        let mut timed = frames(Mode::Safe, find("sealmark").unwrap(), 100);
        assert_eq!(pass(&mut timed), Ok(()));
        timed.before.1 += 1;
        assert!(timed.check().is_err_and(|why| why.starts_with("the session has (")));
    }
}
