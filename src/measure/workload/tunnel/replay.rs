//! `replay/frame` and `replay/hardened-frame`: refusing an authentic frame that was opened before. It costs
//! as much as opening it: only authentic frames get a verdict of the window.
//!
//! Each call leaves a verdict, an empty message in its own slot and one replay more in the session; a reset
//! restores the frame and clears the verdict.

use super::fixture::{self, End, Frames, PEER};
use super::reject::{Refusals, flipped};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::compare::refused_as;
use crate::scheme::tunnel::session::Session;
use crate::scheme::tunnel::{self, Mode};
use crate::timing::Timed;

/// Refuses a frame that was opened before.
pub(super) const fn kind(mode: Mode) -> Frames {
    Frames { name: "replay", mode, prepare, opens: true, overlap: None }
}

fn prepare(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Box<dyn Timed>, Error> {
    Ok(Box::new(replays(mode, workload, engine, count)?))
}

/// The counters that frames have: all of them are in the window at the same time.
const COUNTERS: usize = 128;

/// Replayed frames.
struct Replays(Refusals);

/// `count` frames that were opened before. Where there are more than [`COUNTERS`], frames repeat.
fn replays(
    mode: Mode,
    workload: &Workload,
    engine: &'static dyn Engine,
    count: usize,
) -> Result<Replays, Error> {
    let end = End::new(mode, engine, workload.seed)?;
    let plain = fixture::messages(count.min(COUNTERS), workload.bytes, workload.seed);
    let sealed = end.sealed_by(PEER, (&plain, workload.bytes), 1..)?;
    for frame in sealed.iter() {
        end.node.open_in_place(&mut frame.to_vec()).map_err(fixture::refused)?;
    }
    let mut arrive = end.slots(count, workload.bytes);
    for (slot, frame) in arrive.iter_mut().zip(sealed.iter().collect::<Vec<_>>().into_iter().cycle()) {
        slot.copy_from_slice(frame);
    }
    let replays = |session: &Session| session.counters().replay;
    Ok(Replays(Refusals::new(end, arrive, tunnel::Error::Replay, replays)))
}

impl Timed for Replays {
    fn reset(&mut self) {
        self.0.reset();
    }

    fn run(&mut self) {
        self.0.run();
    }

    fn move_to(&mut self, offset: usize) -> bool {
        self.0.move_to(offset)
    }

    fn count(&self) -> u64 {
        self.0.count()
    }

    fn check(&mut self) -> Result<(), String> {
        self.0.check()
    }

    /// The same frames with a flipped bit. An engine that leaves its work out on some of them is found here
    /// alone: the verdict on a replay is the window's.
    fn refuse_forgery(&mut self) -> Result<(), String> {
        let mut forged: Vec<Vec<u8>> = self.0.arrive.iter().map(flipped).collect();
        forged.truncate(COUNTERS);
        while forged.len() < 2 {
            forged.push(forged[0].clone());
        }
        let verdicts = self.0.open(forged.iter().map(Vec::as_slice));
        verdicts
            .into_iter()
            .try_for_each(|verdict| refused_as("frame", verdict, &tunnel::Error::NotAuthentic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{engines, find};
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::{Broken, Fault, pass};

    const MODES: [Mode; 2] = [Mode::Safe, Mode::Hardened];

    fn frames(mode: Mode, engine: &'static dyn Engine, bytes: usize, count: usize) -> Replays {
        let usual = catalog::find("replay/frame/64").unwrap();
        replays(mode, &Workload { bytes, ..usual.clone() }, engine, count).unwrap()
    }

    #[test]
    fn every_engine_refuses_replayed_frames() {
        let mut seen = 0;
        for engine in engines().into_iter().filter(|e| e.available().is_ok()) {
            for (mode, bytes) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 64), (mode, 1350)]) {
                // Some more than the window holds, where that takes no time.
                let mut timed = frames(mode, engine, bytes, if bytes == 0 { 300 } else { 3 });
                assert!(timed.check().is_err_and(|why| why.contains("was not refused")), "not run yet");
                for _ in 0..3 {
                    assert_eq!(pass(&mut timed), Ok(()), "{} {bytes}", engine.name());
                }
                assert_eq!(timed.refuse_forgery(), Ok(()), "{} {bytes}", engine.name());
                seen += 1;
            }
        }
        assert!(seen >= 6, "{seen}");
    }

    #[test]
    fn an_engine_that_accepts_anything_is_caught_although_the_window_refuses() {
        for mode in MODES {
            let mut timed = frames(mode, Broken::with(Fault::AcceptsAnything), 100, 1);
            assert_eq!(pass(&mut timed), Ok(()), "the window alone refuses a replay");
            let found = timed.refuse_forgery();
            assert!(found.is_err_and(|why| why.contains("is refused as something else")));
            assert!(
                replays(mode, catalog::find("replay/frame/64").unwrap(), Broken::with(Fault::Refuses), 1)
                    .is_err()
            );
        }
    }

    #[test]
    fn a_frame_that_is_opened_again_is_found() {
        let mut timed = frames(Mode::Safe, find("sealmark").unwrap(), 100, 3);
        timed.0.end.install(PEER).unwrap();
        assert!(pass(&mut timed).is_err_and(|why| why.contains("was not refused")));
    }
}
